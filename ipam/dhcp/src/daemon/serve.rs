//! One call of a plugin.

use std::{
    io::{self, Write},
    os::{fd::AsFd, unix::net::UnixStream},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use cni::{Attachment, Code, Error, Result};

use super::{Daemon, acquire, maintain};
use crate::{
    key::Key,
    lease,
    moment::Moment,
    plan::Wanted,
    record::Record,
    rpc::{Answer, Ask, Call, Greeting, Lines, PROTOCOL},
};

/// How long a plugin may take to say what it wants, and to take the answer.
const PLUGIN: Duration = Duration::from_secs(10);
/// What an ADD may take beside the conversations with servers.
const BESIDE: Duration = Duration::from_secs(10);
/// How long a DEL waits for an ADD that it has stopped.
const STOPPED: Duration = Duration::from_secs(8);

/// Answers it.
pub fn serve(daemon: &Daemon, stream: UnixStream) {
    let mut lines = Lines::new(stream);
    let text = match lines.read_text(PLUGIN) {
        Ok(text) => text,
        Err(error) => return log::debug!("a call cannot be read: {error}"),
    };
    if text.starts_with("CONNECT ") {
        return refuse_reference(&lines);
    }
    let call = serde_json::from_str::<Call>(&text).map_err(io::Error::other);
    let patience = match &call {
        Ok(Call { ask: Ask::Acquire { .. }, .. }) => daemon.patience.whole + BESIDE,
        _ => STOPPED + BESIDE,
    };
    let greeting = Greeting { mooring: PROTOCOL, patience: patience.as_secs().saturating_add(1) };
    if let Err(error) = lines.write(&greeting, PLUGIN) {
        return log::debug!("a plugin has gone: {error}");
    }
    let (answer, fresh) = match call {
        Ok(Call { mooring: PROTOCOL, ask }) => answer(daemon, ask, lines.stream()),
        Ok(_) | Err(_) => {
            (Err(Error::new(Code::Decode, "decode what the plugin asks: it is of another version")), None)
        }
    };
    let answer = answer.unwrap_or_else(|error| {
        log::info!("{error}");
        Answer::from(error)
    });
    let taken = lines.write(&answer, PLUGIN);
    if let (Err(error), Some(key)) = (taken, fresh) {
        log::info!("the plugin of container {} has gone: {error}; its lease is given back", key.container_id);
        end(daemon, &key).unwrap_or_else(|error| log::warn!("{error}"));
    }
}

/// What a plugin of the reference prints begins with `unexpected HTTP response`.
fn refuse_reference(lines: &Lines) {
    let text = "HTTP/1.0 400 this is the daemon of Mooring's dhcp, exchange plugin and daemon together\r\n\r\n";
    log::warn!("a plugin of the reference has called: plugin and daemon have to be exchanged together");
    if let Err(error) = lines.stream().write_all(text.as_bytes()) {
        log::debug!("it has gone: {error}");
    }
}

/// The answer, and whose lease is new.
fn answer(daemon: &Daemon, ask: Ask, stream: &UnixStream) -> (Result<Answer>, Option<Key>) {
    match ask {
        Ask::Acquire { key, netns, wanted } => match begin(daemon, &key, netns, wanted, stream) {
            Ok(Answer::Leases { success, fresh }) => (Ok(Answer::Leases { success, fresh }), fresh.then_some(key)),
            other => (other, None),
        },
        Ask::Release { key } => {
            daemon.leases.doom(&key, Instant::now() + STOPPED);
            (end(daemon, &key).map(|()| Answer::Done), None)
        }
        Ask::Check { key } => (check(daemon, &key), None),
        Ask::Gc { network, keep } => (collect(daemon, &network, keep).map(|()| Answer::Done), None),
        Ask::Status => (Ok(Answer::Done), None),
    }
}

fn begin(daemon: &Daemon, key: &Key, netns: PathBuf, wanted: Wanted, stream: &UnixStream) -> Result<Answer> {
    let failed = |error: io::Error| Error::new(Code::Internal, format!("take a connection: {error}"));
    let place = daemon.leases.begin(key, stream.try_clone().map_err(failed)?)?;
    if let Some(entry) = daemon.leases.get(key) {
        // As with the reference: whoever asks again gets what there is.
        if let Some(success) = existing(daemon, &entry, &netns) {
            return Ok(Answer::Leases { success, fresh: false });
        }
        daemon.release(&entry)?;
    }
    let record = acquire::acquire(daemon, key, &netns, wanted, stream.as_fd())?;
    let path = crate::release::under(&daemon.prefix, &netns);
    let undone = |record: &Record| {
        acquire::give_back(record, &path, &record.in_use());
        daemon.store.remove(key).unwrap_or_else(|error| log::warn!("{error}"));
    };
    daemon.store.write(&record).inspect_err(|_| undone(&record))?;
    let success = lease::success(record.in_use());
    let addresses: Vec<String> = success.ips.iter().map(|ip| ip.address.to_string()).collect();
    match place.succeed(record) {
        Ok(entry) => {
            let families = entry.record().as_ref().map(Record::families).unwrap_or_default();
            for family in families {
                maintain::plan_next(daemon, &entry, family, Moment::now());
            }
        }
        Err(record) => {
            undone(&record);
            return Err(Error::new(
                Code::TryAgain,
                format!("get a lease for \"{}\": it is wanted no more", key.ifname),
            ));
        }
    }
    let Key { container_id, ifname, network } = key;
    log::info!("{ifname} of container {container_id} has {} of network {network}", addresses.join(", "));
    Ok(Answer::Leases { success, fresh: true })
}

/// What the attachment has, if that is of the same interface and all in use.
fn existing(daemon: &Daemon, entry: &super::Entry, netns: &Path) -> Option<cni::Success> {
    if !maintain::is_there(daemon, entry) {
        return None;
    }
    let record = entry.record();
    let same = record.as_ref().filter(|record| record.netns == netns && record.is_whole());
    same.map(|record| lease::success(record.in_use()))
}

/// Ends an attachment's leases, whether they are known or only on disk.
fn end(daemon: &Daemon, key: &Key) -> Result<()> {
    match daemon.leases.get(key) {
        Some(entry) => daemon.release(&entry),
        None => daemon.store.remove(key),
    }
}

fn check(daemon: &Daemon, key: &Key) -> Result<Answer> {
    let failed = |why: &str| {
        let Key { container_id, ifname, network } = key;
        let what = format!("lease of \"{ifname}\" of container {container_id} to network {network}");
        Err(Error::new(Code::CheckFailed, format!("check {what}: {why}")))
    };
    let Some(entry) = daemon.leases.get(key).filter(|entry| maintain::is_there(daemon, entry)) else {
        return failed("there is none");
    };
    let record = entry.record();
    match record.as_ref() {
        Some(record) if record.is_whole() => {
            Ok(Answer::Leases { success: lease::success(record.in_use()), fresh: false })
        }
        Some(_) => failed("it has ended, and no server has given another"),
        None => failed("there is none"),
    }
}

/// Those that cannot be read go, too: their names tell whose they are.
fn collect(daemon: &Daemon, network: &str, keep: Vec<(String, String)>) -> Result<()> {
    let keep: Vec<Key> = keep
        .into_iter()
        .map(|(container_id, ifname)| Key::new(network, &Attachment { container_id, ifname }))
        .collect();
    let garbage = daemon.leases.of_network(network).into_iter().filter(|entry| !keep.contains(&entry.key));
    let mut steps: Vec<Result<()>> = garbage.map(|entry| daemon.release(&entry)).collect();
    let kept: Vec<String> = keep.iter().map(Key::stem).collect();
    for found in daemon.store.list(Some(network))?.iter().filter(|found| !found.is_one_of(&kept)) {
        let is_known = found.record.as_ref().is_some_and(|record| daemon.leases.get(&record.key).is_some());
        // An ADD may have come meanwhile.
        if !is_known && found.record.is_none() {
            steps.push(found.remove());
        }
    }
    Error::collect(steps)
}
