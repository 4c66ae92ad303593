//! The firewall of published ports, as data. Chains never change; a published port is an element of a map, and those of
//! its packets that need the host's address as their source are an element of a set. Pure.
//!
//! ```text
//! prerouting, output ─> portmap_dnat   port of the host -> address and port of the container
//! postrouting        ─> portmap_snat   connections that came by portmap_dnat and would not come back otherwise
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use attach::{FamilySets, HomeSets, Section, TABLE};
use nft::{
    Base, Chain, ChainType, Element, Family, Hook, Key, KeyType, Policy, Proto, Rule, Set, Table, Value,
    expr::{self, AddrType, Expr, ct, fib, ip, ip6, meta, th},
    priority,
};

use crate::plan::{Published, Snat};

/// The private datum of a published port's element: the name of the host's link of its owner.
pub const LINK: u8 = 0x4c;
/// The chain of rules for ports whose packets have to meet conditions.
pub const CONDITIONAL: &str = "portmap_conditional";
const DNAT: &str = "portmap_dnat";

const LOOPBACK_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(127, 0, 0, 0), 8);

/// The sets of one address family.
#[derive(Debug, Clone)]
pub struct Sets {
    /// Ports published at one address of the host.
    pub of_address: Set,
    /// Ports published at all addresses of the host.
    pub of_all: Set,
    /// Ports published under conditions, by address; the unspecified one stands for all. No rule looks them up: rules of
    /// their own lead to the container.
    pub conditional: Set,
    /// Connections that get the host's address as their source if they come from a local.
    pub snat: Set,
    /// Connections that always do.
    pub masquerade: Set,
}

impl Sets {
    /// Those of IPv4 or IPv6.
    pub fn of(v4: bool) -> Self {
        let (address, suffix) = if v4 { (KeyType::Ipv4Addr, "4") } else { (KeyType::Ipv6Addr, "6") };
        let port = [KeyType::InetProto, KeyType::InetService];
        let with_address = [address, KeyType::InetProto, KeyType::InetService];
        let destination = [address, KeyType::InetService];
        Self {
            of_address: Set::map(format!("ports_of_address{suffix}"), with_address, destination),
            of_all: Set::map(format!("ports{suffix}"), port, destination),
            conditional: Set::map(format!("conditional_ports{suffix}"), with_address, destination),
            snat: Set::new(format!("snat_ports{suffix}"), with_address),
            masquerade: Set::new(format!("masquerade_ports{suffix}"), with_address),
        }
    }

    /// All of them. The first three say which ports are taken.
    pub fn all(self) -> [Set; 5] {
        [self.of_address, self.of_all, self.conditional, self.snat, self.masquerade]
    }

    /// Whether an element of `set` takes a port of the host.
    pub fn takes_port(set: &Set) -> bool {
        !set.name.starts_with("snat") && !set.name.starts_with("masquerade")
    }
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The set or map.
    pub set: Set,
    /// The element.
    pub element: Element,
}

/// The elements of a published port: the one that takes the port comes first.
pub fn elements(port: &Published, snat: Snat, conditional: bool) -> Vec<Placed> {
    let sets = Sets::of(port.to.is_ipv4());
    let port_of = |key: Key| key.proto(port.protocol).port(port.host_port);
    let (set, key) = match port.at {
        _ if conditional => (sets.conditional, conditional_key(port)),
        Some(at) => (sets.of_address, port_of(Key::new().ip(at))),
        None => (sets.of_all, port_of(Key::new())),
    };
    let taken = Placed { set, element: Element::new(key).to(Key::new().ip(port.to.ip()).port(port.to.port())) };
    let source = match snat {
        Snat::Nobody => None,
        Snat::Locals => Some(sets.snat),
        Snat::Everybody => Some(sets.masquerade),
    };
    let connection = port_of(Key::new().ip(port.to.ip()));
    let source = source.map(|set| Placed { set, element: Element::new(connection) });
    [taken].into_iter().chain(source).collect()
}

fn conditional_key(port: &Published) -> Key {
    let all: IpAddr = if port.to.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    Key::new().ip(port.at.unwrap_or(all)).proto(port.protocol).port(port.host_port)
}

/// Where else the port might be taken: by a published port with conditions if this one has none, and the other way round.
pub fn rival(port: &Published, conditional: bool) -> Placed {
    let mut placed = elements(port, Snat::Nobody, !conditional);
    placed.swap_remove(0)
}

/// Protocol and port of the host, and where they lead, as an element that takes a port tells it.
pub fn published(element: &Element) -> Option<(Proto, u16, Option<IpAddr>)> {
    let (protocol, port) = match element.key.values() {
        [.., Value::Proto(protocol), Value::Port(port)] => (*protocol, *port),
        _ => return None,
    };
    let to = match &element.data {
        Some(nft::Data::Values(values)) => match values.values() {
            [Value::Ipv4(ip), ..] => Some(IpAddr::from(*ip)),
            [Value::Ipv6(ip), ..] => Some(IpAddr::from(*ip)),
            _ => None,
        },
        _ => None,
    };
    Some((protocol, port, to))
}

/// The rules of a port published under conditions that are our own expressions.
pub fn conditional_rules(port: &Published, alternatives: &[Vec<Expr>], tag: &str) -> Vec<Rule> {
    let mut target: Vec<Expr> = match port.at {
        Some(IpAddr::V4(at)) => vec![ip::daddr().is(at)],
        Some(IpAddr::V6(at)) => vec![ip6::daddr().is(at)],
        None => vec![meta::nfproto().is(nft::Nfproto::of(port.to.ip()))],
    };
    target.extend([meta::l4proto().is(port.protocol), th::dport().is(port.host_port), expr::dnat(port.to)]);
    let rule = |list: &Vec<Expr>| Rule::new([list.clone(), target.clone()].concat()).comment(tag);
    alternatives.iter().map(rule).collect()
}

/// The same in the words of `nft`, for conditions that only it understands.
pub fn conditional_words(port: &Published, words: &str, tag: &str) -> String {
    let (family, at) = match port.to.ip() {
        IpAddr::V4(_) => ("ip", port.at),
        IpAddr::V6(_) => ("ip6", port.at),
    };
    let nfproto = if family == "ip" { "ipv4" } else { "ipv6" };
    let daddr = at.map(|at| format!(" {family} daddr {at}")).unwrap_or_default();
    let Published { protocol, host_port, to, .. } = port;
    format!(
        "add rule {} {CONDITIONAL} meta nfproto {nfproto} {words}{daddr} meta l4proto {protocol} th dport {host_port} dnat {family} to {to} comment \"{tag}\"\n",
        table()
    )
}

/// The chains and sets, with those of the subnets whose members are locals.
pub fn section() -> HomeSets {
    let (v4, v6) = (Sets::of(true), Sets::of(false));
    let homes = [
        FamilySets::new("hairpin", "4", KeyType::Ipv4Addr, false),
        FamilySets::new("hairpin", "6", KeyType::Ipv6Addr, false),
    ];
    let [homes_v4, homes_v6] = &homes;
    let nat = |hook, priority| Base { kind: ChainType::Nat, hook, priority, policy: Policy::Accept };
    let chains = vec![
        (Chain::base("portmap_prerouting", nat(Hook::Prerouting, priority::DSTNAT)), prerouting()),
        (Chain::base("portmap_output", nat(Hook::Output, priority::DSTNAT)), output()),
        (Chain::base("portmap_snat", nat(Hook::Postrouting, priority::SRCNAT)), snat(&v4, &v6, homes_v4, homes_v6)),
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
        (Chain::regular(DNAT), dnat(&v4, &v6)),
        (Chain::regular(CONDITIONAL), Vec::new()),
    ];
    let sets = v4.all().into_iter().chain(v6.all()).chain([localnet_links()]);
    let [homes_v4, homes_v6] = homes;
    let sets = sets.chain(homes_v4.sets()).chain(homes_v6.sets()).collect();
    // Whose ports a bridge has does not matter here: portmap works behind any plugin.
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
    let with_ports = meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP]);
    Rule::new([with_ports, fib::daddr_type(AddrType::Local), expr::jump(DNAT)])
}

fn dnat(v4: &Sets, v6: &Sets) -> Vec<Rule> {
    let port = || meta::l4proto().dot(th::dport());
    vec![
        Rule::new([expr::jump(CONDITIONAL)]),
        Rule::new([ip::daddr().dot(meta::l4proto()).dot(th::dport()).dnat_to(&v4.of_address)]),
        Rule::new([ip6::daddr().dot(meta::l4proto()).dot(th::dport()).dnat_to(&v6.of_address)]),
        Rule::new([meta::nfproto().is(nft::Nfproto::IPV4), port().dnat_to(&v4.of_all)]),
        Rule::new([meta::nfproto().is(nft::Nfproto::IPV6), port().dnat_to(&v6.of_all)]),
    ]
}

/// Connections are told by the container's address and the port of the host that they were made to: what else reaches
/// the container, such as a cluster's services, is left alone.
fn snat(v4: &Sets, v6: &Sets, homes_v4: &FamilySets, homes_v6: &FamilySets) -> Vec<Rule> {
    let translated = || ct::status([ct::Status::Dnat]);
    let to_v4 = |set: &Set| ip::daddr().dot(meta::l4proto()).dot(ct::original_proto_dst()).in_set(set);
    let to_v6 = |set: &Set| ip6::daddr().dot(meta::l4proto()).dot(ct::original_proto_dst()).in_set(set);
    let from_home_v4 = ip::saddr().dot(meta::oifname()).in_set(&homes_v4.links);
    let from_home_v6 = ip6::saddr().dot(meta::oifname()).in_set(&homes_v6.links);
    let from_localhost = ip::saddr().within(LOOPBACK_V4.0, LOOPBACK_V4.1);
    vec![
        Rule::new([translated(), to_v4(&v4.masquerade), expr::masquerade()]),
        Rule::new([translated(), to_v6(&v6.masquerade), expr::masquerade()]),
        Rule::new([translated(), to_v4(&v4.snat), from_localhost, expr::masquerade()]),
        Rule::new([translated(), to_v4(&v4.snat), from_home_v4, expr::masquerade()]),
        Rule::new([translated(), to_v6(&v6.snat), from_home_v6, expr::masquerade()]),
    ]
}

/// A link with `route_localnet` lets packets of 127.0.0.0/8 in: only this keeps them out.
fn guard() -> Vec<Rule> {
    let (address, prefix) = LOOPBACK_V4;
    vec![
        Rule::new([meta::iifname().in_set(&localnet_links()), ip::daddr().within(address, prefix), expr::drop()]),
        Rule::new([meta::iifname().in_set(&localnet_links()), ip::saddr().within(address, prefix), expr::drop()]),
    ]
}
