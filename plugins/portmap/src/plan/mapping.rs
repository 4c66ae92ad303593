//! Port mappings: what the configuration asks for, checked. Pure.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use cni::{Code, Error, Result, parse_ip};
use nft::{Nfproto, Proto};

use super::{Addresses, HostPort, Published};
use crate::conf::{self, Conf};

/// A checked port mapping, or a range of them, which have the same numbers on the host and in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mapping {
    at: Host,
    protocol: Proto,
    host_port: u16,
    last_host_port: u16,
    container_port: u16,
}

/// A checked port mapping whose port of the host is still to be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Choice {
    at: Host,
    protocol: Proto,
    from: Option<RangeInclusive<u16>>,
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

/// The checked port mappings, each once, and those whose port is to be chosen.
pub fn checked(conf: &Conf) -> Result<(Vec<Mapping>, Vec<Choice>)> {
    let (mut mappings, mut choices) = (Vec::new(), Vec::new());
    let mut taken = HashMap::new();
    // Also where no mapping needs it.
    Host::new(conf.host_ip.as_deref())?;
    for mapping in &conf.runtime_config.port_mappings {
        match Wanted::new(mapping, conf)? {
            Wanted::Exact(exact) => {
                for mapping in exact {
                    mappings.extend(mapping.take(&mut taken)?);
                }
            }
            Wanted::Choice(choice) if choices.contains(&choice) => {}
            Wanted::Choice(choice) => choices.push(choice),
        }
    }
    Ok((mappings, choices))
}

/// The ports of the host that `conf` asks for, as far as it can be understood: a DEL must not fail because of the rest,
/// and need not know the container's addresses.
pub fn host_ports(conf: &Conf) -> Vec<HostPort> {
    exact(conf).flat_map(|mapping| mapping.host_ports()).collect()
}

/// The ports of the container that `conf` tells of, likewise.
pub fn container_ports(conf: &Conf) -> Vec<HostPort> {
    let inside = |mapping: Mapping| {
        let (port, further) = (mapping.container_port, mapping.last_host_port - mapping.host_port);
        let of_host = mapping.host_ports().into_iter();
        of_host.map(move |host_port| HostPort { at: None, port, last: port.saturating_add(further), ..host_port })
    };
    exact(conf).flat_map(inside).collect()
}

fn exact(conf: &Conf) -> impl Iterator<Item = Mapping> {
    let exact = |mapping| match Wanted::new(mapping, conf) {
        Ok(Wanted::Exact(mappings)) => mappings,
        Ok(Wanted::Choice(_)) | Err(_) => Vec::new(),
    };
    conf.runtime_config.port_mappings.iter().flat_map(exact)
}

/// What a mapping of the configuration asks for.
enum Wanted {
    /// Ports, each with its own.
    Exact(Vec<Mapping>),
    Choice(Choice),
}

impl Wanted {
    /// Checks a mapping. One without an address of the host has that of the configuration.
    fn new(mapping: &conf::PortMapping, conf: &Conf) -> Result<Self> {
        let at = match &mapping.host_ip {
            Some(own) => Host::new(Some(own))?,
            None => Host::new(conf.host_ip.as_deref())?,
        };
        let protocol = protocol(mapping.protocol.as_deref())?;
        let to = range("container", mapping.container_port, mapping.container_port_end)?;
        let from = match (mapping.host_port, mapping.host_port_end) {
            (0, None) => None,
            (0, Some(end)) => {
                return Err(Error::invalid(format!(
                    "\"hostPort\" 0 takes any port, \"hostPortEnd\" {end} the last one of some: give one of them"
                )));
            }
            (first, end) => Some(range("host", first, end)?),
        };
        match from {
            Some(from) if from == to => {
                let (host_port, last_host_port) = from.into_inner();
                Ok(Self::Exact(vec![Mapping { at, protocol, host_port, last_host_port, container_port: host_port }]))
            }
            Some(from) if from.len() == to.len() => {
                let exact = |(host_port, container_port)| Mapping {
                    at,
                    protocol,
                    host_port,
                    last_host_port: host_port,
                    container_port,
                };
                Ok(Self::Exact(from.zip(to).map(exact).collect()))
            }
            from if to.len() == 1 => Ok(Self::Choice(Choice { at, protocol, from, container_port: *to.start() })),
            from => Err(Error::invalid(format!(
                "\"portMappings\" lead {} to the {} of {}-{}: as many, or several to one, can be led",
                from.map_or("any host port".to_owned(), |from| format!("host ports {}-{}", from.start(), from.end())),
                to.len(),
                to.start(),
                to.end()
            ))),
        }
    }
}

/// The ports from `first` to `last`, by default that one alone.
fn range(whose: &str, first: i64, last: Option<i64>) -> Result<RangeInclusive<u16>> {
    let (first, last) = (port(whose, first)?, port(whose, last.unwrap_or(first))?);
    if first > last {
        return Err(Error::invalid(format!(
            "\"{whose}PortEnd\" {last} is less than \"{whose}Port\" {first}: it must be the last of a range"
        )));
    }
    Ok(first..=last)
}

impl Choice {
    /// The ports of the host that it may take; unset is any of the ephemeral ones.
    pub fn from(&self) -> Option<RangeInclusive<u16>> {
        self.from.clone()
    }

    /// The protocol.
    pub fn protocol(&self) -> Proto {
        self.protocol
    }

    /// What would be published with this port of the host.
    pub fn published(&self, port: u16, addresses: &Addresses) -> Vec<Published> {
        self.mapping(port).published(addresses)
    }

    /// The mapping with this port of the host.
    pub fn mapping(&self, host_port: u16) -> Mapping {
        let Self { at, protocol, container_port, .. } = *self;
        Mapping { at, protocol, host_port, last_host_port: host_port, container_port }
    }

    /// What iptables is told: which ports are taken nobody can ask it.
    pub fn needs_nftables(&self) -> Error {
        let msg = format!("a host port for container port {self} can be chosen by backend \"nftables\" only");
        Error::new(Code::UnsupportedField, msg)
    }
}

/// The container's port.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.container_port, self.protocol)
    }
}

impl Mapping {
    /// Adds the ports of the host that it takes to `taken`, each with the container's port that it leads to. Fails if
    /// another mapping leads one of them elsewhere. Returns what it adds to the others: nothing where they have said all of it,
    /// and of a range that shares ports with them each port by itself, since ranges must not overlap.
    fn take(self, taken: &mut HashMap<HostPort, u16>) -> Result<Vec<Self>> {
        let ports = || self.host_ports().into_iter().flat_map(HostPort::each);
        if self.is_range() && ports().any(|port| taken.contains_key(&port)) {
            let mut added = Vec::new();
            for port in self.host_port..=self.last_host_port {
                let single = Self { host_port: port, last_host_port: port, container_port: port, ..self };
                added.extend(single.take(taken)?);
            }
            return Ok(added);
        }
        let before = taken.len();
        for port in ports() {
            let own = if self.is_range() { port.port } else { self.container_port };
            let other = *taken.entry(port).or_insert(own);
            if other != own {
                return Err(Error::invalid(format!(
                    "\"portMappings\" lead host port {port} to container ports {other} and {own}: it can lead to one"
                )));
            }
        }
        Ok(if taken.len() > before { vec![self] } else { Vec::new() })
    }

    fn is_range(&self) -> bool {
        self.host_port < self.last_host_port
    }

    /// Whether it takes this number, at whatever address.
    pub fn takes(&self, protocol: Proto, port: u16) -> bool {
        self.protocol == protocol && (self.host_port..=self.last_host_port).contains(&port)
    }

    /// What it takes of the host.
    fn host_ports(&self) -> Vec<HostPort> {
        let at = if let Host::One(ip) = self.at { Some(ip) } else { None };
        let (protocol, port, last) = (self.protocol, self.host_port, self.last_host_port);
        let of = |family: &Nfproto| HostPort { family: *family, at, protocol, port, last };
        self.at.families().iter().map(of).collect()
    }

    /// Its ports of a container with these addresses.
    pub fn published(&self, addresses: &Addresses) -> Vec<Published> {
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
