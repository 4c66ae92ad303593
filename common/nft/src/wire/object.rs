//! Tables, chains and sets as messages.

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    ChainAttribute, ChainMessage, Hook as HookAttribute, HookNumber, InetHookNumber, NfTablesMessage, SetAttribute,
    SetDescription, SetFlags, SetMessage, TableAttribute, TableMessage,
};

use super::attr::nested;
use super::expr::{NF_ACCEPT, NF_DROP};
use super::{Refusal, name};
use crate::key::{KeyType, REGISTER_LEN, key_len};
use crate::model::{Base, Chain, Hook, Policy, Set, SetData, Table};
use crate::userdata;

/// `NFTA_LIST_ELEM`, `include/uapi/linux/netfilter/nf_tables.h`
const LIST_ELEM: u16 = 1;
/// `NFTA_SET_FIELD_LEN`
const SET_FIELD_LEN: u16 = 1;
/// `NFT_DATA_VERDICT`: the type of a map's data when it gives verdicts.
const DATA_VERDICT: u32 = 0xffff_ff00;
/// The longest key, `NFT_DATA_VALUE_MAXLEN`.
const KEY_MAX: usize = 64;
/// nft numbers a type in 6 bits, so that the number of a concatenation tells its parts.
const TYPE_BITS: u32 = 6;
/// `NFTNL_UDATA_SET_KEYBYTEORDER` and `NFTNL_UDATA_SET_DATABYTEORDER` of libnftnl
const UDATA_KEY_BYTEORDER: u8 = 0;
const UDATA_DATA_BYTEORDER: u8 = 1;
/// `enum byteorder` of nftables
const BYTEORDER_HOST: u32 = 1;
const BYTEORDER_BIG: u32 = 2;

/// What names a table.
pub(crate) fn table(table: &Table) -> Result<TableMessage, Refusal> {
    Ok(TableMessage { attributes: vec![TableAttribute::Name(name(&table.name)?)] })
}

/// What names a chain.
pub(crate) fn chain_name(table: &Table, chain: &str) -> Result<ChainMessage, Refusal> {
    Ok(ChainMessage { attributes: vec![ChainAttribute::Table(name(&table.name)?), ChainAttribute::Name(name(chain)?)] })
}

/// What defines a chain.
pub(crate) fn chain(table: &Table, chain: &Chain) -> Result<ChainMessage, Refusal> {
    let mut message = chain_name(table, &chain.name)?;
    if let Some(base) = chain.base {
        message.attributes.extend([hook(base), policy(base), ChainAttribute::Type(base.kind.name().to_owned())]);
    }
    Ok(message)
}

fn hook(base: Base) -> ChainAttribute {
    let number = match base.hook {
        Hook::Prerouting => InetHookNumber::PreRouting,
        Hook::Input => InetHookNumber::LocalIn,
        Hook::Forward => InetHookNumber::Forward,
        Hook::Output => InetHookNumber::LocalOut,
        Hook::Postrouting => InetHookNumber::PostRouting,
    };
    ChainAttribute::Hook(vec![
        HookAttribute::Number(HookNumber::Inet(number)),
        HookAttribute::Priority(base.priority.cast_unsigned()),
    ])
}

fn policy(base: Base) -> ChainAttribute {
    ChainAttribute::Policy(match base.policy {
        Policy::Accept => NF_ACCEPT,
        Policy::Drop => NF_DROP,
    })
}

/// What names a set.
pub(crate) fn set_name(table: &Table, set: &str) -> Result<SetMessage, Refusal> {
    Ok(SetMessage { attributes: vec![SetAttribute::Table(name(&table.name)?), SetAttribute::Name(name(set)?)] })
}

/// What defines a set. The id tells it from others of the same batch.
pub(crate) fn set(table: &Table, set: &Set, id: u32) -> Result<SetMessage, Refusal> {
    check_set(set)?;
    let mut message = set_name(table, &set.name)?;
    message.attributes.extend([
        SetAttribute::Flags(set_flags(set)),
        SetAttribute::KeyType(type_id(&set.key)),
        SetAttribute::KeyLen(len32(key_len(&set.key))),
        SetAttribute::Id(id),
    ]);
    match &set.data {
        None => {}
        Some(SetData::Verdict) => message.attributes.push(SetAttribute::DataType(DATA_VERDICT)),
        Some(SetData::Values(values)) => message
            .attributes
            .extend([SetAttribute::DataType(type_id(values)), SetAttribute::DataLen(len32(key_len(values)))]),
    }
    let userdata = byteorders(set)?;
    if !userdata.is_empty() {
        message.attributes.push(SetAttribute::UserData(userdata));
    }
    if is_ranged_concat(set) {
        message.attributes.push(SetAttribute::Description(vec![SetDescription::Concat(fields(&set.key))]));
    }
    Ok(message)
}

/// The set of a rule's own: constant, unnamed until the kernel numbers it.
pub(crate) fn anonymous_set(table: &Table, key: &[KeyType], id: u32) -> Result<(Set, NfTablesMessage), Refusal> {
    let definition = Set::new("__set%d", key);
    let mut message = set(table, &definition, id)?;
    message.attributes.retain(|attribute| !matches!(attribute, SetAttribute::Flags(_)));
    message.attributes.push(SetAttribute::Flags(SetFlags::Anonymous | SetFlags::Constant));
    Ok((definition, NfTablesMessage::NewSet(message)))
}

/// Refuses what the kernel would refuse less clearly, or take and misread.
pub(crate) fn check_set(set: &Set) -> Result<(), Refusal> {
    let values = match &set.data {
        Some(SetData::Values(values)) => values.as_slice(),
        Some(SetData::Verdict) | None => &[KeyType::Mark],
    };
    for types in [&set.key, values] {
        if types.is_empty() || key_len(types) > KEY_MAX {
            return Err(format!("keys and data have 1 to {} fields of 4 bytes", KEY_MAX / REGISTER_LEN));
        }
    }
    match set.key.as_slice() {
        [one] if set.interval && !one.is_big_endian() => Err(format!("a lone {} cannot be a range", one.name())),
        _ => Ok(()),
    }
}

/// Whether elements have `KEY` and `KEY_END`, as opposed to two bounds of a tree.
pub(crate) fn is_ranged_concat(set: &Set) -> bool {
    set.interval && set.key.len() > 1
}

fn set_flags(set: &Set) -> SetFlags {
    let mut flags = SetFlags::empty();
    flags.set(SetFlags::Map, set.data.is_some());
    flags.set(SetFlags::Interval, set.interval);
    flags.set(SetFlags::Concat, is_ranged_concat(set));
    flags
}

/// What nft needs to print a lone key or value: without it, it takes a number for big-endian. The parts of a
/// concatenation it knows.
fn byteorders(set: &Set) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    if let [kind] = set.key.as_slice() {
        userdata::push(&mut bytes, UDATA_KEY_BYTEORDER, &byteorder(*kind))?;
    }
    if let Some(SetData::Values(values)) = &set.data
        && let [kind] = values.as_slice()
    {
        userdata::push(&mut bytes, UDATA_DATA_BYTEORDER, &byteorder(*kind))?;
    }
    Ok(bytes)
}

fn byteorder(kind: KeyType) -> [u8; 4] {
    let order = if kind.is_big_endian() { BYTEORDER_BIG } else { BYTEORDER_HOST };
    order.to_ne_bytes()
}

fn type_id(types: &[KeyType]) -> u32 {
    types.iter().fold(0, |id, kind| (id << TYPE_BITS) | kind.id())
}

/// `NFTA_SET_DESC_CONCAT`: the lengths of the fields without padding.
fn fields(types: &[KeyType]) -> Vec<DefaultNla> {
    types
        .iter()
        .map(|kind| {
            let len = DefaultNla::new(SET_FIELD_LEN, len32(kind.len()).to_be_bytes().to_vec());
            nested(LIST_ELEM, &len)
        })
        .collect()
}

/// Lengths here are at most [`KEY_MAX`].
fn len32(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn concatenated_type_is_six_bits_a_field() {
        assert_eq!(type_id(&[KeyType::InetProto, KeyType::InetService]), 12 * 64 + 13);
    }

    #[test]
    fn only_ranged_concatenations_describe_their_fields() {
        let table = Table::new(crate::Family::Inet, "t");
        let pair = [KeyType::Ipv4Addr, KeyType::InetService];
        let plain = set(&table, &Set::new("s", pair), 1).unwrap();
        assert!(!plain.attributes.iter().any(|attribute| matches!(attribute, SetAttribute::Description(_))));
        let ranged = set(&table, &Set::new("s", pair).interval(), 1).unwrap();
        let lengths = fields(&pair);
        let description = SetAttribute::Description(vec![SetDescription::Concat(lengths)]);
        assert!(ranged.attributes.contains(&description));
    }

    #[test]
    fn unusable_definitions_are_refused() {
        assert!(check_set(&Set::new("s", [])).is_err());
        assert!(check_set(&Set::new("s", [KeyType::Ifname; 5])).is_err());
        assert!(check_set(&Set::new("s", [KeyType::Mark]).interval()).is_err());
        assert!(check_set(&Set::new("s", [KeyType::Mark, KeyType::Ipv4Addr]).interval()).is_ok());
    }
}
