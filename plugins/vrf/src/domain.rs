//! VRF links: made when the first port comes, removed when the last one goes.

use std::sync::Arc;

use attach::{kernel, masters};
use cni::{Code, Error, Result, Undo};
use net::{Kind, Link, LinkChange, LinkIndex, LinkSpec, Netns, Rtnl, free_table};

use crate::{
    maker::{ADOPTED, Maker, mac_of},
    plan::Plan,
};

/// The lowest table that the reference takes.
const FIRST_TABLE: u32 = 1;
/// How often a VRF, or its table, is lost to somebody who comes or goes at the same time.
const TRIES: u32 = 100;

/// A VRF.
#[derive(Debug, Clone)]
pub struct Domain {
    /// The link.
    pub link: Link,
    /// Its table.
    pub table: u32,
}

impl Domain {
    /// A link that is a VRF.
    pub fn of(link: Link) -> Option<Self> {
        match link.data {
            Some(Kind::Vrf { table }) => Some(Self { link, table }),
            _ => None,
        }
    }

    /// The VRF that the plan names: the one that is there, or a new one with `tag` as its alias.
    ///
    /// # Errors
    /// Code 101 if the name, or the table, is somebody else's.
    pub fn ensure(netns: &Arc<Netns>, rtnl: &mut Rtnl, plan: &Plan, tag: &str, undo: &mut Undo) -> Result<Self> {
        for _ in 0..TRIES {
            let made = match rtnl.link(&plan.name).map_err(kernel)? {
                Some(link) => Some(take(netns, rtnl, plan, link, undo)?),
                None => make(netns, rtnl, plan, tag, undo)?,
            };
            if let Some(domain) = made {
                return Ok(domain);
            }
        }
        Err(Error::new(Code::TryAgain, format!("make vrf \"{}\": others come and go all the time", plan.name)))
    }
}

/// The VRF that is there. One that somebody has made for others to use, and that has no ports yet, is noted as such: DEL will not
/// take it for the reference's, which says nothing about itself.
fn take(netns: &Arc<Netns>, rtnl: &mut Rtnl, plan: &Plan, link: Link, undo: &mut Undo) -> Result<Domain> {
    let name = &plan.name;
    let refuse = |why: String| Err(Error::new(Code::InUse, format!("use vrf \"{name}\": {why}")));
    let kind = link.kind.clone().unwrap_or_else(|| "a device".to_owned());
    let Some(domain) = Domain::of(link) else { return refuse(format!("the link of that name is {kind}, not vrf")) };
    if let Some(table) = plan.table.filter(|table| *table != domain.table) {
        return refuse(format!("it has routing table {}, not \"table\" {table}", domain.table));
    }
    let link = &domain.link;
    let is_adopted = Maker::of(link) == Maker::Unsaid && !has_ports(rtnl, link.index)?;
    let change = LinkChange {
        up: (!link.up).then_some(true),
        alias: is_adopted.then(|| ADOPTED.to_owned()),
        ..LinkChange::default()
    };
    if change != LinkChange::default() {
        let old = LinkChange {
            up: change.up.map(|_| false),
            alias: change.alias.as_ref().map(|_| String::new()),
            ..LinkChange::default()
        };
        let (netns, before) = (Arc::clone(netns), link.clone());
        // First: what gets lost may be the kernel's answer alone.
        undo.push(format!("use vrf \"{name}\""), move || {
            let mut rtnl = netns.rtnl().map_err(kernel)?;
            // Others may have come to use it.
            if has_ports(&mut rtnl, before.index)? { Ok(()) } else { rtnl.set_link(&before, &old).map_err(kernel) }
        });
        rtnl.set_link(link, &change).map_err(kernel)?;
    }
    Ok(domain)
}

/// A new VRF; none if somebody else was faster.
fn make(netns: &Arc<Netns>, rtnl: &mut Rtnl, plan: &Plan, tag: &str, undo: &mut Undo) -> Result<Option<Domain>> {
    let name = &plan.name;
    let table = match plan.table {
        Some(table) => given_table(rtnl, name, table)?,
        None => free_table(&rtnl.used_tables().map_err(kernel)?, FIRST_TABLE)
            .ok_or_else(|| Error::new(Code::Exhausted, format!("find a table for vrf \"{name}\": none is free")))?,
    };
    let spec = LinkSpec { mac: Some(mac_of(name)), ..LinkSpec::new(name, Kind::Vrf { table }) };
    let made = rtnl.add_link(&spec);
    if made.as_ref().is_err_and(net::Error::is_exists) {
        return Ok(None);
    }
    // An error may be the kernel's answer that got lost.
    let (netns, own_name) = (Arc::clone(netns), name.clone());
    undo.push(format!("make vrf \"{name}\""), move || {
        let _turn = netns.enter(masters::alone).map_err(kernel)?;
        let mut rtnl = netns.rtnl().map_err(kernel)?;
        let made = rtnl.link(&own_name).map_err(kernel)?.filter(|link| Maker::of(link) == Maker::Us);
        made.map_or(Ok(()), |made| remove_if_unused(&mut rtnl, &made).map(drop))
    });
    made.map_err(kernel)?;
    let Some(link) = rtnl.link(name).map_err(kernel)? else { return Ok(None) };
    if plan.table.is_none() && !is_first_claim(&link, table, &rtnl.links().map_err(kernel)?) {
        remove_if_unused(rtnl, &link)?;
        return Ok(None);
    }
    let change = LinkChange { up: Some(true), alias: Some(tag.to_owned()), ..LinkChange::default() };
    match rtnl.set_link(&link, &change) {
        // The last port of another one that found it went.
        Err(error) if error.is_not_found() => Ok(None),
        done => done.map(|()| Domain::of(link)).map_err(kernel),
    }
}

/// The configuration's table, unless another VRF has it: the two would be one.
fn given_table(rtnl: &mut Rtnl, name: &str, table: u32) -> Result<u32> {
    let links = rtnl.links().map_err(kernel)?;
    match links.into_iter().find(|link| link.name != name && link.data == Some(Kind::Vrf { table })) {
        None => Ok(table),
        Some(other) => Err(Error::new(
            Code::InUse,
            format!("make vrf \"{name}\": \"table\" {table} is that of vrf \"{}\"", other.name),
        )),
    }
}

/// Whether a VRF that has just been made is the first one with its table: of two that were made at the same time the second has
/// to look for another one.
fn is_first_claim(link: &Link, table: u32, links: &[Link]) -> bool {
    links.iter().all(|other| other.data != Some(Kind::Vrf { table }) || other.index >= link.index)
}

/// Whether anything is a port of the link.
fn has_ports(rtnl: &mut Rtnl, index: LinkIndex) -> Result<bool> {
    Ok(rtnl.links().map_err(kernel)?.iter().any(|link| link.master == Some(index)))
}

fn remove_if_unused(rtnl: &mut Rtnl, vrf: &Link) -> Result<bool> {
    if has_ports(rtnl, vrf.index)? {
        return Ok(false);
    }
    rtnl.del_link(vrf.index).map_err(kernel).map(|()| true)
}

/// Before its last port goes, a VRF that does not say whose it is becomes ours: the reference makes such ones. From then on every DEL
/// knows that it is to go.
pub fn claim(rtnl: &mut Rtnl, vrf: &Link, tag: &str) -> Result<()> {
    let is_port = |link: &&Link| link.master == Some(vrf.index);
    if Maker::of(vrf) != Maker::Unsaid || rtnl.links().map_err(kernel)?.iter().filter(is_port).count() != 1 {
        return Ok(());
    }
    let change = LinkChange { alias: Some(tag.to_owned()), ..LinkChange::default() };
    rtnl.set_link(vrf, &change).map_err(kernel)
}

/// What DEL does with a VRF that may have lost its last port: ours goes, others are as they were.
pub fn leave_behind(rtnl: &mut Rtnl, vrf: &Link) -> Result<()> {
    match Maker::of(vrf) {
        Maker::Us => remove_if_unused(rtnl, vrf).map(drop),
        Maker::Before if !has_ports(rtnl, vrf.index)? => {
            let unmarked = LinkChange { alias: Some(String::new()), ..LinkChange::default() };
            rtnl.set_link(vrf, &unmarked).map_err(kernel)
        }
        Maker::Before | Maker::Unsaid | Maker::Other => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vrf(index: u32, table: u32) -> Link {
        Link { index: LinkIndex(index), data: Some(Kind::Vrf { table }), ..Link::default() }
    }

    #[test]
    fn of_two_claims_the_later_one_yields() {
        let links = [vrf(5, 1), vrf(7, 1), vrf(6, 2), Link { index: LinkIndex(2), ..Link::default() }];
        assert!(is_first_claim(&links[0], 1, &links));
        assert!(!is_first_claim(&links[1], 1, &links));
        assert!(is_first_claim(&links[2], 2, &links));
    }

    #[test]
    fn only_vrfs_are_domains() {
        assert_eq!(Domain::of(vrf(5, 10)).map(|domain| domain.table), Some(10));
        assert!(Domain::of(Link { data: Some(Kind::Dummy), ..Link::default() }).is_none());
        assert!(Domain::of(Link::default()).is_none());
    }
}
