//! The interface inside the container: settings, addresses, routes, and telling the neighbours.

use std::{collections::BTreeSet, net::IpAddr};

use cni::{IpConfig, Result, Route};
use ipnetwork::IpNetwork;
use net::{Address, Inside, Link, LinkChange, Netns, Rtnl, sysctl};

use crate::{
    kernel, ready,
    routes::{self, IPV6_METRIC},
    veth::existing,
};

/// How the interface is to be.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// Its addresses, each with its network's gateway.
    pub ips: &'a [IpConfig],
    /// Its routes.
    pub routes: &'a [Route],
    /// Whether IPv6 addresses are probed for other owners before they are used, which takes one to two seconds.
    pub detect_duplicates: bool,
    /// Whether it is up.
    pub up: bool,
}

/// Where the neighbours in the interface's subnets are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subnets {
    /// On the link: the kernel's own routes lead there.
    OnLink,
    /// Behind their gateways, which alone are on the link.
    BehindGateways,
}

/// The interface of an attachment, reached through a socket of the container's.
#[derive(Debug)]
pub struct Interface {
    rtnl: Rtnl,
    link: Link,
}

impl Interface {
    /// Opens the interface `ifname` of `netns` and settles what has to be settled before it is up.
    pub fn open(netns: &Netns, ifname: &str, wanted: &Wanted<'_>) -> Result<Self> {
        let inside = |inside: &Inside<'_>| {
            prepare(inside, ifname, wanted)?;
            let mut rtnl = Rtnl::open(inside).map_err(kernel)?;
            let link = existing(&mut rtnl, ifname)?;
            Ok(Self { rtnl, link })
        };
        netns.enter(inside).map_err(kernel)?
    }

    /// The interface as it was when it was opened.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// Gives it addresses, brings it up, gives it routes. Returns the routes as they are, with their metrics.
    pub fn configure(&mut self, wanted: &Wanted<'_>) -> Result<Vec<Route>> {
        self.configure_with(wanted, Subnets::OnLink)
    }

    /// The same where its subnets may be elsewhere.
    pub fn configure_with(&mut self, wanted: &Wanted<'_>, subnets: Subnets) -> Result<Vec<Route>> {
        let no_prefix_route = subnets == Subnets::BehindGateways;
        for ip in wanted.ips {
            let no_dad = ip.address.is_ipv6() && !wanted.detect_duplicates;
            let address = Address { no_dad, no_prefix_route, ..Address::new(ip.address) };
            self.rtnl.add_address(&self.link, &address).map_err(kernel)?;
        }
        if wanted.up {
            self.rtnl.set_link(&self.link, &LinkChange { up: Some(true), ..LinkChange::default() }).map_err(kernel)?;
        }
        if wanted.detect_duplicates && wanted.ips.iter().any(|ip| ip.address.is_ipv6()) {
            ready::await_dad(&mut self.rtnl, &self.link)?;
        }
        if wanted.up {
            wanted.ips.iter().try_for_each(|ip| ready::await_local(&mut self.rtnl, ip.address.ip()))?;
            if wanted.ips.iter().any(|ip| ip.address.is_ipv6()) {
                ready::await_groups(&mut self.rtnl, &self.link)?;
            }
        }
        if no_prefix_route {
            self.add_gateways(wanted.ips)?;
        }
        wanted.routes.iter().map(|route| self.add_route(route, wanted.ips)).collect()
    }

    /// Makes the kernel announce every address to the neighbours: gratuitous ARP and unsolicited neighbour advertisements.
    ///
    /// It does that by itself when an interface comes up, which here is before the bridge forwards: nobody would hear it.
    /// Setting the hardware address, to what it is, makes it do so again (`NETDEV_CHANGEADDR` in `inetdev_event` and
    /// `ndisc_netdev_event`), because `arp_notify` and `ndisc_notify` are set.
    ///
    /// That of an ipvlan link is its parent's and cannot be set. But what it sends leaves by the parent from the moment that it is
    /// up, and has been heard.
    pub fn announce(&mut self) -> Result<()> {
        if self.link.is_kind("ipvlan") {
            return Ok(());
        }
        let same = LinkChange { mac: self.link.mac, ..LinkChange::default() };
        self.rtnl.set_link(&self.link, &same).map_err(kernel)
    }

    /// Adds a route. One without a priority starts with the metric of [`metric_of`], so that two networks never share a
    /// destination by accident.
    fn add_route(&mut self, route: &Route, ips: &[IpConfig]) -> Result<Route> {
        let metric = routes::add(&mut self.rtnl, &to_kernel(route, ips, &self.link))?;
        Ok(Route { priority: metric.filter(|metric| *metric > 0), ..route.clone() })
    }

    /// Adds the routes to the gateways, and to the subnets that are behind them.
    fn add_gateways(&mut self, ips: &[IpConfig]) -> Result<()> {
        let gateways = ips.iter().filter_map(|ip| Some((ip.address, ip.gateway?)));
        let to_gateway = |(address, gw): (IpNetwork, IpAddr)| (gw.into(), None, address.ip());
        let to_subnet = |(address, gw): (IpNetwork, IpAddr)| (address, Some(gw), address.ip());
        let subnets = gateways.clone().filter(|(address, _)| !is_single(address));
        let mut seen = BTreeSet::new();
        for (dst, gw, src) in gateways.map(to_gateway).chain(subnets.map(to_subnet)) {
            // Several addresses may have them in common.
            if seen.insert((dst.network(), dst.prefix(), gw)) {
                let metric = metric_of(&self.link.name, &dst);
                let route = net::Route { metric, src: Some(src), ..net::Route::new(dst, gw, self.link.index) };
                routes::add(&mut self.rtnl, &route)?;
            }
        }
        Ok(())
    }
}

/// Whether an address has no subnet beside it.
fn is_single(address: &IpNetwork) -> bool {
    address.prefix() == if address.is_ipv4() { 32 } else { 128 }
}

/// `RT_SCOPE_LINK`: the destination itself is on the link (rtnetlink(7)).
const SCOPE_LINK: u8 = 253;

/// A result's route as the kernel's: the next hop defaults to the gateway of the first address of its family, unless the
/// scope says that there is none.
fn to_kernel(route: &Route, ips: &[IpConfig], link: &Link) -> net::Route {
    let on_link = route.scope.is_some_and(|scope| scope >= SCOPE_LINK);
    let of_family = |gw: &IpAddr| gw.is_ipv4() == route.dst.is_ipv4();
    let gateway = || ips.iter().filter_map(|ip| ip.gateway).find(of_family).filter(|_| !on_link);
    let base = net::Route::new(route.dst, route.gw.or_else(gateway), link.index);
    net::Route {
        metric: route.priority.filter(|priority| *priority > 0).or_else(|| metric_of(&link.name, &route.dst)),
        table: route.table.unwrap_or(base.table),
        scope: route.scope,
        mtu: route.mtu.filter(|mtu| *mtu > 0),
        advmss: route.advmss.filter(|advmss| *advmss > 0),
        ..base
    }
}

/// The metric of a route without a priority: by the number at the end of the interface's name.
///
/// `eth0` has the kernel's default, `eth1` one more, and so on: of two default routes that of the lower interface is used,
/// in whatever order the interfaces were attached (containerd attaches several at the same time).
fn metric_of(ifname: &str, dst: &IpNetwork) -> Option<u32> {
    let digits = ifname.trim_start_matches(|c: char| !c.is_ascii_digit());
    let number = digits.parse::<u32>().ok().filter(|number| (1..=9999).contains(number))?;
    Some(number + if dst.is_ipv6() { IPV6_METRIC } else { 0 })
}

/// Sysctls of the interface; those that only refine its behaviour may be missing or read-only.
///
/// An interface without addresses is the container's to configure: nothing is settled for it.
fn prepare(inside: &Inside<'_>, ifname: &str, wanted: &Wanted<'_>) -> Result<()> {
    if wanted.ips.is_empty() {
        return Ok(());
    }
    let refine = |key: String, value: &str| {
        if let Err(error) = sysctl::set(inside, &key, value) {
            log::info!("{error}");
        }
    };
    if wanted.ips.iter().any(|ip| ip.address.is_ipv6()) {
        for link in ["lo", ifname] {
            enable_ipv6(inside, link)?;
        }
        // Addresses survive the interface going down and up again.
        refine(format!("net/ipv6/conf/{ifname}/keep_addr_on_down"), "1");
    }
    let detect = if wanted.detect_duplicates { "1" } else { "0" };
    refine(format!("net/ipv6/conf/{ifname}/accept_dad"), detect);
    if wanted.detect_duplicates {
        refine(format!("net/ipv6/conf/{ifname}/enhanced_dad"), "1");
    }
    refine(format!("net/ipv4/conf/{ifname}/arp_notify"), "1");
    refine(format!("net/ipv6/conf/{ifname}/ndisc_notify"), "1");
    Ok(())
}

/// Some runtimes turn IPv6 off in a container, whose network then hands out IPv6 addresses.
fn enable_ipv6(inside: &Inside<'_>, link: &str) -> Result<()> {
    let key = format!("net/ipv6/conf/{link}/disable_ipv6");
    match sysctl::get(inside, &key) {
        Ok(value) if value == "0" => Ok(()),
        Ok(_) => sysctl::set(inside, &key, "0").map_err(kernel),
        Err(error) => {
            log::info!("{error}");
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metric_follows_the_number_of_the_interface() {
        let metric = |ifname, dst: &str| metric_of(ifname, &dst.parse().unwrap());
        assert_eq!(metric("eth0", "0.0.0.0/0"), None);
        assert_eq!(metric("lo", "0.0.0.0/0"), None);
        assert_eq!(metric("eth1", "0.0.0.0/0"), Some(1));
        assert_eq!(metric("net12", "::/0"), Some(1036));
        assert_eq!(metric("eth0.100", "0.0.0.0/0"), None, "not one number at the end");
        assert_eq!(metric("eth99999", "0.0.0.0/0"), None);
    }
}
