//! Small types that have no counterpart in the standard library.

use std::fmt;
use std::net::IpAddr;

use nix::errno::Errno;

use crate::error::{Error, Result};

/// The longest interface name: `IFNAMSIZ` with its NUL, `include/uapi/linux/if.h`.
const IFNAMSIZ: usize = 16;

/// A layer 4 protocol, `IPPROTO_*` in `include/uapi/linux/in.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Proto(pub u8);

impl Proto {
    /// `IPPROTO_TCP`
    pub const TCP: Self = Self(6);
    /// `IPPROTO_UDP`
    pub const UDP: Self = Self(17);
    /// `IPPROTO_SCTP`
    pub const SCTP: Self = Self(132);
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TCP => f.write_str("tcp"),
            Self::UDP => f.write_str("udp"),
            Self::SCTP => f.write_str("sctp"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// A network layer, `NFPROTO_*` in `include/uapi/linux/netfilter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nfproto(pub u8);

impl Nfproto {
    /// `NFPROTO_IPV4`
    pub const IPV4: Self = Self(2);
    /// `NFPROTO_IPV6`
    pub const IPV6: Self = Self(10);

    /// The network layer of an address.
    pub fn of(addr: IpAddr) -> Self {
        if addr.is_ipv4() { Self::IPV4 } else { Self::IPV6 }
    }
}

impl fmt::Display for Nfproto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4 => f.write_str("ipv4"),
            Self::IPV6 => f.write_str("ipv6"),
            Self(number) => write!(f, "{number}"),
        }
    }
}

/// An interface name that fits the kernel's 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ifname(String);

impl Ifname {
    /// Accepts 1 to 15 bytes without NUL; anything else is refused (EINVAL).
    pub fn new(name: &str) -> Result<Self> {
        if name.is_empty() || name.len() >= IFNAMSIZ || name.contains('\0') {
            return Err(Error::new("use interface name", format!("{name:?}"), Errno::EINVAL));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the kernel's form: up to the first NUL.
    pub(crate) fn from_padded(bytes: &[u8]) -> Self {
        let name = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
        Self(String::from_utf8_lossy(name).into_owned())
    }

    /// The kernel's form: 16 bytes.
    pub(crate) fn padded(&self) -> Vec<u8> {
        let mut padded = self.0.clone().into_bytes();
        padded.resize(IFNAMSIZ, 0);
        padded
    }
}

impl TryFrom<&str> for Ifname {
    type Error = Error;
    fn try_from(name: &str) -> Result<Self> {
        Self::new(name)
    }
}

impl fmt::Display for Ifname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_names_are_limited() {
        assert!(Ifname::new("fifteen-bytes-x").is_ok());
        assert!(Ifname::new("sixteen-bytes-xx").is_err());
        assert!(Ifname::new("").is_err());
    }
}
