//! The kernel's side of ADD and CHECK: rules and routes of one interface of a container.

use std::{net::IpAddr, path::Path, sync::Arc};

use attach::{
    entries::{self, rank_of},
    kernel, ready,
    verify::failed,
    veth::existing,
};
use cni::{Code, Error, IpConfig, Result, Undo};
use ipnetwork::IpNetwork;
use net::{Link, MAIN_TABLE, Netns, Rank, Rtnl, Rule, free_table};

use crate::{
    before::Before,
    plan::{Gateways, Main, Plan},
    rules::{GIVEN, OWN, is_first_claim},
    table::{Change, Present, Source, changes, default_route},
};

/// Where the reference begins to look for a free table.
const FIRST_TABLE: u32 = 100;
/// How often a table is lost to somebody who takes it at the same time.
const TRIES: u32 = 100;

/// An interface and its network namespace.
#[derive(Debug)]
pub struct Container {
    netns: Arc<Netns>,
    rtnl: Rtnl,
    link: Link,
}

impl Container {
    /// Opens the interface `ifname` of the network namespace at `path`.
    pub fn open(path: &Path, ifname: &str) -> Result<Self> {
        let netns = Netns::open(path).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let link = existing(&mut rtnl, ifname).map_err(|error| error.context(path.display()))?;
        Ok(Self { netns: Arc::new(netns), rtnl, link })
    }

    /// Routes packets from `ips`, the interface's addresses, as planned. What is there already stays.
    pub fn route(&mut self, plan: Plan, ips: &[IpConfig], undo: &mut Undo) -> Result<()> {
        let before = Before::read(&mut self.rtnl, &self.link, ips)?;
        let (netns, taken_back) = (Arc::clone(&self.netns), before.clone());
        // First: what gets lost may be the kernel's answer alone.
        undo.push(format!("route by source addresses of \"{}\"", self.link.name), move || taken_back.restore(&netns));
        match plan {
            Plan::Given(table) => ips.iter().try_for_each(|ip| self.lead(ip.address.ip(), table, &before)),
            Plan::Own { gateways, main } => self.part(gateways, main, ips, &before),
        }
    }

    /// Leads packets from `source` to a table that is not ours.
    fn lead(&mut self, source: IpAddr, table: u32, before: &Before) -> Result<()> {
        let is_there = |rule: &Rule| rule.source() == Some(source) && rule.table == table;
        if before.rules.iter().any(is_there) {
            return Ok(());
        }
        self.rtnl.add_rule(&rule(source, table, GIVEN)).map_err(kernel)
    }

    /// Gives each address its table. The rule comes first: it takes the table, and by it DEL finds what a crash has left. Until the
    /// table has a route a packet finds that of the main table, which is emptied last.
    fn part(&mut self, gateways: Gateways, keep: Main, ips: &[IpConfig], before: &Before) -> Result<()> {
        if keep == Main::Hinted && ips.iter().any(|ip| ip.address.is_ipv6()) {
            // An address that is not usable yet is no hint.
            ready::await_dad(&mut self.rtnl, &self.link)?;
        }
        let mut present = Present {
            main: entries::of(&before.entries, &self.link, MAIN_TABLE),
            held: Vec::new(),
            link: self.link.index,
        };
        for ip in ips {
            let table = match before.own_table(ip.address.ip()) {
                Some(table) => table,
                None => self.claim_table(ip.address.ip())?,
            };
            let gateway = gateways.of(ip.address.ip());
            let source = Source { ip, all: ips, link: self.link.index, gateway };
            let held = entries::of(&before.entries, &self.link, table);
            for (entry, rank) in source.lacks(&present.main, &held) {
                self.rtnl.add_entry(&entry.in_table(table), rank).map_err(kernel)?;
            }
            present.held.extend(held);
        }
        changes(&present, ips, keep).iter().try_for_each(|change| self.change(change, before))
    }

    /// Adds a rule from `source` to a table that nobody else uses, be it somebody who looks for one at the same time.
    fn claim_table(&mut self, source: IpAddr) -> Result<u32> {
        for _ in 0..TRIES {
            let used = self.rtnl.used_tables().map_err(kernel)?;
            let Some(table) = free_table(&used, FIRST_TABLE) else { break };
            let rule = rule(source, table, OWN);
            self.rtnl.add_rule(&rule).map_err(kernel)?;
            if is_first_claim(&rule, &self.rtnl.rules().map_err(kernel)?) {
                return Ok(table);
            }
            self.rtnl.del_rule(&rule).map_err(kernel)?;
        }
        Err(Error::new(Code::TryAgain, format!("find a table for {source}: others have taken all of them")))
    }

    fn change(&mut self, change: &Change, before: &Before) -> Result<()> {
        match change {
            Change::Gone(entry) => self.rtnl.del_entry(entry).map_err(kernel),
            Change::New(entry) => self.rtnl.add_entry(entry, Rank::Last).map_err(kernel),
            Change::Hinted(entry, src) => {
                // The kernel would replace the first route to that network, which may be that of another link.
                self.rtnl.del_entry(entry).map_err(kernel)?;
                let rank = rank_of(entry, &before.entries);
                self.rtnl.add_entry(&entry.with_src(*src), rank).map_err(kernel)
            }
        }
    }

    /// Fails unless packets from `ips` are routed as planned.
    pub fn check(&mut self, plan: Plan, ips: &[IpConfig]) -> Result<()> {
        let present = Before::read(&mut self.rtnl, &self.link, ips)?;
        for ip in ips {
            match plan {
                Plan::Given(table) => check_rule(ip.address.ip(), table, &present)?,
                Plan::Own { gateways, .. } => self.check_table(ip, gateways.of(ip.address.ip()), &present)?,
            }
        }
        match plan {
            Plan::Own { main: Main::Hinted, .. } => self.check_hints(ips, &present),
            _ => Ok(()),
        }
    }

    /// Fails unless an address has a table, with a default route if it is to have one: by this gateway, if one is `named`.
    fn check_table(&self, ip: &IpConfig, named: Option<IpAddr>, present: &Before) -> Result<()> {
        let source = ip.address.ip();
        let Some(table) = present.table(source) else {
            return Err(failed(format!("check rule from {source} to a table of its own: it has gone")));
        };
        let used = default_route(entries::of(&present.entries, &self.link, table));
        let wanted = named.or(ip.gateway);
        let via = |gw: IpAddr| format!("check table {table} of {source}: its default route via {gw} has gone");
        match (wanted, used) {
            (Some(gw), None) => Err(failed(via(gw))),
            (Some(gw), Some(used)) if named.is_some() && used.route.gw != Some(gw) => Err(failed(via(gw))),
            _ => Ok(()),
        }
    }

    /// Fails unless the main table has each address's network with a hint.
    fn check_hints(&self, ips: &[IpConfig], present: &Before) -> Result<()> {
        let main = entries::of(&present.entries, &self.link, MAIN_TABLE);
        let present = Present { main, held: Vec::new(), link: self.link.index };
        match changes(&present, ips, Main::Hinted).into_iter().find(|change| !matches!(change, Change::Gone(_))) {
            Some(Change::New(entry) | Change::Hinted(entry, _)) => {
                let network = entry.route.dst;
                Err(failed(format!("check source hint of {network} in table {MAIN_TABLE}: it has gone")))
            }
            _ => Ok(()),
        }
    }
}

/// Fails unless packets from `source` are led to `table`.
fn check_rule(source: IpAddr, table: u32, present: &Before) -> Result<()> {
    if present.rules.iter().any(|rule| rule.source() == Some(source) && rule.table == table) {
        return Ok(());
    }
    Err(failed(format!("check rule from {source} to table {table}: it has gone")))
}

fn rule(source: IpAddr, table: u32, protocol: u8) -> Rule {
    Rule { from: IpNetwork::from(source), table, priority: None, protocol }
}
