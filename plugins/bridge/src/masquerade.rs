//! `ipMasq`: with `nf_tables` a state per subnet, with iptables one per container.

use std::collections::BTreeSet;

use attach::{
    Owner, firewall, masquerade,
    masquerade_chain::{self, MasqueradeChain},
    open_for_removal, veth, xtables,
};
use cni::{Attachment, Code, Error, Result, Undo};
use ipnetwork::IpNetwork;
use iptables::Iptables;
use net::{LinkIndex, Rtnl};
use nft::Nft;

use crate::{
    plan::{Backend, Plan},
    reference,
};

/// Who is to masquerade an attachment's subnets, and can.
#[derive(Debug)]
pub enum Masquerade {
    Nobody,
    Nftables(Nft),
    Iptables,
}

/// Refuses before anything is made what [`Masquerade::ensure`] could not do, and takes back what that will make for all ports of
/// the bridge, once there is none left: so this is to be undone behind the port.
pub fn prepare(plan: &Plan, undo: &mut Undo) -> Result<Masquerade> {
    let nft = match plan.masquerade {
        None => return Ok(Masquerade::Nobody),
        Some(Backend::Nftables) => Some(Nft::open().map_err(firewall)?),
        Some(Backend::Any) => open_for_removal()?,
        Some(Backend::Iptables) => None,
    };
    let Some(nft) = nft else { return require_programs().map(|()| Masquerade::Iptables) };
    let bridge = plan.bridge.clone();
    undo.push("masquerade", move || masquerade::release_unused(&bridge, &[]));
    Ok(Masquerade::Nftables(nft))
}

fn require_programs() -> Result<()> {
    if Iptables::ALL.into_iter().any(Iptables::is_installed) {
        return Ok(());
    }
    Err(Error::new(
        Code::Kernel,
        "\"ipMasqBackend\" \"iptables\": no iptables-restore is installed: install it, or use \"nftables\"",
    ))
}

impl Masquerade {
    /// Masquerades what leaves `subnets`, which are written with the container's addresses.
    pub fn ensure(self, plan: &Plan, owner: &Owner, subnets: &[IpNetwork], undo: &mut Undo) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Nftables(mut nft) => masquerade::ensure(&mut nft, subnets, &plan.gateway_link()),
            Self::Iptables => {
                let (chain, addresses) = (MasqueradeChain::new(owner), subnets.to_vec());
                undo.push("masquerade", move || chain.release(&addresses));
                MasqueradeChain::new(owner).ensure(subnets)
            }
        }
    }
}

/// Whether that is so. What the reference plugin made counts, whichever its backend was.
pub fn is_ensured(plan: &Plan, owner: &Owner, subnets: &[IpNetwork]) -> Result<bool> {
    let Some(backend) = plan.masquerade else { return Ok(true) };
    let by_nftables = resolved(backend)? == Backend::Nftables
        && (masquerade::is_ensured(subnets, &plan.gateway_link())? || reference::masquerades(owner, subnets.len())?);
    Ok(by_nftables || MasqueradeChain::new(owner).is_ensured(subnets)?)
}

/// Takes the chain away that iptables has for the container, whoever made it. If the container has another interface on the
/// network only `addresses` go, and without any it is not known whose the chain is: then it stays until the other one goes.
pub fn release_chain(host: &mut Rtnl, owner: &Owner, addresses: &[IpNetwork]) -> Result<()> {
    let chain = MasqueradeChain::new(owner);
    if !chain.may_be_there()? {
        return Ok(());
    }
    if !veth::has_sibling(host, owner)? {
        return chain.release(&[]);
    }
    if addresses.is_empty() { Ok(()) } else { chain.release(addresses) }
}

/// Ends the masquerading of everything behind `bridge`, unless it has ports other than `going` that are attachments'.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    masquerade::release_unused(bridge, going)
}

/// Ends the masquerading of what belongs to no attachment.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    Error::collect([masquerade::release_garbage(), masquerade_chain::release_garbage(network, keep)])
}

/// Whether it could be done.
pub fn check_backend(backend: Backend) -> Result<()> {
    match resolved(backend)? {
        Backend::Any | Backend::Nftables => {
            Nft::open().and_then(|mut nft| nft.generation()).map(drop).map_err(firewall)
        }
        Backend::Iptables => Iptables::V4.save("nat").map(drop).map_err(xtables),
    }
}

/// Either of two: where the kernel has no `nf_tables`, the other is left.
fn resolved(backend: Backend) -> Result<Backend> {
    match backend {
        Backend::Any if open_for_removal()?.is_some() => Ok(Backend::Nftables),
        Backend::Any => Ok(Backend::Iptables),
        chosen => Ok(chosen),
    }
}
