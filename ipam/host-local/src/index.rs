//! The index beside the leases: whose addresses there are, and which is the next free one, without a look at every file.
//!
//! The lease files are the truth. The index, `<dataDir>/.<network>.index`, only says where to look: what it answers about a
//! lease is checked with the file of that lease ([`crate::ledger`]), and what it says about absence (this container has
//! nothing, that address is taken) is believed only if nobody can have changed the directory, or the index, since we wrote it.
//!
//! * **Others at work** in the directory, the reference's plugin between two of our calls or an operator with rm: every call
//!   that changes something leaves a mark on the directory, which the kernel itself wipes off with the next entry that comes
//!   or goes (`mark`). The index's header names the mark. No mark, another one, another directory, another boot: not believed.
//! * **Crashes.** A call first changes leases, which wipes off the mark; then it blanks the header, writes the pages, sets
//!   a new mark, and writes the header last (`place`). Killed between any two of these, the header does not match.
//!   Nothing is synced to the disk: after a loss of power there is another boot.
//! * **Garbage.** The header has to be, byte for byte, what we would write; every page has a checksum (`page`). An older
//!   copy names an older mark, another network's another directory.
//!
//! What is not believed is made anew from the files, once. Without a file system that keeps the mark, or a place for the
//! file, that is so on each call, and as slow as it was without an index.
//!
//! The file is a hash table of pages (`table`). A record of an owner leads from a container's ID to an address; records of
//! `taken` are words of a bitmap of three levels. So a call reads and writes a handful of pages, whatever there is.
//!
//! It is no file of the network's directory, all of which the reference reads on each call; and no network's directory has
//! its name, since names of networks do not begin with a dot. A network without leases has no index.

mod mark;
mod page;
mod place;
mod table;
mod taken;

use std::net::{IpAddr, Ipv6Addr};

use self::{mark::Marked, page::Record, table::Table};
pub use self::{page::Corrupt, place::Place};
use crate::{
    block::Block,
    lease::{Leases, Owner},
    range::RangeSet,
};

/// What an index knows of the leases of a network.
#[derive(Debug)]
pub struct Index {
    table: Table,
    /// How many leases there are.
    leases: u64,
    /// The directory that it matches, unless the file system keeps no marks.
    marked: Option<Marked>,
    /// Leases have come or gone since, by our own hand.
    changed: bool,
    /// It knows the owners of all leases: none could not be read. Else it serves this call alone.
    whole: bool,
}

impl Index {
    /// That of the leases that `list` finds, in memory. The directory is marked before, so that what anybody changes while it
    /// is read will be noticed.
    pub fn build<E>(
        place: Option<&Place>,
        list: impl FnOnce() -> Result<Leases, E>,
    ) -> Result<(Option<Self>, Leases), E> {
        let marked = place.and_then(Place::mark);
        let leases = list()?;
        let index = Self::of_leases(&leases, marked, place.map_or(0, Place::salt));
        Ok((index.ok(), leases))
    }

    fn of_leases(leases: &Leases, marked: Option<Marked>, salt: u64) -> Result<Self, Corrupt> {
        // A record each, and one for 64 neighbours at best.
        let table = Table::new(leases.iter().count(), salt);
        let mut index = Self { table, leases: 0, marked, changed: false, whole: true };
        for (ip, owner) in leases.iter() {
            index.insert(ip, owner)?;
            index.whole &= *owner != Owner::Unread;
        }
        index.changed = false;
        Ok(index)
    }

    /// The addresses of a container, and of any other with the same hash.
    pub fn held_by(&mut self, container_id: &str) -> Result<Vec<IpAddr>, Corrupt> {
        let key = key(container_id);
        let page = self.table.page(key)?;
        let own = page.records.iter().filter(|record| record.key == key && record.taken == 0);
        Ok(own.map(|record| ip(record.address)).collect())
    }

    /// The first address of `block` that is not taken.
    pub fn first_free(&mut self, block: Block) -> Result<Option<IpAddr>, Corrupt> {
        let free = taken::first_free(&mut self.table, number(block.first), number(block.last))?;
        Ok(free.map(ip))
    }

    /// How many addresses of `ranges` are taken. This alone reads all of the index.
    pub fn in_use(&mut self, ranges: &RangeSet) -> Result<usize, Corrupt> {
        let records = self.table.records()?;
        Ok(taken::addresses(&records).filter(|address| ranges.contains(ip(*address))).count())
    }

    /// Adds a lease.
    pub fn insert(&mut self, ip: IpAddr, owner: &Owner) -> Result<(), Corrupt> {
        self.changed = true;
        self.leases += 1;
        if *owner != Owner::Nobody {
            taken::take(&mut self.table, number(ip))?;
        }
        if let Some(record) = record(ip, owner) {
            self.table.page(record.key)?.put(record);
        }
        Ok(())
    }

    /// Removes a lease that is there.
    pub fn remove(&mut self, ip: IpAddr, owner: &Owner) -> Result<(), Corrupt> {
        self.changed = true;
        self.leases = self.leases.saturating_sub(1);
        if *owner != Owner::Nobody {
            taken::give_back(&mut self.table, number(ip))?;
        }
        if let Some(record) = record(ip, owner) {
            self.table.page(record.key)?.remove(&record);
        }
        Ok(())
    }
}

/// The record that leads from an owner to an address.
fn record(ip: IpAddr, owner: &Owner) -> Option<Record> {
    Some(Record { key: key(owner.container_id()?), address: number(ip), taken: 0 })
}

fn key(container_id: &str) -> u64 {
    page::hash(&[container_id.trim().as_bytes()])
}

/// IPv4 addresses as they are mapped into IPv6. No lease has such a name: `::ffff:10.0.0.1` is one of 10.0.0.1.
fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().to_bits(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

fn ip(number: u128) -> IpAddr {
    let ip = Ipv6Addr::from_bits(number);
    ip.to_ipv4_mapped().map_or(IpAddr::V6(ip), IpAddr::V4)
}

#[cfg(test)]
mod tests;
