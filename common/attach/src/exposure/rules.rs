//! Exposure as data: chains that never change, and what a bridge has in their sets. Pure.
//!
//! ```text
//! forward ─> user ─> answers: accept ─> within a bridge: accept ─> from internal ones, between isolated ones: drop
//!         ─> into: what the bridge's mode says
//! ```
//!
//! What is asked of the source of a packet never accepts it: otherwise it would not be asked what its destination allows.

use std::net::{IpAddr, Ipv4Addr};

use nft::{
    Base, Chain, ChainType, Element, Family, Hook, Ifname, Key, KeyType, Nfproto, Policy, Proto, Rule, Set, Table,
    Value, Verdict,
    expr::{self, Expr, ct, ip, ip6, meta, th},
    priority,
};

use super::{Exposure, Mode};
use crate::{Section, TABLE, masquerade::beyond_groups};

/// The administrator's chain. Nothing here looks into it or takes it away.
pub const USER: &str = "user";
const NAT: &str = "exposure_nat";
const ROUTED: &str = "exposure_routed";
const PUBLISHED: &str = "exposure_published";
/// The type of the private data of a bridge's own element.
const NOTE: u8 = 0x4f;
const FAMILIES: [Nfproto; 2] = [Nfproto::IPV4, Nfproto::IPV6];

/// The table.
pub fn table() -> Table {
    Table::new(Family::Inet, TABLE)
}

/// The bridges that have anything here.
pub fn bridges() -> Set {
    Set::new("exposure_bridges", [KeyType::Ifname])
}

/// Each of them twice: what stays on one bridge.
fn within() -> Set {
    Set::new("exposure_within", [KeyType::Ifname; 2])
}

/// Those of them whose containers do not talk to each other.
fn apart() -> Set {
    Set::new("exposure_apart", [KeyType::Ifname])
}

/// Those of them that do not talk to others.
fn isolated() -> Set {
    Set::new("exposure_isolated", [KeyType::Ifname])
}

/// What becomes of what comes from a bridge, of a family.
fn from() -> Set {
    Set::verdict_map("exposure_from", [KeyType::Nfproto, KeyType::Ifname])
}

/// What becomes of what goes to a bridge.
fn into() -> Set {
    Set::verdict_map("exposure_into", [KeyType::Nfproto, KeyType::Ifname])
}

/// What becomes of what comes from a bridge for the host itself.
fn to_host() -> Set {
    Set::verdict_map("exposure_to_host", [KeyType::Nfproto, KeyType::Ifname])
}

/// Links from which published ports are reached at the containers' own addresses, each with the bridge.
fn trusted() -> Set {
    Set::new("exposure_trusted", [KeyType::Ifname; 2])
}

/// The source that connections from a bridge get.
fn sources(v4: bool) -> Set {
    let (kind, suffix) = if v4 { (KeyType::Ipv4Addr, 4) } else { (KeyType::Ipv6Addr, 6) };
    Set::map(format!("exposure_sources{suffix}"), [KeyType::Ifname], [kind])
}

/// Ports of containers that are reached at the containers' own addresses.
pub fn ports(v4: bool) -> Set {
    let (kind, suffix) = if v4 { (KeyType::Ipv4Addr, 4) } else { (KeyType::Ipv6Addr, 6) };
    Set::new(format!("exposure_ports{suffix}"), [kind, KeyType::InetProto, KeyType::InetService]).interval()
}

/// Sets that have elements of bridges.
pub fn of_bridges() -> [Set; 10] {
    let [v4, v6] = [true, false].map(sources);
    [bridges(), within(), apart(), isolated(), from(), into(), to_host(), trusted(), v4, v6]
}

/// The chains and sets.
pub fn section() -> Section {
    let base =
        |name: &str, kind, hook, priority| Chain::base(name, Base { kind, hook, priority, policy: Policy::Accept });
    let chains = vec![
        (base("exposure", ChainType::Filter, Hook::Forward, priority::FILTER), forward()),
        (base("exposure_input", ChainType::Filter, Hook::Input, priority::FILTER), input()),
        // Before what masquerades: the first translation stays.
        (base("exposure_snat", ChainType::Nat, Hook::Postrouting, priority::SRCNAT - 1), snat()),
        (Chain::regular(NAT), nat()),
        (Chain::regular(ROUTED), routed()),
        (Chain::regular(PUBLISHED), published()),
        (Chain::regular(USER), Vec::new()),
    ];
    let sets = of_bridges().into_iter().chain([true, false].map(ports)).collect();
    Section { table: table(), sets, chains }
}

fn forward() -> Vec<Rule> {
    let between = || meta::iifname().dot(meta::oifname());
    let unpublished = || ct::not_status([ct::Status::Dnat]);
    let source = |set: &Set| meta::iifname().in_set(set);
    let destination = |set: &Set| meta::oifname().in_set(set);
    vec![
        Rule::new([expr::jump(USER)]),
        Rule::new([ct::state([ct::State::Established, ct::State::Related]), expr::accept()]),
        Rule::new([between().in_set(&within()), destination(&apart()), unpublished(), expr::drop()]),
        Rule::new([between().in_set(&within()), expr::accept()]),
        Rule::new([source(&isolated()), destination(&bridges()), unpublished(), expr::drop()]),
        Rule::new([source(&bridges()), destination(&isolated()), unpublished(), expr::drop()]),
        Rule::new([meta::nfproto().dot(meta::iifname()).vmap(&from())]),
        Rule::new([meta::nfproto().dot(meta::oifname()).vmap(&into())]),
    ]
}

fn input() -> Vec<Rule> {
    vec![Rule::new([meta::nfproto().dot(meta::iifname()).vmap(&to_host())])]
}

/// The link that a packet came in by is known here since Linux 5.7.
fn snat() -> Vec<Rule> {
    let [to_v4, to_v6] = beyond_groups();
    vec![
        Rule::new([meta::iifname().dot(meta::oifname()).in_set(&within()), expr::return_()]),
        Rule::new([to_v4, meta::iifname().snat_to(&sources(true))]),
        Rule::new([to_v6, meta::iifname().snat_to(&sources(false))]),
    ]
}

/// A published port is one that somebody has translated to the container.
fn nat() -> Vec<Rule> {
    vec![
        Rule::new([ct::status([ct::Status::Dnat]), expr::accept()]),
        Rule::new([meta::iifname().dot(meta::oifname()).in_set(&trusted()), expr::goto(PUBLISHED)]),
        Rule::new([expr::drop()]),
    ]
}

/// Without ICMP a router's neighbours find neither the path's MTU nor each other.
fn routed() -> Vec<Rule> {
    vec![Rule::new([meta::l4proto().any_of([ICMP, ICMPV6]), expr::accept()]), Rule::new([expr::goto(PUBLISHED)])]
}

fn published() -> Vec<Rule> {
    let has_ports = || meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP]);
    let accept = |port: Expr| Rule::new([has_ports(), port, expr::accept()]);
    vec![
        accept(ip::daddr().dot(meta::l4proto()).dot(th::dport()).in_set(&ports(true))),
        accept(ip6::daddr().dot(meta::l4proto()).dot(th::dport()).in_set(&ports(false))),
        Rule::new([expr::drop()]),
    ]
}

const ICMP: Proto = Proto(1);
const ICMPV6: Proto = Proto(58);

/// An element, and the set that it is in.
pub type Placed = (Set, Element);

/// What a bridge has in the sets, with its own element first.
pub fn elements(exposure: &Exposure, network: &str) -> nft::Result<Vec<Placed>> {
    let link = Ifname::new(&exposure.link)?;
    let alone = |set: Set| (set, Element::new(link.clone()));
    let twice = Key::new().ifname(link.clone()).ifname(link.clone());
    let mut placed = vec![(within(), Element::new(twice))];
    placed.extend(exposure.apart.then(|| alone(apart())));
    placed.extend(exposure.isolated.then(|| alone(isolated())));
    for (family, mode) in FAMILIES.into_iter().zip(exposure.modes) {
        let key = || Key::new().nfproto(family).ifname(link.clone());
        let says = |set: Set, verdict: Verdict| (set, Element::new(key()).verdict(verdict));
        placed.extend(outgoing(exposure.internal, mode).map(|verdict| says(from(), verdict)));
        placed.extend(incoming(exposure.internal, mode).map(|verdict| says(into(), verdict)));
        placed.extend((mode == Some(Mode::Isolated)).then(|| says(to_host(), Verdict::Drop)));
    }
    for trusts in &exposure.trusted {
        placed.push((trusted(), Element::new(Key::new().ifname(Ifname::new(trusts)?).ifname(link.clone()))));
    }
    for source in exposure.sources.iter().flatten() {
        placed.push((sources(source.is_ipv4()), Element::new(link.clone()).to(Key::new().ip(*source))));
    }
    let note = Note { elements: placed.len(), modes: exposure.modes, trusts: !exposure.trusted.is_empty() };
    placed.insert(0, alone(bridges()));
    let comment = network_comment(network);
    let own = |(index, (set, element)): (usize, Placed)| {
        let element = if index == 0 { note.on(element) } else { element };
        (set, element.comment(comment.clone()))
    };
    Ok(placed.into_iter().enumerate().map(own).collect())
}

/// What the elements of a network's bridge say.
pub fn network_comment(network: &str) -> String {
    format!("net: {network}")
}

fn outgoing(internal: bool, mode: Option<Mode>) -> Option<Verdict> {
    (internal || mode == Some(Mode::Isolated)).then_some(Verdict::Drop)
}

fn incoming(internal: bool, mode: Option<Mode>) -> Option<Verdict> {
    match mode {
        _ if internal => Some(Verdict::Drop),
        Some(Mode::Isolated) => Some(Verdict::Drop),
        Some(Mode::Nat) => Some(Verdict::Goto(NAT.into())),
        Some(Mode::NatUnprotected) => Some(Verdict::Accept),
        Some(Mode::Routed) => Some(Verdict::Goto(ROUTED.into())),
        None => None,
    }
}

/// The link that an element of a bridge is about.
pub fn link_of(element: &Element) -> Option<&str> {
    match element.key.values().last() {
        Some(Value::Ifname(link)) => Some(link.as_str()),
        _ => None,
    }
}

/// What a bridge's own element says beside its comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// How many other elements the bridge has: whoever finds as many has found all.
    pub elements: usize,
    /// By family.
    pub modes: [Option<Mode>; 2],
    /// Whether there are links from which ports are reached at the containers' own addresses.
    pub trusts: bool,
}

impl Note {
    /// The note of a bridge's own element.
    pub fn of(element: &Element) -> Option<Self> {
        let datum = element.private.as_ref().filter(|datum| datum.kind == NOTE)?;
        let mut words = std::str::from_utf8(&datum.value).ok()?.split(' ');
        let elements = words.next()?.parse().ok()?;
        let mut mode = || words.next().map(|word| Mode::ALL.into_iter().find(|mode| mode.name() == word));
        Some(Self { elements, modes: [mode()?, mode()?], trusts: words.next() == Some("trusts") })
    }

    fn on(&self, element: Element) -> Element {
        let [v4, v6] = self.modes.map(|mode| mode.map_or("-", Mode::name));
        let trusts = if self.trusts { " trusts" } else { "" };
        element.private(NOTE, format!("{} {v4} {v6}{trusts}", self.elements))
    }
}

/// Whether packets that leave the host can come from the address.
pub fn is_source(address: IpAddr) -> bool {
    let is_nobodys = address.is_multicast() || address.is_unspecified() || address.is_loopback();
    !is_nobodys && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exposure(modes: [Option<Mode>; 2]) -> Exposure {
        Exposure { link: "br0".into(), modes, ..Exposure::default() }
    }

    fn verdicts(exposure: &Exposure) -> Vec<String> {
        let with_data = |(set, element): Placed| Some(format!("{} {element} {:?}", set.name, element.data.as_ref()?));
        elements(exposure, "net").unwrap().into_iter().filter_map(with_data).collect()
    }

    #[test]
    fn families_have_modes_of_their_own() {
        let goto = |chain: &str| format!("Verdict(Goto({chain:?}))");
        assert_eq!(
            verdicts(&exposure([Some(Mode::Nat), Some(Mode::Routed)])),
            [
                format!("exposure_into ipv4 . \"br0\" {}", goto(NAT)),
                format!("exposure_into ipv6 . \"br0\" {}", goto(ROUTED))
            ]
        );
    }

    #[test]
    fn nothing_leaves_or_enters_an_internal_network_whatever_its_mode() {
        let internal = Exposure { internal: true, ..exposure([Some(Mode::NatUnprotected), None]) };
        let all = verdicts(&internal);
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|verdict| verdict.ends_with("Verdict(Drop)")), "{all:?}");
    }

    #[test]
    fn note_is_read_as_it_was_written() {
        for modes in [[Some(Mode::Nat), None], [None, Some(Mode::NatUnprotected)], [None, None]] {
            for trusts in [true, false] {
                let note = Note { elements: 3, modes, trusts };
                assert_eq!(Note::of(&note.on(Element::new(80_u32))), Some(note));
            }
        }
        assert_eq!(Note::of(&Element::new(80_u32)), None);
    }

    #[test]
    fn elements_tell_their_bridge() {
        let all = Exposure {
            apart: true,
            isolated: true,
            trusted: vec!["eth1".into()],
            sources: [Some("192.0.2.1".parse().unwrap()), None],
            ..exposure([Some(Mode::Isolated), None])
        };
        for (set, element) in elements(&all, "net").unwrap() {
            assert_eq!(link_of(&element), Some("br0"), "{}", set.name);
        }
    }
}
