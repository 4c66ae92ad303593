//! What is in the tables of iptables: thin code around the data of [`chains`].

use std::{collections::HashSet, net::IpAddr};

use attach::{Owner, kernel, may_have_chain, verify::failed, xtables};
use cni::{Error, Result};
use iptables::Iptables;
use net::{Rtnl, here};

use crate::{
    chains::{self, CNI_FORWARD, FILTER, FORWARD, Name, OWNERS, Wanted},
    plan::{Ingress, Plan, of_family},
};

/// What an attachment is to have there.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    pub owner: &'a Owner,
    pub plan: &'a Plan,
    pub addresses: &'a [IpAddr],
    pub ingress: Option<&'a Ingress>,
}

impl Entry<'_> {
    /// Makes it so: one batch for each family that the container has addresses of.
    pub fn write(&self) -> Result<()> {
        for (family, wanted) in self.families() {
            family.ensure(FILTER, |saved| wanted.add(saved)).map_err(xtables)?;
        }
        Ok(())
    }

    /// Fails unless it is so, for `own` addresses and those that are recorded as the owner's.
    pub fn check(&self, own: &[IpAddr]) -> Result<()> {
        for (family, mut wanted) in self.families() {
            let saved = family.save(FILTER).map_err(xtables)?;
            let owns = |tag: &str| self.owner.owns(tag);
            wanted.addresses.retain(|address| own.contains(address) || chains::is_recorded(&saved, *address, owns));
            if let Some(what) = wanted.missing(&saved, owns) {
                return Err(failed(format!("check firewall in {}: {what}", family.name())));
            }
        }
        Ok(())
    }

    fn families(&self) -> impl Iterator<Item = (Iptables, Wanted<'_>)> {
        let wanted = |family| Wanted {
            tag: tag(self.owner),
            addresses: of_family(self.addresses, family),
            admin: &self.plan.admin_chain,
            bridge: self.ingress.map(|ingress| (ingress.bridge.as_str(), ingress.policy)),
        };
        let all = Iptables::ALL.map(|family| (family, wanted(family)));
        all.into_iter().filter(|(_, wanted)| !wanted.addresses.is_empty())
    }
}

/// The tag as a line of iptables can have it: an interface's name may have any characters.
fn tag(owner: &Owner) -> String {
    owner.tag().replace(|c: char| c.is_control(), "?")
}

/// What a name must not have that rules of iptables are to match exactly: `+` at the end stands for anything.
pub fn check_bridge(bridge: &str) -> Result<()> {
    if !bridge.ends_with('+') && !bridge.chars().any(char::is_control) {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "\"ingressPolicy\" cannot be kept by iptables for bridge {bridge:?}: its name must not end with + or have control characters"
    )))
}

/// Whether packets of a family pass iptables, which may drop what others accept.
pub fn filters(family: Iptables) -> Result<bool> {
    may_have_chain(family, FILTER, &[FORWARD])
}

/// Takes back what is going by its tag, and what the reference has made for `told` addresses.
pub fn release(is_going: impl Fn(&str) -> bool, told: &[IpAddr]) -> Result<()> {
    let released = Iptables::ALL.map(|family| release_in(family, &is_going, &of_family(told, family)));
    Error::collect(released)
}

fn release_in(family: Iptables, is_going: &impl Fn(&str) -> bool, told: &[IpAddr]) -> Result<()> {
    if !may_have_chain(family, FILTER, &[CNI_FORWARD, OWNERS])? {
        return Ok(());
    }
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let mut removed = |by: Name| {
        family.change(FILTER, |saved| {
            let mut bridges = None;
            let in_use = |bridge: &str| {
                let bridges = bridges.get_or_insert_with(|| links_to(&mut host, &chains::unrecorded(saved)));
                bridges.contains(bridge)
            };
            chains::remove(saved, is_going, told, in_use, by)
        })
    };
    let done = match removed(Name::Words) {
        Err(error) if !error.is_missing => removed(Name::Places),
        done => done,
    };
    match done {
        // Nothing of ours can be there that nothing can have written. It is the host's choice what it has.
        Err(error) if error.is_missing => {
            log::warn!("{error}");
            Ok(())
        }
        done => done.map_err(xtables),
    }
}

/// The links by which addresses are reached.
fn links_to(host: &mut Rtnl, addresses: &[IpAddr]) -> HashSet<String> {
    let mut link_to = |address: &IpAddr| {
        let hop = host.route_to(*address).ok()??;
        host.link_at(hop.link).ok()?
    };
    addresses.iter().filter_map(|address| Some(link_to(address)?.name)).collect()
}
