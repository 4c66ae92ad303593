//! Masquerading by iptables: a chain per container in table `nat`, as the reference plugins' backend has it.
//!
//! Names, comments and rules are the reference's, so that either side removes what the other made, and operators and nerdctl find what
//! they know. Both interfaces of a container on one network have the same chain: the reference derives its name from the
//! network and the container alone.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use cni::{Attachment, Error, Result};
use ipnetwork::IpNetwork;
use iptables::{Batch, Iptables, Rule, Saved};

use crate::{Owner, may_have_chain, reference_chain, xtables};

const NAT: &str = "nat";
const POSTROUTING: &str = "POSTROUTING";
/// How the names of these chains begin; no other chain of the reference's has a name that goes on with digits.
const STEM: &str = "CNI-";

/// The chain of a container on a network.
#[derive(Debug, Clone)]
pub struct MasqueradeChain {
    name: String,
    comment: String,
}

impl MasqueradeChain {
    /// The chain of the owner's container on its network.
    pub fn new(owner: &Owner) -> Self {
        let id = &owner.attachment().container_id;
        Self { name: reference_chain(STEM, owner.network(), id), comment: comment(owner.network(), id) }
    }

    /// Makes sure that what comes from `addresses` and leaves their subnets is masqueraded.
    pub fn ensure(&self, addresses: &[IpNetwork]) -> Result<()> {
        let each = by_family(addresses).into_iter().map(|(family, addresses)| {
            // The kernel knows without a process that there is none yet. A repeated rule goes with the others.
            let is_new = !may_have_chain(family, NAT, &[&self.name])?;
            let nat = if is_new { Ok(Saved::default()) } else { family.glance(NAT) };
            let missing = |nat: &Saved| Ok(self.missing(nat, family, &addresses));
            nat.and_then(|nat| family.try_change(NAT, nat, missing)).map_err(xtables)
        });
        each.collect()
    }

    /// Whether it is.
    pub fn is_ensured(&self, addresses: &[IpNetwork]) -> Result<bool> {
        for (family, addresses) in by_family(addresses) {
            let there = may_have_chain(family, NAT, &[&self.name])?;
            if !there || !self.missing(&family.save(NAT).map_err(xtables)?, family, &addresses).is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether it may be there, in any family: known without starting a process.
    pub fn may_be_there(&self) -> Result<bool> {
        Ok(may_have_chain(Iptables::V4, NAT, &[&self.name])? || may_have_chain(Iptables::V6, NAT, &[&self.name])?)
    }

    /// Ends the masquerading of `addresses`, and takes the chain away when it serves no others. Without addresses, of all.
    pub fn release(&self, addresses: &[IpNetwork]) -> Result<()> {
        let each = Iptables::ALL.map(|family| {
            if !may_have_chain(family, NAT, &[&self.name])? {
                return Ok(());
            }
            removed(family.change(NAT, |nat| self.leaving(nat, addresses)))
        });
        Error::collect(each)
    }

    /// What has to be added to `nat`.
    fn missing(&self, nat: &Saved, family: Iptables, addresses: &[IpNetwork]) -> Batch {
        let mut batch = Batch::new(NAT);
        if !nat.has_chain(&self.name) {
            batch.create_chain(&self.name);
        }
        let mut subnets: BTreeSet<String> =
            nat.rules(&self.name).filter_map(|rule| masked(rule.value("-d")?)).collect();
        for address in addresses {
            if subnets.insert(subnet(*address)) {
                let within = Rule::new(["-d", &address.to_string(), "-j", "ACCEPT"]).comment(&self.comment);
                // Before the rule for all others, should that be there from another address.
                batch.insert(&self.name, &within);
            }
        }
        if !nat.leads(&self.name, "MASQUERADE") {
            let beyond = Rule::new(["!", "-d", groups(family), "-j", "MASQUERADE"]).comment(&self.comment);
            batch.append(&self.name, &beyond);
        }
        for address in addresses {
            if !self.jumps(nat).any(|jump| source(jump) == Some(address.ip())) {
                let jump = Rule::new(["-s", &address.ip().to_string(), "-j", &self.name]).comment(&self.comment);
                batch.append(POSTROUTING, &jump);
            }
        }
        batch
    }

    /// What has to be deleted from `nat`.
    fn leaving(&self, nat: &Saved, addresses: &[IpNetwork]) -> Batch {
        let is_leaving =
            |jump: &&Rule| addresses.is_empty() || addresses.iter().any(|address| source(jump) == Some(address.ip()));
        let (going, staying): (Vec<_>, Vec<_>) = self.jumps(nat).partition(is_leaving);
        let mut batch = Batch::new(NAT);
        for jump in going {
            batch.delete(POSTROUTING, jump);
        }
        if staying.is_empty() && nat.has_chain(&self.name) {
            batch.delete_chain(&self.name);
        }
        batch
    }

    fn jumps<'a>(&'a self, nat: &'a Saved) -> impl Iterator<Item = &'a Rule> {
        nat.jumps(POSTROUTING, &self.name)
    }
}

/// Ends the masquerading of all containers of `network` of which no attachment is in `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let kept: BTreeSet<String> = keep.iter().map(|attachment| comment(network, &attachment.container_id)).collect();
    let of_network = comment_stem(network);
    let is_garbage = |rule: &&Rule| {
        let text = rule.text().unwrap_or_default();
        rule.target().is_some_and(|target| target.starts_with(STEM))
            && text.starts_with(&of_network)
            && !kept.contains(text)
    };
    let going = |nat: &Saved| {
        let mut batch = Batch::new(NAT);
        let mut chains = BTreeSet::new();
        for jump in nat.rules(POSTROUTING).filter(is_garbage) {
            batch.delete(POSTROUTING, jump);
            chains.extend(jump.target());
        }
        for chain in chains {
            batch.delete_chain(chain);
        }
        batch
    };
    let each = Iptables::ALL.map(|family| {
        if may_have_chain(family, NAT, &[POSTROUTING])? { removed(family.change(NAT, going)) } else { Ok(()) }
    });
    Error::collect(each)
}

/// Where the programs are missing, nobody could have added anything that they show.
fn removed(done: iptables::Result<()>) -> Result<()> {
    match done {
        Err(error) if error.is_missing => Ok(()),
        done => done.map_err(xtables),
    }
}

fn by_family(addresses: &[IpNetwork]) -> BTreeMap<Iptables, Vec<IpNetwork>> {
    let mut families: BTreeMap<Iptables, Vec<IpNetwork>> = BTreeMap::new();
    for address in addresses {
        let family = if address.is_ipv4() { Iptables::V4 } else { Iptables::V6 };
        families.entry(family).or_default().push(*address);
    }
    families
}

/// Everything there is a group (RFC 5771, RFC 4291).
fn groups(family: Iptables) -> &'static str {
    match family {
        Iptables::V4 => "224.0.0.0/4",
        Iptables::V6 => "ff00::/8",
    }
}

/// As the reference writes it: Go's `%q` of two names that have no characters to escape.
fn comment(network: &str, container_id: &str) -> String {
    format!("{}\"{container_id}\"", comment_stem(network))
}

fn comment_stem(network: &str) -> String {
    format!("name: \"{network}\" id: ")
}

/// The address of the network and its prefix, as `iptables-save` shows both.
fn subnet(address: IpNetwork) -> String {
    format!("{}/{}", address.network(), address.prefix())
}

fn masked(text: &str) -> Option<String> {
    text.parse().ok().map(subnet)
}

fn source(rule: &Rule) -> Option<IpAddr> {
    rule.value("-s")?.parse::<IpNetwork>().ok().map(|source| source.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comment_is_the_references() {
        assert_eq!(comment("mynet", "c1"), "name: \"mynet\" id: \"c1\"");
    }

    #[test]
    fn subnets_are_compared_as_they_are_saved() {
        for (given, saved) in
            [("10.1.0.2/24", "10.1.0.0/24"), ("10.1.0.2/32", "10.1.0.2/32"), ("fd00::2/64", "fd00::/64")]
        {
            assert_eq!(Some(subnet(given.parse().unwrap())), masked(saved));
        }
    }
}
