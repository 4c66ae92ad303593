//! `ipMasq` and `ipMasqBackend`: who masquerades what leaves a network.
//!
//! With `nf_tables` it is the plugin's part ([`masquerade`](crate::masquerade) where a link has many containers), with iptables a
//! chain per container ([`masquerade_chain`]).

use std::collections::BTreeSet;
use std::net::IpAddr;

use cni::{Attachment, Code, Error, IpConfig, Result, Success, Undo};
use ipnetwork::IpNetwork;
use iptables::Iptables;
use net::Rtnl;
use nft::Nft;

use crate::{
    Owner, firewall,
    masquerade_chain::{self, MasqueradeChain},
    open_for_removal, reference,
    told::ips_of,
    veth, xtables,
};

/// What masquerades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// `nf_tables`, and iptables where the kernel has no `nf_tables`.
    Any,
    /// Elements of our table of `nf_tables`.
    Nftables,
    /// A chain per container, as the reference plugins have it.
    Iptables,
}

impl Backend {
    /// What `ipMasq` and `ipMasqBackend` ask for.
    ///
    /// # Errors
    /// Code 7 for an unknown backend, which is looked at only if there is something to do.
    pub fn of(ip_masq: bool, name: Option<&str>) -> Result<Option<Self>> {
        match name.filter(|_| ip_masq) {
            None => Ok(ip_masq.then_some(Self::Any)),
            Some("nftables") => Ok(Some(Self::Nftables)),
            Some("iptables") => Ok(Some(Self::Iptables)),
            Some(other) => Err(Error::invalid(format!(
                "unknown ipmasq backend \"{other}\": \"ipMasqBackend\" must be \"nftables\" or \"iptables\""
            ))),
        }
    }

    /// Fails if it could not do its work.
    pub fn check(self) -> Result<()> {
        match self.resolved()? {
            Self::Any | Self::Nftables => Nft::open().and_then(|mut nft| nft.generation()).map(drop).map_err(firewall),
            Self::Iptables => Iptables::V4.save("nat").map(drop).map_err(xtables),
        }
    }

    /// Either of two: where the kernel has no `nf_tables`, the other is left.
    fn resolved(self) -> Result<Self> {
        match self {
            Self::Any if open_for_removal()?.is_some() => Ok(Self::Nftables),
            Self::Any => Ok(Self::Iptables),
            chosen => Ok(chosen),
        }
    }
}

/// Who is to masquerade an attachment's addresses, and can.
#[derive(Debug)]
pub enum Masquerade {
    /// Nobody is asked to.
    Nobody,
    /// The kernel's `nf_tables`.
    Nftables(Nft),
    /// The programs of iptables.
    Iptables,
}

impl Masquerade {
    /// Refuses before anything is made what [`Masquerade::ensure`] could not do.
    pub fn open(backend: Option<Backend>) -> Result<Self> {
        let nft = match backend {
            None => return Ok(Self::Nobody),
            Some(Backend::Nftables) => Some(Nft::open().map_err(firewall)?),
            Some(Backend::Any) => open_for_removal()?,
            Some(Backend::Iptables) => None,
        };
        nft.map_or_else(|| require_programs().map(|()| Self::Iptables), |nft| Ok(Self::Nftables(nft)))
    }

    /// Masquerades what leaves the subnets of `addresses`, by `nf_tables` as the plugin does it.
    pub fn ensure(
        self,
        owner: &Owner,
        addresses: &[IpNetwork],
        undo: &mut Undo,
        by_nftables: impl FnOnce(Nft, &mut Undo) -> Result<()>,
    ) -> Result<()> {
        match self {
            Self::Nobody => Ok(()),
            Self::Nftables(nft) => by_nftables(nft, undo),
            Self::Iptables => {
                let (chain, leaving) = (MasqueradeChain::new(owner), addresses.to_vec());
                undo.push("masquerade", move || chain.release(&leaving));
                MasqueradeChain::new(owner).ensure(addresses)
            }
        }
    }
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

/// Whether `addresses` are masqueraded. What the reference plugin made counts, whichever its backend was.
pub fn is_ensured(
    backend: Option<Backend>,
    owner: &Owner,
    addresses: &[IpNetwork],
    by_nftables: impl FnOnce() -> Result<bool>,
) -> Result<bool> {
    let Some(backend) = backend else { return Ok(true) };
    let by_nftables =
        backend.resolved()? == Backend::Nftables && (by_nftables()? || reference::masquerades(owner, addresses.len())?);
    Ok(by_nftables || MasqueradeChain::new(owner).is_ensured(addresses)?)
}

/// Takes the chain away that iptables has for the container, whoever made it. If the container has another interface on the
/// network only the addresses that `prev` tells of go, and without any it is not known whose the chain is: then it stays until
/// the other one goes.
pub fn release_chain(host: &mut Rtnl, owner: &Owner, prev: Option<&Success>) -> Result<()> {
    let chain = MasqueradeChain::new(owner);
    if !chain.may_be_there()? {
        return Ok(());
    }
    if !veth::has_sibling(host, owner)? {
        return chain.release(&[]);
    }
    let addresses = prev.map(|prev| addresses(&ips_of(prev, &owner.attachment().ifname))).unwrap_or_default();
    if addresses.is_empty() { Ok(()) } else { chain.release(&addresses) }
}

/// Ends the masquerading that iptables does, and that the reference's rules do, for attachments of `network` that are not in
/// `keep`.
pub fn release_garbage(network: &str, keep: &BTreeSet<Attachment>) -> Result<()> {
    Error::collect([masquerade_chain::release_garbage(network, keep), reference::release_garbage(network, keep)])
}

/// What is masqueraded: no router forwards link-local addresses.
pub fn addresses(ips: &[IpConfig]) -> Vec<IpNetwork> {
    let is_local = |ip: &&IpConfig| matches!(ip.address.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local());
    ips.iter().filter(|ip| !is_local(ip)).map(|ip| ip.address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backend_is_one_of_two_where_one_is_asked_for() {
        assert_eq!(Backend::of(true, None), Ok(Some(Backend::Any)));
        assert_eq!(Backend::of(true, Some("nftables")), Ok(Some(Backend::Nftables)));
        assert_eq!(Backend::of(true, Some("iptables")), Ok(Some(Backend::Iptables)));
        assert_eq!((Backend::of(false, None), Backend::of(false, Some("x"))), (Ok(None), Ok(None)));
        let unknown = Backend::of(true, Some("x")).unwrap_err().msg;
        assert_eq!(unknown, "unknown ipmasq backend \"x\": \"ipMasqBackend\" must be \"nftables\" or \"iptables\"");
    }

    #[test]
    fn link_local_addresses_are_not_masqueraded() {
        let ip = |address: &str| IpConfig { interface: None, address: address.parse().unwrap(), gateway: None };
        let masqueraded = addresses(&[ip("10.1.0.2/24"), ip("fe80::2/64"), ip("fd01::2/64")]);
        assert_eq!(masqueraded, ["10.1.0.2/24".parse().unwrap(), "fd01::2/64".parse().unwrap()]);
    }
}
