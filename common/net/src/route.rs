//! Routes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::{
    AddressFamily,
    route::{RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType},
};

use crate::{
    LinkIndex,
    address::family,
    answer::{Answer, Attribute},
};

/// `include/uapi/linux/rtnetlink.h`
pub(crate) const RTM_NEWROUTE: u16 = 24;
pub(crate) const RTM_DELROUTE: u16 = 25;
pub(crate) const RTM_GETROUTE: u16 = 26;
pub(crate) const RTN_UNICAST: u8 = 1;
const RTN_LOCAL: u8 = 2;
const RTA_DST: u16 = 1;
pub(crate) const RTA_OIF: u16 = 4;
pub(crate) const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;
const RTA_METRICS: u16 = 8;
pub(crate) const RTA_TABLE: u16 = 15;
pub(crate) const RTA_VIA: u16 = 18;
const RTAX_MTU: u16 = 2;
const RTAX_ADVMSS: u16 = 8;

/// `RT_TABLE_MAIN`.
pub const MAIN_TABLE: u32 = RouteHeader::RT_TABLE_MAIN as u32;

/// A unicast route through one link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination; host bits do not count.
    pub dst: IpNetwork,
    /// The next hop; none if the destination is on the link.
    pub gw: Option<IpAddr>,
    /// The link.
    pub link: LinkIndex,
    /// The metric: the lowest wins. Unset is 0 for IPv4 and 1024 for IPv6.
    pub metric: Option<u32>,
    /// The routing table.
    pub table: u32,
    /// The scope (rtnetlink(7)); unset follows from whether there is a next hop.
    pub scope: Option<u8>,
    /// The source of packets that have none yet: an address of this host.
    pub src: Option<IpAddr>,
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// Maximum segment size to advertise, in bytes.
    pub advmss: Option<u32>,
}

/// The first step of a packet's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nexthop {
    /// The link that it leaves by.
    pub link: LinkIndex,
    /// It does not leave: the address is this host's.
    pub local: bool,
    /// It goes to a gateway: the address is not on the link.
    pub gateway: bool,
}

impl Route {
    /// A route to `dst` through `link` in the main table.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>, link: LinkIndex) -> Self {
        Self { dst, gw, link, metric: None, table: MAIN_TABLE, scope: None, src: None, mtu: None, advmss: None }
    }

    pub(crate) fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        let header = &mut message.header;
        header.address_family = family(&self.dst.ip());
        header.destination_prefix_length = self.dst.prefix();
        header.protocol = RouteProtocol::Boot;
        header.kind = RouteType::Unicast;
        header.scope = self.scope.map_or_else(|| self.natural_scope(), RouteScope::from);
        // Larger numbers fit only into the attribute.
        header.table = u8::try_from(self.table).unwrap_or(RouteHeader::RT_TABLE_UNSPEC);
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(self.table));
        attributes.push(RouteAttribute::Oif(self.link.0));
        if self.dst.prefix() > 0 {
            attributes.push(RouteAttribute::Destination(self.dst.network().into()));
        }
        attributes.extend(self.gw.map(|gw| RouteAttribute::Gateway(gw.into())));
        attributes.extend(self.metric.map(RouteAttribute::Priority));
        attributes.extend(self.src.map(|src| RouteAttribute::PrefSource(src.into())));
        let metrics: Vec<RouteMetric> =
            self.mtu.map(RouteMetric::Mtu).into_iter().chain(self.advmss.map(RouteMetric::Advmss)).collect();
        if !metrics.is_empty() {
            attributes.push(RouteAttribute::Metrics(metrics));
        }
        message
    }

    /// For taking it away: whoever has made it.
    pub(crate) fn deletion(&self) -> RouteMessage {
        let mut message = self.message();
        message.header.protocol = RouteProtocol::Unspec;
        message
    }

    /// Without a next hop a destination is on the link. IPv6 has no scopes.
    fn natural_scope(&self) -> RouteScope {
        if self.gw.is_none() && self.dst.is_ipv4() { RouteScope::Link } else { RouteScope::Universe }
    }

    /// The route that an answer tells of; `None` for what is not a unicast route through one link.
    pub(crate) fn of(answer: &Answer) -> Option<Self> {
        // struct rtmsg: family, destination and source prefix lengths, tos, table, protocol, scope, type, flags.
        let ([family, prefix, _, _, table, _, scope, kind, ..], attributes) = answer.read::<12>(RTM_NEWROUTE)?;
        if kind != RTN_UNICAST {
            return None;
        }
        let v4 = family == u8::from(AddressFamily::Inet);
        let mut dst = if v4 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let mut route = Self::new(dst.into(), None, LinkIndex(0));
        (route.table, route.scope) = (u32::from(table), Some(scope));
        for (kind, value) in attributes.iter() {
            match kind {
                RTA_DST => dst = value.ip()?,
                RTA_GATEWAY => route.gw = value.ip(),
                RTA_OIF => route.link = LinkIndex(value.u32()?),
                RTA_PRIORITY => route.metric = value.u32(),
                RTA_PREFSRC => route.src = value.ip(),
                RTA_TABLE => route.table = value.u32()?,
                RTA_METRICS => {
                    route.mtu = value.nested().find(RTAX_MTU).and_then(Attribute::u32);
                    route.advmss = value.nested().find(RTAX_ADVMSS).and_then(Attribute::u32);
                }
                _ => {}
            }
        }
        route.dst = IpNetwork::new(dst, prefix).ok()?;
        (route.link != LinkIndex(0)).then_some(route)
    }
}

/// Asks for the route of a packet to `dst`.
pub(crate) fn question(dst: IpAddr) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(&dst);
    message.header.destination_prefix_length = if dst.is_ipv4() { 32 } else { 128 };
    message.attributes = vec![RouteAttribute::Destination(dst.into())];
    message
}

/// Asks for the route of a packet to `dst` that has to leave by `link`.
pub(crate) fn question_by(link: LinkIndex, dst: IpAddr) -> RouteMessage {
    let mut message = question(dst);
    message.attributes.push(RouteAttribute::Oif(link.0));
    message
}

/// The first step of that route.
pub(crate) fn nexthop(answer: &Answer) -> Option<Nexthop> {
    let ([.., kind, _, _, _, _], attributes) = answer.read::<12>(RTM_NEWROUTE)?;
    Some(Nexthop {
        link: LinkIndex(attributes.find(RTA_OIF)?.u32()?),
        local: kind == RTN_LOCAL,
        gateway: attributes.find(RTA_GATEWAY).or(attributes.find(RTA_VIA)).is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::echo;

    #[test]
    fn every_attribute_survives_the_way_to_the_kernel_and_back() {
        let route = Route {
            metric: Some(100),
            table: 1000,
            scope: Some(0),
            src: Some("10.1.0.5".parse().unwrap()),
            mtu: Some(1400),
            advmss: Some(1360),
            ..Route::new("10.0.0.0/8".parse().unwrap(), Some("10.1.0.1".parse().unwrap()), LinkIndex(3))
        };
        assert_eq!(Route::of(&echo(RTM_NEWROUTE, &route.message())), Some(route));
    }

    #[test]
    fn scope_follows_the_next_hop() {
        let scope = |dst: &str, gw: Option<&str>| {
            let gw = gw.map(|gw| gw.parse().unwrap());
            Route::new(dst.parse().unwrap(), gw, LinkIndex(3)).message().header.scope
        };
        assert_eq!(scope("10.0.0.0/8", None), RouteScope::Link);
        assert_eq!(scope("0.0.0.0/0", Some("10.0.0.1")), RouteScope::Universe);
        assert_eq!(scope("::/0", None), RouteScope::Universe);
    }
}
