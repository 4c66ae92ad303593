//! Masquerading of what leaves a network: an element a subnet, however many containers it has.
//!
//! A *home* is a subnet and the link that it is reached by. What comes from a home and leaves by its own link stays as it
//! is; what else comes from a home gets the address of the link that it leaves by, unless it goes to a group.
//!
//! Homes are shared by all attachments of a link and go with the last of them. Homes may overlap: the sets hold only the
//! largest subnets, because the kernel's intervals must not overlap, and follow when one comes or goes.

mod homes;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use cni::Result;
use ipnetwork::IpNetwork;
use net::{LinkIndex, Rtnl, here};
use nft::{
    Base, Batch, Chain, ChainType, Element, Family, Hook, Ifname, Key, KeyType, Nft, Policy, Rule, Set, Table, Value,
    expr::{self, ip, ip6, meta},
    priority,
};

use crate::{TABLE, firewall, kernel, section::Section, veth};
use homes::{Home, Homes};

/// Everything in 224.0.0.0/4 and `ff00::/8` is a group.
const GROUPS_V4: (Ipv4Addr, u8) = (Ipv4Addr::new(224, 0, 0, 0), 4);
const GROUPS_V6: (Ipv6Addr, u8) = (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8);

/// Makes sure that `subnets` behind `link` are masqueraded. Where they are already, nothing is written.
pub fn ensure(subnets: &[IpNetwork], link: &str) -> Result<()> {
    let mut nft = Nft::open().map_err(firewall)?;
    if covers(&mut nft, subnets, link)? {
        return Ok(());
    }
    section().ensure(&mut nft)?;
    let wanted: Vec<Home> = subnets.iter().map(|subnet| Home::new(*subnet, link)).collect();
    change(&mut nft, |homes| homes.with(&wanted))
}

/// Whether `subnets` behind `link` are masqueraded.
pub fn is_ensured(subnets: &[IpNetwork], link: &str) -> Result<bool> {
    covers(&mut Nft::open().map_err(firewall)?, subnets, link)
}

/// Ends the masquerading of everything behind `bridge` and its VLAN interfaces (`cni0`, `cni0.100`), unless it has ports
/// other than `going` that are attachments'.
///
/// An attachment that comes at the same time has made its port before it looks for the element. If its port appears
/// while the elements go, they are put back: it may have seen them still.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    if is_used(bridge, going)? {
        return Ok(());
    }
    let mut nft = Nft::open().map_err(firewall)?;
    let mut released = Vec::new();
    change(&mut nft, |homes| {
        released = homes.behind(bridge);
        homes.without(&released)
    })?;
    if !released.is_empty() && is_used(bridge, going)? {
        change(&mut nft, |homes| homes.with(&released))?;
    }
    Ok(())
}

fn is_used(bridge: &str, going: &[LinkIndex]) -> Result<bool> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let Some(bridge) = host.link(bridge).map_err(kernel)? else { return Ok(false) };
    let stays = |port: &net::Link| veth::is_anybodys(port) && !going.contains(&port.index);
    Ok(host.find_port(bridge.index, stays).map_err(kernel)?.is_some())
}

fn covers(nft: &mut Nft, subnets: &[IpNetwork], link: &str) -> Result<bool> {
    for subnet in subnets {
        let key = home_key(subnet.network(), link)?;
        let found = nft.element(&table(), &sets_of(subnet).links, &key).map_err(firewall)?;
        let whole = |element: Element| homes::home_of(&element).is_some_and(|home| home.holds(subnet));
        if !found.is_some_and(whole) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Brings the sets from the homes that they hold to those that `to` makes of them.
fn change(nft: &mut Nft, mut to: impl FnMut(&Homes) -> Homes) -> Result<()> {
    let commit = nft.transaction(|nft| {
        let present = observe(nft)?;
        Ok::<_, nft::Error>(difference(&present, &to(&present)))
    });
    commit.map_err(firewall)
}

fn observe(nft: &mut Nft) -> nft::Result<Homes> {
    let mut homes = Vec::new();
    for sets in [SETS_V4, SETS_V6] {
        match nft.elements(&table(), &sets().links) {
            Ok(elements) => homes.extend(elements.iter().filter_map(homes::home_of)),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Homes::new(homes))
}

fn difference(from: &Homes, to: &Homes) -> Batch {
    let mut batch = Batch::new();
    let table = table();
    let links = |homes: &[Home]| homes.iter().filter_map(home_element).collect::<Vec<_>>();
    for home in links(&from.less(to)) {
        batch.delete_elements(&table, &set_for(&home, |sets| sets.links), [home]);
    }
    for subnet in from.subnets_less(to) {
        batch.delete_elements(&table, &sets_of(&subnet).subnets, [subnet_element(&subnet)]);
    }
    for home in links(&to.less(from)) {
        batch.ensure_elements(&table, &set_for(&home, |sets| sets.links), [home]);
    }
    for subnet in to.subnets_less(from) {
        batch.ensure_elements(&table, &sets_of(&subnet).subnets, [subnet_element(&subnet)]);
    }
    batch
}

/// The sets of one address family.
struct Sets {
    /// The subnets that are masqueraded.
    subnets: Set,
    /// The subnets with the links by which they are not.
    links: Set,
}

const SETS_V4: fn() -> Sets = || Sets::new("4", KeyType::Ipv4Addr);
const SETS_V6: fn() -> Sets = || Sets::new("6", KeyType::Ipv6Addr);

impl Sets {
    fn new(suffix: &str, address: KeyType) -> Self {
        Self {
            subnets: Set::new(format!("masquerade_subnets{suffix}"), [address]).interval(),
            links: Set::new(format!("masquerade_links{suffix}"), [address, KeyType::Ifname]).interval(),
        }
    }
}

fn sets_of(subnet: &IpNetwork) -> Sets {
    if subnet.is_ipv4() { SETS_V4() } else { SETS_V6() }
}

fn set_for(element: &Element, which: fn(Sets) -> Set) -> Set {
    let v4 = matches!(element.key.values().first(), Some(Value::Ipv4(_)));
    which(if v4 { SETS_V4() } else { SETS_V6() })
}

fn home_key(address: IpAddr, link: &str) -> Result<Key> {
    Ok(Key::new().ip(address).ifname(Ifname::new(link).map_err(firewall)?))
}

/// A home as an element. Every home came from a link's name or from an element, so it has a name that fits.
fn home_element(home: &Home) -> Option<Element> {
    let first = home_key(home.subnet.network(), &home.link).ok()?;
    let last = home_key(home.subnet.broadcast(), &home.link).ok()?;
    Some(Element::range(first, last).comment(format!("behind {}", home.link)))
}

fn subnet_element(subnet: &IpNetwork) -> Element {
    Element::range(Key::new().ip(subnet.network()), Key::new().ip(subnet.broadcast()))
}

fn table() -> Table {
    Table::new(Family::Inet, TABLE)
}

fn section() -> Section {
    let (v4, v6) = (SETS_V4(), SETS_V6());
    let hook =
        Base { kind: ChainType::Nat, hook: Hook::Postrouting, priority: priority::SRCNAT, policy: Policy::Accept };
    let rules = vec![
        Rule::new([ip::saddr().dot(meta::oifname()).in_set(&v4.links), expr::return_()]),
        Rule::new([ip6::saddr().dot(meta::oifname()).in_set(&v6.links), expr::return_()]),
        Rule::new([
            ip::saddr().in_set(&v4.subnets),
            ip::daddr().not_within(GROUPS_V4.0, GROUPS_V4.1),
            expr::masquerade(),
        ]),
        Rule::new([
            ip6::saddr().in_set(&v6.subnets),
            ip6::daddr().not_within(GROUPS_V6.0, GROUPS_V6.1),
            expr::masquerade(),
        ]),
    ];
    Section {
        table: table(),
        sets: vec![v4.subnets, v4.links, v6.subnets, v6.links],
        chains: vec![(Chain::base("masquerade", hook), rules)],
    }
}
