//! The sets and maps of published ports. Pure.

use nft::{KeyType, Nfproto, Set};

/// The sets of one address family, each made when it is asked for: a port needs two of nine.
#[derive(Debug, Clone, Copy)]
pub struct Sets(Nfproto);

impl Sets {
    /// Those of IPv4 or IPv6.
    pub fn of(family: Nfproto) -> Self {
        Self(family)
    }

    /// Ports published at one address of the host.
    pub fn of_address(self) -> Set {
        Set::map(self.name("ports_of_address"), self.with_address(), self.destination())
    }

    /// Ports published at all addresses of the host.
    pub fn of_all(self) -> Set {
        Set::map(self.name("ports"), PORT, self.destination())
    }

    /// Ranges of ports published at one address of the host; each port leads to that of the same number.
    pub fn ranges_of_address(self) -> Set {
        Set::map(self.name("port_ranges_of_address"), self.with_address(), [self.address()]).interval()
    }

    /// Ranges of ports published at all addresses of the host.
    pub fn ranges(self) -> Set {
        Set::map(self.name("port_ranges"), PORT, [self.address()]).interval()
    }

    /// Ports published under conditions, by address; the unspecified one stands for all. No rule looks them up: rules of
    /// their own lead to the container.
    pub fn conditional(self) -> Set {
        Set::map(self.name("conditional_ports"), self.with_address(), self.destination())
    }

    /// Connections that get the host's address as their source if they come from a local.
    pub fn snat(self) -> Set {
        Set::new(self.name("snat_ports"), self.with_address())
    }

    /// Connections that always do.
    pub fn masquerade(self) -> Set {
        Set::new(self.name("masquerade_ports"), self.with_address())
    }

    /// Those to ranges of ports that do if they come from a local.
    pub fn snat_ranges(self) -> Set {
        Set::new(self.name("snat_port_ranges"), self.with_address()).interval()
    }

    /// Those to ranges of ports that always do.
    pub fn masquerade_ranges(self) -> Set {
        Set::new(self.name("masquerade_port_ranges"), self.with_address()).interval()
    }

    /// All of them.
    pub fn all(self) -> [Set; 9] {
        [
            self.of_address(),
            self.of_all(),
            self.ranges_of_address(),
            self.ranges(),
            self.conditional(),
            self.snat(),
            self.masquerade(),
            self.snat_ranges(),
            self.masquerade_ranges(),
        ]
    }

    /// Whether an element of `set` takes a port of the host: it leads somewhere.
    pub fn takes_port(set: &Set) -> bool {
        set.data.is_some()
    }

    fn name(self, of: &str) -> String {
        format!("{of}{}", if self.0 == Nfproto::IPV4 { '4' } else { '6' })
    }

    fn address(self) -> KeyType {
        if self.0 == Nfproto::IPV4 { KeyType::Ipv4Addr } else { KeyType::Ipv6Addr }
    }

    fn with_address(self) -> [KeyType; 3] {
        let [protocol, number] = PORT;
        [self.address(), protocol, number]
    }

    fn destination(self) -> [KeyType; 2] {
        [self.address(), KeyType::InetService]
    }
}

const PORT: [KeyType; 2] = [KeyType::InetProto, KeyType::InetService];
