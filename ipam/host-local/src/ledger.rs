//! The leases of a network as a command asks about them: the [`Store`]'s files, found by the [`Index`].
//!
//! What the index says of a lease is checked with its file. If they disagree, or if there is no index to be believed,
//! all files are read once and the index is made anew.

use std::{cell::RefCell, net::IpAddr, time::SystemTime};

use cni::{Attachment, Code, Error, Result};

use crate::{
    block::Block,
    boot::Boot,
    index::{Corrupt, Index, Place},
    lease::{self, Leases, Lookup, Owner},
    range::RangeSet,
    store::Store,
};

/// The locked directory with its index. When it is dropped, it leaves an index that the next call can believe.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    /// None without a boot ID: an index must not outlive its boot.
    place: Option<Place>,
    /// None if it is not to be believed. Questions read pages of it, and make it anew.
    index: RefCell<Option<Index>>,
}

impl Ledger {
    /// That of a store, in this boot.
    pub fn new(store: Store, boot: Option<&Boot>) -> Self {
        let place = boot.and_then(|boot| {
            let place = Place::of(store.dir(), boot.id());
            place.inspect_err(|error| log::info!("index leases in {}: {error}", store.dir().display())).ok()
        });
        let index = RefCell::new(place.as_ref().and_then(Place::open));
        Self { store, place, index }
    }

    /// The files.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// All leases, from the files alone.
    pub fn list(&self) -> Result<Leases> {
        self.rebuild()
    }

    /// Makes a lease that was last modified at `modified`. Its address is free.
    pub fn reserve(&self, ip: IpAddr, attachment: &Attachment, modified: Option<SystemTime>) -> Result<()> {
        let replaced = self.store.owner(ip);
        self.update(self.store.reserve(ip, attachment, modified), |index| {
            if let Some(replaced) = &replaced {
                index.remove(ip, replaced)?;
            }
            index.insert(ip, &Owner::Attachment(attachment.clone()))
        })
    }

    /// Removes a lease of `owner`; it may have gone already.
    pub fn release(&self, ip: IpAddr, owner: &Owner) -> Result<()> {
        self.update(self.store.release(ip), |index| index.remove(ip, owner))
    }

    /// Removes a lease if it is the attachment's.
    pub fn release_of(&self, ip: IpAddr, attachment: &Attachment) -> Result<()> {
        let owner = Owner::parse(lease::content(attachment).as_bytes());
        if self.store.owner(ip).as_ref() == Some(&owner) { self.release(ip, &owner) } else { Ok(()) }
    }

    /// Has the index follow what was done. If that has failed, nobody knows what there is.
    fn update(&self, done: Result<()>, follow: impl FnOnce(&mut Index) -> Result<(), Corrupt>) -> Result<()> {
        let mut index = self.index.borrow_mut();
        let follows = index.as_mut().is_none_or(|index| done.is_ok() && follow(index).is_ok());
        if !follows {
            *index = None;
        }
        done
    }

    /// What the index answers, if that `holds`; or else what it answers when it has been made anew.
    fn ask<T>(&self, question: impl Fn(&mut Index) -> Result<T, Corrupt>, holds: impl Fn(&T) -> bool) -> Result<T> {
        let known = self.index.borrow_mut().as_mut().and_then(|index| question(index).ok());
        if let Some(answer) = known.filter(holds) {
            return Ok(answer);
        }
        self.rebuild()?;
        let fresh = self.index.borrow_mut().as_mut().and_then(|index| question(index).ok());
        fresh.ok_or_else(|| Error::new(Code::Internal, "index leases: an index in memory is corrupt"))
    }

    fn rebuild(&self) -> Result<Leases> {
        log::debug!("index leases in {}", self.store.dir().display());
        let (index, leases) = Index::build(self.place.as_ref(), || self.store.leases())?;
        *self.index.borrow_mut() = index;
        Ok(leases)
    }
}

impl Lookup for Ledger {
    fn held_by(&self, container_id: &str) -> Result<Leases> {
        let id = container_id.trim();
        let is_its = |ip: &IpAddr| self.store.owner(*ip).is_some_and(|owner| owner.container_id() == Some(id));
        let held = self.ask(|index| index.held_by(id), |held| held.iter().all(is_its))?;
        Ok(held.into_iter().filter_map(|ip| Some((ip, self.store.owner(ip)?))).collect())
    }

    fn owner(&self, ip: IpAddr) -> Option<Owner> {
        self.store.owner(ip)
    }

    fn first_free(&self, block: Block) -> Result<Option<IpAddr>> {
        self.ask(|index| index.first_free(block), |free| free.is_none_or(|ip| !self.is_taken(ip)))
    }

    fn in_use(&self, ranges: &RangeSet) -> Result<usize> {
        self.ask(|index| index.in_use(ranges), |_| true)
    }
}

impl Drop for Ledger {
    /// Also behind a refusal, so that the next call need not read all files again. The lock is released after this. That the
    /// index cannot be written is no failure of a command.
    fn drop(&mut self) {
        if let (Some(place), Some(index)) = (&self.place, self.index.take()) {
            place.seal(index).unwrap_or_else(|error| log::info!("write index of leases: {error}"));
        }
    }
}

#[cfg(test)]
mod tests;
