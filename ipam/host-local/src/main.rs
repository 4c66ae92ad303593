//! `host-local`: addresses out of ranges of this host, remembered in files.
//!
//! It makes no interface; plugins that do call it as their `ipam`. README.md is for its users.

mod allocate;
mod auto;
mod block;
mod boot;
mod conf;
mod file;
mod index;
mod lease;
mod ledger;
mod plan;
mod range;
mod resolv_conf;
mod store;

use std::{path::Path, process::ExitCode, time::SystemTime};

use cni::{Add, Attachment, Check, Code, Del, Error, Gc, Network, Plugin, Result, Status, Success, Undo};

use crate::{
    allocate::Choice,
    auto::{Choosing, Subnets},
    boot::Boot,
    conf::Conf,
    lease::{Leases, Lookup, NOBODY},
    ledger::Ledger,
    plan::Plan,
    store::Store,
};

struct HostLocal;

impl Plugin for HostLocal {
    const NAME: &'static str = "host-local";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        let plan = settle(&add.network, &add.args)?;
        let dns = plan.resolv_conf.as_deref().map_or_else(|| Ok(cni::Dns::default()), resolv_conf::read)?;
        let boot = Boot::current();
        let store = Store::create(&plan.dir)?;
        boot.as_ref().map_or(Ok(()), |boot| boot::reclaim(&store, boot))?;

        let ledger = Ledger::new(store, boot.as_ref());
        let last_reserved = |set| ledger.store().last_reserved(set);
        let choices = allocate::choose(&add.network.name, &plan.sets, &add.attachment, &ledger, last_reserved)?;
        let modified = boot.map(|boot| boot.mark(SystemTime::now()));
        for choice in &choices {
            push_release(undo, &plan.dir, choice, &add.attachment);
            ledger.reserve(choice.ip, &add.attachment, modified)?;
            ledger.store().set_last_reserved(choice.set, Some(choice.ip))?;
        }
        let ips = choices.into_iter().map(|choice| choice.config).collect();
        Ok(Success { ips, routes: plan.routes, dns, ..Success::default() })
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        let Some(store) = Store::open(&plan::lease_dir(&del.network)?)? else { return Ok(()) };
        let ledger = Ledger::new(store, Boot::current().as_ref());
        let leases = ledger.held_by(&del.attachment.container_id)?;
        let mut own = leases.of(&del.attachment);
        if own.is_empty() {
            own = leases.of_container(&del.attachment);
        }
        let nobodys = ledger.held_by(NOBODY)?;
        let own = leases.iter().filter(|(ip, _)| own.contains(ip));
        Error::collect(own.chain(nobodys.iter()).map(|(ip, owner)| ledger.release(ip, owner)))
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        let plan = Plan::new(&check.network, "", &chosen(&check.network)?)?;
        let leases = held_in(&plan.dir, &check.attachment)?;
        let held = [leases.of(&check.attachment), leases.of_container(&check.attachment)].concat();
        let of_prev_result = check.network.prev_result.iter().flat_map(|prev| &prev.ips).map(|ip| ip.address.ip());
        for ip in of_prev_result.filter(|ip| plan.sets.iter().any(|set| set.ranges.contains(*ip))) {
            if !held.contains(&ip) {
                return Err(not_leased(&format!("lease of {ip}"), &plan.dir, &check.attachment));
            }
        }
        match plan.sets.iter().find(|set| !held.iter().any(|ip| set.ranges.contains(*ip))) {
            Some(set) => Err(not_leased(&format!("lease from [{}]", set.ranges), &plan.dir, &check.attachment)),
            None => Ok(()),
        }
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        let Some(store) = Store::open(&plan::lease_dir(&gc.network)?)? else { return Ok(()) };
        let ledger = Ledger::new(store, Boot::current().as_ref());
        let leases = ledger.list()?;
        let garbage = leases.iter().filter(|(_, owner)| !owner.stays(&gc.keep));
        Error::collect(garbage.map(|(ip, owner)| ledger.release(ip, owner)))
    }

    /// A full pool is not an error: runtimes would drain the node, although its containers are fine and the next one
    /// that ends makes room.
    fn status(status: &Status<Conf>) -> Result<()> {
        ready(&status.network).map_err(|error| Error { code: Code::NotReady, ..error })?;
        store::check_usable(&plan::lease_dir(&status.network)?)
    }
}

/// The plan of an ADD, with the subnets that are left to be chosen. A choice is made for all attachments of the network, and stays.
/// Where there is none to make nothing is locked or written; one that is to be made is tried before.
fn settle(network: &Network<Conf>, args: &str) -> Result<Plan> {
    let (ipam, data_dir) = (network.conf.ipam()?, plan::data_dir(network)?);
    let attempt = |may_write: bool| {
        let mut choosing = Choosing::begin(&data_dir, &network.name, may_write)?;
        let plan = Plan::new(network, args, &choosing.subnets(&ipam)?)?;
        choosing.refuse_overlapping(plan.sets.iter().flat_map(|set| set.ranges.subnets()))?;
        Ok::<_, Error>((choosing, plan))
    };
    let (choosing, plan) = attempt(false)?;
    if !choosing.is_new() {
        return Ok(plan);
    }
    let (choosing, plan) = attempt(true)?;
    choosing.commit().map(|()| plan)
}

/// The subnets that the network has got, where its configuration leaves them to be chosen.
fn chosen(network: &Network<Conf>) -> Result<Subnets> {
    let (ipam, data_dir) = (network.conf.ipam()?, plan::data_dir(network)?);
    let subnets = Choosing::begin(&data_dir, &network.name, false)?.chosen();
    match subnets.missing(&ipam) {
        None => Ok(subnets),
        Some(word) => Err(Error::new(
            Code::CheckFailed,
            format!("find the subnet of network \"{}\": none has been chosen for \"{word}\"", network.name),
        )),
    }
}

/// Fails as an ADD would because of its ranges.
fn ready(network: &Network<Conf>) -> Result<()> {
    let data_dir = plan::data_dir(network)?;
    let subnets = Choosing::begin(&data_dir, &network.name, false)?.subnets(&network.conf.ipam()?)?;
    Plan::check(network, &subnets)
}

/// What a lease takes, if the ADD fails from here on: the address, and the place in the round unless another ADD has
/// moved it on meanwhile. The lock is taken anew, because it is not held while the result is written.
fn push_release(undo: &mut Undo, dir: &Path, choice: &Choice, attachment: &Attachment) {
    let (dir, attachment) = (dir.to_owned(), attachment.clone());
    let Choice { set, ip, last_reserved, .. } = *choice;
    undo.push(format!("reserve {ip}"), move || {
        let Some(store) = Store::open_for_undo(&dir)? else { return Ok(()) };
        let ledger = Ledger::new(store, Boot::current().as_ref());
        ledger.release_of(ip, &attachment)?;
        if ledger.store().last_reserved(set) == Some(ip) {
            ledger.store().set_last_reserved(set, last_reserved)?;
        }
        Ok(())
    });
}

/// The leases of the attachment's container in a directory, which need not be there.
fn held_in(dir: &Path, attachment: &Attachment) -> Result<Leases> {
    let Some(store) = Store::open(dir)? else { return Ok(Leases::default()) };
    let ledger = Ledger::new(store, Boot::current().as_ref());
    ledger.held_by(&attachment.container_id)
}

fn not_leased(what: &str, dir: &Path, attachment: &Attachment) -> Error {
    let Attachment { container_id, ifname } = attachment;
    Error::new(
        Code::CheckFailed,
        format!("find {what} in {}: container {container_id} interface {ifname} has none", dir.display()),
    )
    .details(format!("host-local: Failed to find address added by container {container_id}"))
}

fn main() -> ExitCode {
    cni::skel::main::<HostLocal>()
}
