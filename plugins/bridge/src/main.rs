//! The CNI plugin `bridge`: attaches containers to a bridge of the host.

mod conf;
mod exposure;
mod gateway;
mod lifecycle;
mod link;
mod masquerade;
mod plan;
mod reach;
mod reference;
mod spoof;
mod vlan;

use std::{process::ExitCode, time::Duration};

use attach::{
    Ipam, Owner, container, foreign, has_members,
    ip_masq::{self, Backend},
    kernel, masters, ready, routes,
    told::ips_of,
    verify::{self, failed},
    veth,
};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Link, LinkIndex, Netns, Rtnl, here};

use conf::Conf;
use plan::Plan;

/// As long as the reference waits for a port.
const FORWARDING_TIMEOUT: Duration = Duration::from_millis(2550);

fn main() -> ExitCode {
    cni::skel::main::<Bridge>()
}

struct Bridge;

impl Plugin for Bridge {
    const NAME: &'static str = "bridge";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf, &add.args, add.network.ipam.is_some())?;
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        let owner = Owner::new(&add.network.name, &add.attachment);
        let mut ipam = Ipam::start(&add.network)?;
        let mut host = Rtnl::open(&here()).map_err(kernel)?;

        let masquerade = masquerade::prepare(&plan, undo)?;
        let exposure = exposure::prepare(&plan, undo)?;
        lifecycle::prepare(&plan, undo);
        let bridges = masters::keep(&here());
        let bridge = link::ensure_bridge(&mut host, &plan)?;
        let pair = veth::Pair { netns: &netns, mac: plan.mac, mtu: plan.mtu, master: Some(bridge.index) };
        let port = veth::add(&mut host, &owner, &pair, undo)?;
        drop(bridges);
        exposure::ensure(exposure, owner.network())?;
        ipam.ask(undo)?;
        link::pin_address(&mut host, &bridge)?;
        link::set_port(&mut host, &port, &plan)?;
        let mut lease = plan.complete(ipam.lease(link::CONTAINER, &plan.dns)?);
        routes::place_gateway(&mut lease.routes, add.network.gateway_priority);
        let wanted = container::Wanted {
            ips: &lease.ips,
            routes: &lease.routes,
            detect_duplicates: plan.detect_duplicates,
            up: plan.up,
        };
        let mut interface = container::Interface::open(&netns, &add.attachment.ifname, &wanted)?;
        if plan.spoof_check {
            spoof::restrict(&owner, &port, interface.link(), undo)?;
        }
        let routes = interface.configure(&wanted)?;
        let gateway = gateway::ensure(&mut host, &bridge, &plan, &lease.ips)?;
        masquerade::ensure(masquerade, &plan, &owner, &ip_masq::addresses(&lease.ips), undo)?;
        if plan.up {
            ready::await_forwarding(&mut host, port.index, FORWARDING_TIMEOUT)?;
            gateway::await_ready(&mut host, gateway.as_ref(), &plan, &lease.ips)?;
            interface.announce()?;
        }
        let sandbox = add.netns.display().to_string();
        let interfaces = link::interfaces(&bridge, &port, interface.link(), gateway.as_ref(), sandbox);
        Ok(add.network.extend_prev_result(Success { interfaces, routes, ..lease }))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let ports = veth::find(&mut host, &owner)?;
        let foreign = if ports.is_empty() { del_foreign(&mut host, &owner, del) } else { Ok(()) };
        // Which bridge it was matters less than that the port goes.
        let bridge = link::bridge_of(&mut host, &ports).ok().flatten();
        let bridge = bridge.unwrap_or_else(|| del.network.conf.bridge().to_owned());
        let chain = ip_masq::release_chain(&mut host, &owner, del.network.prev_result.as_ref());
        let removed = remove(&mut host, &ports, &bridge, || spoof::release(&owner));
        let goes = del.network.conf.ephemeral;
        let bridge = if goes { lifecycle::remove_unused(&bridge) } else { Ok(()) };
        Error::collect([foreign, chain, removed, bridge])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf, &check.args, check.network.ipam.is_some())?;
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        verify::interface(&netns, prev, ifname, "veth")?;

        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let bridge = link::check_bridge(&mut host, &plan, prev)?;
        let inner = veth::existing(&mut netns.rtnl().map_err(kernel)?, ifname)?;
        let owner = Owner::new(&check.network.name, &check.attachment);
        let port = link::check_port(&mut host, &owner, &bridge, &inner, &plan)?;
        let ips = ips_of(prev, ifname);
        gateway::check(&mut host, &plan, &ips)?;
        if !masquerade::is_ensured(&plan, &owner, &ip_masq::addresses(&ips))? {
            return Err(failed(format!("check masquerade of \"{}\": the firewall has nothing for it", plan.bridge)));
        }
        if plan.spoof_check {
            spoof::check(&port, &inner)?;
        }
        exposure::check(&plan, owner.network())
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let garbage = veth::find_garbage(&mut host, &gc.network.name, &gc.keep)?;
        let bridge = gc.network.conf.bridge();
        let removed = remove(&mut host, &garbage, bridge, || spoof::release_garbage(&gc.network.name, &gc.keep));
        // The network may have had another bridge once.
        let unneeded = [masquerade::release_garbage(&gc.network.name, &gc.keep), exposure::release_garbage()];
        let goes = gc.network.conf.ephemeral || gc.keep.is_empty();
        let bridge = if goes { lifecycle::remove_unused(bridge) } else { Ok(()) };
        Error::collect([removed].into_iter().chain(unneeded).chain([bridge]))
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        let conf = &status.network.conf;
        let plan = Plan::new(conf, "", status.network.ipam.is_some()).map_err(not_ready)?;
        let mut host = Rtnl::open(&here()).map_err(kernel).map_err(not_ready)?;
        if let Some(link) = host.link(&plan.bridge).map_err(kernel).map_err(not_ready)? {
            link::check_kind(&link).map_err(not_ready)?;
        }
        let needs_nftables = plan.spoof_check || plan.exposure().is_some();
        for backend in plan.masquerade.into_iter().chain(needs_nftables.then_some(Backend::Nftables)) {
            backend.check().map_err(not_ready)?;
        }
        Ok(())
    }
}

/// Removes what the reference plugin has made for an attachment that is not ours.
fn del_foreign(host: &mut Rtnl, owner: &Owner, del: &Del<Conf>) -> Result<()> {
    let is_port = |host: &mut Rtnl, link: &Link| link::is_port(host, &del.network.conf, link);
    Error::collect([foreign::del(host, del, is_port), reference::release(owner)])
}

/// Removes links and rules, and what only they needed. What is shared comes last: of two attachments that end together, the
/// later one sees that no port is left.
fn remove(host: &mut Rtnl, ports: &[Link], bridge: &str, release_rules: impl FnOnce() -> Result<()>) -> Result<()> {
    let rules = release_rules();
    let going: Vec<LinkIndex> = ports.iter().map(|port| port.index).collect();
    let links: Vec<Result<()>> = going.iter().map(|port| host.del_link(*port).map_err(kernel)).collect();
    let shared = if has_members(bridge, &going, &veth::is_anybodys)? {
        Ok(())
    } else {
        Error::collect([masquerade::release_unused(bridge, &going), exposure::release_unused(bridge, &going)])
    };
    Error::collect(links.into_iter().chain([rules, shared]))
}
