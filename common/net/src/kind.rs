//! Links that stand alone or on another link: what each kind needs to be made, and what the kernel tells of it.

use netlink_packet_route::link::{
    InfoData, InfoIpVlan, InfoKind, InfoMacVlan, InfoVlan, InfoVrf, IpVlanFlags, IpVlanMode, LinkAttribute, LinkInfo,
    LinkMessage, MacVlanMode,
};

use crate::{
    LinkIndex, Mac, Netns,
    answer::{Attribute, Attributes},
};

/// `include/uapi/linux/if_link.h`
const IFLA_MACVLAN_MODE: u16 = 1;
const IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
const IFLA_IPVLAN_MODE: u16 = 1;
const IFLA_IPVLAN_FLAGS: u16 = 2;
const IFLA_VLAN_ID: u16 = 1;
const IFLA_VRF_TABLE: u16 = 1;

/// A kind of link, with what is its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It swallows what is sent.
    Dummy,
    /// It hands what it is given on, behind its queue: for shaping what comes in elsewhere.
    Ifb,
    /// A hardware address more on the link below (`drivers/net/macvlan.c`).
    Macvlan {
        /// Which other links on the same parent it reaches.
        mode: MacvlanMode,
        /// How many broadcasts may wait for it; unset is the kernel's choice.
        bc_queue_len: Option<u32>,
    },
    /// The link below under the same hardware address, told apart by IP addresses (Documentation/networking/ipvlan.rst).
    Ipvlan {
        /// Where packets are routed.
        mode: IpvlanMode,
        /// Which other links on the same parent it reaches.
        flag: IpvlanFlag,
    },
    /// Frames of the link below with this VLAN's tag (IEEE 802.1Q).
    Vlan {
        /// The VLAN ID, 0 to 4094.
        id: u16,
    },
    /// A routing domain, whose ports look into one table (Documentation/networking/vrf.rst).
    Vrf {
        /// The routing table.
        table: u32,
    },
}

/// Which other macvlan links on the same parent one reaches (ip-link(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacvlanMode {
    /// None.
    Private,
    /// All, by way of a switch that sends frames back.
    Vepa,
    /// All, directly.
    Bridge,
    /// It is the only one, and has the parent for itself.
    Passthru,
}

/// Where an ipvlan link routes packets (Documentation/networking/ipvlan.rst).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpvlanMode {
    /// In its own network namespace; frames are switched.
    L2,
    /// In the parent's network namespace; no broadcasts.
    L3,
    /// As L3, with the parent's netfilter.
    L3s,
}

/// Which other ipvlan links on the same parent one reaches; the parent has one for all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpvlanFlag {
    /// All, directly.
    #[default]
    Bridge,
    /// None.
    Private,
    /// All, by way of a switch that sends frames back.
    Vepa,
}

impl Kind {
    /// The kernel's word, as in [`crate::Link::kind`].
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
            Self::Vrf { .. } => "vrf",
        }
    }

    fn info(self) -> Vec<LinkInfo> {
        let (kind, data) = match self {
            Self::Dummy => (InfoKind::Dummy, None),
            Self::Ifb => (InfoKind::Ifb, None),
            Self::Macvlan { mode, bc_queue_len } => {
                let queue = bc_queue_len.map(InfoMacVlan::BcQueueLen);
                let own = [InfoMacVlan::Mode(mode.into())].into_iter().chain(queue).collect();
                (InfoKind::MacVlan, Some(InfoData::MacVlan(own)))
            }
            Self::Ipvlan { mode, flag } => {
                // Kernels before 4.15 know no flags.
                let flags = (flag != IpvlanFlag::Bridge).then(|| InfoIpVlan::Flags(flag.into()));
                let own = [InfoIpVlan::Mode(mode.into())].into_iter().chain(flags).collect();
                (InfoKind::IpVlan, Some(InfoData::IpVlan(own)))
            }
            Self::Vlan { id } => (InfoKind::Vlan, Some(InfoData::Vlan(vec![InfoVlan::Id(id)]))),
            Self::Vrf { table } => (InfoKind::Vrf, Some(InfoData::Vrf(vec![InfoVrf::TableId(table)]))),
        };
        [LinkInfo::Kind(kind)].into_iter().chain(data.map(LinkInfo::Data)).collect()
    }

    /// What `IFLA_INFO_DATA` tells of a link of a kind; `None` for kinds other than these.
    pub(crate) fn of(name: &str, data: Option<Attributes<'_>>) -> Option<Self> {
        let find = |attribute| data.and_then(|data| data.find(attribute));
        let number = |attribute| find(attribute).and_then(Attribute::u32);
        let short = |attribute| find(attribute).and_then(Attribute::u16);
        Some(match name {
            "dummy" => Self::Dummy,
            "ifb" => Self::Ifb,
            "macvlan" => Self::Macvlan {
                mode: MacvlanMode::of(number(IFLA_MACVLAN_MODE)?)?,
                bc_queue_len: number(IFLA_MACVLAN_BC_QUEUE_LEN),
            },
            "ipvlan" => Self::Ipvlan {
                mode: IpvlanMode::of(short(IFLA_IPVLAN_MODE)?)?,
                flag: IpvlanFlag::of(short(IFLA_IPVLAN_FLAGS).unwrap_or(0)),
            },
            "vlan" => Self::Vlan { id: short(IFLA_VLAN_ID)? },
            "vrf" => Self::Vrf { table: number(IFLA_VRF_TABLE)? },
            _ => return None,
        })
    }
}

impl MacvlanMode {
    fn of(number: u32) -> Option<Self> {
        Some(match MacVlanMode::from(number) {
            MacVlanMode::Private => Self::Private,
            MacVlanMode::Vepa => Self::Vepa,
            MacVlanMode::Bridge => Self::Bridge,
            MacVlanMode::Passthrough => Self::Passthru,
            _ => return None,
        })
    }
}

impl From<MacvlanMode> for MacVlanMode {
    fn from(mode: MacvlanMode) -> Self {
        match mode {
            MacvlanMode::Private => Self::Private,
            MacvlanMode::Vepa => Self::Vepa,
            MacvlanMode::Bridge => Self::Bridge,
            MacvlanMode::Passthru => Self::Passthrough,
        }
    }
}

impl IpvlanMode {
    fn of(number: u16) -> Option<Self> {
        Some(match IpVlanMode::from(number) {
            IpVlanMode::L2 => Self::L2,
            IpVlanMode::L3 => Self::L3,
            IpVlanMode::L3S => Self::L3s,
            _ => return None,
        })
    }
}

impl From<IpvlanMode> for IpVlanMode {
    fn from(mode: IpvlanMode) -> Self {
        match mode {
            IpvlanMode::L2 => Self::L2,
            IpvlanMode::L3 => Self::L3,
            IpvlanMode::L3s => Self::L3S,
        }
    }
}

impl IpvlanFlag {
    fn of(bits: u16) -> Self {
        let flags = IpVlanFlags::from_bits_retain(bits);
        match (flags.contains(IpVlanFlags::Private), flags.contains(IpVlanFlags::Vepa)) {
            (true, _) => Self::Private,
            (false, true) => Self::Vepa,
            (false, false) => Self::Bridge,
        }
    }
}

impl From<IpvlanFlag> for IpVlanFlags {
    fn from(flag: IpvlanFlag) -> Self {
        match flag {
            IpvlanFlag::Bridge => Self::empty(),
            IpvlanFlag::Private => Self::Private,
            IpvlanFlag::Vepa => Self::Vepa,
        }
    }
}

/// A link to make with one message, so that it is never seen half made. It is down.
#[derive(Debug)]
pub struct LinkSpec<'ns> {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// The link that it is on (`IFLA_LINK`), in the network namespace of the socket.
    pub parent: Option<LinkIndex>,
    /// Its hardware address; unset is the kernel's choice.
    pub mac: Option<Mac>,
    /// The maximum transmission unit in bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// How many packets its queue holds (`IFLA_TXQLEN`); unset is the kernel's choice.
    pub tx_queue_len: Option<u32>,
    /// Its network namespace; unset is the socket's.
    pub netns: Option<&'ns Netns>,
}

impl LinkSpec<'_> {
    /// A link of which nothing but name and kind is said.
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
        Self { name: name.into(), kind, parent: None, mac: None, mtu: None, tx_queue_len: None, netns: None }
    }

    pub(crate) fn message(&self) -> LinkMessage {
        let mut message = LinkMessage::default();
        let attributes = &mut message.attributes;
        attributes.push(LinkAttribute::IfName(self.name.clone()));
        attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        attributes.extend(self.tx_queue_len.map(LinkAttribute::TxQueueLen));
        attributes.extend(self.parent.map(|parent| LinkAttribute::Link(parent.0)));
        attributes.extend(self.netns.map(|netns| LinkAttribute::NetNsFd(netns.raw_fd())));
        attributes.push(LinkAttribute::LinkInfo(self.kind.info()));
        message
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Link, answer::echo, link::RTM_NEWLINK};

    #[test]
    fn every_kind_survives_the_way_to_the_kernel_and_back() {
        let macvlan = |mode| Kind::Macvlan { mode, bc_queue_len: Some(5000) };
        let ipvlan = |mode, flag| Kind::Ipvlan { mode, flag };
        for kind in [
            Kind::Dummy,
            Kind::Ifb,
            macvlan(MacvlanMode::Private),
            macvlan(MacvlanMode::Vepa),
            macvlan(MacvlanMode::Bridge),
            macvlan(MacvlanMode::Passthru),
            ipvlan(IpvlanMode::L2, IpvlanFlag::Bridge),
            ipvlan(IpvlanMode::L3, IpvlanFlag::Private),
            ipvlan(IpvlanMode::L3s, IpvlanFlag::Vepa),
            Kind::Vlan { id: 4094 },
            Kind::Vrf { table: 1000 },
        ] {
            let spec = LinkSpec {
                parent: Some(LinkIndex(7)),
                mac: Some(Mac([2; 6])),
                mtu: Some(1400),
                tx_queue_len: Some(0),
                ..LinkSpec::new("net0", kind)
            };
            let link = Link::of(&echo(RTM_NEWLINK, &spec.message())).unwrap();
            assert_eq!(link.data, Some(kind));
            assert!(link.is_kind(kind.name()) && !link.up, "{link:?}");
            assert_eq!((link.name.as_str(), link.mac, link.mtu), ("net0", Some(Mac([2; 6])), 1400));
            assert_eq!((link.parent(), link.tx_queue_len), (Some(LinkIndex(7)), 0));
        }
    }

    #[test]
    fn kinds_of_others_have_no_data() {
        assert_eq!(Kind::of("veth", None), None);
        assert_eq!(Kind::of("vlan", None), None, "an answer that is cut off");
    }
}
