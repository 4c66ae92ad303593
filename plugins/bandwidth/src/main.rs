//! The CNI plugin `bandwidth`: limits what goes to a container and what it sends.
//!
//! Both limits are the host's: what goes to the container leaves the host's end of its veth pair through a token bucket filter; what
//! it sends is handed to an `ifb` link, and leaves that through another.

mod conf;
mod foreign;
mod ifb;
mod plan;
mod port;

use std::process::ExitCode;

use attach::{Owner, kernel, not_ready, told, verify::failed};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo, Version};
use net::{Link, Netns, Rtnl, here};

use conf::Conf;
use plan::Plan;

fn main() -> ExitCode {
    cni::skel::main::<Bandwidth>()
}

struct Bandwidth;

impl Plugin for Bandwidth {
    const NAME: &'static str = "bandwidth";
    /// Results have interfaces from 0.3.0 on.
    const VERSIONS: &'static [Version] =
        &[Version::V0_3_0, Version::V0_3_1, Version::V0_4_0, Version::V1_0_0, Version::V1_1_0];
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf)?;
        let prev = add.network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("must be called as chained plugin: prevResult missing"))?;
        if plan.is_empty() {
            return Ok(prev.clone());
        }
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        let owner = Owner::new(&add.network.name, &add.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let port = port::find(&mut host, &netns, &add.attachment.ifname, prev)?;
        port::check_free(&mut host, &port, &plan)?;

        let mut result = prev.clone();
        port::mark(&mut host, &owner, &port, undo)?;
        if let Some(limit) = plan.ingress {
            port::limit(&mut host, &port, limit, undo)?;
        }
        if let Some(limit) = plan.egress {
            let ifb = ifb::add(&mut host, &owner, port.mtu, undo)?;
            port::limit(&mut host, &ifb, limit, undo)?;
            port::redirect(&mut host, &port, &ifb, undo)?;
            result.interfaces.push(told::interface(&ifb, None));
        }
        Ok(result)
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let foreign = foreign::ifb(&mut host, &owner, del.network.prev_result.as_ref())?;
        let released = match port::find_marked(&mut host, &owner)? {
            Some(port) => port::release(&mut host, &port, &port::mark_of(&owner)),
            None => foreign::release(&mut host, del, foreign.as_ref()),
        };
        let own = ifb::find(&mut host, &owner)?;
        Error::collect([released, remove(&mut host, own.iter().chain(&foreign))])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let result = check.network.required_prev_result()?;
        if plan.is_empty() {
            return Ok(());
        }
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let owner = Owner::new(&check.network.name, &check.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let port = port::find(&mut host, &netns, &check.attachment.ifname, result)?;
        if let Some(limit) = plan.ingress {
            port::check_limit(&mut host, &port, "ingress", limit)?;
        }
        if let Some(limit) = plan.egress {
            let ifb = match ifb::find(&mut host, &owner)?.pop() {
                Some(ifb) => Some(ifb),
                None => foreign::ifb(&mut host, &owner, Some(result))?,
            };
            let ifb =
                ifb.ok_or_else(|| failed(format!("check egress limit of \"{}\": its ifb has gone", port.name)))?;
            port::check_limit(&mut host, &ifb, "egress", limit)?;
            port::check_redirect(&mut host, &port, &ifb)?;
        }
        Ok(())
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let network = &gc.network.name;
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = host.links().map_err(kernel)?;
        let ports = port::garbage(&links, network, &gc.keep);
        let mut steps: Vec<_> = ports.iter().map(|(port, mark)| port::release(&mut host, port, mark)).collect();
        steps.push(remove(&mut host, ifb::garbage(&links, network, &gc.keep)));
        Error::collect(steps)
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let plan = Plan::new(&status.network.conf).map_err(not_ready)?;
        let mut host = Rtnl::open(&here()).map_err(kernel).map_err(not_ready)?;
        let lacks = |what: &str| Err(Error::new(Code::NotReady, format!("limit traffic: the kernel knows no {what}")));
        if !plan.is_empty() && !host.knows_tbf().map_err(kernel).map_err(not_ready)? {
            return lacks("qdiscs of kind tbf (CONFIG_NET_SCH_TBF)");
        }
        if plan.egress.is_some() && !host.knows_ifb().map_err(kernel).map_err(not_ready)? {
            return lacks("links of kind ifb (CONFIG_IFB)");
        }
        Ok(())
    }
}

fn remove<'a>(host: &mut Rtnl, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
    Error::collect(links.into_iter().map(|link| host.del_link(link.index).map_err(kernel)).collect::<Vec<_>>())
}
