//! Settings of a link, each with its value.

use std::fmt;

use net::{Link, LinkChange, Mac};

/// A setting of a link and its value: one that is wanted, or one that a link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `mac`
    Mac(Mac),
    /// `promisc`
    Promisc(bool),
    /// `mtu`
    Mtu(u32),
    /// `allmulti`
    Allmulti(bool),
    /// `txQLen`
    TxQueueLen(u32),
}

impl Setting {
    /// What `link` has of this; none if it is without a hardware address of six octets.
    pub fn of(self, link: &Link) -> Option<Self> {
        match self {
            Self::Mac(_) => link.mac.map(Self::Mac),
            Self::Promisc(_) => Some(Self::Promisc(link.promisc)),
            Self::Mtu(_) => Some(Self::Mtu(link.mtu)),
            Self::Allmulti(_) => Some(Self::Allmulti(link.allmulti)),
            Self::TxQueueLen(_) => Some(Self::TxQueueLen(link.tx_queue_len)),
        }
    }

    /// Whether both are values of the same setting.
    pub fn is_of_kind(self, other: Self) -> bool {
        self.key() == other.key()
    }

    /// What makes it so.
    pub fn change(self) -> LinkChange {
        let unchanged = LinkChange::default();
        match self {
            Self::Mac(mac) => LinkChange { mac: Some(mac), ..unchanged },
            Self::Promisc(on) => LinkChange { promisc: Some(on), ..unchanged },
            Self::Mtu(mtu) => LinkChange { mtu: Some(mtu), ..unchanged },
            Self::Allmulti(on) => LinkChange { allmulti: Some(on), ..unchanged },
            Self::TxQueueLen(length) => LinkChange { tx_queue_len: Some(length), ..unchanged },
        }
    }

    /// The key of the configuration.
    pub fn key(self) -> &'static str {
        match self {
            Self::Mac(_) => "mac",
            Self::Promisc(_) => "promisc",
            Self::Mtu(_) => "mtu",
            Self::Allmulti(_) => "allmulti",
            Self::TxQueueLen(_) => "txQLen",
        }
    }
}

/// The value.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(mac) => mac.fmt(f),
            Self::Promisc(on) | Self::Allmulti(on) => on.fmt(f),
            Self::Mtu(number) | Self::TxQueueLen(number) => number.fmt(f),
        }
    }
}
