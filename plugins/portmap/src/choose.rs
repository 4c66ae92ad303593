//! Ports of the host that the configuration leaves to be chosen: of the ephemeral ones, or of a range.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    ops::RangeInclusive,
};

use attach::{Owner, firewall, kernel, verify::failed};
use cni::{Code, Error, Result};
use net::{here, sysctl};
use nft::{Nft, Proto};

use crate::{
    holder,
    plan::{Addresses, Choice, Plan},
    release::{is_of, search},
    rules::{self, Led, Placed, table},
    sets::Sets,
};

/// What an attachment has to choose from.
struct Chooser<'a> {
    addresses: &'a Addresses,
    /// What it has already.
    own: Vec<Placed>,
    /// What others have, at whatever address.
    taken: Vec<(Proto, u16)>,
}

/// The plan in which every mapping has its port: what the attachment has already, or the first that nobody has, no process of
/// the host and no other attachment. The ephemeral ones begin anywhere, so that one that was given back is not another's at once.
///
/// # Errors
/// Code 101 if all are taken.
pub fn choose(plan: Plan, owner: &Owner, addresses: &Addresses) -> Result<Plan> {
    settle(plan, owner, addresses, &|chooser, plan, choice| chooser.free(plan, choice))
}

/// The plan in which every mapping has the port that the attachment has.
///
/// # Errors
/// Code 103 if it has none.
pub fn chosen(plan: Plan, owner: &Owner, addresses: &Addresses) -> Result<Plan> {
    settle(plan, owner, addresses, &|_, _, choice| {
        Err(failed(format!("check published ports: no host port leads to container port {choice}")))
    })
}

/// What says which port a choice gets that the attachment has none for.
type Otherwise<'a> = &'a dyn Fn(&Chooser<'_>, &Plan, &Choice) -> Result<u16>;

fn settle(mut plan: Plan, owner: &Owner, addresses: &Addresses, otherwise: Otherwise<'_>) -> Result<Plan> {
    let Some(chooser) = Chooser::new(&plan, owner, addresses)? else { return Ok(plan) };
    while let Some(choice) = plan.choices().first() {
        let port = match chooser.held(&plan, choice) {
            Some(port) => port,
            None => otherwise(&chooser, &plan, choice)?,
        };
        plan = plan.choosing(port);
    }
    Ok(plan)
}

impl<'a> Chooser<'a> {
    /// None where there is nothing to choose.
    fn new(plan: &Plan, owner: &Owner, addresses: &'a Addresses) -> Result<Option<Self>> {
        if plan.choices().is_empty() {
            return Ok(None);
        }
        let mut nft = Nft::open().map_err(firewall)?;
        // A host on which nobody has published a port has no sets yet.
        let is_there = nft.set_exists(&table(), &rules::owners().name).map_err(firewall)?;
        let all = if is_there { search(&mut nft, &|_| true).map_err(firewall)?.elements } else { Vec::new() };
        let takers = all.into_iter().filter(|placed| Sets::takes_port(&placed.set));
        let (own, others): (Vec<_>, Vec<_>) = takers.partition(|placed| is_of(owner, &placed.element));
        let taken = others.iter().filter_map(|placed| Led::by(&placed.element));
        let taken = taken.flat_map(Led::each).map(|led| (led.protocol, led.port));
        Ok(Some(Self { addresses, own, taken: taken.collect() }))
    }

    /// The port that leads where it has to lead already.
    fn held(&self, plan: &Plan, choice: &Choice) -> Option<u16> {
        let led = self.own.iter().filter_map(|placed| Led::by(&placed.element));
        let ports = led.filter(|led| led.protocol == choice.protocol()).map(|led| led.port);
        let in_range = |port: &u16| choice.from().is_none_or(|range| range.contains(port));
        ports.filter(in_range).find(|port| !plan.has_port(choice.protocol(), *port) && self.leads(plan, choice, *port))
    }

    fn leads(&self, plan: &Plan, choice: &Choice, port: u16) -> bool {
        let published = choice.published(port, self.addresses);
        let takers = published.iter().map(|published| rules::leading(published, plan.is_conditional(published)));
        takers.into_iter().all(|taker| {
            let same = |own: &Placed| own.set == taker.set && own.element.key == taker.element.key;
            self.own.iter().any(|own| same(own) && own.element.data == taker.element.data)
        })
    }

    fn free(&self, plan: &Plan, choice: &Choice) -> Result<u16> {
        let (ports, of) = match choice.from() {
            Some(range) => (range.clone().collect(), format!("{}-{}", range.start(), range.end())),
            None => (ephemeral()?, "the ephemeral range".to_owned()),
        };
        let protocol = choice.protocol();
        let is_free = |port: &u16| {
            let published = || choice.published(*port, self.addresses);
            !plan.has_port(protocol, *port)
                && !self.taken.contains(&(protocol, *port))
                && published().iter().all(|published| holder::is_free(&published.from))
        };
        ports.into_iter().find(is_free).ok_or_else(|| {
            let msg = format!("publish a host port for container port {choice}: all ports of {of} are taken");
            Error::new(Code::InUse, msg)
        })
    }
}

/// The ports that the kernel gives to who asks for any (`ip_local_port_range` of ip-sysctl.rst), without those that are
/// reserved. They begin anywhere and go around.
fn ephemeral() -> Result<Vec<u16>> {
    let read = |key: &str| sysctl::get(&here(), key).map_err(kernel);
    let range = parse_range(&read("net/ipv4/ip_local_port_range")?);
    let reserved = parse_reserved(&read("net/ipv4/ip_local_reserved_ports")?);
    let mut ports: Vec<u16> = range.filter(|port| !reserved.iter().any(|range| range.contains(port))).collect();
    let anywhere = RandomState::new().build_hasher().finish();
    // The remainder is less than the number of ports, which fits.
    if let Some(place) = anywhere.checked_rem(ports.len() as u64) {
        ports.rotate_left(usize::try_from(place).unwrap_or_default());
    }
    Ok(ports)
}

/// Two numbers; what is no range leaves the dynamic ports of RFC 6335.
fn parse_range(text: &str) -> RangeInclusive<u16> {
    let mut words = text.split_whitespace().map_while(|word| word.parse().ok());
    match (words.next(), words.next()) {
        (Some(first), Some(last)) => first..=last,
        _ => 49152..=65535,
    }
}

/// `8080,9148-9150`
fn parse_reserved(text: &str) -> Vec<RangeInclusive<u16>> {
    let range = |text: &str| {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        Some(first.parse().ok()?..=last.parse().ok()?)
    };
    text.trim().split(',').filter_map(range).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_writes_is_read() {
        assert_eq!(parse_range("32768\t60999\n"), 32768..=60999);
        assert_eq!(parse_range(""), 49152..=65535);
        assert_eq!(parse_reserved("8080,9148-9150\n"), [8080..=8080, 9148..=9150]);
        assert_eq!(parse_reserved("\n"), []);
    }
}
