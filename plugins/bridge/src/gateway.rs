//! The gateway: an address of the host on the bridge, or on its interface in the container's VLAN.

use attach::{
    host::{self as settings, prepare_ipv6},
    kernel, ready,
    verify::failed,
    veth::existing,
};
use cni::{Code, Error, IpConfig, Result};
use ipnetwork::IpNetwork;
use net::{Address, Link, LinkChange, Mac, PortVlan, Rtnl, VethEnd, VethSpec};

use crate::plan::{self, Plan, gateway_address};

/// Gives the gateway's addresses to its interface and lets the host forward. Returns the interface.
pub fn ensure(host: &mut Rtnl, bridge: &Link, plan: &Plan, ips: &[IpConfig]) -> Result<Option<Link>> {
    let wanted = plan.gateway_addresses(ips);
    if wanted.is_empty() {
        return Ok(None);
    }
    let link = match plan.vlans.native {
        None => bridge.clone(),
        Some(vlan) => ensure_vlan_link(host, bridge, plan, vlan)?,
    };
    for address in &wanted {
        ensure_address(host, &link, address, plan.force_address)?;
        ready::await_local(host, address.ip())?;
    }
    settings::enable_forwarding(&wanted)?;
    Ok(Some(link))
}

/// Waits until containers reach the gateway, whose interface may have got its carrier just now.
pub fn await_ready(host: &mut Rtnl, gateway: Option<&Link>, plan: &Plan, ips: &[IpConfig]) -> Result<()> {
    match gateway.filter(|_| plan.gateway_addresses(ips).iter().any(IpNetwork::is_ipv6)) {
        Some(link) => ready::await_groups(host, link),
        None => Ok(()),
    }
}

fn ensure_address(host: &mut Rtnl, link: &Link, wanted: &IpNetwork, force: bool) -> Result<()> {
    let present: Vec<IpNetwork> = host.addresses(link).map_err(kernel)?.iter().map(|address| address.ip).collect();
    let plan::Address::Missing(in_the_way) = gateway_address(wanted, &present) else { return Ok(()) };
    if let (Some(other), false) = (in_the_way.first(), force) {
        return Err(Error::new(
            Code::InUse,
            format!(
                "failed to set bridge addr: \"{}\" already has an IP address different from {wanted}: {other} (remove it, or set \"forceAddress\")",
                link.name
            ),
        ));
    }
    for other in in_the_way {
        host.del_address(link, &Address::new(other)).map_err(kernel)?;
    }
    // The host is the only one to have it: nothing to probe for, and containers need it at once.
    let address = Address { no_dad: true, ..Address::new(*wanted) };
    match host.add_address(link, &address) {
        // Another container's ADD was faster.
        Err(error) if error.is_exists() => {}
        added => added.map_err(kernel)?,
    }
    // A bridge that somebody else has made might follow its ports' addresses; one that was set stays.
    host.set_link(link, &LinkChange { mac: link.mac, ..LinkChange::default() }).map_err(kernel)
}

/// The interface `<bridge>.<vlan>`: one end of a pair whose other end is a port of the bridge in that VLAN.
///
/// It is shared by the VLAN's containers, as the bridge is by all, and stays like it. Whoever made it may not have come
/// to the end: what it lacks it gets.
fn ensure_vlan_link(host: &mut Rtnl, bridge: &Link, plan: &Plan, vlan: u16) -> Result<Link> {
    let name = plan.gateway_link();
    let link = match host.link(&name).map_err(kernel)? {
        Some(link) => link,
        None => create_vlan_link(host, bridge, plan)?,
    };
    let peer = link.peer.filter(|_| link.is_kind("veth") && !link.peer_elsewhere);
    if let Some(port) = peer.map(|peer| host.link_at(peer)).transpose().map_err(kernel)?.flatten() {
        ensure_only_vlan(host, &port, vlan)?;
    }
    if !link.up {
        host.set_link(&link, &LinkChange { up: Some(true), ..LinkChange::default() }).map_err(kernel)?;
    }
    Ok(link)
}

fn create_vlan_link(host: &mut Rtnl, bridge: &Link, plan: &Plan) -> Result<Link> {
    let name = plan.gateway_link();
    let [.., a, b, c, d] = Mac::random().0;
    let end = |name: &str| VethEnd { name: name.to_owned(), mac: Mac::random() };
    let port = end(&format!("veth{a:02x}{b:02x}{c:02x}{d:02x}"));
    let spec = VethSpec { near: port, far: end(&name), mtu: plan.mtu, master: Some(bridge.index), netns: None };
    match host.add_veth(&spec) {
        // Another container's ADD was faster.
        Err(error) if error.is_exists() => {}
        made => made.map_err(kernel)?,
    }
    prepare_ipv6(&name);
    existing(host, &name)
}

fn ensure_only_vlan(host: &mut Rtnl, port: &Link, vlan: u16) -> Result<()> {
    let wanted = PortVlan::native(vlan);
    let present = host.port_vlans(port).map_err(kernel)?;
    if present.contains(&wanted) {
        return Ok(());
    }
    if !present.is_empty() {
        host.del_port_vlans(port, &present).map_err(kernel)?;
    }
    host.add_port_vlans(port, &[wanted]).map_err(kernel)
}

/// Fails unless the gateway's interface has its addresses.
pub fn check(host: &mut Rtnl, plan: &Plan, ips: &[IpConfig]) -> Result<()> {
    let wanted = plan.gateway_addresses(ips);
    if wanted.is_empty() {
        return Ok(());
    }
    let name = plan.gateway_link();
    let link = host.link(&name).map_err(kernel)?;
    let link = link.ok_or_else(|| failed(format!("check gateway \"{name}\": it has gone")))?;
    let present = host.addresses(&link).map_err(kernel)?;
    match wanted.iter().find(|wanted| !present.iter().any(|address| address.ip == **wanted)) {
        None => Ok(()),
        Some(missing) => Err(failed(format!("check gateway \"{name}\": address {missing} has gone"))),
    }
}
