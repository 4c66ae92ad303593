//! What a previous result tells of an attachment.

use std::path::Path;

use cni::{Interface, IpConfig, Result, Success};
use net::{Link, Mac, Rtnl};

use crate::kernel;

/// The addresses of the container's interface `ifname`; other plugins may have added others. In a result that does not
/// tell whose addresses are, all are.
pub fn ips_of(result: &Success, ifname: &str) -> Vec<IpConfig> {
    let is_own = |ip: &IpConfig| {
        result.interface_of(ip).is_some_and(|interface| interface.sandbox.is_some() && interface.name == ifname)
    };
    let (own, others): (Vec<_>, Vec<_>) = result.ips.iter().cloned().partition(is_own);
    if own.is_empty() { others.into_iter().filter(|ip| result.interface_of(ip).is_none()).collect() } else { own }
}

/// The same of the container with `sandbox` alone, where the result tells of interfaces of that name in several.
pub fn ips_in(result: &Success, ifname: &str, sandbox: &Path) -> Vec<IpConfig> {
    let mut ips = ips_of(result, ifname);
    let is_here = |ip: &IpConfig| {
        let told = result.interface_of(ip).and_then(|interface| interface.sandbox.as_deref());
        told.is_some_and(|told| Path::new(told) == sandbox)
    };
    if ips.iter().any(is_here) {
        ips.retain(is_here);
    }
    ips
}

/// The container's interface `ifname`, if it is there, be it under a name that the container has given it: that is then told by
/// its hardware address.
pub fn link(inside: &mut Rtnl, ifname: &str, result: Option<&Success>) -> Result<Option<Link>> {
    if let Some(link) = inside.link(ifname).map_err(kernel)? {
        return Ok(Some(link));
    }
    let is_own = |told: &&Interface| told.name == ifname && told.sandbox.is_some();
    let Some(told) = result.and_then(|result| result.interfaces.iter().find(is_own)) else { return Ok(None) };
    Ok(inside.links().map_err(kernel)?.into_iter().find(|link| has_mac(link, told)))
}

/// Whether the result does not tell another hardware address of the container's interface `link`.
pub fn may_be(link: &Link, result: Option<&Success>) -> bool {
    let interfaces = result.into_iter().flat_map(|result| &result.interfaces);
    let mut told = interfaces.filter(|told| told.name == link.name && told.sandbox.is_some());
    told.all(|told| told.mac.is_none() || has_mac(link, told))
}

/// Whether `link` has the hardware address that the result tells.
pub fn has_mac(link: &Link, told: &Interface) -> bool {
    told.mac.as_deref().is_some_and(|mac| mac.parse::<Mac>().ok() == link.mac)
}

/// An interface of a result, as the kernel has the link; inside the container if there is a `sandbox`.
pub fn interface(link: &Link, sandbox: Option<String>) -> Interface {
    Interface {
        name: link.name.clone(),
        mac: link.hardware_address(),
        mtu: Some(link.mtu),
        sandbox,
        ..Interface::default()
    }
}
