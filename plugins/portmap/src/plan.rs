//! Which ports to publish, and how: the configuration with its defaults, checked. Nothing here touches the kernel.

mod mapping;

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
};

use attach::exposure::Opening;
use cni::{Error, Result, Success};
use ipnetwork::IpNetwork;
use nft::{Nfproto, Proto};
use serde_json::{Map, Value};

use crate::{backend::Backend, conditions::Conditions, conf::Conf};

use mapping::Mapping;
pub use mapping::{Choice, container_ports, host_ports};

/// A checked configuration.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose packets to published ports get the host's address as their source.
    pub snat: Snat,
    /// What publishes.
    pub backend: Backend,
    /// What packets have to meet beyond their destination, for IPv4 and for IPv6, where `nf_tables` looks.
    pub conditions: [Conditions; 2],
    /// Whether a port may be published that a process of the host has.
    pub allow_in_use: bool,
    words: [Vec<String>; 2],
    mappings: Vec<Mapping>,
    choices: Vec<Choice>,
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

/// A port of the host in one address family, or a range of them: what a published port takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostPort {
    /// The address family.
    pub family: Nfproto,
    /// The host's address; unset is every address of the host.
    pub at: Option<IpAddr>,
    /// The protocol.
    pub protocol: Proto,
    /// The number, or the first of them.
    pub port: u16,
    /// The last of them.
    pub last: u16,
}

/// A published port in one address family, or a range of them, whose ports have the same numbers in the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The host's side.
    pub from: HostPort,
    /// The container's address and port, the first one of a range.
    pub to: SocketAddr,
}

impl HostPort {
    /// Whether it is more than one.
    pub fn is_range(&self) -> bool {
        self.last > self.port
    }

    /// Each by itself.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (self.port..=self.last).map(move |port| Self { port, last: port, ..self })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_ports(f, self.port..=self.last, self.protocol)
    }
}

/// `8080/tcp` or `8000-8010/tcp`.
pub fn write_ports(f: &mut fmt::Formatter<'_>, ports: RangeInclusive<u16>, protocol: Proto) -> fmt::Result {
    write!(f, "{}", ports.start())?;
    if ports.start() < ports.end() {
        write!(f, "-{}", ports.end())?;
    }
    write!(f, "/{protocol}")
}

impl Published {
    /// Each by itself.
    pub fn each(self) -> impl Iterator<Item = Self> {
        let to = move |port| SocketAddr::new(self.to.ip(), if self.from.is_range() { port } else { self.to.port() });
        self.from.each().map(move |from| Self { from, to: to(from.port) })
    }

    /// The container's side, as ports are told.
    pub fn inside(&self) -> HostPort {
        let port = self.to.port();
        HostPort { at: None, port, last: port + (self.from.last - self.from.port), ..self.from }
    }

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
        let (mappings, choices) = mapping::checked(conf)?;
        if let (Backend::Iptables(_), Some(choice)) = (&backend, choices.first()) {
            return Err(choice.needs_nftables());
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
        Ok(Self { snat, backend, conditions, allow_in_use: conf.allow_in_use, words, mappings, choices })
    }

    /// The mappings whose port of the host is to be chosen.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Whether a mapping takes a port of the host with this number, at whatever address.
    pub fn has_port(&self, protocol: Proto, port: u16) -> bool {
        self.mappings.iter().any(|mapping| mapping.takes(protocol, port))
    }

    /// The plan in which the first choice has been made.
    #[must_use]
    pub fn choosing(mut self, port: u16) -> Self {
        if !self.choices.is_empty() {
            let choice = self.choices.remove(0);
            self.mappings.push(choice.mapping(port));
        }
        self
    }

    /// Whether there is nothing to publish.
    pub fn is_empty(&self) -> bool {
        self.mappings.is_empty() && self.choices.is_empty()
    }

    /// The published ports of a container with these addresses, as `openings` has it for each family: those at the host's
    /// addresses, and those at the container's own. A mapping for a family in which it has none is left out.
    ///
    /// # Errors
    /// Code 7 for a port with conditions at the container's own address.
    pub fn published(&self, addresses: &Addresses, openings: [Opening; 2]) -> Result<(Vec<Published>, Vec<Published>)> {
        let all = self.all(addresses);
        let with = |wanted: fn(Opening) -> bool| {
            let [v4, v6] = openings.map(wanted);
            let wanted = move |port: &&Published| if port.to.is_ipv4() { v4 } else { v6 };
            all.iter().filter(wanted).copied().collect::<Vec<_>>()
        };
        let (at_host, open) = (with(|opening| opening.at_host), with(|opening| opening.at_container));
        match open.iter().find(|port| self.is_conditional(port)) {
            Some(port) => Err(Error::invalid(format!(
                "\"conditionsV4\" and \"conditionsV6\": port {} is reached at the container's own address, where they do not hold",
                port.inside()
            ))),
            None => Ok((at_host, open)),
        }
    }

    fn all(&self, addresses: &Addresses) -> Vec<Published> {
        let published = self.mappings.iter().flat_map(|mapping| mapping.published(addresses));
        // A condition is a rule for each port.
        let apart = |port: Published| if self.is_conditional(&port) { port.each().collect() } else { vec![port] };
        published.flat_map(apart).collect()
    }

    /// Whether anything is to be published for a container with these addresses.
    pub fn publishes(&self, addresses: &Addresses) -> bool {
        // Of a choice any port does to ask for the families.
        let chosen = self.choices.iter().flat_map(|choice| choice.published(1, addresses));
        self.all(addresses).into_iter().chain(chosen).next().is_some()
    }

    /// The conditions for a family.
    pub fn conditions(&self, family: Nfproto) -> &Conditions {
        let [of_v4, of_v6] = &self.conditions;
        if family == Nfproto::IPV4 { of_v4 } else { of_v6 }
    }

    /// Whether packets to a port have to meet some.
    pub fn is_conditional(&self, port: &Published) -> bool {
        *self.conditions(port.from.family) != Conditions::None
    }

    /// The same as it was given, for iptables.
    pub fn words(&self, family: Nfproto) -> &[String] {
        let [of_v4, of_v6] = &self.words;
        if family == Nfproto::IPV4 { of_v4 } else { of_v6 }
    }
}

/// The result's list of published ports: one for both families, where they are the same.
pub fn told(published: &[Published]) -> Value {
    let mut told: Vec<Value> = Vec::new();
    for Published { from, to } in published {
        let mut mapping = Map::new();
        let mut tell = |key: &str, value: Value| drop(mapping.insert(key.to_owned(), value));
        tell("hostPort", from.port.into());
        tell("containerPort", to.port().into());
        if from.is_range() {
            tell("hostPortEnd", from.last.into());
            tell("containerPortEnd", from.last.into());
        }
        tell("protocol", from.protocol.to_string().into());
        if let Some(at) = from.at {
            tell("hostIP", at.to_string().into());
        }
        let mapping = Value::Object(mapping);
        if !told.contains(&mapping) {
            told.push(mapping);
        }
    }
    told.into()
}

#[cfg(test)]
mod tests;
