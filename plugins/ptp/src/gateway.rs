//! The host's end of the pair: it has the gateways' addresses, and the container's are behind it.

use std::net::IpAddr;

use attach::{Owner, host as settings, kernel, network_hash, ready, routes, tag_prefix, verify::failed};
use cni::{Code, Error, IpConfig, Result};
use ipnetwork::IpNetwork;
use net::{Address, Link, Rtnl};

/// `RT_SCOPE_HOST` (rtnetlink(7)), which the reference plugin gives these routes.
const SCOPE_HOST: u8 = 254;

/// Gives the host's end its addresses and routes, and lets the host forward.
///
/// # Errors
/// Code 101 if an address of the container is another container's already, on another network.
pub fn configure(host: &mut Rtnl, owner: &Owner, near: &Link, ips: &[IpConfig]) -> Result<()> {
    for gateway in gateways(ips) {
        // The host is the only one to have it: nothing to probe for. What it is routed by is its local route, which tells
        // when it can be used.
        let address = Address { no_dad: true, no_prefix_route: true, ..Address::new(gateway) };
        host.add_address(near, &address).map_err(kernel)?;
    }
    for ip in ips {
        lead(host, owner, near, ip.address.ip())?;
    }
    settings::enable_forwarding(ips.iter().map(|ip| &ip.address))
}

/// Leads what is for the container's address to it.
fn lead(host: &mut Rtnl, owner: &Owner, near: &Link, address: IpAddr) -> Result<()> {
    let scope = address.is_ipv4().then_some(SCOPE_HOST);
    let route = net::Route { scope, ..net::Route::new(address.into(), None, near.index) };
    match host.add_route(&route) {
        Err(error) if error.is_exists() => {
            refuse_other_network(host, owner, near, address)?;
            // That one may be about to go, and its address is given out again already: then this one serves.
            log::warn!("route {address} to \"{}\": another link has it still", near.name);
            routes::add(host, &route).map(drop)
        }
        added => added.map_err(kernel),
    }
}

/// A network gives an address to one container at a time. Of two that have it from two networks only one could be reached.
fn refuse_other_network(host: &mut Rtnl, owner: &Owner, near: &Link, address: IpAddr) -> Result<()> {
    let Some(other) = link_to(host, address)? else { return Ok(()) };
    let tag = other.alias.as_deref().unwrap_or_default();
    let is_of_network = |prefix: &str| prefix.starts_with(&network_hash(owner.network()));
    if tag_prefix(tag).is_none_or(is_of_network) || owner.is_of_container(tag) {
        return Ok(());
    }
    let who = tag.split_once(", ").map_or("another network", |(_, who)| who);
    let msg = format!("route {address} to \"{}\": link \"{}\" has the address already, {who}", near.name, other.name);
    Err(Error::new(Code::InUse, msg))
}

/// Waits until container and host reach each other.
pub fn await_ready(host: &mut Rtnl, near: &Link, ips: &[IpConfig]) -> Result<()> {
    ready::await_carrier(host, near)?;
    let mut gateways = gateways(ips).into_iter().filter(IpNetwork::is_ipv6).peekable();
    if gateways.peek().is_some() {
        ready::await_groups(host, near)?;
        ready::await_link_local(host, near)?;
    }
    gateways.try_for_each(|gateway| ready::await_local_by(host, near, gateway.ip()))
}

/// Whether a link of the host looks like an end that the reference plugin has made: no port, and with single addresses.
pub fn may_be(host: &mut Rtnl, link: &Link) -> Result<bool> {
    let addresses = host.addresses(link).map_err(kernel)?;
    let is_gateway = |address: &Address| IpNetwork::from(address.ip.ip()) == address.ip;
    Ok(link.master.is_none() && addresses.iter().any(is_gateway))
}

/// Fails unless the host's end has its addresses, and the container's are behind it.
pub fn check(host: &mut Rtnl, near: &Link, ips: &[IpConfig]) -> Result<()> {
    let wrong = |what: String| Err(failed(format!("check link \"{}\" of the host: {what}", near.name)));
    if !near.up {
        return wrong("it is down".to_owned());
    }
    let present = host.addresses(near).map_err(kernel)?;
    if let Some(lost) = gateways(ips).into_iter().find(|gateway| !present.iter().any(|address| address.ip == *gateway))
    {
        return wrong(format!("address {lost} has gone"));
    }
    for address in ips.iter().map(|ip| ip.address.ip()).filter(|address| !is_link_local(*address)) {
        match link_to(host, address)? {
            Some(link) if link.index == near.index => {}
            Some(other) => return wrong(format!("{address} is behind \"{}\" instead", other.name)),
            None => return wrong(format!("there is no route to {address}")),
        }
    }
    Ok(())
}

/// The link by which an address is reached.
fn link_to(host: &mut Rtnl, address: IpAddr) -> Result<Option<Link>> {
    let hop = host.route_to(address).map_err(kernel)?;
    Ok(hop.map(|hop| host.link_at(hop.link)).transpose().map_err(kernel)?.flatten())
}

/// Such an address is on every link: no route tells which.
fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

/// The addresses of the host's end: each gateway once, by itself.
fn gateways(ips: &[IpConfig]) -> Vec<IpNetwork> {
    let mut gateways: Vec<IpNetwork> = ips.iter().filter_map(|ip| ip.gateway).map(IpNetwork::from).collect();
    gateways.sort();
    gateways.dedup();
    gateways
}
