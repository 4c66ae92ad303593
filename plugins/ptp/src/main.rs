//! The CNI plugin `ptp`: connects each container with the host by a pair of links of its own.

mod conf;
mod gateway;
mod plan;

use std::process::ExitCode;

use attach::{
    Ipam, Owner,
    container::{self, Subnets},
    foreign,
    host::prepare_ipv6,
    ip_masq::{self, Masquerade},
    kernel, masquerade_addresses, reference, routes,
    told::{self, ips_of},
    verify::{self, failed},
    veth,
};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use ipnetwork::IpNetwork;
use net::{Link, Netns, Rtnl, here};

use conf::Conf;
use plan::Plan;

/// The place of the container's interface in a result, behind the host's.
const CONTAINER: i64 = 1;

fn main() -> ExitCode {
    cni::skel::main::<Ptp>()
}

struct Ptp;

impl Plugin for Ptp {
    const NAME: &'static str = "ptp";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf, add.network.ipam.is_some())?;
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        let owner = Owner::new(&add.network.name, &add.attachment);
        let mut ipam = Ipam::start(&add.network)?;
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let masquerade = Masquerade::open(plan.masquerade)?;

        let pair = veth::Pair { netns: &netns, mac: None, mtu: plan.mtu, master: None };
        let near = veth::add(&mut host, &owner, &pair, undo)?;
        ipam.ask(undo)?;
        prepare_ipv6(&near.name);
        let mut lease = plan::complete(ipam.lease(CONTAINER, &plan.dns)?)?;
        routes::place_gateway(&mut lease.routes, add.network.gateway_priority);
        gateway::configure(&mut host, &owner, &near, &lease.ips)?;
        let wanted = container::Wanted { ips: &lease.ips, routes: &lease.routes, detect_duplicates: false, up: true };
        let mut interface = container::Interface::open(&netns, &add.attachment.ifname, &wanted)?;
        let routes = interface.configure_with(&wanted, Subnets::BehindGateways)?;
        mask(masquerade, &owner, &ip_masq::addresses(&lease.ips), undo)?;
        gateway::await_ready(&mut host, &near, &lease.ips)?;
        let sandbox = add.netns.display().to_string();
        let interfaces = vec![told::interface(&near, None), told::interface(interface.link(), Some(sandbox))];
        Ok(add.network.extend_prev_result(Success { interfaces, routes, ..lease }))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let prev = del.network.prev_result.as_ref();
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = veth::find(&mut host, &owner)?;
        let theirs = if links.is_empty() { del_foreign(&mut host, &owner, del) } else { Ok(()) };
        let chain = ip_masq::release_chain(&mut host, &owner, prev);
        let told = prev.map(|prev| ip_masq::addresses(&ips_of(prev, &del.attachment.ifname))).unwrap_or_default();
        // The link first: nothing leaves it unmasked.
        let gone = remove(&mut host, &links);
        Error::collect([theirs, gone, chain, masquerade_addresses::release(&owner, &told)])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf, check.network.ipam.is_some())?;
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        verify::interface(&netns, prev, ifname, "veth")?;

        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let owner = Owner::new(&check.network.name, &check.attachment);
        let ips = ips_of(prev, ifname);
        let mut inside = netns.rtnl().map_err(kernel)?;
        let inner = veth::existing(&mut inside, ifname)?;
        verify::gateways(&mut inside, &inner, &ips)?;
        let near = host_end(&mut host, &owner, &inner)?;
        gateway::check(&mut host, &near, &ips)?;
        let addresses = ip_masq::addresses(&ips);
        let by_address = || masquerade_addresses::is_ensured(&owner, &addresses);
        if !ip_masq::is_ensured(plan.masquerade, &owner, &addresses, by_address)? {
            return Err(failed(format!("check masquerade of \"{ifname}\": the firewall has nothing for it")));
        }
        Ok(())
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let (network, keep) = (&gc.network.name, &gc.keep);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let garbage = veth::find_garbage(&mut host, network, keep)?;
        let gone = remove(&mut host, &garbage);
        let unmasked = masquerade_addresses::release_garbage(network, keep);
        Error::collect([gone, unmasked, ip_masq::release_garbage(network, keep)])
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        let plan = Plan::new(&status.network.conf, status.network.ipam.is_some()).map_err(not_ready)?;
        plan.masquerade.map_or(Ok(()), |backend| backend.check().map_err(not_ready))
    }
}

/// Masquerades what leaves the subnets of `addresses`.
fn mask(masquerade: Masquerade, owner: &Owner, addresses: &[IpNetwork], undo: &mut Undo) -> Result<()> {
    masquerade.ensure(owner, addresses, undo, |mut nft, undo| {
        let (leaving, told) = (owner.clone(), addresses.to_vec());
        // First: what gets lost may be the kernel's answer alone.
        undo.push("masquerade", move || masquerade_addresses::release(&leaving, &told));
        masquerade_addresses::ensure(&mut nft, owner, addresses)
    })
}

/// Removes what the reference plugin has made for an attachment that is not ours.
fn del_foreign(host: &mut Rtnl, owner: &Owner, del: &Del<Conf>) -> Result<()> {
    let prev = del.network.prev_result.as_ref();
    let may_be = |host: &mut Rtnl, link: &Link| {
        let is_told = link.master.is_none() && foreign::is_told(link, prev);
        if is_told { Ok(true) } else { gateway::may_be(host, link) }
    };
    Error::collect([foreign::del(host, del, may_be), reference::release(owner)])
}

fn remove(host: &mut Rtnl, links: &[Link]) -> Result<()> {
    let gone: Vec<Result<()>> = links.iter().map(|link| host.del_link(link.index).map_err(kernel)).collect();
    Error::collect(gone)
}

/// The host's end of the container's link, whoever has made it.
fn host_end(host: &mut Rtnl, owner: &Owner, inner: &Link) -> Result<Link> {
    let ours = veth::find(host, owner)?.into_iter().find(|link| link.peer == Some(inner.index));
    let end = if ours.is_some() { ours } else { veth::peer_of(host, inner)? };
    end.ok_or_else(|| failed(format!("check link of \"{}\": its other end is not on this host", inner.name)))
}
