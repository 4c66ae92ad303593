//! Leases for an ADD: of all families that are wanted, or none.

use std::{os::fd::BorrowedFd, path::Path, thread};

use cni::{Code, Error, Result};

use super::{
    Daemon,
    talk::{Caller, Missed},
};
use crate::{
    interface::Interface,
    key::Key,
    lease::Lease,
    plan::Wanted,
    record::{Binding, Family, Record},
    release::{release, under},
};

/// Kinds of links that share the hardware address of another one: unicast to a client without an address does not find it.
const SHARED_MAC: [&str; 1] = ["ipvlan"];

/// Gets them. Whoever wants them is at the other end of `wanting`.
pub fn acquire(
    daemon: &Daemon,
    key: &Key,
    netns: &Path,
    mut wanted: Wanted,
    wanting: BorrowedFd<'_>,
) -> Result<Record> {
    log::debug!("asking for a lease for {} of container {}", key.ifname, key.container_id);
    let path = under(&daemon.prefix, netns);
    let mut interface = Interface::open(&path, &key.ifname)?;
    if let Some(v4) = &mut wanted.v4 {
        v4.broadcast |= daemon.broadcast || SHARED_MAC.iter().any(|kind| interface.link.is_kind(kind));
    }
    let mut record = Record::new(key.clone(), netns.to_owned(), interface.identity()?, wanted);
    let was_down = interface.bring_up()?;
    let got = all(daemon, &record, &path, wanting);
    match got {
        Ok([v4, v6]) => {
            let binding = |lease| Binding { lease, withdrawn: false };
            (record.v4, record.v6) = (v4.map(binding), v6.map(binding));
            Ok(record)
        }
        Err(error) => {
            if was_down && let Err(error) = interface.set_up(false) {
                log::warn!("{error}");
            }
            Err(error)
        }
    }
}

/// The leases of both families, as far as they are wanted: they are asked for at the same time.
fn all(daemon: &Daemon, record: &Record, path: &Path, wanting: BorrowedFd<'_>) -> Result<[Option<Lease>; 2]> {
    let caller = Caller { key: &record.key, wanted: &record.wanted, patience: daemon.patience };
    let get = |family: Family| {
        let mut interface = Interface::open(path, &record.key.ifname)?;
        let lease = caller.acquire(family, &mut interface, None, Some(wanting));
        lease.map_err(|missed| told(daemon, record, family, missed))
    };
    let Wanted { v4, v6, .. } = &record.wanted;
    let (v4, v6) = thread::scope(|scope| {
        let other = v6.is_some().then(|| scope.spawn(|| get(Family::V6)));
        let own = v4.is_some().then(|| get(Family::V4));
        let panicked = || Err(Error::new(Code::Internal, "a thread panicked; this is a defect"));
        (own, other.map(|other| other.join().unwrap_or_else(|_| panicked())))
    });
    match (v4.transpose(), v6.transpose()) {
        (Ok(v4), Ok(v6)) => Ok([v4, v6]),
        (v4, v6) => {
            let got: Vec<&Lease> = [&v4, &v6].into_iter().filter_map(|lease| lease.as_ref().ok()?.as_ref()).collect();
            give_back(record, path, &got);
            let errors = [v4.err(), v6.err()].into_iter().flatten();
            Err(Error::join(errors).unwrap_or_else(|| Error::new(Code::Internal, "no lease and no error")))
        }
    }
}

/// Gives leases back that are of no use.
pub fn give_back(record: &Record, path: &Path, leases: &[&Lease]) {
    if leases.is_empty() {
        return;
    }
    match Interface::find(path, &record.interface, leases) {
        Ok(Some(interface)) => release(interface, &record.key, &record.wanted, leases),
        Ok(None) => {}
        Err(error) => log::info!("{error}"),
    }
}

fn told(daemon: &Daemon, record: &Record, family: Family, missed: Missed) -> Error {
    let protocol = match family {
        Family::V4 => "DHCPv4",
        Family::V6 => "DHCPv6",
    };
    let what = format!("get a lease for \"{}\" by {protocol}", record.key.ifname);
    match missed {
        Missed::Cancelled => Error::new(Code::TryAgain, format!("{what}: it is wanted no more")),
        Missed::Failed(error) => error.context(what),
        Missed::Silence(refusal) => {
            let seconds = daemon.patience.whole.as_secs_f64();
            let why = refusal.map_or_else(
                || format!("no server has answered in {seconds} seconds"),
                |refusal| format!("servers have refused for {seconds} seconds: {refusal}"),
            );
            Error::new(Code::TryAgain, format!("{what}: {why}")).details("no more tries")
        }
    }
}
