//! Elements as attributes and back.
//!
//! A range of a lone field is two elements for the kernel: its first key, and the key behind its last with
//! `NFT_SET_ELEM_INTERVAL_END`. A range of a concatenation is one, with `KEY` and `KEY_END`. Here both are one
//! [`Element`].

use netlink_packet_core::{DefaultNla, Emitable};
use netlink_packet_netfilter::nftables::{
    DataAttribute, ListAttribute, SetElementAttribute, SetElementFlags, SetElementList, SetElementMessage,
};

use super::attr::Attrs;
use super::object::{check_set, is_ranged_concat};
use super::{Refusal, expr, name};
use crate::key::{Key, KeyType, type_names};
use crate::model::{Data, Element, Set, SetData, Table};
use crate::userdata::{self, Tlv};

/// `NFTA_DATA_VALUE` and `NFTA_DATA_VERDICT`, `include/uapi/linux/netfilter/nf_tables.h`
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// `NFTA_LIST_ELEM`
const LIST_ELEM: u16 = 1;
/// `NFTA_SET_ELEM_LIST_ELEMENTS`
const LIST_ELEMENTS: u16 = 3;
/// `NFTA_SET_ELEM_*`
const KEY: u16 = 1;
const DATA: u16 = 2;
const FLAGS: u16 = 3;
const USERDATA: u16 = 6;
const KEY_END: u16 = 10;

/// Which attributes of an element are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Everything, to add it.
    All,
    /// What names it, to delete it.
    KeyOnly,
}

type Attribute = ListAttribute<SetElementAttribute>;

/// The attributes of one element, one or two.
pub(crate) fn encode(set: &Set, element: &Element, parts: Parts) -> Result<Vec<Attribute>, Refusal> {
    check_set(set)?;
    check_key(set, &element.key)?;
    check_key(set, element.last())?;
    let mut first = vec![SetElementAttribute::Key(DataAttribute::Value(element.key.bytes()))];
    let mut end = None;
    if is_ranged_concat(set) {
        first.push(SetElementAttribute::KeyEnd(vec![DefaultNla::new(DATA_VALUE, element.last().bytes())]));
    } else if is_tree(set) {
        end = successor(element.last()).map(bound);
    } else if element.last.is_some() {
        return Err("the set has no ranges".to_owned());
    }
    if is_backwards(element) {
        return Err("the range ends before it begins".to_owned());
    }
    if parts == Parts::All {
        first.extend(data(set, element.data.as_ref())?);
        let bytes = userdata::encode(element.comment.as_deref(), element.private.as_ref())?;
        first.extend((!bytes.is_empty()).then_some(SetElementAttribute::UserData(bytes)));
    }
    Ok([Attribute::Element(first)].into_iter().chain(end).collect())
}

/// Whether ranges are two bounds.
fn is_tree(set: &Set) -> bool {
    set.interval && !is_ranged_concat(set)
}

fn check_key(set: &Set, key: &Key) -> Result<(), Refusal> {
    let types = key.types();
    if types == set.key {
        return Ok(());
    }
    Err(format!("the key is {}, the set wants {}", type_names(&types), type_names(&set.key)))
}

fn is_backwards(element: &Element) -> bool {
    let fields = element.key.values().iter().zip(element.last().values());
    fields.into_iter().any(|(first, last)| first.bytes() > last.bytes())
}

/// The key behind a key of one field; there is none behind the last of all, whose range stays open.
fn successor(key: &Key) -> Option<Vec<u8>> {
    let mut bytes = key.bytes();
    for byte in bytes.iter_mut().rev() {
        let (next, overflow) = byte.overflowing_add(1);
        *byte = next;
        if !overflow {
            return Some(bytes);
        }
    }
    None
}

fn predecessor(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    for byte in bytes.iter_mut().rev() {
        let (next, overflow) = byte.overflowing_sub(1);
        *byte = next;
        if !overflow {
            return Some(bytes);
        }
    }
    None
}

/// The end of a range.
fn bound(key: Vec<u8>) -> Attribute {
    Attribute::Element(vec![
        SetElementAttribute::Key(DataAttribute::Value(key)),
        SetElementAttribute::Flags(SetElementFlags::IntervalEnd),
    ])
}

fn data(set: &Set, data: Option<&Data>) -> Result<Option<SetElementAttribute>, Refusal> {
    let data = match (&set.data, data) {
        (None, None) => return Ok(None),
        (Some(SetData::Verdict), Some(Data::Verdict(verdict))) => expr::verdict(verdict)?,
        (Some(SetData::Values(types)), Some(Data::Values(values))) if values.types() == *types => {
            DataAttribute::Value(values.bytes())
        }
        (None, Some(_)) => return Err("a set has no data".to_owned()),
        (Some(_), _) => return Err("the data is not of the map's type".to_owned()),
    };
    Ok(Some(SetElementAttribute::Data(data)))
}

/// What to ask for one key. Where ranges are a tree of bounds, the answer to the key is the beginning of its range; the
/// range containing the next key, and the end that follows that, tell where it ends. (Asked for an end where another
/// range begins, kernels differ: 6.18 answers with the end of that other range.)
pub(crate) fn query(set: &Set, key: &Key) -> Result<Vec<Attribute>, Refusal> {
    check_set(set)?;
    check_key(set, key)?;
    let start = |key| Attribute::Element(vec![SetElementAttribute::Key(DataAttribute::Value(key))]);
    let mut query = vec![start(key.bytes())];
    if is_tree(set)
        && let Some(next) = successor(key)
    {
        query.extend([start(next.clone()), bound(next)]);
    }
    Ok(query)
}

/// The element in the answers to a [`query`], which stop at the first that is not found.
pub(crate) fn found(set: &Set, key: &Key, answers: Vec<Raw>) -> Option<Element> {
    let mut answers = answers.into_iter();
    let first = answers.next()?;
    let last = is_tree(set).then(|| match (successor(key), answers.next(), answers.next()) {
        (None, ..) => key.bytes(),
        (_, Some(next), end) if next.key == first.key => match end {
            Some(end) => predecessor(end.key).unwrap_or_default(),
            None => vec![u8::MAX; first.key.len()],
        },
        _ => key.bytes(),
    });
    element(&set.key, first, last)
}

/// The message for elements of a set; with an id, of the set that the same batch creates.
pub(crate) fn message(
    table: &Table,
    set: &str,
    id: Option<u32>,
    elements: Vec<Attribute>,
) -> Result<SetElementMessage, Refusal> {
    let mut attributes = vec![SetElementList::Table(name(&table.name)?), SetElementList::Set(name(set)?)];
    attributes.extend(id.map(SetElementList::SetId));
    if !elements.is_empty() {
        attributes.push(SetElementList::Elements(elements));
    }
    Ok(SetElementMessage { attributes })
}

/// The bytes before the first element of a [`message`] without id.
pub(crate) fn offset_of_elements(table: &Table, set: &Set) -> usize {
    let nlmsghdr_and_nfgenmsg = 16 + 4;
    let empty = [SetElementList::Table(table.name.clone()), SetElementList::Set(set.name.clone())];
    let list_header = 4;
    nlmsghdr_and_nfgenmsg + empty.as_slice().buffer_len() + list_header
}

/// An element as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Raw {
    key: Vec<u8>,
    key_end: Option<Vec<u8>>,
    is_end: bool,
    data: Option<Data>,
    comment: Option<String>,
    private: Option<Tlv>,
}

/// The elements in one `NFT_MSG_NEWSETELEM`. Elements without key (`NFT_SET_ELEM_CATCHALL`) are not ours.
pub(crate) fn decode(set: &Set, payload: &[u8], into: &mut Vec<Raw>) {
    let Some(list) = Attrs(payload).nested(LIST_ELEMENTS) else { return };
    let elements = list.iter().filter(|(kind, _)| *kind == LIST_ELEM);
    into.extend(elements.filter_map(|(_, element)| decode_one(set, Attrs(element))));
}

fn decode_one(set: &Set, element: Attrs<'_>) -> Option<Raw> {
    let key = element.nested(KEY)?.find(DATA_VALUE)?.to_vec();
    let key_end = element.nested(KEY_END).and_then(|end| end.find(DATA_VALUE)).map(<[u8]>::to_vec);
    let flags = SetElementFlags::from_bits_retain(element.be32(FLAGS).unwrap_or_default());
    let (comment, private) = element.find(USERDATA).map(userdata::decode).unwrap_or_default();
    let data = element.nested(DATA).and_then(|data| decode_data(set, data));
    Some(Raw { key, key_end, is_end: flags.contains(SetElementFlags::IntervalEnd), data, comment, private })
}

fn decode_data(set: &Set, data: Attrs<'_>) -> Option<Data> {
    match set.data.as_ref()? {
        SetData::Verdict => expr::read_verdict(data.nested(DATA_VERDICT)?).map(Data::Verdict),
        SetData::Values(types) => Key::from_bytes(types, data.find(DATA_VALUE)?).map(Data::Values),
    }
}

/// Makes elements of what the kernel listed; `None` when it is not of the set's types.
pub(crate) fn join(set: &Set, mut raws: Vec<Raw>) -> Option<Vec<Element>> {
    if !is_tree(set) {
        return raws.into_iter().map(|raw| element(&set.key, raw, None)).collect();
    }
    // An end sorts before a beginning at the same key: there one range ends and the next begins.
    raws.sort_by(|a, b| (&a.key, !a.is_end).cmp(&(&b.key, !b.is_end)));
    let mut elements = Vec::new();
    let mut rest = raws.into_iter().peekable();
    while let Some(raw) = rest.next() {
        if raw.is_end {
            continue;
        }
        // Without an end of its own a range goes on to where the next one begins, or to the last key of all.
        let last = match rest.peek() {
            Some(next) => predecessor(next.key.clone())?,
            None => vec![u8::MAX; raw.key.len()],
        };
        elements.push(element(&set.key, raw, Some(last))?);
    }
    Some(elements)
}

fn element(types: &[KeyType], raw: Raw, last: Option<Vec<u8>>) -> Option<Element> {
    let key = Key::from_bytes(types, &raw.key)?;
    let last = match last.or(raw.key_end) {
        Some(bytes) => Key::from_bytes(types, &bytes)?,
        None => key.clone(),
    };
    Some(Element { data: raw.data, comment: raw.comment, private: raw.private, ..Element::range(key, last) })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn raw(key: [u8; 4], is_end: bool) -> Raw {
        Raw { key: key.to_vec(), key_end: None, is_end, data: None, comment: None, private: None }
    }

    fn addr(octets: [u8; 4]) -> Ipv4Addr {
        octets.into()
    }

    fn tree() -> Set {
        Set::new("s", [KeyType::Ipv4Addr]).interval()
    }

    #[test]
    fn range_is_two_bounds() {
        let element = Element::range(addr([10, 0, 0, 0]), addr([10, 0, 0, 255]));
        let attributes = encode(&tree(), &element, Parts::KeyOnly).unwrap();
        let first = Attribute::Element(vec![SetElementAttribute::Key(DataAttribute::Value(vec![10, 0, 0, 0]))]);
        assert_eq!(attributes, [first, bound(vec![10, 0, 1, 0])]);
    }

    #[test]
    fn range_to_the_last_address_has_no_end() {
        let element = Element::range(addr([255, 0, 0, 0]), addr([255; 4]));
        assert_eq!(encode(&tree(), &element, Parts::KeyOnly).unwrap().len(), 1);
    }

    #[test]
    fn bounds_join_again() {
        // In the kernel's order, which is descending, with nft's leading end and an open last range.
        let raws = vec![
            raw([255, 255, 0, 0], false),
            raw([10, 0, 2, 0], true),
            raw([10, 0, 1, 0], false),
            raw([10, 0, 1, 0], true),
            raw([10, 0, 0, 0], false),
            raw([0, 0, 0, 0], true),
        ];
        let expected = [
            Element::range(addr([10, 0, 0, 0]), addr([10, 0, 0, 255])),
            Element::range(addr([10, 0, 1, 0]), addr([10, 0, 1, 255])),
            Element::range(addr([255, 255, 0, 0]), addr([255; 4])),
        ];
        assert_eq!(join(&tree(), raws).unwrap(), expected);
    }

    #[test]
    fn range_without_end_goes_on_to_the_next() {
        let raws = vec![raw([10, 0, 0, 0], false), raw([10, 0, 0, 5], false), raw([10, 0, 0, 6], true)];
        let expected = [Element::range(addr([10, 0, 0, 0]), addr([10, 0, 0, 4])), Element::new(addr([10, 0, 0, 5]))];
        assert_eq!(join(&tree(), raws).unwrap(), expected);
    }

    #[test]
    fn end_of_a_range_is_found_from_any_key_of_it() {
        let range = |first: [u8; 4], last: [u8; 4]| Some(Element::range(addr(first), addr(last)));
        let start = || raw([10, 0, 0, 0], false);
        let at = |key: [u8; 4], answers: Vec<Raw>| found(&tree(), &addr(key).into(), answers);
        let inside = vec![start(), start(), raw([10, 0, 1, 0], true)];
        assert_eq!(at([10, 0, 0, 7], inside), range([10, 0, 0, 0], [10, 0, 0, 255]));
        assert_eq!(at([10, 0, 0, 7], vec![start()]), range([10, 0, 0, 0], [10, 0, 0, 7]));
        let adjacent = vec![start(), raw([10, 0, 0, 8], false), raw([10, 0, 1, 0], true)];
        assert_eq!(at([10, 0, 0, 7], adjacent), range([10, 0, 0, 0], [10, 0, 0, 7]));
        assert_eq!(at([10, 0, 0, 7], vec![start(), start()]), range([10, 0, 0, 0], [255; 4]));
        assert_eq!(at([255; 4], vec![start()]), range([10, 0, 0, 0], [255; 4]));
        assert_eq!(at([10, 0, 0, 7], vec![]), None);
    }

    #[test]
    fn mistakes_are_refused() {
        let refuse = |set: &Set, element: Element| encode(set, &element, Parts::All).unwrap_err();
        let plain = Set::new("s", [KeyType::Ipv4Addr]);
        assert_eq!(refuse(&plain, Element::new(80_u32)), "the key is mark, the set wants ipv4_addr");
        assert_eq!(refuse(&plain, Element::range(addr([1; 4]), addr([2; 4]))), "the set has no ranges");
        assert_eq!(refuse(&tree(), Element::range(addr([2; 4]), addr([1; 4]))), "the range ends before it begins");
        assert_eq!(refuse(&plain, Element::new(addr([1; 4])).to(80_u16)), "a set has no data");
        let map = Set::map("m", [KeyType::Ipv4Addr], [KeyType::Mark]);
        assert_eq!(refuse(&map, Element::new(addr([1; 4])).to(80_u16)), "the data is not of the map's type");
    }

    #[test]
    fn junk_is_no_element() {
        let mut raws = Vec::new();
        for junk in [&[][..], &[1, 2, 3], &[8, 0, 3, 0x80, 4, 0, 1, 0]] {
            decode(&tree(), junk, &mut raws);
        }
        assert_eq!(raws, []);
    }
}
