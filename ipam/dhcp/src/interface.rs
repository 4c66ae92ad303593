//! The interface that has the addresses: finding it again, and giving and taking.

use std::{
    net::{IpAddr, Ipv6Addr},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;
use net::{Address, Errno, Link, LinkChange, LinkIndex, Netns, Rtnl, sysctl};
use serde::{Deserialize, Serialize};

use crate::{change::Change, lease::Lease};

/// Longest wait for a link to get its carrier. Without it is tried all the same.
const CARRIER: Duration = Duration::from_secs(2);
/// Longest wait for a link-local address, which is probed for another owner first: about a second (RFC 4862, section 5.4).
const LINK_LOCAL: Duration = Duration::from_secs(5);
const REST: Duration = Duration::from_millis(10);
/// How many metrics are tried for a route.
const METRICS: u32 = 64;

/// Which interface it is, whatever its name or path is by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The number of its network namespace.
    pub netns: u64,
    /// Its number there.
    pub link: u32,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// An interface that is there.
#[derive(Debug)]
pub struct Interface {
    /// Its network namespace.
    pub netns: Netns,
    /// What it is.
    pub link: Link,
    rtnl: Rtnl,
}

impl Interface {
    /// The interface of that name in the namespace at `path`.
    pub fn open(path: &Path, ifname: &str) -> Result<Self> {
        let netns = Netns::open(path).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let link = rtnl.link(ifname).map_err(kernel)?;
        let link = link.ok_or_else(|| {
            Error::new(Code::Kernel, format!("find link \"{ifname}\" in {}: there is none", path.display()))
                .details("dhcp makes no interface: a plugin that does calls it as its ipam")
        })?;
        if link.mac.is_none() || link.loopback {
            let msg = format!("ask for an address for \"{ifname}\": it is no Ethernet link");
            return Err(Error::new(Code::Kernel, msg));
        }
        Ok(Self { netns, link, rtnl })
    }

    /// The interface as it was known; `None` if it, or its namespace, has gone.
    ///
    /// Numbers are used again, so the hardware address has to be the same one; or, because that may have been changed since, an
    /// address of ours has to be there.
    pub fn find(path: &Path, identity: &Identity, leases: &[&Lease]) -> Result<Option<Self>> {
        let netns = match Netns::open(path) {
            Err(error) if error.is_not_found() || matches!(error.errno, Errno::EINVAL | Errno::ENOTDIR) => {
                return Ok(None);
            }
            opened => opened.map_err(kernel)?,
        };
        if netns.inode().map_err(kernel)? != identity.netns {
            return Ok(None);
        }
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let Some(link) = rtnl.link_at(LinkIndex(identity.link)).map_err(kernel)? else { return Ok(None) };
        let Some(mac) = link.mac else { return Ok(None) };
        let mut interface = Self { netns, link, rtnl };
        let is_same = mac.0 == identity.mac || interface.has_any(leases)?;
        Ok(is_same.then_some(interface))
    }

    fn has_any(&mut self, leases: &[&Lease]) -> Result<bool> {
        let present = self.rtnl.addresses(&self.link).map_err(kernel)?;
        let mut ips = leases.iter().flat_map(|lease| &lease.ips);
        Ok(ips.any(|ip| present.iter().any(|address| address.ip == ip.address)))
    }

    /// What it can be known by.
    pub fn identity(&self) -> Result<Identity> {
        let netns = self.netns.inode().map_err(kernel)?;
        Ok(Identity { netns, link: self.link.index.0, mac: self.mac() })
    }

    /// Its hardware address.
    pub fn mac(&self) -> [u8; 6] {
        self.link.mac.map(|mac| mac.0).unwrap_or_default()
    }

    /// Brings it up, and waits until it has a carrier. Returns whether it was down.
    pub fn bring_up(&mut self) -> Result<bool> {
        let was_down = !self.link.up;
        if was_down {
            self.set_up(true)?;
        }
        let deadline = Instant::now() + CARRIER;
        while !self.link.operational && Instant::now() < deadline {
            thread::sleep(REST);
            let link = self.rtnl.link_at(self.link.index).map_err(kernel)?;
            self.link =
                link.ok_or_else(|| Error::new(Code::Kernel, format!("find link \"{}\": it has gone", self.link.name)))?;
        }
        Ok(was_down)
    }

    /// Up or down.
    pub fn set_up(&mut self, up: bool) -> Result<()> {
        self.rtnl.set_link(&self.link, &LinkChange { up: Some(up), ..LinkChange::default() }).map_err(kernel)?;
        self.link.up = up;
        Ok(())
    }

    /// Its link-local address, once that can be used. Some runtimes turn IPv6 off in a container.
    pub fn link_local(&mut self) -> Result<Ipv6Addr> {
        let key = format!("net/ipv6/conf/{}/disable_ipv6", self.link.name);
        self.netns.enter(|inside| sysctl::ensure(inside, &key, "0")).map_err(kernel)?.map_err(kernel)?;
        let deadline = Instant::now() + LINK_LOCAL;
        loop {
            let addresses = self.rtnl.addresses(&self.link).map_err(kernel)?;
            let usable = |address: &&Address| address.is_link_local_v6() && !address.tentative && !address.dad_failed;
            if let Some(IpAddr::V6(ip)) = addresses.iter().find(usable).map(|address| address.ip.ip()) {
                return Ok(ip);
            }
            if Instant::now() > deadline {
                let msg = format!("use IPv6 on \"{}\": it has no link-local address that can be used", self.link.name);
                return Err(Error::new(Code::Kernel, msg));
            }
            thread::sleep(REST);
        }
    }

    /// Notes in a lease which metrics its routes have here.
    pub fn note_metrics(&mut self, lease: &mut Lease) -> Result<()> {
        let present = self.routes()?;
        for route in &mut lease.routes {
            let same = present.iter().find(|other| other.dst == route.dst && other.gw == route.gw);
            route.priority = same.map_or(route.priority, |route| route.metric);
        }
        Ok(())
    }

    /// Takes the addresses of a lease away. Their routes go with them.
    pub fn withdraw(&mut self, lease: &Lease) -> Result<()> {
        let Self { rtnl, link, .. } = self;
        Error::collect(lease.ips.iter().map(|ip| rtnl.del_address(link, &Address::new(ip.address)).map_err(kernel)))
    }

    /// Changes addresses and routes as far as that works; what does not is told at the end.
    ///
    /// The old addresses go first, because the kernel takes a later one of the same subnet away along with the first. With the last
    /// IPv4 address all IPv4 routes go: those that somebody else has made are made again.
    pub fn change(&mut self, change: &Change) -> Result<()> {
        let before = self.routes()?;
        let Self { rtnl, link, .. } = self;
        let mut steps: Vec<Result<()>> = Vec::new();
        for ip in &change.old_ips {
            steps.push(rtnl.del_address(link, &Address::new(*ip)).map_err(kernel));
        }
        for ip in &change.new_ips {
            let address = Address { no_dad: true, ..Address::new(*ip) };
            let added = rtnl.add_address(link, &address);
            steps.push(added.or_else(|error| if error.is_exists() { Ok(()) } else { Err(error) }).map_err(kernel));
        }
        let goes = |route: &net::Route| change.old_routes.iter().any(|old| old.dst == route.dst && old.gw == route.gw);
        for route in &before {
            if goes(route) {
                steps.push(rtnl.del_route(route).map_err(kernel));
            } else if !is_of_subnet(route, &change.old_ips)
                && let Err(error) = rtnl.add_route(route)
                && !error.is_exists()
            {
                log::info!("{error}");
            }
        }
        for route in &change.new_routes {
            let known = before.iter().find(|old| goes(old) && old.dst == route.dst).and_then(|old| old.metric);
            let base = net::Route::new(route.dst, route.gw, link.index);
            let metric = known.or(route.priority);
            steps.push(add(rtnl, &net::Route { metric, scope: route.scope, mtu: route.mtu, ..base }));
        }
        Error::collect(steps)
    }

    fn routes(&mut self) -> Result<Vec<net::Route>> {
        let mut routes = self.rtnl.routes().map_err(kernel)?;
        routes.retain(|route| route.link == self.link.index);
        Ok(routes)
    }
}

/// Adds a route. A metric that is taken, by a route of another interface, is counted up.
fn add(rtnl: &mut Rtnl, route: &net::Route) -> Result<()> {
    let first = route.metric.unwrap_or(0);
    for more in 0..METRICS {
        let metric = if more == 0 { route.metric } else { first.checked_add(more) };
        match rtnl.add_route(&net::Route { metric, ..route.clone() }) {
            Err(error) if error.is_exists() => {}
            done => return done.map_err(kernel),
        }
    }
    Err(Error::new(Code::InUse, format!("add route to {}: {METRICS} metrics are taken", route.dst)))
}

/// Whether the kernel has made the route for one of these addresses.
fn is_of_subnet(route: &net::Route, ips: &[IpNetwork]) -> bool {
    route.gw.is_none() && ips.iter().any(|ip| ip.network() == route.dst.network() && ip.prefix() == route.dst.prefix())
}

/// What the kernel has refused.
pub fn kernel(error: net::Error) -> Error {
    Error::new(Code::Kernel, error.to_string()).details(error.extack.unwrap_or_default())
}
