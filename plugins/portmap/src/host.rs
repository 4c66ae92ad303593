//! What the host needs beside rules: 127.0.0.1 that may be routed, hairpins, and no memory of earlier connections.

use std::{collections::HashMap, net::IpAddr};

use attach::{Owner, firewall, kernel, veth};
use cni::{Result, Success, Undo};
use net::{Link, LinkIndex, PortChange, Rtnl, here, sysctl};
use nft::{
    Batch, Element, Ifname, Nft, Proto,
    conntrack::{Conntrack, Entry, Filter},
};

use crate::{
    plan::{Addresses, Published},
    rules::{self, localnet_links, table},
};

/// The links of the host that a result tells of, without bridges.
pub fn links(host: &mut Rtnl, prev: &Success) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    for told in prev.interfaces.iter().filter(|told| told.sandbox.is_none()) {
        links.extend(host.link(&told.name).map_err(kernel)?.filter(|link| !link.is_kind("bridge")));
    }
    Ok(links)
}

/// The link by which the container's address is reached: a bridge, or the host's end of its pair.
pub fn link_to(host: &mut Rtnl, address: IpAddr) -> Result<Option<Link>> {
    match host.route_to(address).map_err(kernel)? {
        Some((index, _)) => host.link_at(index).map_err(kernel),
        None => Ok(None),
    }
}

/// Lets the container and its neighbours reach published ports through the host: their packets come back the way they
/// came only if they look like the host's.
pub fn ensure_hairpin(nft: &mut Nft, host: &mut Rtnl, addresses: &Addresses) -> Result<()> {
    for address in addresses.iter() {
        if let Some(link) = link_to(host, address.ip())? {
            rules::section().ensure(nft, &[address], &link.name)?;
        }
    }
    Ok(())
}

/// Forgets the subnets of `released` unless their link has other ports.
pub fn release_hairpin(released: &[Element], owner: &Owner, prev: Option<&Success>) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let mut going: Vec<LinkIndex> = veth::find(&mut host, owner)?.iter().map(|link| link.index).collect();
    if let Some(prev) = prev {
        going.extend(links(&mut host, prev)?.iter().map(|link| link.index));
    }
    let mut nft = Nft::open().map_err(firewall)?;
    let mut names: Vec<String> = Vec::new();
    for address in released.iter().filter_map(|element| rules::published(element)?.2) {
        names.extend(link_to(&mut host, address)?.map(|link| link.name).filter(|name| !names.contains(name)));
    }
    names.iter().try_for_each(|name| rules::section().release_unused(&mut nft, name, &going))
}

/// With bridge netfilter a packet that a container sends to itself through the host goes back by the port it came from,
/// which only a port in hairpin mode allows. A promiscuous bridge would then deliver everything twice.
pub fn set_hairpin_mode(host: &mut Rtnl, links: &[Link], undo: &mut Undo) -> Result<()> {
    let filtered = ["iptables", "ip6tables"]
        .iter()
        .any(|family| sysctl::get(&here(), &format!("net/bridge/bridge-nf-call-{family}")).is_ok_and(|on| on == "1"));
    for link in links.iter().filter(|link| filtered && link.port.is_some_and(|port| !port.hairpin)) {
        let Some(master) = link.master else { continue };
        if host.link_at(master).map_err(kernel)?.is_none_or(|bridge| bridge.promisc) {
            continue;
        }
        let change = |on| PortChange { hairpin: Some(on), ..PortChange::default() };
        host.set_port(link, change(true)).map_err(kernel)?;
        let link = link.clone();
        undo.push("set hairpin mode", move || {
            Rtnl::open(&here()).and_then(|mut host| host.set_port(&link, change(false))).map_err(kernel)
        });
    }
    Ok(())
}

/// Lets packets from 127.0.0.1 go to the container: its link gets `route_localnet`, but only once the firewall keeps
/// packets to and from 127.0.0.0/8 out that come in by that link.
pub fn ensure_localhost(nft: &mut Nft, host: &mut Rtnl, address: IpAddr) -> Result<()> {
    let Some(link) = link_to(host, address)? else { return Ok(()) };
    let mut guard = Batch::new();
    let name = Ifname::new(&link.name).map_err(firewall)?;
    guard.ensure_elements(&table(), &localnet_links(), [Element::new(name)]);
    nft.commit(guard).map_err(firewall)?;
    sysctl::ensure(&here(), &format!("net/ipv4/conf/{}/route_localnet", link.name), "1").map_err(kernel)
}

/// Forgets connections to published ports that were made before these were published: they would never be translated.
/// TCP begins anew by itself.
pub fn forget_before(ports: &[Published]) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let mut conntrack = None;
    for port in ports.iter().filter(|port| port.protocol != Proto::TCP) {
        let conntrack = conntrack.get_or_insert(Conntrack::open().map_err(firewall)?);
        let mut is_host: HashMap<IpAddr, bool> = HashMap::new();
        let listed = conntrack.list(filter(port.to.ip(), port.protocol, port.host_port)).map_err(firewall)?;
        for entry in listed {
            let dst = entry.orig.dst;
            let to_host = match is_host.get(&dst) {
                Some(known) => *known,
                None => host.route_to(dst).map_err(kernel)?.is_some_and(|(_, local)| local),
            };
            is_host.insert(dst, to_host);
            if to_host && port.at.is_none_or(|at| at == dst) {
                conntrack.delete(&entry).map_err(firewall)?;
            }
        }
    }
    Ok(())
}

/// Forgets connections that were led to the container: its address may be somebody else's next.
pub fn forget_after(released: &[Element]) -> Result<()> {
    let mut conntrack = None;
    for (protocol, port, to) in released.iter().filter_map(rules::published) {
        let Some(to) = to.filter(|_| protocol != Proto::TCP) else { continue };
        let conntrack = conntrack.get_or_insert(Conntrack::open().map_err(firewall)?);
        let led_there = |entry: &Entry| entry.reply.src == to;
        conntrack.flush(filter(to, protocol, port), led_there).map_err(firewall)?;
    }
    Ok(())
}

fn filter(of_family: IpAddr, protocol: Proto, host_port: u16) -> Filter {
    Filter { family: Some(nft::Nfproto::of(of_family)), proto: Some(protocol), orig_dport: Some(host_port) }
}
