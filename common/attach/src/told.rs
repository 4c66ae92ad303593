//! What a previous result tells of an attachment.

use cni::{Interface, IpConfig, Success};
use net::{Link, Mac};

/// The addresses of the container's interface `ifname`; other plugins may have added others. In a result that does not
/// tell whose addresses are, all are.
pub fn ips_of(result: &Success, ifname: &str) -> Vec<IpConfig> {
    let is_own = |ip: &IpConfig| {
        result.interface_of(ip).is_some_and(|interface| interface.sandbox.is_some() && interface.name == ifname)
    };
    let (own, others): (Vec<_>, Vec<_>) = result.ips.iter().cloned().partition(is_own);
    if own.is_empty() { others.into_iter().filter(|ip| result.interface_of(ip).is_none()).collect() } else { own }
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
