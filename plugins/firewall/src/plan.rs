//! What to protect, and how: the configuration with its defaults, checked, and what a result tells. Nothing here touches
//! the kernel.

use std::net::IpAddr;

use cni::{Error, Result, Success};
use iptables::Iptables;
use nft::Ifname;

use crate::conf::Conf;

/// The longest name that a chain of iptables can have (`XT_EXTENSION_MAXNAMELEN`, less its end).
const CHAIN_MAX: usize = 28;
/// Names of chains that the administrator's must not have: the kernel's, the reference's, ours, and words of iptables.
const TAKEN: [&str; 11] = [
    "INPUT",
    "FORWARD",
    "OUTPUT",
    "CNI-FORWARD",
    "CNI-ISOLATION-STAGE-1",
    "CNI-ISOLATION-STAGE-2",
    "MOORING-OWNERS",
    "ACCEPT",
    "DROP",
    "QUEUE",
    "RETURN",
];
/// As much as fits beside the owner's tag; firewalld itself takes 17.
const ZONE_MAX: usize = 64;

/// A checked configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Who lets the traffic through; unset is whoever does on this host.
    pub backend: Option<Backend>,
    /// The administrator's chain, in iptables.
    pub admin_chain: String,
    /// The zone of firewalld that containers are in.
    pub zone: String,
    /// What containers get of other bridges, and of their own; unset is everything.
    pub policy: Option<Policy>,
}

/// Who lets the traffic through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Backend {
    /// Our table.
    Nftables,
    /// The chains of the reference, in the table `filter`.
    Iptables,
    /// The daemon.
    Firewalld,
}

/// Who reaches the containers of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Policy {
    /// Neighbours on the same bridge, and nobody on other bridges that have a policy.
    SameBridge,
    /// Not even neighbours.
    Isolated,
}

impl Policy {
    /// Both.
    pub const ALL: [Self; 2] = [Self::SameBridge, Self::Isolated];

    /// As the configuration names it, and comments of rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameBridge => "same-bridge",
            Self::Isolated => "isolated",
        }
    }
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf) -> Result<Self> {
        Ok(Self {
            backend: backend(conf.backend.as_deref())?,
            admin_chain: admin_chain(conf.iptables_admin_chain_name.as_deref().unwrap_or("CNI-ADMIN"))?,
            zone: zone(conf.firewalld_zone.as_deref().unwrap_or("trusted"))?,
            policy: policy(conf.ingress_policy.as_deref())?,
        })
    }
}

fn backend(name: Option<&str>) -> Result<Option<Backend>> {
    match name {
        None => Ok(None),
        Some("nftables") => Ok(Some(Backend::Nftables)),
        Some("iptables") => Ok(Some(Backend::Iptables)),
        Some("firewalld") => Ok(Some(Backend::Firewalld)),
        Some(name) => Err(Error::invalid(format!(
            "invalid \"backend\" \"{name}\": it must be \"nftables\", \"iptables\", \"firewalld\" or empty"
        ))),
    }
}

fn policy(name: Option<&str>) -> Result<Option<Policy>> {
    match name {
        None | Some("open") => Ok(None),
        Some("same-bridge") => Ok(Some(Policy::SameBridge)),
        Some("isolated") => Ok(Some(Policy::Isolated)),
        Some(name) => Err(Error::invalid(format!(
            "unknown ingress policy: \"ingressPolicy\" is \"{name}\", it must be \"open\", \"same-bridge\", \"isolated\" or empty"
        ))),
    }
}

fn admin_chain(name: &str) -> Result<String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.len() > CHAIN_MAX || !name.chars().all(is_plain) || name.starts_with('-') || TAKEN.contains(&name) {
        return Err(Error::invalid(format!(
            "invalid \"iptablesAdminChainName\" \"{name}\": it must be up to {CHAIN_MAX} letters, digits, -, _, . and :, not begin with - and be no chain of the kernel's or the plugin's"
        )));
    }
    Ok(name.to_owned())
}

fn zone(name: &str) -> Result<String> {
    if name.len() > ZONE_MAX || name.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(Error::invalid(format!(
            "invalid \"firewalldZone\" \"{name}\": it must be a name of up to {ZONE_MAX} bytes without spaces"
        )));
    }
    Ok(name.to_owned())
}

/// What a result tells of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// All its addresses, each once.
    pub addresses: Vec<IpAddr>,
    /// The host's links, such as the bridge and its port. What no link can be called is none of them.
    pub links: Vec<String>,
}

impl Told {
    /// By this result.
    pub fn by(result: &Success) -> Self {
        let mut addresses: Vec<IpAddr> = result.ips.iter().map(|ip| ip.address.ip()).collect();
        addresses.sort();
        addresses.dedup();
        let of_host = result.interfaces.iter().filter(|told| told.sandbox.is_none() && Ifname::new(&told.name).is_ok());
        Self { addresses, links: of_host.map(|told| told.name.clone()).collect() }
    }
}

/// The addresses of a result that are the attachment's for certain: of its own interface, or of none. Others may be of
/// plugins that came later in the list.
pub fn own_addresses(result: &Success, ifname: &str) -> Vec<IpAddr> {
    let is_own = |ip: &&cni::IpConfig| {
        result.interface_of(ip).is_none_or(|interface| interface.sandbox.is_some() && interface.name == ifname)
    };
    result.ips.iter().filter(is_own).map(|ip| ip.address.ip()).collect()
}

/// A bridge whose containers are protected from others, and the ports of a container that are isolated on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ingress {
    /// How.
    pub policy: Policy,
    /// The bridge.
    pub bridge: String,
    /// The ports that frames of other isolated ports must not get to; none unless isolated.
    pub ports: Vec<String>,
}

/// Those of a family.
pub fn of_family(addresses: &[IpAddr], family: Iptables) -> Vec<IpAddr> {
    addresses.iter().copied().filter(|address| address.is_ipv4() == (family == Iptables::V4)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(conf: Conf) -> String {
        Plan::new(&conf).unwrap_err().msg
    }

    #[test]
    fn defaults_are_the_references() {
        let plan = Plan::new(&Conf::default()).unwrap();
        let expected = Plan { backend: None, admin_chain: "CNI-ADMIN".into(), zone: "trusted".into(), policy: None };
        assert_eq!(plan, expected);
    }

    #[test]
    fn refusals_name_key_value_and_what_is_allowed() {
        let some = |text: &str| Some(text.to_owned());
        let backend = refusal(Conf { backend: some("ipchains"), ..Conf::default() });
        assert!(backend.contains("\"backend\" \"ipchains\": it must be \"nftables\""), "{backend}");
        let policy = refusal(Conf { ingress_policy: some("closed"), ..Conf::default() });
        assert!(policy.contains("\"ingressPolicy\" is \"closed\"") && policy.contains("same-bridge"), "{policy}");
        for name in ["FORWARD", "MOORING-OWNERS", "-A", "a b", "a\nCOMMIT", "x23456789-123456789-123456789", "\"q\""] {
            let chain = refusal(Conf { iptables_admin_chain_name: some(name), ..Conf::default() });
            assert!(chain.contains("\"iptablesAdminChainName\""), "{chain}");
        }
        for name in ["a b", "a\0", "z".repeat(65).as_str()] {
            let zone = refusal(Conf { firewalld_zone: some(name), ..Conf::default() });
            assert!(zone.contains("\"firewalldZone\""), "{zone}");
        }
    }
}
