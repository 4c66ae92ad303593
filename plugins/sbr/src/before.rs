//! What there was before an ADD, to decide by and to go back to.

use std::net::IpAddr;

use attach::{
    entries::{rank_of, reachable_first},
    kernel,
};
use cni::{Error, IpConfig, Result};
use net::{Link, LinkIndex, MAIN_TABLE, Netns, RouteEntry, Rtnl, Rule};

use crate::rules::{GIVEN, OWN};

/// Rules about an interface's addresses, and all routes.
#[derive(Debug, Clone)]
pub struct Before {
    /// The rules, in the order in which they are asked.
    pub rules: Vec<Rule>,
    /// The routes of the whole container.
    pub entries: Vec<RouteEntry>,
    link: LinkIndex,
    sources: Vec<IpAddr>,
}

impl Before {
    /// Reads what `link`, with the addresses `ips`, has.
    pub fn read(rtnl: &mut Rtnl, link: &Link, ips: &[IpConfig]) -> Result<Self> {
        let sources: Vec<IpAddr> = ips.iter().map(|ip| ip.address.ip()).collect();
        let rules = rules_of(rtnl, &sources)?;
        Ok(Self { rules, entries: rtnl.route_entries().map_err(kernel)?, link: link.index, sources })
    }

    /// The table that packets from `source` are led to, be it by the reference: one that leads by the link, if there is one.
    pub fn table(&self, source: IpAddr) -> Option<u32> {
        let tables = || self.rules.iter().filter(|rule| rule.source() == Some(source)).map(|rule| rule.table);
        let leads_here = |table: &u32| self.of_link().any(|entry| entry.route.table == *table);
        tables().find(leads_here).or_else(|| tables().next())
    }

    /// The table that an ADD of ours has given `source`, and that no other link has come to use.
    pub fn own_table(&self, source: IpAddr) -> Option<u32> {
        let own = self.rules.iter().filter(|rule| rule.source() == Some(source) && rule.protocol == OWN);
        let is_alone = |table: &u32| {
            let mut by = self.entries.iter().filter(|entry| entry.route.table == *table);
            by.all(|entry| entry.route.link == self.link)
        };
        own.map(|rule| rule.table).find(is_alone)
    }

    fn of_link(&self) -> impl Iterator<Item = &RouteEntry> {
        self.entries.iter().filter(|entry| entry.route.link == self.link)
    }

    /// Makes everything as it was: takes away what has come, and puts back what has gone. Tries all of it.
    pub fn restore(&self, netns: &Netns) -> Result<()> {
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let rules = rules_of(&mut rtnl, &self.sources)?;
        let now = rtnl.route_entries().map_err(kernel)?;
        let is_in = |entry: &RouteEntry, all: &[RouteEntry]| all.iter().any(|other| other.is_same(entry));
        let is_ours = |entry: &&RouteEntry| match entry.route.table {
            // Somebody else's may have come meanwhile.
            MAIN_TABLE => entry.protocol == OWN || self.of_link().any(|old| old.in_table(MAIN_TABLE).is_rival(entry)),
            table => rules.iter().any(|rule| rule.protocol == OWN && rule.table == table),
        };
        let new =
            now.iter().filter(|entry| entry.route.link == self.link && !is_in(entry, &self.entries)).filter(is_ours);
        let (main, tables): (Vec<_>, Vec<_>) = new.partition(|entry| entry.route.table == MAIN_TABLE);
        let gone = reachable_first(self.of_link().filter(|entry| !is_in(entry, &now)));

        let mut steps: Vec<_> = main.into_iter().map(|entry| rtnl.del_entry(entry)).collect();
        steps.extend(gone.into_iter().map(|entry| rtnl.add_entry(entry, rank_of(entry, &self.entries))));
        steps.extend(tables.into_iter().map(|entry| rtnl.del_entry(entry)));
        let made = rules.iter().filter(|rule| [OWN, GIVEN].contains(&rule.protocol) && !self.rules.contains(rule));
        steps.extend(made.map(|rule| rtnl.del_rule(rule)));
        Error::collect(steps.into_iter().map(|step| step.map_err(kernel)))
    }
}

fn rules_of(rtnl: &mut Rtnl, sources: &[IpAddr]) -> Result<Vec<Rule>> {
    let is_of = |rule: &Rule| rule.source().is_some_and(|source| sources.contains(&source));
    Ok(rtnl.rules().map_err(kernel)?.into_iter().filter(is_of).collect())
}
