//! Masquerading of single addresses, for attachments whose links are their own.
//!
//! What comes from such an address and leaves its subnet gets the address of the link that it leaves by, unless it goes to a
//! group. The state is a pair of address and subnet in a set, one set and one chain for all subnets with prefixes of one length:
//! so a packet is looked up by its addresses, however many there are. Ranges of addresses would make one set do, but the kernel
//! takes 50 ms to remove one of a thousand pairs of an address and a range (measured on 6.18, `net/netfilter/nft_set_pipapo.c`).
//!
//! One more set has the owners; an owner's element tells its addresses, so that nobody else's are looked at when it goes.

use std::{collections::BTreeSet, net::IpAddr};

use cni::{Attachment, Result};
use ipnetwork::IpNetwork;
use nft::{
    Batch, Chain, Element, Family, Key, KeyType, Nft, Rule, Set, Table,
    expr::{self, ip, ip6},
};

use crate::{
    Garbage, Owner, Section, TABLE, firewall,
    masquerade::{beyond_groups, postrouting},
    open_for_removal,
};

/// The type of the private datum of an owner's element: its addresses.
const ADDRESSES: u8 = 0x4d;
/// The longest that fits beside any comment (`nft::Tlv`).
const ADDRESSES_MAX: usize = 121;

/// An element, and the set that it is in.
type Placed = (Set, Element);

/// Makes sure that the owner's `addresses`, each with its subnet's prefix, are masqueraded, and no others that it has had.
/// An address that somebody else had is this owner's then.
pub fn ensure(nft: &mut Nft, owner: &Owner, addresses: &[IpNetwork]) -> Result<()> {
    for kind in kinds(addresses) {
        kind.section().ensure(nft)?;
    }
    nft.transaction(|nft| missing(nft, owner, addresses)).map_err(firewall)
}

/// Whether they are.
pub fn is_ensured(owner: &Owner, addresses: &[IpNetwork]) -> Result<bool> {
    let mut nft = Nft::open().map_err(firewall)?;
    for kind in kinds(addresses) {
        if !kind.section().is_there(&mut nft)? {
            return Ok(false);
        }
    }
    for (set, wanted) in elements(owner, addresses) {
        let present = nft.element(&table(), &set, &wanted.key).map_err(firewall)?;
        if !present.is_some_and(|present| is_of(owner, &present)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Ends the masquerading of what the owner has. `told` are addresses that it should have: they matter where its own element has
/// been lost.
pub fn release(owner: &Owner, told: &[IpNetwork]) -> Result<()> {
    remove(|nft| of_owner(nft, owner, told))
}

/// Ends the masquerading of attachments of `network` that are not in `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let garbage = Garbage::of(network, keep);
    remove(|nft| search(nft, |tag| garbage.owns(tag)))
}

fn remove(mut find: impl FnMut(&mut Nft) -> nft::Result<Vec<Placed>>) -> Result<()> {
    let Some(mut nft) = open_for_removal()? else { return Ok(()) };
    let commit = nft.transaction(|nft| {
        let mut batch = Batch::new();
        delete(&mut batch, find(nft)?);
        Ok(batch)
    });
    commit.map_err(firewall)
}

/// What is to be written so that the owner has these addresses.
fn missing(nft: &mut Nft, owner: &Owner, addresses: &[IpNetwork]) -> nft::Result<Batch> {
    let (wanted, mut batch) = (elements(owner, addresses), Batch::new());
    let mut in_the_way = of_owner(nft, owner, addresses)?;
    let is_there = |(_, wanted): &Placed| in_the_way.iter().any(|(_, own)| own.key == wanted.key);
    if in_the_way.len() == wanted.len() && wanted.iter().all(is_there) {
        return Ok(batch);
    }
    for (set, element) in &wanted {
        let present = nft.element(&table(), set, &element.key)?.filter(|present| !is_of(owner, present));
        in_the_way.extend(present.map(|present| (set.clone(), present)));
    }
    delete(&mut batch, in_the_way);
    for (set, element) in wanted {
        batch.add_elements(&table(), &set, [element]);
    }
    Ok(batch)
}

fn delete(batch: &mut Batch, going: Vec<Placed>) {
    for (set, element) in going {
        batch.delete_elements(&table(), &set, [element]);
    }
}

/// What the owner has, found by what its element tells. nft does not save that: after a restored ruleset, and where it has too
/// many addresses, all elements are looked through.
fn of_owner(nft: &mut Nft, owner: &Owner, told: &[IpNetwork]) -> nft::Result<Vec<Placed>> {
    let record = nft.element(&table(), &owners(), &owner.key())?.filter(|record| is_of(owner, record));
    let known = match &record {
        None => Some(told.to_vec()),
        Some(record) => addresses_of(record),
    };
    let Some(known) = known else { return search(nft, |tag| owner.owns(tag)) };
    let mut found: Vec<Placed> = record.map(|record| (owners(), record)).into_iter().collect();
    for (set, wanted) in each_once(&known).map(of_address) {
        let present = nft.element(&table(), &set, &wanted.key)?.filter(|present| is_of(owner, present));
        found.extend(present.map(|present| (set, present)));
    }
    Ok(found)
}

/// Everything whose tag is wanted.
fn search(nft: &mut Nft, wanted: impl Fn(&str) -> bool) -> nft::Result<Vec<Placed>> {
    let mut found = Vec::new();
    for set in [owners()].into_iter().chain(Kind::all().map(Kind::set)) {
        let listed = match nft.elements(&table(), &set) {
            Err(error) if error.is_not_found() => continue,
            listed => listed?,
        };
        let tagged = listed.into_iter().filter(|element| element.comment.as_deref().is_some_and(&wanted));
        found.extend(tagged.map(|element| (set.clone(), element)));
    }
    Ok(found)
}

fn is_of(owner: &Owner, element: &Element) -> bool {
    element.comment.as_deref().is_some_and(|tag| owner.owns(tag))
}

/// The owner's elements: its own, and those of its addresses.
fn elements(owner: &Owner, addresses: &[IpNetwork]) -> Vec<Placed> {
    let text = addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let record = Element::new(owner.key());
    let record = if text.len() > ADDRESSES_MAX { record } else { record.private(ADDRESSES, text) };
    let all = [(owners(), record)].into_iter().chain(each_once(addresses).map(of_address));
    all.map(|(set, element)| (set, element.comment(owner.tag()))).collect()
}

/// The addresses that an owner's element tells.
fn addresses_of(record: &Element) -> Option<Vec<IpNetwork>> {
    let datum = record.private.as_ref().filter(|datum| datum.kind == ADDRESSES)?;
    let words = std::str::from_utf8(&datum.value).ok()?.split_whitespace();
    words.map(|word| word.parse().ok()).collect()
}

/// A previous result may have an address twice.
fn each_once(addresses: &[IpNetwork]) -> impl Iterator<Item = &IpNetwork> {
    let mut seen = BTreeSet::new();
    addresses.iter().filter(move |address| seen.insert(**address))
}

/// The element of an address.
fn of_address(address: &IpNetwork) -> Placed {
    (Kind::of(address).set(), Element::new(Key::new().ip(address.ip()).ip(address.network())))
}

/// What a chain and its set are for: addresses of a family with prefixes of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    V4(u8),
    V6(u8),
}

/// Those of some addresses.
fn kinds(addresses: &[IpNetwork]) -> BTreeSet<Kind> {
    addresses.iter().map(Kind::of).collect()
}

impl Kind {
    fn of(address: &IpNetwork) -> Self {
        match address.ip() {
            IpAddr::V4(_) => Self::V4(address.prefix()),
            IpAddr::V6(_) => Self::V6(address.prefix()),
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        (0..=32).map(Self::V4).chain((0..=128).map(Self::V6))
    }

    fn suffix(self) -> String {
        match self {
            Self::V4(prefix) => format!("4_{prefix}"),
            Self::V6(prefix) => format!("6_{prefix}"),
        }
    }

    /// Pairs of an address and its subnet.
    fn set(self) -> Set {
        let address = match self {
            Self::V4(_) => KeyType::Ipv4Addr,
            Self::V6(_) => KeyType::Ipv6Addr,
        };
        Set::new(format!("masquerade_within{}", self.suffix()), [address, address])
    }

    /// The address is there, with its own subnet, and not with the destination's.
    fn rule(self) -> Rule {
        let (set, [to_v4, to_v6]) = (self.set(), beyond_groups());
        let (from, beyond, to) = match self {
            Self::V4(prefix) => {
                let with = |network| ip::saddr().dot_network(network, prefix);
                (with(ip::saddr()).in_set(&set), with(ip::daddr()).not_in_set(&set), to_v4)
            }
            Self::V6(prefix) => {
                let with = |network| ip6::saddr().dot_network(network, prefix);
                (with(ip6::saddr()).in_set(&set), with(ip6::daddr()).not_in_set(&set), to_v6)
            }
        };
        Rule::new([from, beyond, to, expr::masquerade()])
    }

    fn section(self) -> Section {
        let chain = Chain::base(format!("masquerading_within{}", self.suffix()), postrouting());
        Section { table: table(), sets: vec![owners(), self.set()], chains: vec![(chain, vec![self.rule()])] }
    }
}

fn owners() -> Set {
    Set::new("masquerade_owners", [KeyType::Mark; 4])
}

fn table() -> Table {
    Table::new(Family::Inet, TABLE)
}
