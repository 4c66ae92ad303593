//! The CNI plugin `vrf`: puts a container's interface into a routing domain, with other interfaces that are to be in the same one.
//!
//! All of it is inside the container. The domain is a link there, made for the first interface and removed with the last:
//! [`maker`] tells those that others have made.

mod check;
mod conf;
mod domain;
mod maker;
mod plan;
mod port;

use std::{process::ExitCode, sync::Arc};

use attach::{Owner, kernel, masters, netns, not_ready, told};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Kind, Rtnl, here};

use conf::Conf;
use domain::{Domain, claim, leave_behind};
use maker::Maker;
use plan::Plan;
use port::Port;

/// How often a VRF goes with its last port just when another one is about to come.
const TRIES: u32 = 20;

fn main() -> ExitCode {
    cni::skel::main::<Vrf>()
}

struct Vrf;

impl Plugin for Vrf {
    const NAME: &'static str = "vrf";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let (network, ifname) = (&add.network, &add.attachment.ifname);
        let plan = Plan::new(&network.conf)?;
        plan.check_port(ifname)?;
        let prev = network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("must be called as chained plugin: prevResult missing"))?;
        let mut port = Port::open(&add.netns, ifname)?;
        port.check_free()?;
        let tag = Owner::new(&network.name, &add.attachment).tag();
        let turn = port.netns.enter(masters::alone).map_err(kernel)?;
        for _ in 0..TRIES {
            let netns = Arc::clone(&port.netns);
            let domain = Domain::ensure(&netns, &mut port.rtnl, &plan, &tag, undo)?;
            let joined = port.join(&domain, undo);
            if port.is_in(&domain)? {
                drop(turn);
                return joined.map(|()| prev.clone());
            }
            if port.rtnl.link_at(domain.link.index).map_err(kernel)?.is_some() {
                joined?;
            }
        }
        Err(Error::new(Code::TryAgain, format!("join vrf \"{}\": others come and go all the time", plan.name)))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let Some(netns) = netns::open_if_there(del.netns.as_deref())? else { return Ok(()) };
        let turn = netns.enter(masters::alone).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let named = del.network.conf.vrfname.as_deref();
        if let Some(link) = told::link(&mut rtnl, &del.attachment.ifname, del.network.prev_result.as_ref())? {
            let master = link.master.map(|master| rtnl.link_at(master)).transpose().map_err(kernel)?.flatten();
            let domain = master.and_then(Domain::of);
            let is_ours = |domain: &Domain| named == Some(&domain.link.name) || Maker::of(&domain.link) == Maker::Us;
            if let Some(domain) = domain.filter(is_ours) {
                let tag = Owner::new(&del.network.name, &del.attachment).tag();
                claim(&mut rtnl, &domain.link, &tag)?;
                let mut port = Port { netns: Arc::new(netns), rtnl, link };
                port.leave(&domain)?;
                rtnl = port.rtnl;
                if let Some(left) = rtnl.link_at(domain.link.index).map_err(kernel)? {
                    leave_behind(&mut rtnl, &left)?;
                }
            }
        }
        // That of an interface that has gone, or of an ADD that was killed.
        let vrf = named.map(|name| rtnl.link(name)).transpose().map_err(kernel)?.flatten().and_then(Domain::of);
        let left = vrf.map_or(Ok(()), |vrf| leave_behind(&mut rtnl, &vrf.link));
        drop(turn);
        left
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let ifname = &check.attachment.ifname;
        let plan = Plan::new(&check.network.conf)?;
        let result = check.network.required_prev_result()?;
        check::port(&mut Port::open(&check.netns, ifname)?, &plan, &told::ips_in(result, ifname, &check.netns), result)
    }

    /// It keeps nothing on the host.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        Plan::new(&status.network.conf).map_err(not_ready)?;
        let mut rtnl = Rtnl::open(&here()).map_err(kernel).map_err(not_ready)?;
        if rtnl.has_kind(Kind::Vrf { table: 1 }).map_err(kernel).map_err(not_ready)? {
            return Ok(());
        }
        Err(Error::new(Code::NotReady, "make links of kind vrf: the kernel has none"))
    }
}
