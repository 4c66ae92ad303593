//! The interface as a port of a VRF. The kernel takes it down and up again for that (`cycle_netdev`, `drivers/net/vrf.c`), and
//! forgets what goes with being up: routes, and IPv6 addresses.

use std::{path::Path, sync::Arc};

use attach::{
    entries::{self, put_back, rank_of, reachable_first},
    kernel, ready,
    veth::existing,
};
use cni::{Code, Error, Result, Undo};
use net::{Address, Link, LinkChange, LinkIndex, MAIN_TABLE, Netns, Rank, RouteEntry, Rtnl, sysctl};

use crate::domain::Domain;

/// No master (`IFLA_MASTER`).
const NONE: LinkIndex = LinkIndex(0);

/// An interface and its network namespace.
#[derive(Debug)]
pub struct Port {
    /// The namespace.
    pub netns: Arc<Netns>,
    /// A socket to it.
    pub rtnl: Rtnl,
    /// The interface as it was when it was looked at.
    pub link: Link,
}

/// What an interface has that goes when it goes down.
#[derive(Debug, Clone)]
struct Kept {
    addresses: Vec<Address>,
    /// Its routes.
    entries: Vec<RouteEntry>,
    /// Its parts of routes that are others' too, and stay.
    shared: Vec<RouteEntry>,
    /// The routes of the whole container.
    all: Vec<RouteEntry>,
}

impl Port {
    /// Opens the interface `ifname` of the network namespace at `path`.
    pub fn open(path: &Path, ifname: &str) -> Result<Self> {
        let netns = Netns::open(path).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let link = existing(&mut rtnl, ifname).map_err(|error| error.context(path.display()))?;
        Ok(Self { netns: Arc::new(netns), rtnl, link })
    }

    /// Fails if the interface is a port of something already.
    pub fn check_free(&mut self) -> Result<()> {
        let Some(master) = self.link.master else { return Ok(()) };
        let name = self.rtnl.link_at(master).map_err(kernel)?.map_or_else(|| master.to_string(), |link| link.name);
        let ifname = &self.link.name;
        Err(Error::new(Code::InUse, format!("make \"{ifname}\" a port of a vrf: it is one of \"{name}\" already")))
    }

    /// Makes the interface a port of `vrf`, with its addresses, and with its routes in the VRF's table.
    pub fn join(&mut self, vrf: &Domain, undo: &mut Undo) -> Result<()> {
        let kept = Kept::of(&mut self.rtnl, &self.link)?;
        let (netns, link, before) = (Arc::clone(&self.netns), self.link.clone(), kept.clone());
        // First: what gets lost may be the kernel's answer alone.
        undo.push(format!("make \"{}\" a port of vrf \"{}\"", link.name, vrf.link.name), move || {
            let rtnl = netns.rtnl().map_err(kernel)?;
            let mut port = Self { netns, rtnl, link };
            port.set_master(NONE)?;
            port.put_back(&before, MAIN_TABLE, MAIN_TABLE)
        });
        self.set_master(vrf.link.index)?;
        self.give(&kept, vrf.table)
    }

    /// Makes the interface a port of nothing, with its routes in the main table.
    pub fn leave(&mut self, vrf: &Domain) -> Result<()> {
        let kept = Kept::of(&mut self.rtnl, &self.link)?;
        self.set_master(NONE)?;
        self.put_back(&kept, vrf.table, MAIN_TABLE)
    }

    /// Whether it is a port of `vrf`, which may have gone since.
    pub fn is_in(&mut self, vrf: &Domain) -> Result<bool> {
        let link = self.rtnl.link_at(self.link.index).map_err(kernel)?;
        Ok(link.is_some_and(|link| link.master == Some(vrf.link.index)))
    }

    /// IPv6 addresses survive it if the kernel is told so (`keep_addr_on_down`), with all that they have.
    fn set_master(&mut self, master: LinkIndex) -> Result<()> {
        let key = format!("net/ipv6/conf/{}/keep_addr_on_down", self.link.name);
        let keep = self.netns.enter(|inside| {
            let old = sysctl::get(inside, &key).ok().filter(|old| old != "1");
            old.filter(|_| sysctl::set(inside, &key, "1").is_ok())
        });
        let change = LinkChange { master: Some(master), ..LinkChange::default() };
        let set = self.rtnl.set_link(&self.link, &change).map_err(kernel);
        if let Ok(Some(old)) = keep {
            let given_back = self.netns.enter(|inside| sysctl::set(inside, &key, &old));
            if let Err(error) = given_back.and_then(|set| set) {
                log::warn!("{error}");
            }
        }
        set
    }

    /// Gives it again what it had in the main table, in that of its VRF.
    fn give(&mut self, kept: &Kept, table: u32) -> Result<()> {
        self.give_addresses(kept)?;
        if kept.has_v6() && self.link.carrier {
            // An address that is not usable yet can be no source of a route.
            ready::await_dad(&mut self.rtnl, &self.link)?;
        }
        for entry in reachable_first(kept.entries.iter().chain(&kept.shared)) {
            let entry = if entry.route.table == MAIN_TABLE { entry.in_table(table) } else { entry.clone() };
            self.rtnl.add_entry(&entry, Rank::Last).map_err(kernel)?;
        }
        // A next hop of an IPv6 route that has others too has only rested (`fib6_ifdown`, `net/ipv6/route.c`).
        let present = self.rtnl.route_entries().map_err(kernel)?;
        let mut left = entries::of(&present, &self.link, MAIN_TABLE).into_iter().filter(|entry| !entry.shared);
        left.try_for_each(|entry| self.rtnl.del_entry(entry).map_err(kernel))
    }

    /// Gives it again what it had, where routes of table `from` go to table `to`.
    fn put_back(&mut self, kept: &Kept, from: u32, to: u32) -> Result<()> {
        self.give_addresses(kept)?;
        for old in reachable_first(&kept.entries) {
            let entry = if old.route.table == from { old.in_table(to) } else { old.clone() };
            // Behind those of other links, which may be in use, unless it was there.
            let rank = if from == to { rank_of(old, &kept.all) } else { Rank::Last };
            if !kept.shared.iter().any(|other| other.is_rival(&entry)) {
                put_back(&mut self.rtnl, &entry, rank)?;
            }
        }
        Ok(())
    }

    fn give_addresses(&mut self, kept: &Kept) -> Result<()> {
        let present = self.rtnl.addresses(&self.link).map_err(kernel)?;
        for address in kept.addresses.iter().filter(|kept| !present.iter().any(|present| present.ip == kept.ip)) {
            self.rtnl.add_address(&self.link, address).map_err(kernel)?;
        }
        if kept.has_v6() {
            // Link-local next hops are reached by what the kernel makes then.
            ready::await_groups(&mut self.rtnl, &self.link)?;
        }
        Ok(())
    }
}

impl Kept {
    fn of(rtnl: &mut Rtnl, link: &Link) -> Result<Self> {
        let is_kept = |address: &Address| !address.is_link_local_v6();
        let addresses = rtnl.addresses(link).map_err(kernel)?.into_iter().filter(is_kept).collect();
        let all = rtnl.route_entries().map_err(kernel)?;
        let own = all.iter().filter(|entry| entry.route.link == link.index);
        let (shared, entries) = own.cloned().partition(|entry| entry.shared);
        Ok(Self { addresses, entries, shared, all })
    }

    fn has_v6(&self) -> bool {
        self.addresses.iter().any(|address| address.ip.is_ipv6())
    }
}
