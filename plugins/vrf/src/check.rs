//! CHECK: the interface is in its VRF, and its routes are where packets of the VRF look for them.

use attach::{kernel, verify::failed};
use cni::{Error, IpConfig, Result, Route, Success};
use net::RouteEntry;

use crate::{domain::Domain, plan::Plan, port::Port};

/// Fails unless `port`, with the addresses `ips`, is as planned.
pub fn port(port: &mut Port, plan: &Plan, ips: &[IpConfig], result: &Success) -> Result<()> {
    let name = &plan.name;
    let found = port.rtnl.link(name).map_err(kernel)?;
    let Some(found) = found else { return Err(failed(format!("check vrf \"{name}\": it has gone"))) };
    let Some(vrf) = Domain::of(found) else { return Err(failed(format!("check vrf \"{name}\": it is none"))) };
    if let Some(table) = plan.table.filter(|table| *table != vrf.table) {
        return Err(failed(format!("check vrf \"{name}\": it has routing table {}, not {table}", vrf.table)));
    }
    if !vrf.link.up {
        return Err(failed(format!("check vrf \"{name}\": it is down")));
    }
    if port.link.master != Some(vrf.link.index) {
        return Err(failed(format!("check vrf \"{name}\": \"{}\" is no port of it", port.link.name)));
    }
    let entries = port.rtnl.route_entries().map_err(kernel)?;
    let own = |entry: &&RouteEntry| entry.route.link == port.link.index && entry.route.table == vrf.table;
    let present: Vec<_> = entries.iter().filter(own).collect();
    result.routes.iter().filter(|route| is_by(route, ips, result)).try_for_each(|route| find(route, &present, &vrf))
}

/// Whether a route of a result leads by the interface with the addresses `ips`. Results do not tell: its next hop does, or that
/// there is no other interface with an address of its family.
fn is_by(route: &Route, ips: &[IpConfig], result: &Success) -> bool {
    let of_family = |ip: &&IpConfig| ip.address.is_ipv4() == route.dst.is_ipv4();
    let own = ips.iter().filter(of_family).count();
    let is_only = own > 0 && own == result.ips.iter().filter(of_family).count();
    route.table.is_none() && route.gw.map_or(is_only, |gw| ips.iter().any(|ip| ip.address.contains(gw)))
}

/// A default route's next hop may have been chosen by somebody else.
fn find(told: &Route, present: &[&RouteEntry], vrf: &Domain) -> Result<()> {
    let is_it = |entry: &&&RouteEntry| {
        let (dst, route) = (told.dst, &entry.route);
        (dst.network(), dst.prefix()) == (route.dst.network(), route.dst.prefix())
            && (told.is_default() || told.gw.is_none() || told.gw == route.gw)
    };
    let missing = || -> Error {
        let via = told.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
        failed(format!("check vrf \"{}\": route to {}{via} is not in its table {}", vrf.link.name, told.dst, vrf.table))
    };
    present.iter().find(is_it).map(|_| ()).ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use net::{Kind, Link, LinkIndex};
    use serde_json::json;

    use super::*;

    #[test]
    fn routes_are_the_interfaces_if_their_next_hop_is_in_its_network_or_nobody_elses() {
        let told = json!({"ips": [{"address": "10.1.0.2/24"}, {"address": "fd01::2/64"}, {"address": "10.2.0.2/24"}]});
        let result: Success = serde_json::from_value(told).unwrap();
        let by = |route| is_by(&serde_json::from_value(route).unwrap(), &result.ips[..2], &result);
        assert!(by(json!({"dst": "10.9.0.0/16", "gw": "10.1.0.1"})) && by(json!({"dst": "fd09::/64"})));
        assert!(!by(json!({"dst": "10.9.0.0/16", "gw": "10.2.0.1"})) && !by(json!({"dst": "10.9.0.0/16"})));
        assert!(!by(json!({"dst": "10.9.0.0/16", "gw": "10.1.0.1", "table": 7})), "it does not move");
    }

    #[test]
    fn default_routes_may_have_another_next_hop() {
        let vrf = Link { name: "blue".into(), data: Some(Kind::Vrf { table: 9 }), ..Link::default() };
        let vrf = Domain::of(vrf).unwrap();
        let entry = |dst: &str| {
            let route = net::Route::new(dst.parse().unwrap(), Some([10, 1, 0, 7].into()), LinkIndex(2));
            RouteEntry::new(&route, 3)
        };
        let present = [entry("0.0.0.0/0"), entry("10.9.0.0/16")];
        let finds = |dst: &str| {
            let told: Route = serde_json::from_value(json!({"dst": dst, "gw": "10.1.0.1"})).unwrap();
            find(&told, &present.iter().collect::<Vec<_>>(), &vrf)
        };
        assert_eq!(finds("0.0.0.0/0"), Ok(()));
        let error = finds("10.9.0.0/16").unwrap_err();
        assert_eq!(error.msg, "check vrf \"blue\": route to 10.9.0.0/16 via 10.1.0.1 is not in its table 9");
    }
}
