//! The CNI plugin `portmap`: publishes ports of containers at the host.

mod conditions;
mod conf;
mod host;
mod plan;
mod publish;
mod reference;
mod release;
mod rules;
mod words;

use std::process::ExitCode;

use attach::{Owner, firewall, kernel, verify::failed};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use net::{Rtnl, here};
use nft::Nft;

use conf::Conf;
use plan::{Addresses, Plan, Snat};
use publish::Publication;
use release::Leaving;

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
        let mut nft = Nft::open().map_err(firewall)?;
        let links = host::links(&mut host, &owner, prev, &addresses)?;
        let publication = Publication { owner: &owner, plan: &plan, ports: &ports };
        let published = publication.publish(&mut nft, links.last().map(|link| link.name.as_str()));
        let leaving = Leaving {
            owner: owner.clone(),
            ports: ports.iter().map(|port| port.from).collect(),
            addresses,
            links: host::told(prev),
        };
        // A refusal has made nothing, and what this attachment has was there before. Of a failure nobody knows: what got
        // lost may be the kernel's answer alone.
        if published.as_ref().err().is_none_or(|error| error.code == Code::Kernel) {
            undo.push("publish ports", move || leaving.release());
        }
        published?;

        publication.publish_words()?;
        if plan.snat != Snat::Nobody {
            for (subnet, link) in host::homes(&mut host, &links, &addresses)? {
                rules::section().ensure(&mut nft, &[subnet], &link)?;
            }
            host::set_hairpin_mode(&mut host, &links, undo)?;
            if let Some(port) = ports.iter().find(|port| port.is_at_localhost()) {
                host::ensure_localhost(&mut nft, &mut host, port.to.ip())?;
            }
        }
        host::forget_before(&mut host, &ports)?;
        Ok(prev.clone())
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let prev = del.network.prev_result.as_ref();
        let leaving = Leaving {
            owner: Owner::new(&del.network.name, &del.attachment),
            ports: plan::host_ports(&del.network.conf),
            addresses: prev.map(|prev| Addresses::of(prev, &del.attachment.ifname)).unwrap_or_default(),
            links: prev.map(host::told).unwrap_or_default(),
        };
        Error::collect([leaving.release(), reference::release(&del.attachment.container_id)])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let prev = check.network.required_prev_result()?;
        let addresses = Addresses::of(prev, &check.attachment.ifname);
        let ports = plan.published(&addresses);
        if ports.is_empty() {
            return Ok(());
        }
        let owner = Owner::new(&check.network.name, &check.attachment);
        let mut nft = Nft::open().map_err(firewall)?;
        Publication { owner: &owner, plan: &plan, ports: &ports }.check(&mut nft)?;
        if plan.snat == Snat::Nobody {
            return Ok(());
        }
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = host::links(&mut host, &owner, prev, &addresses)?;
        for (subnet, link) in host::homes(&mut host, &links, &addresses)? {
            if !rules::section().covers(&mut nft, &[subnet], &link)? {
                return Err(failed(format!("check published ports: hairpin_links lacks {subnet} behind \"{link}\"")));
            }
        }
        match ports.iter().find(|port| port.is_at_localhost()) {
            Some(port) if !host::has_localhost(&mut nft, &mut host, port.to.ip())? => {
                Err(failed("check published ports: 127.0.0.1 does not lead to the container".into()))
            }
            _ => Ok(()),
        }
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        release::release_garbage(&gc.network.name, &gc.keep)
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        Plan::new(&status.network.conf).map_err(not_ready)?;
        let opened = Nft::open().and_then(|mut nft| nft.generation());
        opened.map(drop).map_err(firewall).map_err(not_ready)
    }
}
