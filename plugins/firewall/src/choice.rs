//! Who lets the traffic through: the backend that the configuration names, or whoever does on this host.
//!
//! An `accept` holds only in the chain that has it: what our table lets through, a chain of iptables or firewalld's table may
//! still drop. A `drop` holds wherever it is. So who accepts is chosen by who might drop.

use std::net::IpAddr;

use cni::Result;
use iptables::Iptables;

use crate::{
    plan::{Backend, Plan, of_family},
    xtables,
};

/// The addresses that each backend is to let through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    pub nftables: Vec<IpAddr>,
    pub iptables: Vec<IpAddr>,
    pub firewalld: Vec<IpAddr>,
}

/// What a host has in one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Host {
    firewalld: bool,
    iptables: bool,
}

impl Choice {
    /// Decides, for each family that there are addresses of. `firewalld` is asked only if nobody has decided.
    pub fn new(plan: &Plan, addresses: &[IpAddr], firewalld: impl FnOnce() -> Result<bool>) -> Result<Self> {
        let mut choice = Self::default();
        if let Some(backend) = plan.backend {
            choice.of(backend).extend(addresses);
            return Ok(choice);
        }
        let firewalld = firewalld()?;
        for family in Iptables::ALL {
            let own = of_family(addresses, family);
            if own.is_empty() {
                continue;
            }
            let host = Host { firewalld, iptables: usable(family)? };
            for backend in needed(host) {
                choice.of(*backend).extend(&own);
            }
        }
        Ok(choice)
    }

    fn of(&mut self, backend: Backend) -> &mut Vec<IpAddr> {
        match backend {
            Backend::Nftables => &mut self.nftables,
            Backend::Iptables => &mut self.iptables,
            Backend::Firewalld => &mut self.firewalld,
        }
    }
}

/// Who must accept, so that nobody drops.
fn needed(host: Host) -> &'static [Backend] {
    match (host.firewalld, host.iptables) {
        (true, true) => &[Backend::Firewalld, Backend::Iptables],
        (true, false) => &[Backend::Firewalld],
        (false, true) => &[Backend::Iptables],
        (false, false) => &[Backend::Nftables],
    }
}

/// Whether packets pass iptables, and there is a program to tell it anything.
fn usable(family: Iptables) -> Result<bool> {
    if !xtables::filters(family)? {
        return Ok(false);
    }
    if !family.is_installed() {
        log::warn!("there is a chain FORWARD, and no {}-restore to let anything through it", family.name());
        return Ok(false);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_accepts_who_might_drop() {
        let needed = |firewalld, iptables| needed(Host { firewalld, iptables });
        assert_eq!(needed(false, false), [Backend::Nftables]);
        assert_eq!(needed(false, true), [Backend::Iptables]);
        assert_eq!(needed(true, false), [Backend::Firewalld]);
        assert_eq!(needed(true, true), [Backend::Firewalld, Backend::Iptables]);
    }

    #[test]
    fn configuration_decides_without_looking() {
        let address = "10.1.0.2".parse().unwrap();
        let plan = Plan { backend: Some(Backend::Iptables), admin_chain: "A".into(), zone: "z".into(), policy: None };
        let choice = Choice::new(&plan, &[address], || panic!("asked")).unwrap();
        assert_eq!(choice, Choice { iptables: vec![address], ..Choice::default() });
    }
}
