//! Links as ports of a bridge, and their VLANs.

use netlink_packet_route::{
    AddressFamily,
    link::{
        AfSpecBridge, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridgePort, InfoPortData, InfoPortKind, LinkAttribute,
        LinkInfo, LinkMessage,
    },
};

use crate::{
    LinkIndex,
    answer::{Answer, Attribute, Attributes},
    link::index_and_attributes as link_of,
};

/// `include/uapi/linux/if_link.h`
const IFLA_AF_SPEC: u16 = 26;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_MODE: u16 = 4;
const IFLA_BRPORT_ISOLATED: u16 = 33;
/// `include/uapi/linux/if_bridge.h`
const IFLA_BRIDGE_VLAN_INFO: u16 = 2;
const BR_STATE_DISABLED: u8 = 0;
const BR_STATE_FORWARDING: u8 = 3;

/// Whether a port passes frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PortState {
    /// No frame passes, for want of a carrier (`BR_STATE_DISABLED`).
    #[default]
    Disabled,
    /// Spanning tree holds it back: listening, learning or blocking.
    HeldBack,
    /// Frames pass (`BR_STATE_FORWARDING`).
    Forwarding,
}

/// The state of a link as a port of a bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Port {
    /// Whether frames pass.
    pub state: PortState,
    /// Frames may go back out of the port that they came in by.
    pub hairpin: bool,
    /// Frames do not pass between isolated ports.
    pub isolated: bool,
}

impl Port {
    pub(crate) fn of(data: Attributes<'_>) -> Self {
        let number = |kind| data.find(kind).and_then(Attribute::u8);
        Self {
            state: match number(IFLA_BRPORT_STATE) {
                None | Some(BR_STATE_DISABLED) => PortState::Disabled,
                Some(BR_STATE_FORWARDING) => PortState::Forwarding,
                Some(_) => PortState::HeldBack,
            },
            hairpin: number(IFLA_BRPORT_MODE) == Some(1),
            isolated: number(IFLA_BRPORT_ISOLATED) == Some(1),
        }
    }
}

/// What to change about a port; unset stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortChange {
    /// Hairpin mode.
    pub hairpin: Option<bool>,
    /// Isolation.
    pub isolated: Option<bool>,
}

impl PortChange {
    /// Whether there is nothing to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn message(self, index: LinkIndex) -> LinkMessage {
        let hairpin = self.hairpin.map(InfoBridgePort::HairpinMode);
        let isolated = self.isolated.map(InfoBridgePort::Isolated);
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        message.attributes = vec![LinkAttribute::LinkInfo(vec![
            LinkInfo::PortKind(InfoPortKind::Bridge),
            LinkInfo::PortData(InfoPortData::BridgePort(hairpin.into_iter().chain(isolated).collect())),
        ])];
        message
    }
}

/// VLANs that a port belongs to (bridge(8)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortVlan {
    /// The first VLAN ID.
    pub first: u16,
    /// The last VLAN ID; the first for a single one.
    pub last: u16,
    /// Frames that come in without a tag belong to it.
    pub pvid: bool,
    /// Frames go out without a tag.
    pub untagged: bool,
}

impl PortVlan {
    /// VLANs whose frames are tagged.
    pub fn tagged(first: u16, last: u16) -> Self {
        Self { first, last, pvid: false, untagged: false }
    }

    /// The VLAN of frames without a tag.
    pub fn native(id: u16) -> Self {
        Self { first: id, last: id, pvid: true, untagged: true }
    }

    fn flags(self) -> BridgeVlanInfoFlags {
        let mut flags = BridgeVlanInfoFlags::empty();
        flags.set(BridgeVlanInfoFlags::Pvid, self.pvid);
        flags.set(BridgeVlanInfoFlags::Untagged, self.untagged);
        flags
    }

    /// A range is two entries, however many VLANs it has.
    fn entries(self) -> Vec<AfSpecBridge> {
        let entry = |vid, flags| AfSpecBridge::VlanInfo(BridgeVlanInfo { flags, vid });
        if self.first == self.last {
            return vec![entry(self.first, self.flags())];
        }
        vec![
            entry(self.first, self.flags() | BridgeVlanInfoFlags::RangeBegin),
            entry(self.last, self.flags() | BridgeVlanInfoFlags::RangeEnd),
        ]
    }
}

/// One message for all of `vlans`, to be sent as `RTM_SETLINK` to add and as `RTM_DELLINK` to remove them.
pub(crate) fn vlans_message(index: LinkIndex, vlans: &[PortVlan]) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.interface_family = AddressFamily::Bridge;
    message.header.index = index.0;
    message.attributes = vec![LinkAttribute::AfSpecBridge(vlans.iter().flat_map(|vlan| vlan.entries()).collect())];
    message
}

/// The VLANs of a port, as a dump of the bridge family tells them (one entry a VLAN), and the port.
pub(crate) fn vlans_of(answer: &Answer) -> Option<(LinkIndex, Vec<PortVlan>)> {
    let (index, attributes) = link_of(answer)?;
    let entries =
        attributes.iter().filter(|(kind, _)| *kind == IFLA_AF_SPEC).flat_map(|(_, spec)| spec.nested().iter());
    let vlan = |value: Attribute<'_>| {
        // struct bridge_vlan_info: flags, vid.
        let (flags, id) = value.0.split_first_chunk()?;
        let flags = BridgeVlanInfoFlags::from_bits_retain(u16::from_ne_bytes(*flags));
        let id = u16::from_ne_bytes(*id.first_chunk()?);
        let has = |flag| flags.contains(flag);
        Some(PortVlan {
            first: id,
            last: id,
            pvid: has(BridgeVlanInfoFlags::Pvid),
            untagged: has(BridgeVlanInfoFlags::Untagged),
        })
    };
    let vlans = entries.filter(|(kind, _)| *kind == IFLA_BRIDGE_VLAN_INFO).filter_map(|(_, value)| vlan(value));
    Some((index, vlans.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_is_two_entries_and_a_single_vlan_one() {
        let message = vlans_message(LinkIndex(4), &[PortVlan::native(5), PortVlan::tagged(100, 4094)]);
        let [LinkAttribute::AfSpecBridge(entries)] = message.attributes.as_slice() else { panic!("{message:?}") };
        let flags: Vec<(u16, u16)> = entries
            .iter()
            .map(|entry| match entry {
                AfSpecBridge::VlanInfo(info) => (info.vid, info.flags.bits()),
                other => panic!("{other:?}"),
            })
            .collect();
        // BRIDGE_VLAN_INFO_PVID 2, UNTAGGED 4, RANGE_BEGIN 8, RANGE_END 16 (if_bridge.h).
        assert_eq!(flags, [(5, 2 | 4), (100, 8), (4094, 16)]);
    }

    #[test]
    fn vlans_read_back() {
        let vlans = [PortVlan::native(5), PortVlan::tagged(7, 7)];
        let answer = crate::answer::echo(crate::link::RTM_NEWLINK, &vlans_message(LinkIndex(4), &vlans));
        assert_eq!(vlans_of(&answer), Some((LinkIndex(4), vlans.to_vec())));
    }

    #[test]
    fn change_holds_only_what_is_set() {
        assert!(PortChange::default().is_empty());
        let message = PortChange { hairpin: Some(true), isolated: None }.message(LinkIndex(1));
        let [LinkAttribute::LinkInfo(infos)] = message.attributes.as_slice() else { panic!("{message:?}") };
        assert_eq!(
            infos.last(),
            Some(&LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])))
        );
    }
}
