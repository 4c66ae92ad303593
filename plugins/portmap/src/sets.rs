//! The sets and maps of published ports. Pure.

use nft::{KeyType, Nfproto, Set};

/// The sets of one address family.
#[derive(Debug, Clone)]
pub struct Sets {
    /// Ports published at one address of the host.
    pub of_address: Set,
    /// Ports published at all addresses of the host.
    pub of_all: Set,
    /// Ranges of ports published at one address of the host; each port leads to that of the same number.
    pub ranges_of_address: Set,
    /// Ranges of ports published at all addresses of the host.
    pub ranges: Set,
    /// Ports published under conditions, by address; the unspecified one stands for all. No rule looks them up: rules of
    /// their own lead to the container.
    pub conditional: Set,
    /// Connections that get the host's address as their source if they come from a local.
    pub snat: Set,
    /// Connections that always do.
    pub masquerade: Set,
    /// Those to ranges of ports that do if they come from a local.
    pub snat_ranges: Set,
    /// Those to ranges of ports that always do.
    pub masquerade_ranges: Set,
}

impl Sets {
    /// Those of IPv4 or IPv6.
    pub fn of(family: Nfproto) -> Self {
        let (address, suffix) =
            if family == Nfproto::IPV4 { (KeyType::Ipv4Addr, "4") } else { (KeyType::Ipv6Addr, "6") };
        let port = [KeyType::InetProto, KeyType::InetService];
        let with_address = [address, KeyType::InetProto, KeyType::InetService];
        let destination = [address, KeyType::InetService];
        Self {
            of_address: Set::map(format!("ports_of_address{suffix}"), with_address, destination),
            of_all: Set::map(format!("ports{suffix}"), port, destination),
            ranges_of_address: Set::map(format!("port_ranges_of_address{suffix}"), with_address, [address]).interval(),
            ranges: Set::map(format!("port_ranges{suffix}"), port, [address]).interval(),
            conditional: Set::map(format!("conditional_ports{suffix}"), with_address, destination),
            snat: Set::new(format!("snat_ports{suffix}"), with_address),
            masquerade: Set::new(format!("masquerade_ports{suffix}"), with_address),
            snat_ranges: Set::new(format!("snat_port_ranges{suffix}"), with_address).interval(),
            masquerade_ranges: Set::new(format!("masquerade_port_ranges{suffix}"), with_address).interval(),
        }
    }

    /// All of them.
    pub fn all(self) -> impl Iterator<Item = Set> {
        let sources = [self.snat, self.masquerade, self.snat_ranges, self.masquerade_ranges];
        [self.of_address, self.of_all, self.ranges_of_address, self.ranges, self.conditional].into_iter().chain(sources)
    }

    /// Whether an element of `set` takes a port of the host: it leads somewhere.
    pub fn takes_port(set: &Set) -> bool {
        set.data.is_some()
    }
}
