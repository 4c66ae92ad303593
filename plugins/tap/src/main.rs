//! The CNI plugin `tap`: gives containers an interface whose frames a process gets and sends.

mod conf;
mod context;
mod plan;

use std::process::ExitCode;

use attach::{
    inner::{self, Inner},
    kernel, not_ready,
    verify::{self, failed},
    veth::existing,
};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Inside, Link, LinkChange, Netns, Rtnl, TapSpec, here, tun};

use conf::Conf;
use plan::Plan;

/// What it makes.
const KIND: &str = "tap";

fn main() -> ExitCode {
    context::serve().unwrap_or_else(cni::skel::main::<TapPlugin>)
}

struct TapPlugin;

impl Plugin for TapPlugin {
    const NAME: &'static str = "tap";
    const HAS_IPAM: bool = true;
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf, &add.args)?;
        let netns = Netns::open(&add.netns).map_err(kernel)?;
        plan.context.as_deref().map_or(Ok(()), context::check)?;
        let master = find_bridge(&plan, &mut netns.rtnl().map_err(kernel)?)?.map(|bridge| bridge.index);
        let inner = Inner {
            netns: &netns,
            kind: KIND,
            create: &mut |name| netns.enter(|inside| create(inside, &plan, name))?,
            change: LinkChange { mac: plan.mac, mtu: plan.mtu, master, ..LinkChange::default() },
            dns: &add.network.conf.dns,
        };
        inner::add(add, inner, undo)
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        inner::del(del, KIND)
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf, &check.args)?;
        let prev = check.network.required_prev_result()?;
        let netns = Netns::open(&check.netns).map_err(kernel)?;
        let ifname = &check.attachment.ifname;
        verify::interface(&netns, prev, ifname, KIND)?;
        let mut inside = netns.rtnl().map_err(kernel)?;
        let bridge = find_bridge(&plan, &mut inside).map_err(|error| failed(error.msg))?;
        plan.check(&existing(&mut inside, ifname)?, bridge.as_ref())
    }

    /// It keeps nothing on the host.
    fn gc(_: &Gc<Conf>) -> Result<()> {
        Ok(())
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let ready = || {
            let plan = Plan::new(&status.network.conf, "")?;
            plan.context.as_deref().map_or(Ok(()), context::check)?;
            tun::check(&here()).map_err(kernel)
        };
        ready().map_err(not_ready)
    }
}

fn create(inside: &Inside<'_>, plan: &Plan, name: &str) -> net::Result<()> {
    let spec = TapSpec { name: name.to_owned(), tap: plan.tap };
    match &plan.context {
        None => tun::add_tap(inside, &spec),
        Some(context) => context::add_tap(inside, &spec, context),
    }
}

/// The bridge of the container that the tap becomes a port of, if it does.
fn find_bridge(plan: &Plan, inside: &mut Rtnl) -> Result<Option<Link>> {
    let Some(name) = &plan.bridge else { return Ok(None) };
    let refuse = |why: &str| Error::new(Code::Kernel, format!("find \"bridge\" \"{name}\" in the container: {why}"));
    let link = inside.link(name).map_err(kernel)?.ok_or_else(|| refuse("there is no link of that name"))?;
    if link.is_kind("bridge") { Ok(Some(link)) } else { Err(refuse("that link is not a bridge")) }
}
