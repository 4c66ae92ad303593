//! Masquerading of what leaves a network.
//!
//! What comes from a home and leaves by the home's own link stays as it is; what else comes from a home gets the address
//! of the link that it leaves by, unless it goes to a group. The state is per subnet: the ADD and DEL of a container that is
//! not the first or last of its bridge writes nothing.

use std::net::{Ipv4Addr, Ipv6Addr};

use cni::Result;
use ipnetwork::IpNetwork;
use net::LinkIndex;
use nft::{
    Base, Chain, ChainType, Family, Hook, KeyType, Nft, Policy, Rule, Table,
    expr::{self, Expr, ip, ip6, meta},
    priority,
};

use crate::{FamilySets, HomeSets, Section, TABLE, firewall, open_for_removal, veth};

/// Everything in 224.0.0.0/4 and `ff00::/8` is a group (RFC 5771, RFC 4291).
const GROUPS_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(224, 0, 0, 0), 4);
const GROUPS_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);

/// Makes sure that `subnets` behind `link` are masqueraded.
pub fn ensure(nft: &mut Nft, subnets: &[IpNetwork], link: &str) -> Result<()> {
    homes().ensure(nft, subnets, link)
}

/// Whether `subnets` behind `link` are masqueraded.
pub fn is_ensured(subnets: &[IpNetwork], link: &str) -> Result<bool> {
    let (homes, mut nft) = (homes(), Nft::open().map_err(firewall)?);
    Ok(homes.section.is_there(&mut nft)? && homes.covers(&mut nft, subnets, link)?)
}

/// Ends the masquerading of everything behind `bridge`, unless it has ports other than `going` that are attachments'.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    open_for_removal()?.map_or(Ok(()), |mut nft| homes().release_unused(&mut nft, bridge, going))
}

/// Ends the masquerading of everything behind bridges that have no attachment's port.
pub fn release_garbage() -> Result<()> {
    open_for_removal()?.map_or(Ok(()), |mut nft| homes().release_garbage(&mut nft))
}

/// Matches what goes to a single address, IPv4 or IPv6.
pub(crate) fn beyond_groups() -> [Expr; 2] {
    [ip::daddr().not_within(GROUPS_V4.0, GROUPS_V4.1), ip6::daddr().not_within(GROUPS_V6.0, GROUPS_V6.1)]
}

/// After filters, where sources are translated.
pub(crate) fn postrouting() -> Base {
    Base { kind: ChainType::Nat, hook: Hook::Postrouting, priority: priority::SRCNAT, policy: Policy::Accept }
}

fn homes() -> HomeSets {
    let v4 = FamilySets::new("masquerade", "4", KeyType::Ipv4Addr, true);
    let v6 = FamilySets::new("masquerade", "6", KeyType::Ipv6Addr, true);
    let mut rules = vec![
        Rule::new([ip::saddr().dot(meta::oifname()).in_set(&v4.links), expr::return_()]),
        Rule::new([ip6::saddr().dot(meta::oifname()).in_set(&v6.links), expr::return_()]),
    ];
    let from_home = |subnet: Expr, beyond: Expr| Rule::new([subnet, beyond, expr::masquerade()]);
    let [to_v4, to_v6] = beyond_groups();
    rules.extend(v4.subnets.as_ref().map(|subnets| from_home(ip::saddr().in_set(subnets), to_v4)));
    rules.extend(v6.subnets.as_ref().map(|subnets| from_home(ip6::saddr().in_set(subnets), to_v6)));
    let section = Section {
        table: Table::new(Family::Inet, TABLE),
        sets: v4.sets().chain(v6.sets()).collect(),
        // Not `masquerade`: nft would not read that back, it is a word of its language.
        chains: vec![(Chain::base("masquerading", postrouting()), rules)],
    };
    HomeSets { section, v4, v6, needed_by: veth::is_anybodys }
}
