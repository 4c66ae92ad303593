//! Leases of an earlier boot: their containers ended with it, whether or not anybody asked for a DEL.
//!
//! Only a lease that was *seen in an earlier boot* may go; one of a running container never. Clocks cannot tell: they
//! are set while containers run, a virtual machine's jumps ahead when it is resumed, and the kernel's idea of when it was
//! booted jumps with it. The format of a lease file has no place for a boot, but its modification time has: the
//! fraction of the second is made to be a number that follows from the boot's ID (the second stays what it is).
//!
//! * Every lease that we make is marked so with the boot in which it is made.
//! * `.boot_id` names the boot of our last ADD. When another boot has come, a lease with the old boot's mark goes.
//! * What has no mark was made by another plugin, before or after the reboot. It stays, and is marked with the new boot:
//!   after the next reboot it goes. The same holds if there is no record: a network that we take over from another plugin.
//! * What is no lease, a file that somebody wrote to keep an address out of use, has nothing to do with boots.
//!
//! That an unmarked lease has a mark by chance has a likelihood of one to a thousand million. A file system that does not
//! keep fractions of seconds loses the marks, and with them only this feature.

use std::{
    fs,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use cni::{Error, Result};

use crate::store::Store;

/// Where the kernel tells a random UUID that it makes anew on every boot (random(4)).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Before the ID in the record, so that no plugin can take the content for a container's ID.
const RECORD: &str = "boot ";

const NANOS_PER_SECOND: u32 = 1_000_000_000;

/// A boot of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boot {
    id: String,
    /// Nanoseconds, from 1 to 999,999,999: 0 is what a file system without fractions returns.
    mark: u32,
}

impl Boot {
    /// The boot that we are in; none if the kernel does not tell, and then nothing is marked or reclaimed.
    pub fn current() -> Option<Self> {
        let id = fs::read_to_string(BOOT_ID);
        let boot = id.as_deref().ok().and_then(Self::new);
        if boot.is_none() {
            log::warn!("read {BOOT_ID}: {id:?}; leases of earlier boots are not reclaimed");
        }
        boot
    }

    /// The boot with this ID, a UUID.
    pub fn new(id: &str) -> Option<Self> {
        let id = id.trim();
        let bits = u32::from_str_radix(id.get(..8)?, 16).ok()?;
        Some(Self { id: id.to_owned(), mark: bits % (NANOS_PER_SECOND - 1) + 1 })
    }

    /// `time` with the mark in place of the fraction of its second.
    pub fn mark(&self, time: SystemTime) -> SystemTime {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        UNIX_EPOCH + Duration::new(seconds, self.mark)
    }

    /// The UUID.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn has_marked(&self, time: SystemTime) -> bool {
        time.duration_since(UNIX_EPOCH).is_ok_and(|since| since.subsec_nanos() == self.mark)
    }

    fn record(&self) -> String {
        format!("{RECORD}{}\n", self.id)
    }

    fn recorded(record: &[u8]) -> Option<Self> {
        Self::new(std::str::from_utf8(record).ok()?.strip_prefix(RECORD)?)
    }
}

/// Frees the leases of earlier boots, once per boot. Interrupted anywhere, it is taken up by the next call.
pub fn reclaim(store: &Store, current: &Boot) -> Result<()> {
    let record = store.boot_record();
    let recorded = record.as_deref().and_then(Boot::recorded);
    if recorded.as_ref() == Some(current) {
        return Ok(());
    }
    let leases = store.leases()?;
    for (ip, _) in leases.iter().filter(|(_, owner)| owner.container_id().is_some()) {
        settle(store, ip, recorded.as_ref(), current)?;
    }
    store.set_boot_record(&current.record())
}

fn settle(store: &Store, ip: IpAddr, recorded: Option<&Boot>, current: &Boot) -> Result<()> {
    let Some(modified) = store.modified(ip) else { return Ok(()) };
    if recorded.is_some_and(|boot| boot.has_marked(modified)) {
        log::info!("release {ip}: its lease is of an earlier boot");
        return store.release(ip);
    }
    // A lease that cannot be marked is only reclaimed later, or never.
    store.set_modified(ip, current.mark(modified)).unwrap_or_else(|error: Error| log::warn!("{error}"));
    Ok(())
}

#[cfg(test)]
mod tests;
