//! Addresses of links.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressFlags, AddressMessage, AddressScope},
};

use crate::{LinkIndex, answer::Answer};

/// `include/uapi/linux/rtnetlink.h`
pub(crate) const RTM_NEWADDR: u16 = 20;
pub(crate) const RTM_DELADDR: u16 = 21;
pub(crate) const RTM_GETADDR: u16 = 22;
/// `include/uapi/linux/if_addr.h`
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
pub(crate) const IFA_FLAGS: u16 = 8;

/// An address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the kernel's flags")]
pub struct Address {
    /// The address and its prefix.
    pub ip: IpNetwork,
    /// IPv6: usable at once, without duplicate address detection (`IFA_F_NODAD`).
    pub no_dad: bool,
    /// The kernel makes no route to the prefix (`IFA_F_NOPREFIXROUTE`).
    pub no_prefix_route: bool,
    /// IPv6: duplicate address detection has not finished.
    pub tentative: bool,
    /// IPv6: duplicate address detection has found another owner.
    pub dad_failed: bool,
}

impl Address {
    /// `ip` with everything else as the kernel does by default.
    pub fn new(ip: IpNetwork) -> Self {
        Self { ip, no_dad: false, no_prefix_route: false, tentative: false, dad_failed: false }
    }

    /// Whether it is an IPv6 link-local address, which the kernel makes by itself.
    pub fn is_link_local_v6(&self) -> bool {
        matches!(self.ip.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local())
    }

    pub(crate) fn message(&self, link: LinkIndex) -> AddressMessage {
        let mut message = AddressMessage::default();
        message.header.index = link.0;
        message.header.family = family(&self.ip.ip());
        message.header.prefix_len = self.ip.prefix();
        message.header.scope = AddressScope::Universe;
        message.attributes = vec![AddressAttribute::Local(self.ip.ip()), AddressAttribute::Address(self.ip.ip())];
        if let IpNetwork::V4(v4) = self.ip
            && v4.prefix() < 31
        {
            message.attributes.push(AddressAttribute::Broadcast(v4.broadcast()));
        }
        let mut flags = AddressFlags::empty();
        flags.set(AddressFlags::Nodad, self.no_dad);
        flags.set(AddressFlags::Noprefixroute, self.no_prefix_route);
        if !flags.is_empty() {
            message.attributes.push(AddressAttribute::Flags(flags));
        }
        message
    }

    /// The address that an answer tells of, and its link.
    pub(crate) fn of(answer: &Answer) -> Option<(LinkIndex, Self)> {
        // struct ifaddrmsg: family, prefix length, flags, scope, index.
        let ([_, prefix, _, _, index @ ..], attributes) = answer.read::<8>(RTM_NEWADDR)?;
        let (mut local, mut address, mut flags) = (None, None, AddressFlags::empty());
        for (kind, value) in attributes.iter() {
            match kind {
                IFA_LOCAL => local = value.ip(),
                IFA_ADDRESS => address = value.ip(),
                IFA_FLAGS => flags = AddressFlags::from_bits_retain(value.u32()?),
                _ => {}
            }
        }
        // On point-to-point links IFA_ADDRESS is the peer's.
        let ip = IpNetwork::new(local.or(address)?, prefix).ok()?;
        let has = |flag| flags.contains(flag);
        Some((
            LinkIndex(u32::from_ne_bytes(index)),
            Self {
                ip,
                no_dad: has(AddressFlags::Nodad),
                no_prefix_route: has(AddressFlags::Noprefixroute),
                tentative: has(AddressFlags::Tentative),
                dad_failed: has(AddressFlags::Dadfailed),
            },
        ))
    }
}

pub(crate) fn family(ip: &IpAddr) -> AddressFamily {
    if ip.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::echo;

    fn round_trip(text: &str, flags: bool) -> (AddressMessage, Option<Address>) {
        let address = Address { no_dad: flags, no_prefix_route: flags, ..Address::new(text.parse().unwrap()) };
        let message = address.message(LinkIndex(7));
        let back = Address::of(&echo(RTM_NEWADDR, &message));
        assert_eq!(back, Some((LinkIndex(7), address)));
        (message, back.map(|(_, address)| address))
    }

    #[test]
    fn ipv4_gets_a_broadcast_address_where_there_is_one() {
        let broadcast = |text| {
            round_trip(text, false).0.attributes.into_iter().find_map(|attribute| match attribute {
                AddressAttribute::Broadcast(ip) => Some(ip.to_string()),
                _ => None,
            })
        };
        assert_eq!(broadcast("10.1.2.3/24").as_deref(), Some("10.1.2.255"));
        assert_eq!(broadcast("10.1.2.3/31"), None);
        assert_eq!(broadcast("10.1.2.3/32"), None);
    }

    #[test]
    fn flags_survive_the_way_to_the_kernel_and_back() {
        round_trip("fd00::5/64", true);
        assert!(!round_trip("fd00::5/64", false).1.unwrap().is_link_local_v6());
        assert!(round_trip("fe80::1/64", false).1.unwrap().is_link_local_v6());
    }
}
