//! Protecting an attachment, by whoever is to do it, and taking that back from all of them.

use std::{
    collections::{BTreeSet, HashSet},
    net::IpAddr,
};

use attach::{Owner, firewall, kernel, network_hash, open_for_removal};
use cni::{Attachment, Error, Result};
use net::{Rtnl, here};
use nft::{Errno, Nft};

use crate::{
    choice::Choice,
    firewalld::{self, Source},
    ledger,
    plan::{Backend, Ingress, Plan, Policy, Told},
    rules::Placed,
    xtables,
};

/// What an attachment is to have.
#[derive(Debug, Clone)]
pub struct Guard {
    owner: Owner,
    plan: Plan,
    choice: Choice,
    ingress: Option<Ingress>,
}

impl Guard {
    /// Decides; changes nothing.
    pub fn new(owner: &Owner, plan: &Plan, told: &Told) -> Result<Self> {
        let ingress = plan.policy.map(|policy| ingress(policy, told)).transpose()?;
        let choice = Choice::new(plan, &told.addresses, firewalld::is_running)?;
        if let (Some(ingress), false) = (&ingress, choice.iptables.is_empty()) {
            xtables::check_bridge(&ingress.bridge)?;
        }
        Ok(Self { owner: owner.clone(), plan: plan.clone(), choice, ingress })
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.choice == Choice::default() && self.ingress.is_none()
    }

    /// Does it. What is written first says what firewalld is given.
    pub fn raise(&self) -> Result<()> {
        if self.needs_tables() {
            firewalld::remove(self.former_sources()?)?;
            match Nft::open().map_err(firewall).and_then(|mut nft| self.entry().write(&mut nft)) {
                Err(error) if self.can_do_without(&error) => log::warn!("{error}: left to iptables"),
                done => done?,
            }
        }
        if !self.choice.iptables.is_empty() {
            self.chains().write()?;
        }
        if self.choice.firewalld.is_empty() { Ok(()) } else { firewalld::add(self.sources()) }
    }

    /// Sources whose records are about to be replaced: in another zone, or of an ADD with another configuration.
    fn former_sources(&self) -> Result<Vec<Source>> {
        let told = Told { addresses: self.choice.firewalld.clone(), links: Vec::new() };
        let found = ledger::read(|nft| {
            let mut found = ledger::of_owner(nft, &self.owner, &told)?;
            found.extend(ledger::given(nft, &told.addresses)?);
            Ok(found)
        })?;
        let (mut former, wanted): (HashSet<Source>, Vec<Source>) =
            (found.iter().filter_map(Placed::source).collect(), self.sources());
        former.retain(|source| !wanted.contains(source));
        Ok(former.into_iter().collect())
    }

    /// Fails unless it is done, for the attachment's `own` addresses and whatever others are recorded as its.
    pub fn check(mut self, own: &[IpAddr]) -> Result<()> {
        self.forget_others(own)?;
        let by_others = self.choice.nftables.is_empty() && !self.choice.iptables.is_empty();
        if self.needs_tables() {
            let mut nft = Nft::open().map_err(firewall)?;
            // The reference keeps policies in iptables alone, and has no record of its sources.
            let is_theirs = by_others || !self.choice.firewalld.is_empty();
            if !is_theirs || ledger::knows(&mut nft, &self.owner)? {
                self.entry().check(&mut nft)?;
            }
        }
        if !self.choice.iptables.is_empty() {
            self.chains().check(own)?;
        }
        if self.choice.firewalld.is_empty() { Ok(()) } else { firewalld::check(self.sources()) }
    }

    fn forget_others(&mut self, own: &[IpAddr]) -> Result<()> {
        let (mut nft, mut known) = (open_for_removal()?, own.to_vec());
        for address in self.choice.nftables.iter().chain(&self.choice.firewalld) {
            if let Some(nft) = &mut nft
                && ledger::has(nft, &self.owner, *address)?
            {
                known.push(*address);
            }
        }
        self.choice.nftables.retain(|address| known.contains(address));
        self.choice.firewalld.retain(|address| known.contains(address));
        Ok(())
    }

    /// A policy is kept in our tables in any case: a `drop` holds wherever it is, and bridges whose containers are let
    /// through by different backends have to know of each other.
    fn needs_tables(&self) -> bool {
        self.ingress.is_some() || !self.choice.nftables.is_empty() || !self.choice.firewalld.is_empty()
    }

    /// A kernel without `nf_tables` has the policy in iptables, if it is there.
    fn can_do_without(&self, _: &Error) -> bool {
        self.choice.nftables.is_empty()
            && self.choice.firewalld.is_empty()
            && !self.choice.iptables.is_empty()
            && !has_tables()
    }

    fn entry(&self) -> ledger::Entry<'_> {
        ledger::Entry {
            owner: &self.owner,
            accepted: &self.choice.nftables,
            given: (&self.choice.firewalld, &self.plan.zone),
            ingress: self.ingress.as_ref(),
        }
    }

    fn chains(&self) -> xtables::Entry<'_> {
        let Self { owner, plan, choice, ingress } = self;
        xtables::Entry { owner, plan, addresses: &choice.iptables, ingress: ingress.as_ref() }
    }

    fn sources(&self) -> Vec<Source> {
        self.choice.firewalld.iter().map(|address| (self.plan.zone.clone(), *address)).collect()
    }
}

/// Whether the kernel has `nf_tables`.
fn has_tables() -> bool {
    let answer = Nft::open().and_then(|mut nft| nft.generation());
    !answer.is_err_and(|error| matches!(error.errno, Errno::EPROTONOSUPPORT | Errno::EINVAL | Errno::EOPNOTSUPP))
}

/// The bridge that a policy is for: the first of the host's links that is one. Where none is, the first, as the reference
/// takes it; then the container has it for itself.
fn ingress(policy: Policy, told: &Told) -> Result<Ingress> {
    let mut host = Rtnl::open(&here()).map_err(kernel)?;
    let (mut bridge, mut ports) = (None, Vec::new());
    for name in &told.links {
        let Some(link) = host.link(name).map_err(kernel)? else { continue };
        if link.is_kind("bridge") {
            bridge.get_or_insert_with(|| name.clone());
        } else if link.master.is_some() && policy == Policy::Isolated {
            ports.push(name.clone());
        }
    }
    let bridge = bridge.or_else(|| told.links.first().cloned()).ok_or_else(|| {
        Error::invalid(format!(
            "\"ingressPolicy\" \"{}\" needs an interface of the host in prevResult, such as the bridge: it has none",
            policy.name()
        ))
    })?;
    Ok(Ingress { policy, bridge, ports })
}

/// An attachment whose protection is to be taken back, and what is known about it.
#[derive(Debug, Clone)]
pub struct Leaving {
    pub owner: Owner,
    pub told: Told,
    /// The zone in which the reference may have put its addresses; unset where they are not in firewalld.
    pub zone: Option<String>,
}

impl Leaving {
    /// By a plan that may be unreadable: then nothing of the reference's is looked for in firewalld.
    pub fn new(owner: &Owner, told: &Told, plan: Option<&Plan>) -> Self {
        let in_firewalld = |plan: &&Plan| plan.backend.is_none_or(|backend| backend == Backend::Firewalld);
        let zone = plan.filter(in_firewalld).map(|plan| plan.zone.clone());
        Self { owner: owner.clone(), told: told.clone(), zone }
    }

    /// Takes it back from every backend: the choice may have been another one at ADD.
    pub fn lower(&self) -> Result<()> {
        let found = ledger::read(|nft| ledger::of_owner(nft, &self.owner, &self.told));
        let in_ledger = found.and_then(|found| {
            let stays = take_from_firewalld(&found, self.strays()?);
            if found.is_empty() {
                return Ok(());
            }
            ledger::release(|nft| ledger::of_owner(nft, &self.owner, &self.told), |placed| stays && is_source(placed))
        });
        let in_chains = xtables::release(|tag| self.owner.owns(tag), &self.told.addresses);
        Error::collect([in_ledger, in_chains])
    }

    /// Sources that are in nobody's record: the reference may have made them.
    fn strays(&self) -> Result<Vec<Source>> {
        let Some(zone) = &self.zone else { return Ok(Vec::new()) };
        let addresses = &self.told.addresses;
        let mut strays = Vec::new();
        let nft = open_for_removal()?;
        let mut nft = nft.filter(|_| !addresses.is_empty());
        for address in addresses {
            let giver = nft.as_mut().map_or(Ok(None), |nft| ledger::giver(nft, *address))?;
            if giver.is_none() {
                strays.push((zone.clone(), *address));
            }
        }
        Ok(strays)
    }
}

/// Takes back what all attachments of `network` have that are not in `keep`.
pub fn lower_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    let kept: HashSet<String> = keep.iter().map(|attachment| Owner::new(network, attachment).prefix()).collect();
    let hash = network_hash(network);
    let is_garbage = |tag: &str| ledger::is_garbage(tag, &hash, &kept);
    let found = ledger::read(|nft| ledger::search(nft, is_garbage));
    let in_ledger = found.and_then(|found| {
        let stays = take_from_firewalld(&found, Vec::new());
        if found.is_empty() {
            return Ok(());
        }
        ledger::release(|nft| ledger::search(nft, is_garbage), |placed| stays && is_source(placed))
    });
    Error::collect([in_ledger, xtables::release(is_garbage, &[])])
}

/// Removes sources from firewalld. Whether their records have to stay, because it could not be told: that is for GC or the
/// next owner then, and no reason for a DEL to fail.
fn take_from_firewalld(found: &[Placed], strays: Vec<Source>) -> bool {
    let given = found.iter().filter_map(Placed::source).chain(strays).collect();
    let removed = firewalld::remove(given);
    if let Err(error) = &removed {
        log::warn!("{error}");
    }
    removed.is_err()
}

fn is_source(placed: &Placed) -> bool {
    placed.source().is_some()
}
