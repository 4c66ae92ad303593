//! `ipMasq`: with `nf_tables` a state per subnet, with iptables one per container.

use std::collections::BTreeSet;

use attach::{
    Owner,
    ip_masq::{self, Masquerade},
    masquerade,
};
use cni::{Attachment, Error, Result, Undo};
use ipnetwork::IpNetwork;
use net::LinkIndex;

use crate::plan::Plan;

/// Refuses before anything is made what [`ensure`] could not do, and takes back what that will make for all ports of
/// the bridge, once there is none left: so this is to be undone behind the port.
pub fn prepare(plan: &Plan, undo: &mut Undo) -> Result<Masquerade> {
    let masquerade = Masquerade::open(plan.masquerade)?;
    if let Masquerade::Nftables(_) = masquerade {
        let bridge = plan.bridge.clone();
        undo.push("masquerade", move || masquerade::release_unused(&bridge, &[]));
    }
    Ok(masquerade)
}

/// Masquerades what leaves `subnets`, which are written with the container's addresses.
pub fn ensure(
    masquerade: Masquerade,
    plan: &Plan,
    owner: &Owner,
    subnets: &[IpNetwork],
    undo: &mut Undo,
) -> Result<()> {
    let subnets = plan.masqueraded(subnets);
    let by_subnet = |mut nft, _: &mut Undo| masquerade::ensure(&mut nft, &subnets, &plan.gateway_link());
    masquerade.ensure(owner, &subnets, undo, by_subnet)
}

/// Whether that is so.
pub fn is_ensured(plan: &Plan, owner: &Owner, subnets: &[IpNetwork]) -> Result<bool> {
    let subnets = plan.masqueraded(subnets);
    ip_masq::is_ensured(plan.masquerade, owner, &subnets, || masquerade::is_ensured(&subnets, &plan.gateway_link()))
}

/// Ends the masquerading of everything behind `bridge`, unless it has ports other than `going` that are attachments'.
pub fn release_unused(bridge: &str, going: &[LinkIndex]) -> Result<()> {
    masquerade::release_unused(bridge, going)
}

/// Ends the masquerading of what belongs to no attachment.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    Error::collect([masquerade::release_garbage(), ip_masq::release_garbage(network, keep)])
}
