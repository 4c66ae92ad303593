//! The firewall as data: chains that never change, and sets whose elements are what attachments have. Pure.
//!
//! ```text
//! forward (inet)   ─> user ─> between bridges: drop ─> from containers, answers to them: accept
//! forward (bridge) ─> between isolated ports: drop
//! ```

use std::net::IpAddr;

use attach::{Owner, Section, TABLE, exposure::USER};
use nft::{
    Base, Chain, ChainType, Element, Family, Hook, Ifname, Key, KeyType, Policy as ChainPolicy, Rule, Set, Table,
    Value,
    expr::{self, ct, ip, ip6, meta},
    priority,
};

use crate::plan::{Ingress, Policy};

/// The chain of ours, in both tables.
pub const FORWARD: &str = "firewall_forward";

/// The table.
pub fn table() -> Table {
    Table::new(Family::Inet, TABLE)
}

/// The table that sees what a bridge forwards between its ports.
pub fn bridge_table() -> Table {
    Table::new(Family::Bridge, TABLE)
}

/// Who has anything here. The key is the beginning of the owner's tag.
pub fn owners() -> Set {
    Set::new("firewall_owners", [KeyType::Mark; 4])
}

/// Addresses that are let through.
pub fn addresses(v4: bool) -> Set {
    by_address("firewall_addresses", v4)
}

/// Addresses that firewalld has been given. No rule looks here.
pub fn sources(v4: bool) -> Set {
    by_address("firewalld_sources", v4)
}

fn by_address(name: &str, v4: bool) -> Set {
    let (kind, suffix) = if v4 { (KeyType::Ipv4Addr, 4) } else { (KeyType::Ipv6Addr, 6) };
    Set::new(format!("{name}{suffix}"), [kind])
}

/// Bridges that have a policy.
pub fn ingress_bridges() -> Set {
    Set::new("ingress_bridges", [KeyType::Ifname])
}

/// Each of them twice: what stays on one bridge.
pub fn ingress_within() -> Set {
    Set::new("ingress_within", [KeyType::Ifname; 2])
}

/// Those of them whose containers are isolated from each other.
pub fn isolated_bridges() -> Set {
    Set::new("isolated_bridges", [KeyType::Ifname])
}

/// Ports that are isolated from each other, in the bridge's table.
pub fn isolated_ports() -> Set {
    Set::new("isolated_ports", [KeyType::Ifname])
}

/// The chains and sets for IP packets.
pub fn section() -> Section {
    let sets = [owners(), ingress_bridges(), ingress_within(), isolated_bridges()].into_iter();
    let sets = sets.chain([true, false].into_iter().flat_map(|v4| [addresses(v4), sources(v4)])).collect();
    // The jump comes before the administrator's chain is known to be there: all chains are made before any rule.
    Section { table: table(), sets, chains: vec![(base(), forward()), (Chain::regular(USER), Vec::new())] }
}

/// The chain and set for frames.
pub fn bridge_section() -> Section {
    let ports = isolated_ports();
    let between = Rule::new([meta::iifname().in_set(&ports), meta::oifname().in_set(&ports), expr::drop()]);
    Section { table: bridge_table(), sets: vec![ports], chains: vec![(base(), vec![between])] }
}

fn base() -> Chain {
    let hook =
        Base { kind: ChainType::Filter, hook: Hook::Forward, priority: priority::FILTER, policy: ChainPolicy::Accept };
    Chain::base(FORWARD, hook)
}

fn forward() -> Vec<Rule> {
    let isolated = isolated_bridges();
    let bridges = ingress_bridges();
    let answers = || ct::state([ct::State::Established, ct::State::Related]);
    let published = || ct::status([ct::Status::Dnat]);
    vec![
        Rule::new([expr::jump(USER)]),
        Rule::new([meta::iifname().in_set(&isolated), meta::oifname().in_set(&isolated), expr::drop()]),
        Rule::new([
            meta::iifname().in_set(&bridges),
            meta::oifname().in_set(&bridges),
            meta::iifname().dot(meta::oifname()).not_in_set(&ingress_within()),
            expr::drop(),
        ]),
        Rule::new([ip::saddr().in_set(&addresses(true)), expr::accept()]),
        Rule::new([ip6::saddr().in_set(&addresses(false)), expr::accept()]),
        Rule::new([answers(), ip::daddr().in_set(&addresses(true)), expr::accept()]),
        Rule::new([answers(), ip6::daddr().in_set(&addresses(false)), expr::accept()]),
        Rule::new([published(), ip::daddr().in_set(&addresses(true)), expr::accept()]),
        Rule::new([published(), ip6::daddr().in_set(&addresses(false)), expr::accept()]),
    ]
}

/// An element, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The table.
    pub table: Table,
    /// The set.
    pub set: Set,
    /// The element.
    pub element: Element,
}

impl Placed {
    fn new(set: Set, key: impl Into<Key>) -> Self {
        Self { table: table(), set, element: Element::new(key) }
    }

    /// The same, tagged as its owner's.
    #[must_use]
    pub fn of(mut self, owner: &Owner) -> Self {
        self.element = self.element.comment(owner.tag());
        self
    }

    /// Whether it is its owner's record.
    pub fn is_owner(&self) -> bool {
        self.set == owners()
    }

    /// The zone and the address that firewalld has been given.
    pub fn source(&self) -> Option<(String, IpAddr)> {
        if ![true, false].map(sources).contains(&self.set) {
            return None;
        }
        let zone = self.element.private.as_ref().filter(|datum| datum.kind == ZONE)?;
        let address = match self.element.key.values() {
            [Value::Ipv4(ip)] => IpAddr::from(*ip),
            [Value::Ipv6(ip)] => IpAddr::from(*ip),
            _ => return None,
        };
        Some((String::from_utf8_lossy(&zone.value).into_owned(), address))
    }
}

/// The types of the private data.
const NOTE: u8 = 0x4d;
const ZONE: u8 = 0x4e;

/// The owner's record.
pub fn owner(owner: &Owner) -> Placed {
    Placed::new(owners(), owner.key())
}

/// An address that is let through.
pub fn accepted(address: IpAddr) -> Placed {
    Placed::new(addresses(address.is_ipv4()), Key::new().ip(address))
}

/// An address that firewalld has been given, for a zone.
pub fn given(address: IpAddr, zone: &str) -> Placed {
    let mut placed = Placed::new(sources(address.is_ipv4()), Key::new().ip(address));
    placed.element = placed.element.private(ZONE, zone);
    placed
}

/// An isolated port.
pub fn isolated(port: Ifname) -> Placed {
    Placed { table: bridge_table(), ..Placed::new(isolated_ports(), port) }
}

/// The elements of a bridge, shared by all that need them.
pub fn bridge(name: &Ifname, policy: Policy) -> Vec<Placed> {
    let mut placed = vec![
        Placed::new(ingress_bridges(), name.clone()),
        Placed::new(ingress_within(), Key::new().ifname(name.clone()).ifname(name.clone())),
    ];
    if policy == Policy::Isolated {
        placed.push(Placed::new(isolated_bridges(), name.clone()));
    }
    placed
}

/// What the owner's record says beside its tag, in the private part that nft does not show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How many tagged elements the owner has: who finds as many has found all.
    pub elements: usize,
    /// The bridge whose policy it needs.
    pub bridge: Option<(Policy, Ifname)>,
}

impl Note {
    /// The note for an owner of so many elements.
    pub fn new(elements: usize, ingress: Option<&Ingress>) -> nft::Result<Self> {
        let bridge = ingress.map(|ingress| Ok((ingress.policy, Ifname::new(&ingress.bridge)?))).transpose()?;
        Ok(Self { elements, bridge })
    }

    /// The note of a record.
    pub fn of(element: &Element) -> Option<Self> {
        let datum = element.private.as_ref().filter(|datum| datum.kind == NOTE)?;
        let mut words = std::str::from_utf8(&datum.value).ok()?.splitn(3, ' ');
        let elements = words.next()?.parse().ok()?;
        let policy = words.next().and_then(|name| Policy::ALL.into_iter().find(|policy| policy.name() == name));
        let bridge = policy.and_then(|policy| Some((policy, Ifname::new(words.next()?).ok()?)));
        Some(Self { elements, bridge })
    }

    /// `element` with this note.
    pub fn on(&self, element: Element) -> Element {
        let bridge = self.bridge.as_ref().map(|(policy, bridge)| format!(" {} {}", policy.name(), bridge.as_str()));
        element.private(NOTE, format!("{}{}", self.elements, bridge.unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn note_is_read_as_it_was_written() {
        let bridges = [None, Some((Policy::Isolated, Ifname::new("br 0").unwrap()))];
        for note in bridges.map(|bridge| Note { elements: 3, bridge }) {
            assert_eq!(Note::of(&note.on(Element::new(80_u32))), Some(note));
        }
        assert_eq!(Note::of(&Element::new(80_u32)), None);
    }

    #[test]
    fn source_tells_its_zone() {
        let address = "fd00::1".parse().unwrap();
        assert_eq!(given(address, "trusted").source(), Some(("trusted".into(), address)));
        assert_eq!(accepted(address).source(), None);
    }
}
