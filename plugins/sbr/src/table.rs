//! What the table of an address is to hold, and what becomes of the main table. Nothing here touches the kernel.

use std::net::IpAddr;

use attach::entries::reachable_first;
use cni::IpConfig;
use ipnetwork::IpNetwork;
use net::{LinkIndex, MAIN_TABLE, Rank, Route, RouteEntry};

use crate::{plan::Main, rules::OWN};

/// The lowest metric that the kernel takes for an IPv6 route (0 is 1024, `IP6_RT_PRIO_USER`).
const IPV6_METRIC_MIN: u32 = 1;

/// An address and what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The address.
    pub ip: &'a IpConfig,
    /// All addresses of its interface, itself among them.
    pub all: &'a [IpConfig],
    /// Its interface.
    pub link: LinkIndex,
    /// The next hop that the configuration has for it.
    pub gateway: Option<IpAddr>,
}

impl Source<'_> {
    /// What its table lacks, in the order in which it can be put there: from the main table, and a default route. `main` and
    /// `present` are what the main table and its own have by the interface.
    pub fn lacks(&self, main: &[&RouteEntry], present: &[&RouteEntry]) -> Vec<(RouteEntry, Rank)> {
        let is_there = |entry: &RouteEntry| present.iter().any(|other| stands_for(other, entry));
        let moving: Vec<_> = main.iter().copied().filter(|entry| self.takes(entry) && !is_there(entry)).collect();
        let default = self.default_route(&[present, &moving].concat());
        let moving = reachable_first(moving).into_iter().map(|entry| (entry.clone(), Rank::Last));
        moving.chain(default.map(|entry| (entry, Rank::First))).collect()
    }

    /// Whether packets from the address are to find a route. One whose next hop, or own source, is in the address's network
    /// is for this one; who says neither is for all, and who fits none as well: nothing gets lost.
    fn takes(&self, entry: &RouteEntry) -> bool {
        let of_family = |ip: &&IpConfig| ip.address.is_ipv4() == entry.route.dst.is_ipv4();
        let fits = |ip: &IpConfig| {
            let said = [entry.route.src, entry.route.gw];
            said == [None; 2] || said.into_iter().flatten().any(|said| ip.address.contains(said))
        };
        of_family(&self.ip) && (fits(self.ip) || !self.all.iter().filter(of_family).any(fits))
    }

    /// The default route that is missing beside these: the configuration's goes before others, the previous result's is for
    /// want of any.
    fn default_route(&self, content: &[&RouteEntry]) -> Option<RouteEntry> {
        let v4 = self.ip.address.is_ipv4();
        let used = default_route(content.iter().copied());
        let told = || self.ip.gateway.filter(|gw| gw.is_ipv4() == v4 && used.is_none());
        let gw = self.gateway.or_else(told)?;
        if used.is_some_and(|used| used.route.gw == Some(gw)) {
            return None;
        }
        let any = if v4 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let everything = IpNetwork::new(any, 0).ok()?;
        let metric = used.and_then(|_| (!v4).then_some(IPV6_METRIC_MIN));
        let route = Route { metric, ..Route::new(everything, Some(gw), self.link) };
        Some(RouteEntry::new(&route, OWN))
    }
}

/// The default route that is used among these of a table and family.
pub fn default_route<'a>(entries: impl IntoIterator<Item = &'a RouteEntry>) -> Option<&'a RouteEntry> {
    let defaults = entries.into_iter().filter(|entry| entry.route.dst.prefix() == 0);
    defaults.min_by_key(|entry| entry.route.metric.unwrap_or(0))
}

/// A change of the main table.
#[derive(Debug, Clone)]
pub enum Change {
    /// A route goes.
    Gone(RouteEntry),
    /// A route gets an address for packets that have none yet.
    Hinted(RouteEntry, IpAddr),
    /// A route comes.
    New(RouteEntry),
}

/// What the tables have by an interface before an ADD.
#[derive(Debug)]
pub struct Present<'a> {
    /// The main table.
    pub main: Vec<&'a RouteEntry>,
    /// The tables of the interface's addresses.
    pub held: Vec<&'a RouteEntry>,
    /// The interface.
    pub link: LinkIndex,
}

/// What changes in the main table, once the tables of the addresses have all of its routes by the interface.
///
/// IPv6 link-local destinations stay: neighbours speak to each other from link-local addresses, which have no table.
pub fn changes(present: &Present<'_>, ips: &[IpConfig], keep: Main) -> Vec<Change> {
    let Present { main, .. } = present;
    let has_source = |entry: &RouteEntry| ips.iter().any(|ip| ip.address.is_ipv4() == entry.route.dst.is_ipv4());
    let moved = main.iter().filter(|entry| has_source(entry) && !entry.shared && !is_link_local(&entry.route.dst));
    let change = |entry: &RouteEntry| match keep {
        Main::Hinted if entry.route.gw.is_none() => hint(entry, ips).map(|ip| Change::Hinted(entry.clone(), ip)),
        _ => Some(Change::Gone(entry.clone())),
    };
    let new = if keep == Main::Hinted { missing_networks(present, ips) } else { Vec::new() };
    moved.filter_map(|entry| change(entry)).chain(new.into_iter().map(Change::New)).collect()
}

/// The address that the route of a network is to give packets, unless it gives them one of the interface's already.
fn hint(entry: &RouteEntry, ips: &[IpConfig]) -> Option<IpAddr> {
    let in_network = ips.iter().filter(|ip| is_network_of(&entry.route.dst, ip)).map(|ip| ip.address.ip());
    if in_network.clone().any(|ip| entry.route.src == Some(ip)) { None } else { in_network.into_iter().next() }
}

/// Routes of the addresses' networks that the main table does not have: as an ADD that was killed has left them in another
/// table, or new ones.
fn missing_networks(present: &Present<'_>, ips: &[IpConfig]) -> Vec<RouteEntry> {
    let Present { main, held, link } = present;
    let mut missing: Vec<RouteEntry> = Vec::new();
    for ip in ips {
        let whole = if ip.address.is_ipv4() { 32 } else { 128 };
        let is_route = |entry: &&RouteEntry| entry.route.gw.is_none() && is_network_of(&entry.route.dst, ip);
        if ip.address.prefix() < whole && !main.iter().copied().chain(&missing).any(|entry| is_route(&entry)) {
            let src = ip.address.ip();
            let new = || RouteEntry::new(&Route { src: Some(src), ..Route::new(ip.address, None, *link) }, OWN);
            let moved = held.iter().copied().find(is_route);
            missing.push(moved.map_or_else(new, |entry| entry.in_table(MAIN_TABLE).with_src(src)));
        }
    }
    missing
}

fn is_network_of(network: &IpNetwork, ip: &IpConfig) -> bool {
    (network.network(), network.prefix()) == (ip.address.network(), ip.address.prefix())
}

fn is_link_local(dst: &IpNetwork) -> bool {
    matches!(dst, IpNetwork::V6(dst) if dst.ip().is_unicast_link_local())
}

/// Whether `entry` of whatever table is what `other` of the main table was, or has become of it.
pub fn stands_for(entry: &RouteEntry, other: &RouteEntry) -> bool {
    entry.in_table(other.route.table).is_rival(other)
        && (entry.route.gw, entry.route.link) == (other.route.gw, other.route.link)
}

#[cfg(test)]
mod tests;
