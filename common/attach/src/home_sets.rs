//! Sets of homes: subnets, each with the link that it is behind, one element however many containers there are.
//!
//! Homes are shared by all attachments of a link and go with the last of them. Homes may overlap: the sets hold only the
//! largest subnets, because the kernel's intervals must not overlap, and follow when one comes or goes.

use std::net::IpAddr;

use cni::Result;
use ipnetwork::IpNetwork;
use net::{Link, LinkIndex};
use nft::{Batch, Element, Ifname, Key, KeyType, Nft, Set};

use crate::{
    Section, firewall,
    homes::{Home, Homes, holds, home_of, links_of, subnet_of},
    members::{has_members, without_members},
};

/// Sets of homes, and the section of the table that looks into them.
#[derive(Debug)]
pub struct HomeSets {
    /// The section, which has the sets among its own.
    pub section: Section,
    /// IPv4.
    pub v4: FamilySets,
    /// IPv6.
    pub v6: FamilySets,
    /// Which ports of a link need its homes.
    pub needed_by: fn(&Link) -> bool,
}

/// The sets of one address family.
#[derive(Debug, Clone)]
pub struct FamilySets {
    /// Subnets with the link that each is behind.
    pub links: Set,
    /// The subnets alone, where rules ask for them.
    pub subnets: Option<Set>,
}

impl FamilySets {
    /// Sets of addresses of type `address`, called `<name>_links<suffix>` and `<name>_subnets<suffix>`.
    pub fn new(name: &str, suffix: &str, address: KeyType, with_subnets: bool) -> Self {
        let subnets = || Set::new(format!("{name}_subnets{suffix}"), [address]).interval();
        Self {
            links: Set::new(format!("{name}_links{suffix}"), [address, KeyType::Ifname]).interval(),
            subnets: with_subnets.then(subnets),
        }
    }

    /// The sets, for the section.
    pub fn sets(&self) -> impl Iterator<Item = Set> + '_ {
        [&self.links].into_iter().chain(&self.subnets).cloned()
    }
}

impl HomeSets {
    /// Makes sure that `subnets` behind `link` are in the sets. Where they are already, nothing is written.
    pub fn ensure(&self, nft: &mut Nft, subnets: &[IpNetwork], link: &str) -> Result<()> {
        self.section.ensure(nft)?;
        if self.covers(nft, subnets, link)? {
            return Ok(());
        }
        let wanted: Vec<Home> = subnets.iter().map(|subnet| Home::new(*subnet, link)).collect();
        self.change(nft, |homes| homes.with(&wanted))
    }

    /// Whether `subnets` behind `link` are in the sets.
    pub fn covers(&self, nft: &mut Nft, subnets: &[IpNetwork], link: &str) -> Result<bool> {
        for subnet in subnets {
            let key = home_key(subnet.network(), link).map_err(firewall)?;
            let found = nft.element(&self.section.table, &self.of(subnet.is_ipv4()).links, &key).map_err(firewall)?;
            if !found.is_some_and(|element| home_of(&element).is_some_and(|home| home.holds(subnet))) {
                return Ok(false);
            }
            if !self.has_subnet(nft, subnet).map_err(firewall)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn has_subnet(&self, nft: &mut Nft, subnet: &IpNetwork) -> nft::Result<bool> {
        let Some(set) = &self.of(subnet.is_ipv4()).subnets else { return Ok(true) };
        let found = nft.element(&self.section.table, set, &Key::new().ip(subnet.network()))?;
        Ok(found.is_some_and(|element| subnet_of(&element).is_some_and(|present| holds(&present, subnet))))
    }

    /// Removes everything behind `link` and its VLAN interfaces (`cni0`, `cni0.100`), unless it has ports other than
    /// `going` that need it.
    pub fn release_unused(&self, nft: &mut Nft, link: &str, going: &[LinkIndex]) -> Result<()> {
        if has_members(link, going, &self.needed_by)? {
            return Ok(());
        }
        let homes = self.observe(nft).map_err(firewall)?.behind(link);
        self.release_behind(nft, &links_of(&homes), going)
    }

    /// Adds to `batch` the removal of every subnet that `is_needed` does not need, to go in the transaction that takes
    /// away what did.
    pub fn release_unneeded(
        &self,
        nft: &mut Nft,
        batch: &mut Batch,
        is_needed: impl Fn(&IpNetwork) -> bool,
    ) -> nft::Result<()> {
        let present = self.observe(nft)?;
        let needed = present.only(|home| is_needed(&home.subnet));
        self.change_in(nft, batch, &present, &needed)
    }

    /// Removes everything behind links that have no port that needs it.
    pub fn release_garbage(&self, nft: &mut Nft) -> Result<()> {
        let links = self.observe(nft).map_err(firewall)?.links();
        self.release_behind(nft, &links, &[])
    }

    /// Removes what is behind those of `links` that are not used.
    ///
    /// An attachment that comes at the same time has made its port before it looks for the element. If its port appears
    /// while the elements go, they are put back: it may have seen them still.
    fn release_behind(&self, nft: &mut Nft, links: &[String], going: &[LinkIndex]) -> Result<()> {
        let unused = self.unused(links, going)?;
        if unused.is_empty() {
            return Ok(());
        }
        let mut released = Vec::new();
        self.change(nft, |homes| {
            released = homes.at(&unused);
            homes.without(&released)
        })?;
        let still_unused = self.unused(&unused, going)?;
        released.retain(|home| !still_unused.contains(&home.link));
        if released.is_empty() { Ok(()) } else { self.change(nft, |homes| homes.with(&released)) }
    }

    fn unused(&self, links: &[String], going: &[LinkIndex]) -> Result<Vec<String>> {
        without_members(links, going, &self.needed_by)
    }

    /// Brings the sets from the homes that they hold to those that `to` makes of them.
    fn change(&self, nft: &mut Nft, mut to: impl FnMut(&Homes) -> Homes) -> Result<()> {
        let commit = nft.transaction(|nft| {
            let present = self.observe(nft)?;
            let mut batch = Batch::new();
            self.change_in(nft, &mut batch, &present, &to(&present))?;
            Ok(batch)
        });
        commit.map_err(firewall)
    }

    fn observe(&self, nft: &mut Nft) -> nft::Result<Homes> {
        let mut homes = Vec::new();
        for sets in [&self.v4, &self.v6] {
            match nft.elements(&self.section.table, &sets.links) {
                Ok(elements) => homes.extend(elements.iter().filter_map(home_of)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Homes::new(homes))
    }

    /// The subnets that the sets of subnets hold: those of the homes, unless somebody has changed only one of both.
    fn observe_subnets(&self, nft: &mut Nft) -> nft::Result<Vec<IpNetwork>> {
        let mut subnets = Vec::new();
        for set in [&self.v4, &self.v6].into_iter().filter_map(|sets| sets.subnets.as_ref()) {
            match nft.elements(&self.section.table, set) {
                Ok(elements) => subnets.extend(elements.iter().filter_map(subnet_of)),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(subnets)
    }

    /// What goes goes first: an interval must not overlap one that it replaces.
    fn change_in(&self, nft: &mut Nft, batch: &mut Batch, from: &Homes, to: &Homes) -> nft::Result<()> {
        let table = &self.section.table;
        let (present, wanted) = (self.observe_subnets(nft)?, to.subnets());
        for home in from.less(to) {
            batch.delete_elements(table, &self.of(home.subnet.is_ipv4()).links, [home_element(&home)?]);
        }
        for (set, element) in self.subnet_elements(&present, &wanted) {
            batch.delete_elements(table, set, [element]);
        }
        for home in to.less(from) {
            batch.ensure_elements(table, &self.of(home.subnet.is_ipv4()).links, [home_element(&home)?]);
        }
        for (set, element) in self.subnet_elements(&wanted, &present) {
            batch.ensure_elements(table, set, [element]);
        }
        Ok(())
    }

    /// The elements for those of `subnets` that are not in `without`.
    fn subnet_elements(&self, subnets: &[IpNetwork], without: &[IpNetwork]) -> impl Iterator<Item = (&Set, Element)> {
        subnets.iter().filter(|subnet| !without.contains(subnet)).filter_map(|subnet| {
            let range = Element::range(Key::new().ip(subnet.network()), Key::new().ip(subnet.broadcast()));
            Some((self.of(subnet.is_ipv4()).subnets.as_ref()?, range))
        })
    }

    fn of(&self, v4: bool) -> &FamilySets {
        if v4 { &self.v4 } else { &self.v6 }
    }
}

fn home_key(address: IpAddr, link: &str) -> nft::Result<Key> {
    Ok(Key::new().ip(address).ifname(Ifname::new(link)?))
}

fn home_element(home: &Home) -> nft::Result<Element> {
    let (first, last) = (home.subnet.network(), home.subnet.broadcast());
    Ok(Element::range(home_key(first, &home.link)?, home_key(last, &home.link)?)
        .comment(format!("behind {}", home.link)))
}
