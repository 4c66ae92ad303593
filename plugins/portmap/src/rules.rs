//! The firewall of published ports, as data. Chains never change; a published port is an element of a map, and those of
//! its packets that need the host's address as their source are an element of a set. Pure.
//!
//! ```text
//! prerouting, output ─> portmap_dnat   port of the host -> address and port of the container
//! postrouting        ─> portmap_snat   connections that came by portmap_dnat and would not come back otherwise
//! ```

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use attach::{FamilySets, HomeSets, Owner, Section, TABLE, exposure};
use nft::{
    Base, Chain, ChainType, Data, Element, Family, Hook, Key, KeyType, Nfproto, Policy, Proto, Rule, Set, Table, Value,
    expr::{self, AddrType, Concat, Expr, ct, fib, ip, ip6, meta, th},
    priority,
};

use crate::{
    note::Note,
    plan::{HostPort, Published, Snat, write_ports},
    sets::Sets,
};

/// The chain of rules for ports whose packets have to meet conditions.
pub const CONDITIONAL: &str = "portmap_conditional";
const DNAT: &str = "portmap_dnat";

const LOOPBACK_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);

/// Who has published ports: a DEL of somebody who has none need not look for them. The key is the beginning of the owner's
/// tag, 32 hexadecimal digits.
pub fn owners() -> Set {
    Set::new("port_owners", [KeyType::Mark; 4])
}

/// The element that says that `owner` has published ports.
pub fn owner(owner: &Owner) -> Placed {
    Placed { set: owners(), element: Element::new(owner.key()) }
}

/// Links that have `route_localnet`.
pub fn localnet_links() -> Set {
    Set::new("localnet_links", [KeyType::Ifname])
}

/// The table.
pub fn table() -> Table {
    Table::new(Family::Inet, TABLE)
}

/// An element, and the set or map that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Placed {
    /// The set or map.
    pub set: Set,
    /// The element.
    pub element: Element,
}

/// The elements of each set: they go together, in few messages.
pub fn by_set<'a>(placed: impl IntoIterator<Item = &'a Placed>) -> Vec<(Set, Vec<Element>)> {
    let mut sets: Vec<(Set, Vec<Element>)> = Vec::new();
    for Placed { set, element } in placed {
        match sets.iter_mut().find(|(present, _)| present == set) {
            Some((_, elements)) => elements.push(element.clone()),
            None => sets.push((set.clone(), vec![element.clone()])),
        }
    }
    sets
}

/// The elements of a published port: the one that takes the port comes first.
pub fn elements(port: &Published, snat: Snat, conditional: bool) -> Vec<Placed> {
    let [locals, everybodys] = sources(port.to.ip(), &port.from);
    let source = match snat {
        Snat::Nobody => None,
        Snat::Locals => Some(locals),
        Snat::Everybody => Some(everybodys),
    };
    [leading(port, conditional)].into_iter().chain(source).collect()
}

/// The element that takes a port of the host and leads it to the container.
pub fn leading(port: &Published, conditional: bool) -> Placed {
    let Placed { set, element } = taker(&port.from, conditional);
    let address = Key::new().ip(port.to.ip());
    let to = if port.from.is_range() { address } else { address.port(port.to.port()) };
    Placed { set, element: element.to(to) }
}

/// Where a port of the host is taken, by a published port with conditions or by one without. The element has no data.
pub fn taker(port: &HostPort, conditional: bool) -> Placed {
    let sets = Sets::of(port.family);
    let (set, start) = match port.at {
        at if conditional => (sets.conditional(), Key::new().ip(at.unwrap_or(unspecified(port.family)))),
        Some(at) if port.is_range() => (sets.ranges_of_address(), Key::new().ip(at)),
        Some(at) => (sets.of_address(), Key::new().ip(at)),
        None if port.is_range() => (sets.ranges(), Key::new()),
        None => (sets.of_all(), Key::new()),
    };
    Placed { set, element: numbered(start, port) }
}

/// The element that opens a port at the container's own address.
pub fn open(address: IpAddr, inside: &HostPort) -> Placed {
    Placed { set: exposure::ports(address.is_ipv4()), element: numbered(Key::new().ip(address), inside) }
}

/// The element whose key begins with `start` and ends with the protocol and the numbers of `port`.
fn numbered(start: Key, port: &HostPort) -> Element {
    let key = |number| start.clone().proto(port.protocol).port(number);
    if port.is_range() { Element::range(key(port.port), key(port.last)) } else { Element::new(key(port.port)) }
}

/// The maps in which something may overlap `ports` of the host without having their keys: ranges, and for a range all.
pub fn overlapping<'a>(ports: impl Iterator<Item = &'a HostPort>) -> Vec<Set> {
    let mut kinds: Vec<(Nfproto, bool, bool)> = Vec::new();
    for kind in ports.map(|port| (port.family, port.at.is_some(), port.is_range())) {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut maps: Vec<Set> = Vec::new();
    for (family, at_one, is_range) in kinds {
        let sets = Sets::of(family);
        let (ranges, single) =
            if at_one { (sets.ranges_of_address(), sets.of_address()) } else { (sets.ranges(), sets.of_all()) };
        maps.push(ranges);
        if is_range {
            maps.extend([single, sets.conditional()]);
        }
    }
    maps
}

/// Whether an element of one of these takes some of the ports, at the same address.
pub fn overlaps(element: &Element, port: &HostPort) -> bool {
    let at = address(element.key.values()).filter(|at| !at.is_unspecified());
    let led = Led::by(element).filter(|led| led.protocol == port.protocol && at == port.at);
    led.is_some_and(|led| led.port <= port.last && port.port <= led.last)
}

/// Where the connections are that come to `container` by a port of the host: in one of two sets.
pub fn sources(container: IpAddr, port: &HostPort) -> [Placed; 2] {
    let all = Sets::of(port.family);
    let sets =
        if port.is_range() { [all.snat_ranges(), all.masquerade_ranges()] } else { [all.snat(), all.masquerade()] };
    sets.map(|set| Placed { set, element: numbered(Key::new().ip(container), port) })
}

/// Whether `owner`, an element that stands for one, has an address that `hairpin` is for.
pub fn has_home_in(owner: &Element, hairpin: &Element) -> bool {
    let ([Value::Ipv4(_) | Value::Ipv6(_), Value::Ifname(link)], Some(first), Some(last)) =
        (hairpin.key.values(), address(hairpin.key.values()), address(hairpin.last().values()))
    else {
        return false;
    };
    let within = |(address, behind): &(IpAddr, String)| behind == link.as_str() && (first..=last).contains(address);
    Note::of(owner).is_some_and(|note| note.homes.iter().any(within))
}

fn address(values: &[Value]) -> Option<IpAddr> {
    match values {
        [Value::Ipv4(ip), ..] => Some(IpAddr::from(*ip)),
        [Value::Ipv6(ip), ..] => Some(IpAddr::from(*ip)),
        _ => None,
    }
}

fn unspecified(family: Nfproto) -> IpAddr {
    if family == Nfproto::IPV4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

/// Connections that a published port lets come about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Led {
    /// The protocol.
    pub protocol: Proto,
    /// The port of the host.
    pub port: u16,
    /// The last one of a range.
    pub last: u16,
    /// The container's address.
    pub to: IpAddr,
}

impl Led {
    /// What an element that takes a port says.
    pub fn by(element: &Element) -> Option<Self> {
        let [.., Value::Proto(protocol), Value::Port(port)] = element.key.values() else { return None };
        let [.., Value::Port(last)] = element.last().values() else { return None };
        let Some(Data::Values(to)) = &element.data else { return None };
        Some(Self { protocol: *protocol, port: *port, last: *last, to: address(to.values())? })
    }

    /// Each port by itself.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (self.port..=self.last).map(move |port| Self { port, last: port, ..self })
    }
}

impl fmt::Display for Led {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ports(f, self.port..=self.last, self.protocol)
    }
}

/// The rules of a port published under conditions that are our own expressions.
pub fn conditional_rules(port: &Published, alternatives: &[Vec<Expr>], tag: &str) -> Vec<Rule> {
    let mut target: Vec<Expr> = match port.from.at {
        Some(IpAddr::V4(at)) => vec![ip::daddr().is(at)],
        Some(IpAddr::V6(at)) => vec![ip6::daddr().is(at)],
        None => vec![meta::nfproto().is(port.from.family)],
    };
    target.extend([meta::l4proto().is(port.from.protocol), th::dport().is(port.from.port), expr::dnat(port.to)]);
    let rule = |list: &Vec<Expr>| Rule::new([list.clone(), target.clone()].concat()).comment(tag);
    alternatives.iter().map(rule).collect()
}

/// The same in the words of `nft`, for conditions that only it understands.
pub fn conditional_words(port: &Published, words: &str, tag: &str) -> String {
    let HostPort { family, at, protocol, port: number, .. } = port.from;
    let ip = if family == Nfproto::IPV4 { "ip" } else { "ip6" };
    let daddr = at.map(|at| format!(" {ip} daddr {at}")).unwrap_or_default();
    let from = format!("meta nfproto {family} {words}{daddr} meta l4proto {protocol} th dport {number}");
    format!("add rule {} {CONDITIONAL} {from} dnat {ip} to {} comment \"{tag}\"\n", table(), port.to)
}

/// The chains and sets, with those of the subnets whose members are locals.
pub fn section() -> HomeSets {
    let (v4, v6) = (Sets::of(Nfproto::IPV4), Sets::of(Nfproto::IPV6));
    let homes = [
        FamilySets::new("hairpin", "4", KeyType::Ipv4Addr, false),
        FamilySets::new("hairpin", "6", KeyType::Ipv6Addr, false),
    ];
    let [homes_v4, homes_v6] = &homes;
    let nat = |hook, priority| Base { kind: ChainType::Nat, hook, priority, policy: Policy::Accept };
    // The first is the one that has grown since the first release: where it is short, all are made anew.
    let chains = vec![
        (Chain::regular(DNAT), dnat(v4, v6)),
        (Chain::base("portmap_prerouting", nat(Hook::Prerouting, priority::DSTNAT)), prerouting()),
        (Chain::base("portmap_output", nat(Hook::Output, priority::DSTNAT)), output()),
        (Chain::base("portmap_snat", nat(Hook::Postrouting, priority::SRCNAT)), snat(v4, v6, homes_v4, homes_v6)),
        (
            Chain::base(
                "portmap_guard",
                Base {
                    kind: ChainType::Filter,
                    hook: Hook::Prerouting,
                    priority: priority::RAW,
                    policy: Policy::Accept,
                },
            ),
            guard(),
        ),
        (Chain::regular(CONDITIONAL), Vec::new()),
    ];
    let sets = v4.all().into_iter().chain(v6.all()).chain([owners(), localnet_links()]);
    let [homes_v4, homes_v6] = homes;
    let sets = sets.chain(homes_v4.sets()).chain(homes_v6.sets()).collect();
    // Subnets go with the published ports that need them, whatever ports a bridge has.
    HomeSets { section: Section { table: table(), sets, chains }, v4: homes_v4, v6: homes_v6, needed_by: |_| true }
}

/// A packet for 127.0.0.1 or `::1` that comes in here is from a neighbour who must not get at what is bound there.
fn prerouting() -> Vec<Rule> {
    vec![
        Rule::new([ip::daddr().within(LOOPBACK_V4.0, LOOPBACK_V4.1), expr::return_()]),
        Rule::new([ip6::daddr().is(Ipv6Addr::LOCALHOST), expr::return_()]),
        to_host(),
    ]
}

/// Answers to `::1` cannot be routed back (`rt6_need_strict` in the kernel): better refused at once than never answered.
fn output() -> Vec<Rule> {
    vec![Rule::new([ip6::daddr().is(Ipv6Addr::LOCALHOST), expr::return_()]), to_host()]
}

/// What is for the host itself, and has its ports where `th dport` looks.
fn to_host() -> Rule {
    Rule::new([has_ports(), fib::daddr_type(AddrType::Local), expr::jump(DNAT)])
}

fn has_ports() -> Expr {
    meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP])
}

/// A port comes before a range that it is in, and one address before all.
fn dnat(v4: Sets, v6: Sets) -> Vec<Rule> {
    let (of_v4, of_v6) = (Nfproto::IPV4, Nfproto::IPV6);
    let at_one = [
        (of_v4, v4.of_address()),
        (of_v6, v6.of_address()),
        (of_v4, v4.ranges_of_address()),
        (of_v6, v6.ranges_of_address()),
    ];
    let at_all = [(of_v4, v4.of_all()), (of_v6, v6.of_all()), (of_v4, v4.ranges()), (of_v6, v6.ranges())];
    let to_one =
        |(family, map): &(Nfproto, Set)| Rule::new([daddr_and_protocol(*family).dot(th::dport()).dnat_to(map)]);
    let to_all = |(family, map): &(Nfproto, Set)| {
        Rule::new([meta::nfproto().is(*family), meta::l4proto().dot(th::dport()).dnat_to(map)])
    };
    let jump = [Rule::new([expr::jump(CONDITIONAL)])];
    jump.into_iter().chain(at_one.iter().map(to_one)).chain(at_all.iter().map(to_all)).collect()
}

fn daddr_and_protocol(family: Nfproto) -> Concat {
    if family == Nfproto::IPV4 { ip::daddr().dot(meta::l4proto()) } else { ip6::daddr().dot(meta::l4proto()) }
}

/// Connections are told by the container's address and the port of the host that they were made to: what else reaches
/// the container, such as a cluster's services, is left alone.
fn snat(v4: Sets, v6: Sets, homes_v4: &FamilySets, homes_v6: &FamilySets) -> Vec<Rule> {
    let from_home_v4 = ip::saddr().dot(meta::oifname()).in_set(&homes_v4.links);
    let from_home_v6 = ip6::saddr().dot(meta::oifname()).in_set(&homes_v6.links);
    let from_localhost = ip::saddr().within(LOOPBACK_V4.0, LOOPBACK_V4.1);
    let connections = [
        (Nfproto::IPV4, v4.masquerade(), None),
        (Nfproto::IPV6, v6.masquerade(), None),
        (Nfproto::IPV4, v4.masquerade_ranges(), None),
        (Nfproto::IPV6, v6.masquerade_ranges(), None),
        (Nfproto::IPV4, v4.snat(), Some(&from_localhost)),
        (Nfproto::IPV4, v4.snat(), Some(&from_home_v4)),
        (Nfproto::IPV6, v6.snat(), Some(&from_home_v6)),
        (Nfproto::IPV4, v4.snat_ranges(), Some(&from_localhost)),
        (Nfproto::IPV4, v4.snat_ranges(), Some(&from_home_v4)),
        (Nfproto::IPV6, v6.snat_ranges(), Some(&from_home_v6)),
    ];
    let masquerade = |(family, set, from): &(Nfproto, Set, Option<&Expr>)| {
        let address = daddr_and_protocol(*family);
        // Without the protocols nft shows `ct original proto-dst`, but cannot read it.
        let mut rule =
            vec![ct::status([ct::Status::Dnat]), has_ports(), address.dot(ct::original_proto_dst()).in_set(set)];
        rule.extend(from.cloned());
        rule.push(expr::masquerade());
        Rule::new(rule)
    };
    connections.iter().map(masquerade).collect()
}

/// A link with `route_localnet` lets packets of 127.0.0.0/8 in: only this keeps them out.
fn guard() -> Vec<Rule> {
    let (address, prefix) = LOOPBACK_V4;
    vec![
        Rule::new([meta::iifname().in_set(&localnet_links()), ip::daddr().within(address, prefix), expr::drop()]),
        Rule::new([meta::iifname().in_set(&localnet_links()), ip::saddr().within(address, prefix), expr::drop()]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn published(at: Option<&str>, to: &str) -> Published {
        let to: std::net::SocketAddr = to.parse().unwrap();
        let at = at.map(|at| at.parse().unwrap());
        Published { from: HostPort { family: Nfproto::of(to.ip()), at, protocol: Proto::UDP, port: 53, last: 53 }, to }
    }

    #[test]
    fn elements_are_in_the_sets_of_their_family_and_purpose() {
        let names = |port: &Published, snat, conditional| -> Vec<String> {
            elements(port, snat, conditional).into_iter().map(|placed| placed.set.name).collect()
        };
        let (v4, v6) = (published(None, "10.0.0.2:5353"), published(Some("fd00::1"), "[fd01::2]:5353"));
        assert_eq!(names(&v4, Snat::Locals, false), ["ports4", "snat_ports4"]);
        assert_eq!(names(&v4, Snat::Locals, true), ["conditional_ports4", "snat_ports4"]);
        assert_eq!(names(&v6, Snat::Everybody, false), ["ports_of_address6", "masquerade_ports6"]);
        assert_eq!(names(&v6, Snat::Nobody, false), ["ports_of_address6"]);
        let led = Led::by(&elements(&v6, Snat::Nobody, false)[0].element).unwrap();
        assert_eq!((led.protocol, led.port, led.to), (Proto::UDP, 53, v6.to.ip()));
    }

    #[test]
    fn words_stand_between_family_and_destination() {
        let v4 = conditional_words(&published(Some("192.0.2.1"), "10.0.0.2:5353"), "meta mark 5", "tag");
        let from = "meta nfproto ipv4 meta mark 5 ip daddr 192.0.2.1 meta l4proto udp th dport 53";
        assert_eq!(
            v4,
            format!("add rule inet mooring portmap_conditional {from} dnat ip to 10.0.0.2:5353 comment \"tag\"\n")
        );
        let v6 = conditional_words(&published(None, "[fd01::2]:5353"), "meta mark 5", "tag");
        assert!(
            v6.contains("meta nfproto ipv6 meta mark 5 meta l4proto udp th dport 53 dnat ip6 to [fd01::2]:5353"),
            "{v6}"
        );
    }

    #[test]
    fn owners_key_is_the_beginning_of_its_tag() {
        let attachment = cni::Attachment { container_id: "one".into(), ifname: "eth0".into() };
        let tagged = Owner::new("unit-test", &attachment);
        let key = owner(&tagged).element.key.to_string();
        assert_eq!(key, "0x6fd94d50 . 0x1e58f0aa . 0x287fc69e . 0xff0574a2");
    }
}
