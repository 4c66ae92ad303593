//! What happens to a lease between ADD and DEL: it is extended, it changes, it ends, another one is got.

use cni::Result;

use super::{
    Daemon, Entry,
    talk::{Caller, Extended, Missed},
};
use crate::{
    change::Change,
    interface::Interface,
    lease::{Lease, Phase},
    moment::Moment,
    record::{Binding, Family, Record},
    release::under,
    schedule::Patience,
};

use super::acquire::give_back;

/// How long to wait when something else than a server has failed, in milliseconds.
const REST: u64 = 30_000;

/// Does what has to be done now, and puts the next thing on the agenda.
pub fn work(daemon: &Daemon, entry: &Entry, family: Family) {
    let Some(mut interface) = interface(daemon, entry) else { return };
    let Some(record) = entry.record().clone() else { return };
    let Some(binding) = record.binding(family) else { return };
    let phase = binding.lease.times.phase(Moment::now());
    let done = if binding.withdrawn {
        regain(daemon, entry, family, &mut interface)
    } else {
        match phase {
            Phase::Bound => Ok(Then::Next),
            Phase::Renewing | Phase::Rebinding => extend(daemon, entry, family, &mut interface, phase),
            Phase::Expired => end(daemon, entry, family, &mut interface, "nobody has extended it"),
        }
    };
    let now = Moment::now();
    match done {
        Ok(Then::Next) => plan_next(daemon, entry, family, now),
        Ok(Then::At(moment)) => daemon.leases.plan(entry, family, moment),
        Ok(Then::GiveBack(lease)) => give_back(&record, interface.netns.path(), &[&lease]),
        Err(error) => {
            log::warn!("lease of {}: {error}", named(&record));
            daemon.leases.plan(entry, family, retry(&record, family, now));
        }
    }
}

/// What comes next.
enum Then {
    /// The next part of the lease's life.
    Next,
    /// Something at this time.
    At(Moment),
    /// Nothing: a DEL was faster, and this lease is needed no more.
    GiveBack(Box<Lease>),
}

/// Puts the next part of a lease's life on the agenda; one that lasts for ever has none.
pub fn plan_next(daemon: &Daemon, entry: &Entry, family: Family, now: Moment) {
    let times = entry.record().as_ref().and_then(|record| record.binding(family).map(|binding| binding.lease.times));
    if let Some(next) = times.and_then(|times| times.next_phase(now)) {
        daemon.leases.plan(entry, family, next);
    }
}

/// Whether the attachment's interface is there; if not, its leases are forgotten.
pub fn is_there(daemon: &Daemon, entry: &Entry) -> bool {
    interface(daemon, entry).is_some()
}

/// The interface of an attachment. One that has gone has no leases any more, nor has one whose record somebody has removed. What
/// cannot be told for a moment is tried again later.
fn interface(daemon: &Daemon, entry: &Entry) -> Option<Interface> {
    let record = entry.record().clone()?;
    if !daemon.store.has(&entry.key) {
        log::info!("lease of {}: its record has been removed", named(&record));
        daemon.leases.remove(entry);
        return None;
    }
    let leases: Vec<&Lease> = [&record.v4, &record.v6].into_iter().flatten().map(|binding| &binding.lease).collect();
    match Interface::find(&under(&daemon.prefix, &record.netns), &record.interface, &leases) {
        Ok(Some(interface)) => {
            note_mac(daemon, entry, &interface);
            Some(interface)
        }
        Ok(None) => {
            log::info!("lease of {}: the interface has gone", named(&record));
            daemon.forget(entry);
            None
        }
        Err(error) => {
            log::warn!("lease of {}: {error}", named(&record));
            let later = Moment::now().plus_millis(REST);
            for family in record.families() {
                daemon.leases.plan(entry, family, later);
            }
            None
        }
    }
}

/// The hardware address may have been changed: from now on it is known by the new one.
fn note_mac(daemon: &Daemon, entry: &Entry, interface: &Interface) {
    if let Some(record) = entry.record().as_mut()
        && record.interface.mac != interface.mac()
    {
        record.interface.mac = interface.mac();
        daemon.save(record);
    }
}

fn extend(daemon: &Daemon, entry: &Entry, family: Family, interface: &mut Interface, phase: Phase) -> Result<Then> {
    let Some(record) = entry.record().clone() else { return Ok(Then::Next) };
    let Some(Binding { lease, .. }) = record.binding(family) else { return Ok(Then::Next) };
    let answer = daemon.patience.answer.min(until_next_phase(lease));
    let patience = Patience { answer, ..daemon.patience };
    let caller = Caller { key: &record.key, wanted: &record.wanted, patience };
    match caller.extend(interface, lease, phase)? {
        Extended::Lease(new) => take(daemon, entry, family, interface, new),
        Extended::Refused(why) => end(daemon, entry, family, interface, &format!("the server refuses it: {why}")),
        Extended::Silence => {
            log::warn!("lease of {}: no server has answered", named(&record));
            Ok(Then::At(retry(&record, family, Moment::now())))
        }
    }
}

/// Takes a lease into use in place of the one before: what is different about it is changed on the interface.
fn take(daemon: &Daemon, entry: &Entry, family: Family, interface: &mut Interface, mut new: Lease) -> Result<Then> {
    let mut guard = entry.record();
    // Where a DEL was faster the caller has what is to be given back.
    let Some(record) = guard.as_mut() else { return Ok(Then::GiveBack(Box::new(new))) };
    let what = named(record);
    let Some(Binding { lease: old, withdrawn }) = record.binding_mut(family).take() else { return Ok(Then::Next) };
    for route in &mut new.routes {
        let known = old.routes.iter().find(|known| known.dst == route.dst);
        route.priority = known.and_then(|known| known.priority).or(route.priority);
    }
    let change = if withdrawn { Change::to(&new) } else { Change::between(&old, &new) };
    let changed = if change.is_none() { Ok(()) } else { interface.change(&change) };
    if !change.is_none() {
        log::warn!("lease of {what} has changed: now it has {}", addresses(&new));
    }
    *record.binding_mut(family) = Some(Binding { lease: new, withdrawn: false });
    daemon.save(record);
    changed.map(|()| Then::Next)
}

/// The addresses of a lease must not be used any more: they go, and, when there are no others, the link goes down. Another lease is
/// asked for at once.
fn end(daemon: &Daemon, entry: &Entry, family: Family, interface: &mut Interface, why: &str) -> Result<Then> {
    let mut guard = entry.record();
    let Some(record) = guard.as_mut() else { return Ok(Then::Next) };
    let what = named(record);
    let Some(binding) = record.binding_mut(family) else { return Ok(Then::Next) };
    log::error!("lease of {what} has ended: {why}; {} is taken away", addresses(&binding.lease));
    interface.note_metrics(&mut binding.lease)?;
    interface.withdraw(&binding.lease)?;
    binding.withdrawn = true;
    daemon.save(record);
    if record.in_use().is_empty() {
        interface.set_up(false)?;
    }
    Ok(Then::At(Moment::now()))
}

/// Asks for a lease where one has ended. While nobody gives one, and there is no other, the link is down.
fn regain(daemon: &Daemon, entry: &Entry, family: Family, interface: &mut Interface) -> Result<Then> {
    let Some(record) = entry.record().clone() else { return Ok(Then::Next) };
    let Some(Binding { lease, .. }) = record.binding(family) else { return Ok(Then::Next) };
    interface.bring_up()?;
    let patience = Patience { whole: daemon.patience.answer, ..daemon.patience };
    let caller = Caller { key: &record.key, wanted: &record.wanted, patience };
    let missed = match caller.acquire(family, interface, Some(lease), None) {
        Ok(new) => return take(daemon, entry, family, interface, new),
        Err(missed) => missed,
    };
    if let Missed::Failed(error) = missed {
        log::warn!("lease of {}: {error}", named(&record));
    }
    if entry.record().as_ref().is_some_and(|record| record.in_use().is_empty()) {
        interface.set_up(false)?;
    }
    let pause = u64::try_from(daemon.patience.resend.as_millis()).unwrap_or(REST);
    Ok(Then::At(Moment::now().plus_millis(pause)))
}

/// When a lease that could not be extended is tried again.
fn retry(record: &Record, family: Family, now: Moment) -> Moment {
    let times = record.binding(family).filter(|binding| !binding.withdrawn).map(|binding| binding.lease.times);
    times.and_then(|times| times.retry(now)).unwrap_or(now.plus_millis(REST))
}

fn until_next_phase(lease: &Lease) -> std::time::Duration {
    let now = Moment::now();
    let millis = lease.times.next_phase(now).map_or(0, |next| next.millis_since(now));
    std::time::Duration::from_millis(millis)
}

fn addresses(lease: &Lease) -> String {
    lease.ips.iter().map(|ip| ip.address.to_string()).collect::<Vec<_>>().join(", ")
}

fn named(record: &Record) -> String {
    format!("{} of container {} to network {}", record.key.ifname, record.key.container_id, record.key.network)
}
