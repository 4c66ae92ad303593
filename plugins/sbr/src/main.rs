//! The CNI plugin `sbr`: source-based routing. What a container sends from an address of an interface leaves by that interface,
//! whatever else it has: the address gets a routing table of its own, and a rule that leads to it.
//!
//! All of it is inside the container, where rules outlive the interface: [`rules`] tells whose one is.

mod before;
mod conf;
mod container;
mod plan;
mod release;
mod rules;
mod table;

use std::process::ExitCode;

use attach::{kernel, netns, not_ready};
use cni::{Add, Check, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Rtnl, here};

use conf::Conf;
use container::Container;
use plan::{Plan, sources};

fn main() -> ExitCode {
    cni::skel::main::<Sbr>()
}

struct Sbr;

impl Plugin for Sbr {
    const NAME: &'static str = "sbr";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let (network, ifname) = (&add.network, &add.attachment.ifname);
        let plan = Plan::new(&network.conf)?;
        let prev = network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("must be called as chained plugin: prevResult missing"))?;
        let ips = sources(prev, ifname, &add.netns)?;
        Container::open(&add.netns, ifname)?.route(plan, &ips, undo)?;
        Ok(prev.clone())
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let Some(netns) = netns::open_if_there(del.netns.as_deref())? else { return Ok(()) };
        release::release(&netns, &del.attachment.ifname, del.network.prev_result.as_ref())
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let ifname = &check.attachment.ifname;
        let plan = Plan::new(&check.network.conf)?;
        let ips = sources(check.network.required_prev_result()?, ifname, &check.netns)?;
        Container::open(&check.netns, ifname)?.check(plan, &ips)
    }

    /// It keeps nothing on the host.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        Plan::new(&status.network.conf).map_err(not_ready)?;
        Rtnl::open(&here()).map(drop).map_err(kernel).map_err(not_ready)
    }
}
