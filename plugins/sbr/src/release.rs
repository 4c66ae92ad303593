//! DEL: the interface's rules go, and its routes go back to where they were, should it stay.

use std::{collections::BTreeSet, net::IpAddr};

use attach::{
    entries::{self, put_back, reachable_first},
    kernel, told,
};
use cni::{Error, Result, Success};
use net::{Link, MAIN_TABLE, Netns, Rank, RouteEntry, Rtnl};

use crate::{
    rules::{OWN, Scene},
    table::stands_for,
};

/// Removes all that ADDs of the interface `ifname` have made in `netns`. Rules go last: as long as one is there, the next DEL finds
/// its table.
///
/// # Errors
/// What may succeed the next time. A route that the kernel does not take back is left out: nothing else would ever end a container.
pub fn release(netns: &Netns, ifname: &str, prev: Option<&Success>) -> Result<()> {
    let mut rtnl = netns.rtnl().map_err(kernel)?;
    let link = told::link(&mut rtnl, ifname, prev)?;
    let scene = Scene {
        rules: rtnl.rules().map_err(kernel)?,
        entries: rtnl.route_entries().map_err(kernel)?,
        addresses: rtnl.all_addresses().map_err(kernel)?,
        link: link.as_ref().map(|link| link.index),
    };
    let told = prev.iter().flat_map(|prev| told::ips_in(prev, ifname, netns.path()));
    let rules = scene.own_rules(&told.map(|ip| ip.address.ip()).collect::<Vec<IpAddr>>());
    if let Some(link) = &link {
        let tables = rules.iter().filter(|rule| rule.protocol == OWN).map(|rule| rule.table).collect();
        give_back(&mut rtnl, link, &scene.entries, &tables)?;
    }
    Error::collect(rules.iter().map(|rule| rtnl.del_rule(rule).map_err(kernel)))
}

/// Puts the routes of `link` in `tables` back into the main table, and takes away what ADD has added to either.
fn give_back(rtnl: &mut Rtnl, link: &Link, entries: &[RouteEntry], tables: &BTreeSet<u32>) -> Result<()> {
    let main = entries::of(entries, link, MAIN_TABLE);
    let held: Vec<_> = tables.iter().flat_map(|table| entries::of(entries, link, *table)).collect();
    for entry in reachable_first(held.iter().copied().filter(|entry| entry.protocol != OWN)) {
        let old = entry.in_table(MAIN_TABLE);
        // What has become of it: the same with a source hint, if it was not only copied.
        let present: Vec<_> = main.iter().filter(|other| stands_for(entry, other)).collect();
        if present.iter().any(|other| other.shared || other.is_same(&old)) {
            continue;
        }
        for changed in present {
            rtnl.del_entry(changed).map_err(kernel)?;
        }
        // Behind those of other links, which may be in use.
        put_back(rtnl, &old, Rank::Last)?;
    }
    let added = main.iter().filter(|entry| !tables.is_empty() && entry.protocol == OWN);
    added.chain(&held).try_for_each(|entry| rtnl.del_entry(entry).map_err(kernel))
}
