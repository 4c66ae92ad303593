//! The CNI plugin `portmap`: publishes ports of containers at the host.

mod conditions;
mod conf;
mod host;
mod plan;
mod publish;
mod rules;
mod words;

use std::process::ExitCode;

use attach::{Owner, firewall, kernel};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Rtnl, here};
use nft::Nft;

use conf::Conf;
use plan::{Addresses, Plan, Snat};

fn main() -> ExitCode {
    cni::skel::main::<Portmap>()
}

struct Portmap;

impl Plugin for Portmap {
    const NAME: &'static str = "portmap";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = Plan::new(&add.network.conf)?;
        let prev = add.network.prev_result.as_ref();
        let prev = prev.ok_or_else(|| Error::invalid("must be called as chained plugin: prevResult missing"))?;
        let addresses = Addresses::of(prev, &add.attachment.ifname);
        let ports = plan.published(&addresses);
        if ports.is_empty() {
            if !plan.is_empty() {
                log::warn!("nothing to publish: the container has no address of the families of its port mappings");
            }
            return Ok(prev.clone());
        }

        let owner = Owner::new(&add.network.name, &add.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = host::links(&mut host, prev)?;
        publish::publish(&owner, &plan, &ports, links.last().map(|link| link.name.as_str()), undo)?;
        if plan.snat != Snat::Nobody {
            let mut nft = Nft::open().map_err(firewall)?;
            host::ensure_hairpin(&mut nft, &mut host, &addresses)?;
            host::set_hairpin_mode(&mut host, &links, undo)?;
            if let Some(port) = ports.iter().find(|port| port.is_at_localhost()) {
                host::ensure_localhost(&mut nft, &mut host, port.to.ip())?;
            }
        }
        host::forget_before(&ports)?;
        Ok(prev.clone())
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let owner = Owner::new(&del.network.name, &del.attachment);
        let prev = del.network.prev_result.as_ref();
        let addresses = prev.map(|prev| Addresses::of(prev, &del.attachment.ifname)).unwrap_or_default();
        let ports = plan::published_leniently(&del.network.conf, &addresses);
        let released = publish::release(&owner, &ports)?;
        if released.is_empty() {
            return Ok(());
        }
        Error::collect([host::release_hairpin(&released, &owner, prev), host::forget_after(&released)])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let prev = check.network.required_prev_result()?;
        let ports = plan.published(&Addresses::of(prev, &check.attachment.ifname));
        if ports.is_empty() {
            return Ok(());
        }
        publish::check(&Owner::new(&check.network.name, &check.attachment), &plan, &ports)
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let released = publish::release_garbage(&gc.network.name, &gc.keep)?;
        host::forget_after(&released)
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        Plan::new(&status.network.conf).map_err(not_ready)?;
        let opened = Nft::open().and_then(|mut nft| nft.generation());
        opened.map(drop).map_err(firewall).map_err(not_ready)
    }
}
