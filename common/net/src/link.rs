//! Links: what they are, and the messages that make and change them.

use std::fmt;

use netlink_packet_core::DefaultNla;
use netlink_packet_route::link::{
    AfSpecInet6, AfSpecUnspec, In6AddrGenMode, InfoBridge, InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask,
    LinkFlags, LinkInfo, LinkMessage,
};

use crate::{
    Kind, Mac, Netns, Port, Tap,
    altname::{self, IFLA_PROP_LIST},
    answer::{Answer, Attribute, Attributes},
};

/// `include/uapi/linux/rtnetlink.h`
pub(crate) const RTM_NEWLINK: u16 = 16;
pub(crate) const RTM_DELLINK: u16 = 17;
pub(crate) const RTM_GETLINK: u16 = 18;
pub(crate) const RTM_SETLINK: u16 = 19;
/// `include/uapi/linux/if_link.h`
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_IFALIAS: u16 = 20;
const IFLA_CARRIER: u16 = 33;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_INFO_SLAVE_KIND: u16 = 4;
const IFLA_INFO_SLAVE_DATA: u16 = 5;
const IFLA_BR_VLAN_FILTERING: u16 = 7;
/// `include/uapi/linux/if.h`
const IF_OPER_UP: u8 = 6;

/// A link's number in its network namespace.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkIndex(pub u32);

impl fmt::Display for LinkIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A link as the kernel describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the kernel's flags")]
pub struct Link {
    /// Its number.
    pub index: LinkIndex,
    /// Its name.
    pub name: String,
    /// `bridge`, `veth` and so on; unset for hardware and for `lo`. The kernel's word but for a `tap`, which is `tun` to it.
    pub kind: Option<String>,
    /// Its hardware address, if it has one of six octets.
    pub mac: Option<Mac>,
    /// Its hardware address, of whatever length: InfiniBand's has twenty octets, a tun none.
    pub hardware: Vec<u8>,
    /// The maximum transmission unit, in bytes.
    pub mtu: u32,
    /// The bridge (or bond, VRF) that it is a port of.
    pub master: Option<LinkIndex>,
    /// The other end of a veth pair, or the link that this one is on, numbered in that one's namespace.
    pub peer: Option<LinkIndex>,
    /// Whether the peer is in another network namespace.
    pub peer_elsewhere: bool,
    /// `IFF_UP`: somebody wants it up.
    pub up: bool,
    /// `IFF_LOOPBACK`.
    pub loopback: bool,
    /// Whether promiscuous mode was asked for. (`IFF_PROMISC`)
    pub promisc: bool,
    /// Whether packets to all multicast groups were asked for. (`IFF_ALLMULTI`)
    pub allmulti: bool,
    /// How many packets its queue holds (`IFLA_TXQLEN`).
    pub tx_queue_len: u32,
    /// RFC 2863 operational state is up.
    pub operational: bool,
    /// Whether it has a carrier (`IFLA_CARRIER`). One that is up and has none has nobody at its other end.
    pub carrier: bool,
    /// The alias (`ip link set alias`), where owners write who they are.
    pub alias: Option<String>,
    /// Further names (`ip link property add altname`).
    pub altnames: Vec<String>,
    /// Its state as a port of a bridge.
    pub port: Option<Port>,
    /// Of a bridge: whether it looks at VLAN tags.
    pub vlan_filtering: bool,
    /// What is its kind's own.
    pub data: Option<Kind>,
    /// The same of a tap.
    pub tap: Option<Tap>,
}

impl Link {
    /// The link that it is on, if it is on one: macvlan, ipvlan, vlan. Numbered in that link's namespace.
    pub fn parent(&self) -> Option<LinkIndex> {
        self.peer.filter(|_| !self.is_kind("veth"))
    }

    /// Its hardware address as text: hexadecimal octets with `:` between them. None if it has none.
    pub fn hardware_address(&self) -> Option<String> {
        let octets: Vec<String> = self.hardware.iter().map(|octet| format!("{octet:02x}")).collect();
        (!octets.is_empty()).then(|| octets.join(":"))
    }

    /// Whether it is of `kind`.
    pub fn is_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// The link that an answer tells of.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        // struct ifinfomsg: family, padding, type (2), index (4), flags (4), change mask (4).
        let (header, attributes) = answer.read::<16>(RTM_NEWLINK)?;
        let (index, flags) = header.get(4..)?.split_first_chunk()?;
        let flags = LinkFlags::from_bits_retain(Attribute(flags).u32()?);
        let mut link = Self {
            index: LinkIndex(u32::from_ne_bytes(*index)),
            up: flags.contains(LinkFlags::Up),
            loopback: flags.contains(LinkFlags::Loopback),
            promisc: flags.contains(LinkFlags::Promisc),
            allmulti: flags.contains(LinkFlags::Allmulti),
            ..Self::default()
        };
        for (kind, value) in attributes.iter() {
            match kind {
                IFLA_IFNAME => link.name = value.text(),
                IFLA_ADDRESS => {
                    link.mac = value.0.try_into().ok().map(Mac);
                    link.hardware = value.0.to_vec();
                }
                IFLA_MTU => link.mtu = value.u32()?,
                IFLA_MASTER => link.master = value.u32().map(LinkIndex),
                IFLA_TXQLEN => link.tx_queue_len = value.u32()?,
                IFLA_LINK => link.peer = value.u32().map(LinkIndex),
                IFLA_LINK_NETNSID => link.peer_elsewhere = true,
                IFLA_OPERSTATE => link.operational = value.u8() == Some(IF_OPER_UP),
                IFLA_CARRIER => link.carrier = value.u8() == Some(1),
                IFLA_IFALIAS => link.alias = Some(value.text()),
                IFLA_PROP_LIST => link.altnames = altname::of(value.nested()),
                IFLA_LINKINFO => link.take_info(value.nested()),
                _ => {}
            }
        }
        Some(link)
    }

    fn take_info(&mut self, info: Attributes<'_>) {
        self.kind = info.find(IFLA_INFO_KIND).map(Attribute::text);
        let data = info.find(IFLA_INFO_DATA).map(Attribute::nested);
        self.data = self.kind.as_deref().and_then(|kind| Kind::of(kind, data));
        self.tap = data.filter(|_| self.is_kind("tun")).and_then(Tap::of);
        if self.tap.is_some() {
            self.kind = Some("tap".to_owned());
        }
        if self.is_kind("bridge") {
            let filtering = data.and_then(|data| data.find(IFLA_BR_VLAN_FILTERING));
            self.vlan_filtering = filtering.and_then(Attribute::u8) == Some(1);
        }
        if info.find(IFLA_INFO_SLAVE_KIND).is_some_and(|kind| kind.text() == "bridge") {
            self.port = info.find(IFLA_INFO_SLAVE_DATA).map(|data| Port::of(data.nested()));
        }
    }
}

/// Which link an answer is about, and what it says.
pub(crate) fn index_and_attributes(answer: &Answer) -> Option<(LinkIndex, Attributes<'_>)> {
    let (header, attributes) = answer.read::<16>(RTM_NEWLINK)?;
    Some((LinkIndex(Attribute(header.get(4..)?).u32()?), attributes))
}

/// A bridge to make. It is not up yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeSpec {
    /// Its name.
    pub name: String,
    /// Its hardware address. Without one it would take a port's, and change it when that port goes.
    pub mac: Mac,
    /// The maximum transmission unit in bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// Whether it looks at VLAN tags.
    pub vlan_filtering: bool,
}

impl BridgeSpec {
    pub(crate) fn message(&self) -> LinkMessage {
        let mut info = vec![LinkInfo::Kind(InfoKind::Bridge)];
        if self.vlan_filtering {
            info.push(LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])));
        }
        let mut message = LinkMessage::default();
        message.attributes = named(&self.name, self.mac, self.mtu);
        message.attributes.push(LinkAttribute::LinkInfo(info));
        message
    }
}

/// One end of a veth pair to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VethEnd {
    /// Its name.
    pub name: String,
    /// Its hardware address. One that is set from the start is left alone by udev (systemd.link(5), `MACAddressPolicy`).
    pub mac: Mac,
}

/// A veth pair to make with one message, so that it is never seen half made.
#[derive(Debug)]
pub struct VethSpec<'ns> {
    /// The near end, which will be up.
    pub near: VethEnd,
    /// The far end, which will be down.
    pub far: VethEnd,
    /// The maximum transmission unit of both ends, in bytes; unset is the kernel's choice.
    pub mtu: Option<u32>,
    /// The bridge that the near end becomes a port of.
    pub master: Option<LinkIndex>,
    /// The far end's network namespace; unset is the near end's.
    pub netns: Option<&'ns Netns>,
}

impl VethSpec<'_> {
    pub(crate) fn message(&self) -> LinkMessage {
        let mut far = LinkMessage::default();
        far.attributes = named(&self.far.name, self.far.mac, self.mtu);
        far.attributes.extend(self.netns.map(|netns| LinkAttribute::NetNsFd(netns.raw_fd())));
        let mut message = LinkMessage::default();
        message.header.flags = LinkFlags::Up;
        message.header.change_mask = LinkFlags::Up;
        message.attributes = named(&self.near.name, self.near.mac, self.mtu);
        message.attributes.extend(self.master.map(|master| LinkAttribute::Controller(master.0)));
        message.attributes.push(LinkAttribute::LinkInfo(vec![
            LinkInfo::Kind(InfoKind::Veth),
            LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))),
        ]));
        message
    }
}

/// What to change about a link; unset stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// Up or down.
    pub up: Option<bool>,
    /// Promiscuous mode (`IFF_PROMISC`).
    pub promisc: Option<bool>,
    /// Packets to all multicast groups (`IFF_ALLMULTI`).
    pub allmulti: Option<bool>,
    /// The hardware address (`IFLA_ADDRESS`).
    pub mac: Option<Mac>,
    /// The maximum transmission unit in bytes (`IFLA_MTU`).
    pub mtu: Option<u32>,
    /// How many packets its queue holds (`IFLA_TXQLEN`).
    pub tx_queue_len: Option<u32>,
    /// The alias; empty removes it.
    pub alias: Option<String>,
    /// Another name.
    pub name: Option<String>,
    /// The bridge, bond or VRF that it becomes a port of; 0 is none.
    pub master: Option<LinkIndex>,
    /// Whether it gets an IPv6 link-local address by itself (`IFLA_INET6_ADDR_GEN_MODE`).
    pub link_local: Option<bool>,
}

impl LinkChange {
    pub(crate) fn message(&self, index: LinkIndex) -> LinkMessage {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        let flags =
            [(LinkFlags::Up, self.up), (LinkFlags::Promisc, self.promisc), (LinkFlags::Allmulti, self.allmulti)];
        for (flag, wanted) in flags {
            message.header.flags.set(flag, wanted == Some(true));
            message.header.change_mask.set(flag, wanted.is_some());
        }
        message.attributes.extend(self.name.clone().map(LinkAttribute::IfName));
        message.attributes.extend(self.master.map(|master| LinkAttribute::Controller(master.0)));
        message.attributes.extend(self.mac.map(|mac| LinkAttribute::Address(mac.0.to_vec())));
        message.attributes.extend(self.mtu.map(LinkAttribute::Mtu));
        message.attributes.extend(self.tx_queue_len.map(LinkAttribute::TxQueueLen));
        message.attributes.extend(self.alias.as_deref().map(alias));
        message.attributes.extend(self.link_local.map(|made| {
            let mode = if made { In6AddrGenMode::Eui64 } else { In6AddrGenMode::None };
            LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet6(vec![AfSpecInet6::AddrGenMode(mode)])])
        }));
        message
    }
}

/// An alias without a NUL behind it, for which the longest, of 255 octets, has no room. With nothing else it removes the alias.
fn alias(text: &str) -> LinkAttribute {
    let octets = if text.is_empty() { vec![0] } else { text.as_bytes().to_vec() };
    LinkAttribute::Other(DefaultNla::new(IFLA_IFALIAS, octets))
}

/// Moves a link to another network namespace, where it is changed.
pub(crate) fn move_message(index: LinkIndex, netns: &Netns, change: &LinkChange) -> LinkMessage {
    let mut message = change.message(index);
    message.attributes.push(LinkAttribute::NetNsFd(netns.raw_fd()));
    message
}

/// Turns VLAN filtering of a bridge on.
pub(crate) fn vlan_filtering_message(bridge: LinkIndex) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = bridge.0;
    message.attributes = vec![LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Bridge),
        LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::VlanFiltering(true)])),
    ])];
    message
}

/// A question for links; statistics, the bulk of an answer, are left out.
pub(crate) fn question(attribute: Option<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats])];
    message.attributes.extend(attribute);
    message
}

fn named(name: &str, mac: Mac, mtu: Option<u32>) -> Vec<LinkAttribute> {
    let mut attributes = vec![LinkAttribute::IfName(name.to_owned()), LinkAttribute::Address(mac.0.to_vec())];
    attributes.extend(mtu.map(LinkAttribute::Mtu));
    attributes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn veth_is_one_message_with_both_ends() {
        let end = |name: &str, last| VethEnd { name: name.into(), mac: Mac([2, 0, 0, 0, 0, last]) };
        let spec = VethSpec {
            near: end("veth0", 1),
            far: end("eth0", 2),
            mtu: Some(1400),
            master: Some(LinkIndex(5)),
            netns: None,
        };
        let message = spec.message();
        assert!(message.header.flags.contains(LinkFlags::Up));
        assert!(message.attributes.contains(&LinkAttribute::Controller(5)));
        let far = message.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::LinkInfo(infos) => infos.iter().find_map(|info| match info {
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(far))) => Some(far.clone()),
                _ => None,
            }),
            _ => None,
        });
        let far = far.unwrap();
        assert!(!far.header.flags.contains(LinkFlags::Up), "accept_dad and others must be set before it is up");
        assert!(far.attributes.contains(&LinkAttribute::Mtu(1400)));
        assert!(far.attributes.contains(&LinkAttribute::IfName("eth0".into())));
    }

    #[test]
    fn change_touches_only_what_is_set() {
        let message = LinkChange { up: Some(false), ..LinkChange::default() }.message(LinkIndex(3));
        assert_eq!(message.header.change_mask, LinkFlags::Up);
        assert!(!message.header.flags.contains(LinkFlags::Up));
        assert!(message.attributes.is_empty());
    }

    #[test]
    fn description_reads_back_what_was_asked_for() {
        let spec = BridgeSpec { name: "br0".into(), mac: Mac([2; 6]), mtu: Some(1400), vlan_filtering: true };
        let link = Link::of(&crate::answer::echo(RTM_NEWLINK, &spec.message())).unwrap();
        assert!(link.is_kind("bridge") && link.vlan_filtering);
        assert_eq!((link.name.as_str(), link.mac, link.mtu), ("br0", Some(Mac([2; 6])), 1400));
    }
}
