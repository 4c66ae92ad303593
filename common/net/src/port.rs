//! Links as ports of a bridge, and their VLANs.

use netlink_packet_route::{
    AddressFamily,
    link::{
        AfSpecBridge, BridgePortState, BridgeVlanInfo, BridgeVlanInfoFlags, InfoBridgePort, InfoPortData, InfoPortKind,
        LinkAttribute, LinkInfo, LinkMessage,
    },
};

use crate::LinkIndex;

/// The state of a link as a port of a bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Port {
    /// No frame passes, for want of a carrier (`BR_STATE_DISABLED`). Spanning tree's other states come behind it.
    pub disabled: bool,
    /// Frames may go back out of the port that they came in by.
    pub hairpin: bool,
    /// Frames do not pass between isolated ports.
    pub isolated: bool,
}

impl Port {
    pub(crate) fn of(data: &InfoPortData) -> Option<Self> {
        let InfoPortData::BridgePort(attributes) = data else { return None };
        Some(Self {
            disabled: attributes.contains(&InfoBridgePort::State(BridgePortState::Disabled)),
            hairpin: attributes.contains(&InfoBridgePort::HairpinMode(true)),
            isolated: attributes.contains(&InfoBridgePort::Isolated(true)),
        })
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

/// The VLANs of a port, as a dump of the bridge family tells them (one entry a VLAN).
pub(crate) fn vlans_of(message: &LinkMessage) -> Vec<PortVlan> {
    let specs = message.attributes.iter().filter_map(|attribute| match attribute {
        LinkAttribute::AfSpecBridge(specs) => Some(specs),
        _ => None,
    });
    specs
        .flatten()
        .filter_map(|spec| match spec {
            AfSpecBridge::VlanInfo(info) => Some(PortVlan {
                first: info.vid,
                last: info.vid,
                pvid: info.flags.contains(BridgeVlanInfoFlags::Pvid),
                untagged: info.flags.contains(BridgeVlanInfoFlags::Untagged),
            }),
            _ => None,
        })
        .collect()
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
        assert_eq!(vlans_of(&vlans_message(LinkIndex(4), &vlans)), vlans);
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
