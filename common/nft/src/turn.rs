//! Turns, for transactions that keep losing.
//!
//! Who reads much, such as a GC, would lose against many who read little, again and again. After a few lost races it takes the
//! turn, and nobody else begins a reading for a transaction before it is done. The turn is only polite: what makes
//! transactions safe is the generation that they name. So where there is none to take, and against programs of others, it
//! goes without.
//!
//! It is a lock (flock(2)) on a file that every network namespace has and only those may open who may change its ruleset; nothing is
//! written to it. The kernel releases it when the process ends, however that ends.

use std::fs::{File, OpenOptions};
use std::io;

/// Writable for the namespace's root alone, and readable for nobody (`ipv4_route_table`, `net/ipv4/route.c`).
const OBJECT: &str = "/proc/sys/net/ipv4/route/flush";

/// The turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn(#[expect(dead_code, reason = "a lock is held by its descriptor")] File);

impl Turn {
    /// Waits for those who have asked before.
    pub(crate) fn take() -> Option<Self> {
        lock().map(Self)
    }
}

/// Waits until nobody has the turn. Not by a shared lock: many of those, one after the other, would keep the turn from whoever is
/// to take it.
pub(crate) fn await_others() {
    drop(lock());
}

fn lock() -> Option<File> {
    let file = OpenOptions::new().write(true).open(OBJECT).ok()?;
    loop {
        match file.lock() {
            Ok(()) => return Some(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}
