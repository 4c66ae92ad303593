//! Which ports to publish, and how: the configuration with its defaults, checked. Nothing here touches the kernel.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, SocketAddr},
};

use cni::{Error, Result, Success, parse_ip};
use ipnetwork::IpNetwork;
use nft::{Nfproto, Proto};

use crate::{
    backend::Backend,
    conditions::Conditions,
    conf::{Conf, PortMapping},
};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose packets to published ports get the host's address as their source.
    pub snat: Snat,
    /// What publishes.
    pub backend: Backend,
    /// What packets have to meet beyond their destination, for IPv4 and for IPv6, where `nf_tables` looks.
    pub conditions: [Conditions; 2],
    words: [Vec<String>; 2],
    mappings: Vec<Mapping>,
}

/// Whose packets get the host's address as their source, so that the answers come back through the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Snat {
    /// Nobody's (`snat: false`).
    Nobody,
    /// Those that would not come back otherwise: from the container itself, its neighbours and 127.0.0.1.
    Locals,
    /// Everybody's (`masqAll`).
    Everybody,
}

/// A checked port mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Mapping {
    at: Host,
    protocol: Proto,
    host_port: u16,
    container_port: u16,
}

/// The addresses of the host that a port is published at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Host {
    All,
    AllIpv4,
    AllIpv6,
    One(IpAddr),
}

/// A port of the host in one address family: what a published port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The address family.
    pub family: Nfproto,
    /// The host's address; unset is every address of the host.
    pub at: Option<IpAddr>,
    /// The protocol.
    pub protocol: Proto,
    /// The number.
    pub port: u16,
}

/// A published port in one address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The host's side.
    pub from: HostPort,
    /// The container's address and port.
    pub to: SocketAddr,
}

impl Published {
    /// Whether it can be reached through 127.0.0.1.
    pub fn is_at_localhost(&self) -> bool {
        self.to.is_ipv4() && self.from.at.is_none_or(|at| at.is_loopback())
    }
}

/// The container's addresses that ports lead to: the first of each family, with its network's prefix.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Addresses {
    pub v4: Option<IpNetwork>,
    pub v6: Option<IpNetwork>,
}

impl Addresses {
    /// Those of the interface `ifname` of a result. An address that names no interface is the container's.
    pub fn of(result: &Success, ifname: &str) -> Self {
        let own = |ip: &&cni::IpConfig| {
            result.interface_of(ip).is_none_or(|interface| interface.sandbox.is_some() && interface.name == ifname)
        };
        let first = |v4: bool| result.ips.iter().filter(own).map(|ip| ip.address).find(|ip| ip.is_ipv4() == v4);
        Self { v4: first(true), v6: first(false) }
    }

    /// That of a family.
    pub fn of_family(&self, family: Nfproto) -> Option<IpNetwork> {
        if family == Nfproto::IPV4 { self.v4 } else { self.v6 }
    }

    /// Both, IPv4 first.
    pub fn iter(&self) -> impl Iterator<Item = IpNetwork> {
        self.v4.into_iter().chain(self.v6)
    }
}

impl Plan {
    /// Checks the configuration.
    pub fn new(conf: &Conf) -> Result<Self> {
        let backend = Backend::new(conf)?;
        let (mut mappings, mut seen, mut taken) = (Vec::new(), HashSet::new(), HashMap::new());
        for mapping in &conf.runtime_config.port_mappings {
            let mapping = Mapping::new(mapping)?;
            mapping.take(&mut taken)?;
            if seen.insert(mapping) {
                mappings.push(mapping);
            }
        }
        let snat = match (conf.snat.unwrap_or(true), conf.masq_all) {
            (false, _) => Snat::Nobody,
            (true, false) => Snat::Locals,
            (true, true) => Snat::Everybody,
        };
        let words = [conf.conditions_v4.clone(), conf.conditions_v6.clone()];
        let conditions = match backend {
            Backend::Iptables(_) => [Conditions::None, Conditions::None],
            Backend::Any | Backend::Nftables => {
                [Conditions::new("conditionsV4", &words[0])?, Conditions::new("conditionsV6", &words[1])?]
            }
        };
        Ok(Self { snat, backend, conditions, words, mappings })
    }

    /// Whether there is nothing to publish.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty()
    }

    /// The published ports of a container with these addresses. A mapping for a family in which it has none is left out.
    pub fn published(&self, addresses: &Addresses) -> Vec<Published> {
        self.mappings.iter().flat_map(|mapping| mapping.published(addresses)).collect()
    }

    /// The conditions for a family.
    pub fn conditions(&self, family: Nfproto) -> &Conditions {
        let [of_v4, of_v6] = &self.conditions;
        if family == Nfproto::IPV4 { of_v4 } else { of_v6 }
    }

    /// The same as it was given, for iptables.
    pub fn words(&self, family: Nfproto) -> &[String] {
        let [of_v4, of_v6] = &self.words;
        if family == Nfproto::IPV4 { of_v4 } else { of_v6 }
    }
}

/// The ports of the host that `conf` asks for, as far as it can be understood: a DEL must not fail because of the rest,
/// and need not know the container's addresses.
pub fn host_ports(conf: &Conf) -> Vec<HostPort> {
    let mappings = conf.runtime_config.port_mappings.iter().filter_map(|mapping| Mapping::new(mapping).ok());
    mappings.flat_map(|mapping| mapping.host_ports()).collect()
}

impl Mapping {
    fn new(mapping: &PortMapping) -> Result<Self> {
        Ok(Self {
            at: Host::new(mapping.host_ip.as_deref())?,
            protocol: protocol(mapping.protocol.as_deref())?,
            host_port: port("host", mapping.host_port)?,
            container_port: port("container", mapping.container_port)?,
        })
    }

    /// Adds the ports of the host that it takes to `taken`, each with the container's port that it leads to. Fails if
    /// another mapping leads one of them elsewhere.
    fn take(&self, taken: &mut HashMap<HostPort, u16>) -> Result<()> {
        for port in self.host_ports() {
            let other = *taken.entry(port).or_insert(self.container_port);
            if other != self.container_port {
                return Err(Error::invalid(format!(
                    "\"portMappings\" lead host port {}/{} to container ports {other} and {}: it can lead to one",
                    self.host_port, self.protocol, self.container_port
                )));
            }
        }
        Ok(())
    }

    /// What it takes of the host.
    fn host_ports(&self) -> Vec<HostPort> {
        let at = if let Host::One(ip) = self.at { Some(ip) } else { None };
        let of = |family: &Nfproto| HostPort { family: *family, at, protocol: self.protocol, port: self.host_port };
        self.at.families().iter().map(of).collect()
    }

    fn published(&self, addresses: &Addresses) -> Vec<Published> {
        let to = |from: HostPort| {
            let address = addresses.of_family(from.family)?;
            Some(Published { from, to: SocketAddr::new(address.ip(), self.container_port) })
        };
        self.host_ports().into_iter().filter_map(to).collect()
    }
}

impl Host {
    fn new(host_ip: Option<&str>) -> Result<Self> {
        let Some(text) = host_ip else { return Ok(Self::All) };
        let ip = parse_ip(text).ok_or_else(|| {
            Error::invalid(format!("invalid \"hostIP\" \"{text}\": it must be an IP address or empty"))
        })?;
        Ok(match ip {
            IpAddr::V4(ip) if ip.is_unspecified() => Self::AllIpv4,
            IpAddr::V6(ip) if ip.is_unspecified() => Self::AllIpv6,
            ip => Self::One(ip),
        })
    }

    fn families(self) -> &'static [Nfproto] {
        match self {
            Self::All => &[Nfproto::IPV4, Nfproto::IPV6],
            Self::AllIpv4 | Self::One(IpAddr::V4(_)) => &[Nfproto::IPV4],
            Self::AllIpv6 | Self::One(IpAddr::V6(_)) => &[Nfproto::IPV6],
        }
    }
}

fn port(whose: &str, number: i64) -> Result<u16> {
    u16::try_from(number)
        .ok()
        .filter(|port| *port > 0)
        .ok_or_else(|| Error::invalid(format!("Invalid {whose} port number: {number} (must be 1 to 65535)")))
}

fn protocol(name: Option<&str>) -> Result<Proto> {
    match name.unwrap_or("tcp").to_ascii_lowercase().as_str() {
        "tcp" => Ok(Proto::TCP),
        "udp" => Ok(Proto::UDP),
        "sctp" => Ok(Proto::SCTP),
        other => Err(Error::invalid(format!("invalid \"protocol\" \"{other}\": it must be tcp, udp or sctp"))),
    }
}

#[cfg(test)]
mod tests;
