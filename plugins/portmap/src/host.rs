//! What the host needs beside rules: 127.0.0.1 that may be routed, hairpins, and no memory of earlier connections.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    net::IpAddr,
};

use attach::{Owner, firewall, kernel, open_for_removal, veth};
use cni::{Result, Success, Undo};
use ipnetwork::IpNetwork;
use net::{Link, PortChange, Rtnl, here, sysctl};
use nft::{
    Batch, Element, Errno, Ifname, Nfproto, Nft, Proto, Value,
    conntrack::{Conntrack, Entry, Filter},
};

use crate::{
    plan::{Addresses, HostPort, Published},
    release::listed,
    rules::{Led, localnet_links, table},
};

/// The links of the host that are the attachment's alone: by our name, or else those that the result tells of and whose
/// other end is elsewhere, or else, where the result tells of none, the pair by which an address is reached. A bridge, or
/// its interface in a VLAN, is shared. The last one leads to an address, if one does.
pub fn links(host: &mut Rtnl, owner: &Owner, prev: &Success, addresses: &Addresses) -> Result<Vec<Link>> {
    let mut links = veth::find(host, owner)?;
    if links.is_empty() {
        for name in told(prev) {
            links.extend(host.link(&name).map_err(kernel)?.filter(is_of_one));
        }
    }
    for address in addresses.iter() {
        let Some(way) = link_to(host, address.ip())?.filter(is_pair) else { continue };
        if links.is_empty() {
            links.push(way);
        } else if let Some(place) = links.iter().position(|link| link.index == way.index) {
            let way = links.remove(place);
            links.push(way);
        }
    }
    Ok(links)
}

/// Whether a link leads to one container.
fn is_of_one(link: &Link) -> bool {
    !link.is_kind("bridge") && (link.master.is_some() || link.peer_elsewhere)
}

/// Whether it does so by itself, not as a port.
fn is_pair(link: &Link) -> bool {
    link.master.is_none() && is_of_one(link)
}

/// The names of the host's links that a result tells of. What no link can be called is none of them: asking the kernel
/// for it is an error, and no reason for a DEL to fail.
pub fn told(prev: &Success) -> Vec<String> {
    let of_host = prev.interfaces.iter().filter(|told| told.sandbox.is_none() && Ifname::new(&told.name).is_ok());
    of_host.map(|told| told.name.clone()).collect()
}

/// The link by which the container's address is reached: a bridge, or the host's end of its pair. None if there is a
/// gateway between: that link is the host's own way out. Nor if the address is the host's own: that link is `lo`, and a
/// guard there would keep the host from all that it has on 127.0.0.1.
fn link_to(host: &mut Rtnl, address: IpAddr) -> Result<Option<Link>> {
    match host.route_to(address).map_err(kernel)? {
        Some(hop) if !hop.gateway && !hop.local => host.link_at(hop.link).map_err(kernel),
        _ => Ok(None),
    }
}

/// A subnet whose members reach published ports as locals, and the link that it is behind.
type Home = (IpNetwork, String);

/// The homes of these addresses: behind a link of the attachment's own there is nobody else.
pub fn homes(host: &mut Rtnl, links: &[Link], addresses: &Addresses) -> Result<Vec<Home>> {
    let mut homes = Vec::new();
    for address in addresses.iter() {
        if let Some(link) = link_to(host, address.ip())? {
            let is_own = links.iter().any(|own| own.index == link.index);
            homes.push((if is_own { address.ip().into() } else { address }, link.name));
        }
    }
    Ok(homes)
}

/// With bridge netfilter a packet that a container sends to itself through the host goes back by the port it came from,
/// which only a port in hairpin mode allows. A promiscuous bridge would then deliver everything twice.
pub fn set_hairpin_mode(host: &mut Rtnl, links: &[Link], undo: &mut Undo) -> Result<()> {
    let filtered = is_on("net/bridge/bridge-nf-call-iptables")? || is_on("net/bridge/bridge-nf-call-ip6tables")?;
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
    // Every commit, also of what is there, makes all who read at that moment read again.
    if !is_guarded(nft, &link.name)? {
        let mut guard = Batch::new();
        let name = Ifname::new(&link.name).map_err(firewall)?;
        guard.ensure_elements(&table(), &localnet_links(), [Element::new(name)]);
        nft.commit(guard).map_err(firewall)?;
    }
    sysctl::ensure(&here(), &route_localnet(&link.name), "1").map_err(kernel)
}

/// The same where iptables publishes: without a guard, as the reference has it.
pub fn open_localhost(host: &mut Rtnl, address: IpAddr, undo: &mut Undo) -> Result<()> {
    let Some(link) = link_to(host, address)? else { return Ok(()) };
    let key = route_localnet(&link.name);
    if is_on(&key)? {
        return Ok(());
    }
    if is_pair(&link) {
        let key = key.clone();
        undo.push("let 127.0.0.1 be routed", move || sysctl::set(&here(), &key, "0").map_err(kernel));
    }
    sysctl::set(&here(), &key, "1").map_err(kernel)
}

/// Takes that back from pairs that ports lead through, and are to lead no longer.
pub fn close_localhost_to(led: &[Led]) -> Result<()> {
    let mut nft = open_for_removal()?;
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let addresses: BTreeSet<IpAddr> = led.iter().map(|led| led.to).filter(IpAddr::is_ipv4).collect();
    for address in addresses {
        let Some(link) = link_to(&mut host, address)?.filter(is_pair) else { continue };
        // With a guard it serves ports that `nf_tables` publishes.
        let is_guarded = nft.as_mut().map_or(Ok(false), |nft| is_guarded(nft, &link.name))?;
        let key = route_localnet(&link.name);
        if !is_guarded && is_on(&key)? {
            sysctl::set(&here(), &key, "0").map_err(kernel)?;
        }
    }
    Ok(())
}

/// Whether that is so.
pub fn is_localhost_open(host: &mut Rtnl, address: IpAddr) -> Result<bool> {
    let Some(link) = link_to(host, address)? else { return Ok(true) };
    is_on(&route_localnet(&link.name))
}

/// Whether [`ensure_localhost`] was there.
pub fn has_localhost(nft: &mut Nft, host: &mut Rtnl, address: IpAddr) -> Result<bool> {
    let Some(link) = link_to(host, address)? else { return Ok(true) };
    Ok(is_guarded(nft, &link.name)? && is_localhost_open(host, address)?)
}

fn route_localnet(link: &str) -> String {
    format!("net/ipv4/conf/{link}/route_localnet")
}

/// Not where the link or the module is not there that has the sysctl.
fn is_on(key: &str) -> Result<bool> {
    match sysctl::get(&here(), key) {
        Err(error) if error.is_not_found() => Ok(false),
        value => Ok(value.map_err(kernel)? == "1"),
    }
}

fn is_guarded(nft: &mut Nft, link: &str) -> Result<bool> {
    let name = Ifname::new(link).map_err(firewall)?;
    Ok(nft.element(&table(), &localnet_links(), &name.into()).map_err(firewall)?.is_some())
}

/// Takes that back from those of the `own` links that are pairs of one container, and from all that have gone. A bridge
/// keeps it, and so does a pair that only a result tells of: it may be another attachment's.
pub fn release_localhost(nft: &mut Nft, own: &BTreeSet<String>, told: &[String]) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    for name in own.iter().chain(told) {
        let link = host.link(name).map_err(kernel)?;
        if link.is_none_or(|link| own.contains(name) && is_pair(&link)) && is_guarded(nft, name)? {
            close_localhost(nft, name)?;
        }
    }
    Ok(())
}

/// Takes it back from all links that have gone.
pub fn release_localhost_garbage(nft: &mut Nft) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    for element in &listed(nft, &localnet_links()).map_err(firewall)? {
        if let [Value::Ifname(name)] = element.key.values()
            && host.link(name.as_str()).map_err(kernel)?.is_none()
        {
            close_localhost(nft, name.as_str())?;
        }
    }
    Ok(())
}

/// The sysctl goes before the guard.
fn close_localhost(nft: &mut Nft, link: &str) -> Result<()> {
    match sysctl::set(&here(), &route_localnet(link), "0") {
        Err(error) if !error.is_not_found() => return Err(kernel(error)),
        _ => {}
    }
    let mut batch = Batch::new();
    batch.delete_elements(&table(), &localnet_links(), [Element::new(Ifname::new(link).map_err(firewall)?)]);
    match nft.commit(batch) {
        Err(error) if error.is_not_found() => Ok(()),
        done => done.map_err(firewall),
    }
}

/// Forgets connections to published ports that were made before these were published: they would never be translated.
/// TCP begins anew by itself.
pub fn forget_before(host: &mut Rtnl, ports: &[Published]) -> Result<()> {
    let at: HashSet<HostPort> = ports.iter().flat_map(|port| port.from.each()).collect();
    let is_taken = |entry: &Entry| {
        let Some(port) = entry.orig.dport else { return false };
        let from = |at| HostPort { family: entry.family(), at, protocol: entry.proto, port, last: port };
        at.contains(&from(None)) || at.contains(&from(Some(entry.orig.dst)))
    };
    forget_made_to(host, &mut at.iter().map(|from| (from.family, from.protocol, from.port)), &is_taken)
}

/// Forgets connections to the host that were led to a container: its address may be somebody else's next. What is made
/// to that address itself, or is led there from elsewhere, is that somebody's.
pub fn forget(led: &[Led]) -> Result<()> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let known: HashSet<Led> = led.iter().flat_map(|led| led.each()).collect();
    let is_led = |entry: &Entry| {
        let to = entry.reply.src;
        let led = entry.orig.dport.map(|port| Led { protocol: entry.proto, port, last: port, to });
        entry.orig.dst != to && led.is_some_and(|led| known.contains(&led))
    };
    forget_made_to(&mut host, &mut known.iter().map(|led| (Nfproto::of(led.to), led.protocol, led.port)), &is_led)
}

/// Forgets those connections to ports of the host for which `which` is true. However many the ports are, the kernel's table
/// is read once for each family and protocol: it is all there to be gone through each time.
fn forget_made_to(
    host: &mut Rtnl,
    ports: &mut dyn Iterator<Item = (Nfproto, Proto, u16)>,
    which: &dyn Fn(&Entry) -> bool,
) -> Result<()> {
    let mut kinds: HashMap<(Nfproto, Proto), BTreeSet<u16>> = HashMap::new();
    for (family, protocol, port) in ports.filter(|(_, protocol, _)| *protocol != Proto::TCP) {
        kinds.entry((family, protocol)).or_default().insert(port);
    }
    if kinds.is_empty() {
        return Ok(());
    }
    let (mut conntrack, mut is_host) = (Conntrack::open().map_err(firewall)?, HashMap::new());
    for ((family, protocol), ports) in kinds {
        let only = ports.first().copied().filter(|_| ports.len() == 1);
        let filter = Filter { family: Some(family), proto: Some(protocol), orig_dport: only };
        for entry in connections(&mut conntrack, filter)?.iter().filter(|entry| which(entry)) {
            if is_hosts(host, &mut is_host, entry.orig.dst)? {
                conntrack.delete(entry).map_err(firewall)?;
            }
        }
    }
    Ok(())
}

/// Whether an address is the host's; `known` are those that have been asked about.
fn is_hosts(host: &mut Rtnl, known: &mut HashMap<IpAddr, bool>, address: IpAddr) -> Result<bool> {
    if let Some(known) = known.get(&address) {
        return Ok(*known);
    }
    let local = host.route_to(address).map_err(kernel)?.is_some_and(|hop| hop.local);
    known.insert(address, local);
    Ok(local)
}

/// Connections as the kernel tracks them. None where it cannot tell: new ones are translated there as well.
fn connections(conntrack: &mut Conntrack, filter: Filter) -> Result<Vec<Entry>> {
    match conntrack.list(filter) {
        // `CONFIG_NF_CT_NETLINK` is off, or its module is missing (`nfnetlink_rcv_msg`, `net/netfilter/nfnetlink.c`).
        Err(error) if matches!(error.errno, Errno::EINVAL | Errno::EOPNOTSUPP) => {
            log::warn!("{error}: connections to published ports that exist keep their translation");
            Ok(Vec::new())
        }
        listed => listed.map_err(firewall),
    }
}
