//! The attachments that the daemon keeps leases for, those that it is getting some for, and what is to be done when.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::Shutdown,
    os::unix::net::UnixStream,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use cni::{Code, Error, Result};

use crate::{
    key::Key,
    moment::Moment,
    record::{Family, Record},
};

/// How long nothing is done without looking at the clock: a machine may have slept meanwhile.
const LOOK: Duration = Duration::from_secs(30);

/// All of them.
#[derive(Debug, Default)]
pub struct Leases {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Arc<Entry>>,
    pending: HashMap<Key, Pending>,
    agenda: BinaryHeap<Reverse<Task>>,
    last_id: u64,
    stopping: bool,
}

/// An attachment with leases.
#[derive(Debug)]
pub struct Entry {
    /// Tells it from an earlier one of the same attachment.
    id: u64,
    /// Whose it is.
    pub key: Key,
    record: Mutex<Option<Record>>,
}

/// An ADD that is under way.
#[derive(Debug)]
struct Pending {
    /// The connection of who wants it.
    wanting: UnixStream,
    /// Whether it is wanted no more.
    doomed: bool,
}

/// Something to do.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    at: Moment,
    id: u64,
    key: Key,
    family: Family,
}

/// The place of an ADD that is under way, until it is dropped.
#[derive(Debug)]
pub struct Place<'a> {
    leases: &'a Leases,
    key: Key,
}

impl Entry {
    /// What is known of it, for as long as the guard lives; nothing once it has ended.
    pub fn record(&self) -> MutexGuard<'_, Option<Record>> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Takes the place of an ADD for an attachment. Code 11 if it is taken, or the daemon is about to stop.
    pub fn begin(&self, key: &Key, wanting: UnixStream) -> Result<Place<'_>> {
        let mut state = self.lock();
        if state.stopping {
            return Err(Error::new(Code::TryAgain, "get a lease: the daemon is about to stop"));
        }
        if state.pending.contains_key(key) {
            let Key { container_id, ifname, network } = key;
            let what = format!("\"{ifname}\" of container {container_id} to network {network}");
            return Err(Error::new(Code::TryAgain, format!("get a lease for {what}: another ADD of it is under way")));
        }
        state.pending.insert(key.clone(), Pending { wanting, doomed: false });
        Ok(Place { leases: self, key: key.clone() })
    }

    /// Stops an ADD of the attachment that is under way, and waits a while until it has ended.
    pub fn doom(&self, key: &Key, deadline: Instant) {
        let mut state = self.lock();
        if let Some(pending) = state.pending.get_mut(key) {
            pending.cancel();
        }
        while state.pending.contains_key(key) && Instant::now() < deadline {
            state = self.wait(state, deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// The attachment, if it has leases.
    pub fn get(&self, key: &Key) -> Option<Arc<Entry>> {
        self.lock().entries.get(key).cloned()
    }

    /// The attachments of a network.
    pub fn of_network(&self, network: &str) -> Vec<Arc<Entry>> {
        self.lock().entries.values().filter(|entry| entry.key.network == network).cloned().collect()
    }

    /// An attachment that has leases from now on.
    pub fn insert(&self, record: Record) -> Arc<Entry> {
        self.lock().insert(record)
    }

    /// The attachment has none any more. What was known of it, unless somebody was faster.
    pub fn remove(&self, entry: &Entry) -> Option<Record> {
        let mut state = self.lock();
        if state.entries.get(&entry.key).is_some_and(|known| known.id == entry.id) {
            state.entries.remove(&entry.key);
        }
        drop(state);
        entry.record().take()
    }

    /// Puts something on the agenda.
    pub fn plan(&self, entry: &Entry, family: Family, at: Moment) {
        let task = Task { at, id: entry.id, key: entry.key.clone(), family };
        self.lock().agenda.push(Reverse(task));
        self.changed.notify_all();
    }

    /// Waits for what has to be done; nothing when the daemon is about to stop.
    pub fn due(&self) -> Option<(Arc<Entry>, Family)> {
        let mut state = self.lock();
        while !state.stopping {
            let now = Moment::now();
            let limit = match state.agenda.peek() {
                Some(Reverse(task)) if task.at <= now => {
                    let Some(Reverse(task)) = state.agenda.pop() else { continue };
                    let entry = state.entries.get(&task.key).filter(|entry| entry.id == task.id);
                    match entry {
                        Some(entry) => return Some((Arc::clone(entry), task.family)),
                        None => continue,
                    }
                }
                Some(Reverse(task)) => Duration::from_millis(task.at.millis_since(now)).min(LOOK),
                None => LOOK,
            };
            state = self.wait(state, limit);
        }
        None
    }

    /// Ends the agenda and what is under way, and waits a while for that.
    pub fn stop(&self, deadline: Instant) {
        let mut state = self.lock();
        state.stopping = true;
        state.pending.values_mut().for_each(Pending::cancel);
        self.changed.notify_all();
        while !state.pending.is_empty() && Instant::now() < deadline {
            state = self.wait(state, deadline.saturating_duration_since(Instant::now()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&'a self, state: MutexGuard<'a, State>, limit: Duration) -> MutexGuard<'a, State> {
        self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl State {
    fn insert(&mut self, record: Record) -> Arc<Entry> {
        self.last_id += 1;
        let key = record.key.clone();
        let entry = Arc::new(Entry { id: self.last_id, key: key.clone(), record: Mutex::new(Some(record)) });
        self.entries.insert(key, Arc::clone(&entry));
        entry
    }
}

impl Pending {
    /// Whoever converses on its behalf sees the end of its connection. The answer can still be written.
    fn cancel(&mut self) {
        self.doomed = true;
        if let Err(error) = self.wanting.shutdown(Shutdown::Read) {
            log::debug!("end a connection: {error}");
        }
    }
}

impl Place<'_> {
    /// The attachment has leases from now on, unless a DEL was faster: then they are to be given back.
    pub fn succeed(self, record: Record) -> Result<Arc<Entry>, Box<Record>> {
        let mut state = self.leases.lock();
        if state.pending.get(&self.key).is_some_and(|pending| pending.doomed) {
            return Err(Box::new(record));
        }
        Ok(state.insert(record))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.leases.lock().pending.remove(&self.key);
        self.leases.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Read, thread};

    use cni::Attachment;

    use super::*;
    use crate::{interface::Identity, plan::Wanted};

    fn key(id: &str) -> Key {
        Key::new("net", &Attachment { container_id: id.into(), ifname: "eth0".into() })
    }

    fn record(id: &str) -> Record {
        let wanted = Wanted { v4: None, v6: None, priority: None };
        Record::new(key(id), "/run/netns/c".into(), Identity { netns: 7, link: 2, mac: [2; 6] }, wanted)
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(10)
    }

    #[test]
    fn tasks_come_when_they_are_due_and_only_for_who_is_there() {
        let leases = Leases::default();
        let (early, late) = (leases.insert(record("early")), leases.insert(record("late")));
        let now = Moment::now();
        leases.plan(&late, Family::V4, now.plus_millis(30));
        leases.plan(&early, Family::V6, now);
        let replaced = leases.insert(record("early"));
        leases.plan(&replaced, Family::V4, now.plus_millis(60));
        let mut came = Vec::new();
        for _ in 0..2 {
            let (entry, family) = leases.due().unwrap();
            came.push((entry.key.container_id.clone(), family));
        }
        assert_eq!(came, [("late".into(), Family::V4), ("early".into(), Family::V4)], "not what was replaced");
        assert!(leases.remove(&replaced).is_some() && leases.remove(&replaced).is_none());
        assert!(leases.get(&key("early")).is_none());
        assert_eq!(leases.of_network("net").len(), 1);
        leases.stop(soon());
        assert!(leases.due().is_none());
    }

    #[test]
    fn one_add_of_an_attachment_is_under_way_and_del_stops_it() {
        let leases = Leases::default();
        let (mut plugin, wanting) = UnixStream::pair().unwrap();
        let place = leases.begin(&key("c1"), wanting.try_clone().unwrap()).unwrap();
        let error = leases.begin(&key("c1"), wanting.try_clone().unwrap()).unwrap_err();
        assert_eq!(error.code, Code::TryAgain);
        thread::scope(|scope| {
            let del = scope.spawn(|| leases.doom(&key("c1"), soon()));
            // The conversation sees the end of the connection.
            assert_eq!((&wanting).read(&mut [0]).unwrap(), 0);
            assert!(place.succeed(record("c1")).is_err(), "the lease is to be given back");
            del.join().unwrap();
        });
        std::io::Write::write_all(&mut (&wanting), b"x").unwrap();
        plugin.read_exact(&mut [0]).unwrap();
        let place = leases.begin(&key("c1"), wanting.try_clone().unwrap()).unwrap();
        place.succeed(record("c1")).unwrap();
        assert!(leases.get(&key("c1")).is_some());
        leases.stop(soon());
        assert!(leases.begin(&key("c2"), wanting).is_err());
    }
}
