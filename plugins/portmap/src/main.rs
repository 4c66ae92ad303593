//! The CNI plugin `portmap`: publishes ports of containers at the host.

mod backend;
mod chains;
mod choose;
mod conditions;
mod conf;
mod holder;
mod host;
mod note;
mod plan;
mod publish;
mod reference;
mod release;
mod rules;
mod sets;
mod words;
mod xtables;

use std::process::ExitCode;

use attach::{
    Owner,
    exposure::{self, Opening},
    firewall, kernel,
    verify::failed,
};
use cni::{Add, Check, Code, Del, Error, Gc, Plugin, Result, Status, Success, Undo};
use iptables::Iptables;
use net::{Link, Rtnl, here};
use nft::Nft;

use backend::{Backend, Mark};
use chains::Chains;
use conf::Conf;
use note::Note;
use plan::{Addresses, Plan, Published, Snat};
use publish::Publication;
use release::Leaving;
use xtables::Publisher;

/// How often ports are chosen that others take meanwhile.
const CHOICES: u32 = 10;

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
        if !plan.publishes(&addresses) {
            if !plan.is_empty() {
                log::warn!("nothing to publish: the container has no address of the families of its port mappings");
            }
            return Ok(prev.clone());
        }

        let owner = Owner::new(&add.network.name, &add.attachment);
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = host::links(&mut host, &owner, prev, &addresses)?;
        let backend = plan.backend.clone().resolved()?;
        let openings = openings(&backend, prev)?;
        let (ports, open) = plan.published(&addresses, openings)?;
        let adding =
            Adding { owner: &owner, plan: &plan, ports: &ports, open: &open, openings, addresses, links: &links };
        let published = match backend {
            Backend::Iptables(mark) => adding.by_iptables(&mut host, &mark, undo).map(|()| adding.ports.to_vec())?,
            Backend::Any | Backend::Nftables if plan.choices().is_empty() => {
                adding.by_nftables(&mut host, prev, undo)?
            }
            Backend::Any | Backend::Nftables => adding.by_choice(&mut host, prev, undo)?,
        };
        host::forget_before(&mut host, &published)?;
        if plan.choices().is_empty() {
            return Ok(prev.clone());
        }
        Ok(Success { port_mappings: plan::told(&published), ..Success::default() }.behind(prev))
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let prev = del.network.prev_result.as_ref();
        let leaving = Leaving {
            owner: Owner::new(&del.network.name, &del.attachment),
            ports: plan::host_ports(&del.network.conf),
            inside: plan::container_ports(&del.network.conf),
            addresses: prev.map(|prev| Addresses::of(prev, &del.attachment.ifname)).unwrap_or_default(),
            links: prev.map(host::told).unwrap_or_default(),
        };
        let container_id = &del.attachment.container_id;
        let chains = Chains::new(&del.network.name, container_id);
        Error::collect([xtables::release(&chains), leaving.release(), reference::release(container_id)])
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network.conf)?;
        let prev = check.network.required_prev_result()?;
        let addresses = Addresses::of(prev, &check.attachment.ifname);
        if !plan.publishes(&addresses) {
            return Ok(());
        }
        let owner = Owner::new(&check.network.name, &check.attachment);
        let plan = choose::chosen(plan, &owner, &addresses)?;
        let backend = plan.backend.clone().resolved()?;
        let openings = openings(&backend, prev)?;
        let (ports, open) = plan.published(&addresses, openings)?;
        let mut host = Rtnl::open(&here()).map_err(kernel)?;
        let links = host::links(&mut host, &owner, prev, &addresses)?;
        let adding =
            Adding { owner: &owner, plan: &plan, ports: &ports, open: &open, openings, addresses, links: &links };
        match backend {
            Backend::Iptables(mark) => adding.check_iptables(&mut host, &mark),
            // What the reference plugin made counts, whichever its backend was.
            Backend::Any | Backend::Nftables => adding.check_nftables(&mut host).or_else(|error| {
                let mark = Mark::default();
                let by_another = reference::publishes(&check.attachment.container_id, ports.len())?
                    || adding.check_iptables(&mut host, &mark).is_ok();
                if by_another { Ok(()) } else { Err(error) }
            }),
        }
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let network = &gc.network.name;
        Error::collect([xtables::release_garbage(network, &gc.keep), release::release_garbage(network, &gc.keep)])
    }

    fn status(status: &Status<Conf>) -> Result<()> {
        let not_ready = |error: Error| Error { code: Code::NotReady, ..error };
        let plan = Plan::new(&status.network.conf).map_err(not_ready)?;
        let ready = match plan.backend.resolved().map_err(not_ready)? {
            Backend::Iptables(_) => Iptables::V4.save(chains::NAT).map(drop).map_err(attach::xtables),
            Backend::Any | Backend::Nftables => {
                Nft::open().and_then(|mut nft| nft.generation()).map(drop).map_err(firewall)
            }
        };
        ready.map_err(not_ready)
    }
}

/// How the network that `prev` tells of is published, by family. iptables knows of no other way than the host's addresses.
fn openings(backend: &Backend, prev: &Success) -> Result<[Opening; 2]> {
    match backend {
        Backend::Iptables(_) => Ok([Opening::AT_HOST; 2]),
        Backend::Any | Backend::Nftables => exposure::openings(&mut Nft::open().map_err(firewall)?, &host::told(prev)),
    }
}

/// An attachment whose ports are published, or are to be.
struct Adding<'a> {
    owner: &'a Owner,
    plan: &'a Plan,
    ports: &'a [Published],
    /// Those that are reached at the container's own address.
    open: &'a [Published],
    openings: [Opening; 2],
    addresses: Addresses,
    /// The links of the host that are its alone.
    links: &'a [Link],
}

impl Adding<'_> {
    /// Chooses ports too. What another ADD takes between the choice and the publication is chosen no second time.
    fn by_choice(&self, host: &mut Rtnl, prev: &Success, undo: &mut Undo) -> Result<Vec<Published>> {
        let mut tries = 1..=CHOICES;
        loop {
            let plan = choose::choose(self.plan.clone(), self.owner, &self.addresses)?;
            let (ports, open) = plan.published(&self.addresses, self.openings)?;
            match (Adding { plan: &plan, ports: &ports, open: &open, ..*self }).by_nftables(host, prev, undo) {
                Err(error) if error.code == Code::InUse && tries.next().is_some() => {}
                published => return published,
            }
        }
    }

    /// The ports that lead to this attachment now.
    fn by_nftables(&self, host: &mut Rtnl, prev: &Success, undo: &mut Undo) -> Result<Vec<Published>> {
        self.refuse_held()?;
        let mut nft = Nft::open().map_err(firewall)?;
        let homes = match self.plan.snat {
            Snat::Nobody => Vec::new(),
            Snat::Locals | Snat::Everybody => host::homes(host, self.links, &self.addresses)?,
        };
        let note = Note {
            link: self.links.last().map(|link| link.name.clone()),
            homes: homes.iter().map(|(subnet, link)| (subnet.ip(), link.clone())).collect(),
            ..Note::default()
        };
        let published = self.publication().publish(&mut nft, host, &note);
        let leaving = Leaving {
            owner: self.owner.clone(),
            ports: self.ports.iter().map(|port| port.from).collect(),
            inside: self.open.iter().map(Published::inside).collect(),
            addresses: self.addresses,
            links: host::told(prev),
        };
        // A refusal has made nothing, and what this attachment has was there before. Of a failure nobody knows: what got
        // lost may be the kernel's answer alone.
        if published.as_ref().err().is_none_or(|error| error.code == Code::Kernel) {
            undo.push("publish ports", move || leaving.release());
        }
        let published = published?;

        Publication { ports: &published, ..self.publication() }.publish_words()?;
        if self.plan.snat == Snat::Nobody {
            return Ok(published);
        }
        for (subnet, link) in homes {
            rules::section().ensure(&mut nft, &[subnet], &link)?;
        }
        host::set_hairpin_mode(host, self.links, undo)?;
        if let Some(port) = self.at_localhost() {
            host::ensure_localhost(&mut nft, host, port.to.ip())?;
        }
        Ok(published)
    }

    fn by_iptables(&self, host: &mut Rtnl, mark: &Mark, undo: &mut Undo) -> Result<()> {
        if let Some(choice) = self.plan.choices().first() {
            return Err(choice.needs_nftables());
        }
        self.refuse_held()?;
        let (chains, ports) = (self.chains(), self.each_port());
        let publisher = self.publisher(&chains, mark, &ports);
        // What this attachment has had before stays where it is refused.
        let tables = publisher.read()?;
        let leaving = chains.clone();
        undo.push("publish ports", move || xtables::release(&leaving));
        publisher.publish(tables)?;
        if self.plan.snat == Snat::Nobody {
            return Ok(());
        }
        host::set_hairpin_mode(host, self.links, undo)?;
        match self.at_localhost() {
            Some(port) => host::open_localhost(host, port.to.ip(), undo),
            None => Ok(()),
        }
    }

    fn check_nftables(&self, host: &mut Rtnl) -> Result<()> {
        let mut nft = Nft::open().map_err(firewall)?;
        self.publication().check(&mut nft, host)?;
        if self.plan.snat == Snat::Nobody {
            return Ok(());
        }
        for (subnet, link) in host::homes(host, self.links, &self.addresses)? {
            if !rules::section().covers(&mut nft, &[subnet], &link)? {
                return Err(failed(format!("check published ports: hairpin_links lacks {subnet} behind \"{link}\"")));
            }
        }
        match self.at_localhost() {
            Some(port) if !host::has_localhost(&mut nft, host, port.to.ip())? => Err(no_localhost()),
            _ => Ok(()),
        }
    }

    fn check_iptables(&self, host: &mut Rtnl, mark: &Mark) -> Result<()> {
        self.publisher(&self.chains(), mark, &self.each_port()).check()?;
        match self.at_localhost().filter(|_| self.plan.snat != Snat::Nobody) {
            Some(port) if !host::is_localhost_open(host, port.to.ip())? => Err(no_localhost()),
            _ => Ok(()),
        }
    }

    fn refuse_held(&self) -> Result<()> {
        if self.plan.allow_in_use {
            return Ok(());
        }
        holder::refuse_held(self.ports, &self.owner.attachment().container_id)
    }

    fn publication(&self) -> Publication<'_> {
        Publication { owner: self.owner, plan: self.plan, ports: self.ports, open: self.open }
    }

    fn chains(&self) -> Chains {
        Chains::new(self.owner.network(), &self.owner.attachment().container_id)
    }

    fn publisher<'a>(&'a self, chains: &'a Chains, mark: &'a Mark, ports: &'a [Published]) -> Publisher<'a> {
        Publisher { chains, plan: self.plan, mark, ports, addresses: &self.addresses }
    }

    /// What iptables is told: it knows no ranges that lead to ports of the same numbers.
    fn each_port(&self) -> Vec<Published> {
        self.ports.iter().flat_map(|port| port.each()).collect()
    }

    fn at_localhost(&self) -> Option<&Published> {
        self.ports.iter().find(|port| port.is_at_localhost())
    }
}

fn no_localhost() -> Error {
    failed("check published ports: 127.0.0.1 does not lead to the container".into())
}
