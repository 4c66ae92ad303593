//! What is different between two leases of one interface. Pure.

use cni::Route;
use ipnetwork::IpNetwork;

use crate::lease::Lease;

/// What goes from an interface, and what comes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Addresses that go.
    pub old_ips: Vec<IpNetwork>,
    /// Addresses that come.
    pub new_ips: Vec<IpNetwork>,
    /// Routes that go.
    pub old_routes: Vec<Route>,
    /// Routes that come.
    pub new_routes: Vec<Route>,
}

impl Change {
    /// From a lease to the one that takes its place.
    pub fn between(old: &Lease, new: &Lease) -> Self {
        let ips = |lease: &Lease| -> Vec<IpNetwork> { lease.ips.iter().map(|ip| ip.address).collect() };
        let (before, after) = (ips(old), ips(new));
        let has = |list: &[Route], route: &Route| list.iter().any(|other| is_same(other, route));
        Self {
            old_ips: before.iter().filter(|ip| !after.contains(ip)).copied().collect(),
            new_ips: after.iter().filter(|ip| !before.contains(ip)).copied().collect(),
            old_routes: old.routes.iter().filter(|route| !has(&new.routes, route)).cloned().collect(),
            new_routes: new.routes.iter().filter(|route| !has(&old.routes, route)).cloned().collect(),
        }
    }

    /// From nothing to a lease.
    pub fn to(new: &Lease) -> Self {
        let new_ips = new.ips.iter().map(|ip| ip.address).collect();
        Self { new_ips, new_routes: new.routes.clone(), ..Self::default() }
    }

    /// Whether nothing is different.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// The metric may be another one than the lease's: the plugin that made the interface has its own way of choosing.
fn is_same(one: &Route, other: &Route) -> bool {
    (one.dst, one.gw, one.mtu, one.scope) == (other.dst, other.gw, other.mtu, other.scope)
}

#[cfg(test)]
mod tests {
    use cni::{Dns, IpConfig};

    use super::*;
    use crate::{
        lease::{Server, Times},
        moment::Moment,
    };

    fn lease(ip: &str, routes: &[(&str, &str)]) -> Lease {
        let route =
            |(dst, gw): &(&str, &str)| Route { gw: Some(gw.parse().unwrap()), ..Route::to(dst.parse().unwrap()) };
        Lease {
            ips: vec![IpConfig { interface: None, address: ip.parse().unwrap(), gateway: None }],
            routes: routes.iter().map(route).collect(),
            dns: Dns::default(),
            times: Times::new(Moment::from_millis(0), None, None, 60),
            server: Server::V6 { duid: Vec::new() },
        }
    }

    #[test]
    fn only_what_is_different_goes_and_comes() {
        let old = lease("10.1.0.5/24", &[("0.0.0.0/0", "10.1.0.1"), ("10.9.0.0/16", "10.1.0.9")]);
        let mut noted = old.clone();
        noted.routes[0].priority = Some(7);
        assert!(Change::between(&noted, &old).is_none(), "whatever the metric is");
        let new = lease("10.1.0.6/24", &[("0.0.0.0/0", "10.1.0.2"), ("10.9.0.0/16", "10.1.0.9")]);
        let change = Change::between(&old, &new);
        assert_eq!((change.old_ips, change.new_ips), (vec![old.ips[0].address], vec![new.ips[0].address]));
        assert_eq!((change.old_routes, change.new_routes), (vec![old.routes[0].clone()], vec![new.routes[0].clone()]));
        assert_eq!(Change::to(&new).new_routes.len(), 2);
    }
}
