//! The choice of addresses, one from each range set. Pure: all are chosen before any is taken, so that a set without a
//! free address leaves nothing to give back.

use std::net::IpAddr;

use cni::{Attachment, Code, Error, IpConfig, Result};

use crate::{
    lease::{Lookup, Owner},
    plan::PlannedSet,
    range::Range,
};

/// An address that an attachment is going to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The index of its range set.
    pub set: usize,
    /// The address.
    pub ip: IpAddr,
    /// The address as the result tells it.
    pub config: IpConfig,
    /// What the range set has handed out before.
    pub last_reserved: Option<IpAddr>,
}

/// Chooses an address from each of `sets`. `last_reserved` tells what a set has handed out last.
///
/// # Errors
/// Code 101 if a requested address is taken, or if the attachment has an address already; code 102 if none is free.
/// Both name the network and the ranges.
pub fn choose(
    network: &str,
    sets: &[PlannedSet],
    attachment: &Attachment,
    leases: &impl Lookup,
    last_reserved: impl Fn(usize) -> Option<IpAddr>,
) -> Result<Vec<Choice>> {
    let choose = |(n, set): (usize, &PlannedSet)| {
        choose_one(n, set, attachment, leases, last_reserved(n)).map_err(|error| {
            error.context(format!("allocate address of network \"{network}\" from range set {n} [{}]", set.ranges))
        })
    };
    sets.iter().enumerate().map(choose).collect()
}

fn choose_one(
    n: usize,
    set: &PlannedSet,
    attachment: &Attachment,
    leases: &impl Lookup,
    last_reserved: Option<IpAddr>,
) -> Result<Choice> {
    let (ip, range) = match set.requested {
        Some(ip) => requested(ip, set, attachment, leases)?,
        None => next(set, attachment, leases, last_reserved)?,
    };
    let address = range
        .with_prefix(ip)
        .ok_or_else(|| Error::new(Code::Internal, format!("{ip} does not fit the prefix of its range {range}")))?;
    let config = IpConfig { interface: None, address, gateway: Some(range.gateway()) };
    Ok(Choice { set: n, ip, config, last_reserved })
}

/// The requested address, if nobody has it and the attachment has no other one.
fn requested<'a>(
    ip: IpAddr,
    set: &'a PlannedSet,
    attachment: &Attachment,
    leases: &impl Lookup,
) -> Result<(IpAddr, &'a Range)> {
    let range = set.ranges.range_of(ip).filter(|_| !leases.is_taken(ip));
    let range = range.ok_or_else(|| taken(ip, set, leases))?;
    refuse_second(set, attachment, &leases.held_by(&attachment.container_id)?.of(attachment))?;
    Ok((ip, range))
}

/// The next address in turn, if the attachment has none yet.
fn next<'a>(
    set: &'a PlannedSet,
    attachment: &Attachment,
    leases: &impl Lookup,
    last_reserved: Option<IpAddr>,
) -> Result<(IpAddr, &'a Range)> {
    let own = leases.held_by(&attachment.container_id)?;
    refuse_second(set, attachment, &[own.of(attachment), own.of_container(attachment)].concat())?;
    match set.ranges.first_free(last_reserved, &|block| leases.first_free(block))? {
        Some(free) => Ok(free),
        None => Err(exhausted(set, leases.in_use(&set.ranges)?)),
    }
}

/// An attachment has one address of each set. A container of an old lease, which names no interface, counts with all
/// of its interfaces.
fn refuse_second(set: &PlannedSet, attachment: &Attachment, held: &[IpAddr]) -> Result<()> {
    let Some(ip) = held.iter().find(|ip| set.ranges.contains(**ip)) else { return Ok(()) };
    let Attachment { container_id, ifname } = attachment;
    Err(Error::new(
        Code::InUse,
        format!("container {container_id} has {ip} already, interface {ifname} gets no second one"),
    )
    .details(format!("{ip} has been allocated to {container_id}, duplicate allocation is not allowed")))
}

fn taken(ip: IpAddr, set: &PlannedSet, leases: &impl Lookup) -> Error {
    let whose = match leases.owner(ip) {
        Some(Owner::Attachment(owner)) => format!("container {} has it on {}", owner.container_id, owner.ifname),
        Some(Owner::Container(id)) => format!("container {id} has it"),
        Some(Owner::Nobody | Owner::Stranger | Owner::Unread) | None => "it is taken".to_owned(),
    };
    Error::new(Code::InUse, format!("requested address {ip} is not available: {whose}"))
        .details(format!("requested IP address {ip} is not available in range set {}", set.ranges))
}

fn exhausted(set: &PlannedSet, in_use: usize) -> Error {
    let excluded = set.ranges.excluded();
    Error::new(Code::Exhausted, format!("no free address, {in_use} in use, {excluded} excluded"))
        .details(format!("no IP addresses available in range set: {}", set.ranges))
}

#[cfg(test)]
mod tests;
