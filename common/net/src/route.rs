//! Routes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteMetric, RouteProtocol, RouteScope, RouteType,
};

use crate::{LinkIndex, address::family};

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
    /// Path MTU in bytes.
    pub mtu: Option<u32>,
    /// Maximum segment size to advertise, in bytes.
    pub advmss: Option<u32>,
}

impl Route {
    /// A route to `dst` through `link` in the main table.
    pub fn new(dst: IpNetwork, gw: Option<IpAddr>, link: LinkIndex) -> Self {
        Self { dst, gw, link, metric: None, table: MAIN_TABLE, scope: None, mtu: None, advmss: None }
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
        let metrics: Vec<RouteMetric> =
            self.mtu.map(RouteMetric::Mtu).into_iter().chain(self.advmss.map(RouteMetric::Advmss)).collect();
        if !metrics.is_empty() {
            attributes.push(RouteAttribute::Metrics(metrics));
        }
        message
    }

    /// Without a next hop a destination is on the link. IPv6 has no scopes.
    fn natural_scope(&self) -> RouteScope {
        if self.gw.is_none() && self.dst.is_ipv4() { RouteScope::Link } else { RouteScope::Universe }
    }

    /// What a dump says; `None` for what is not a unicast route through one link.
    pub(crate) fn of(message: &RouteMessage) -> Option<Self> {
        if message.header.kind != RouteType::Unicast {
            return None;
        }
        let any = if message.header.address_family == netlink_packet_route::AddressFamily::Inet {
            IpAddr::from([0; 4])
        } else {
            IpAddr::from([0; 16])
        };
        let mut dst = any;
        let mut route = Self::new(any.into(), None, LinkIndex(0));
        route.table = u32::from(message.header.table);
        route.scope = Some(message.header.scope.into());
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(to) => dst = ip(to)?,
                RouteAttribute::Gateway(gw) => route.gw = ip(gw),
                RouteAttribute::Oif(index) => route.link = LinkIndex(*index),
                RouteAttribute::Priority(metric) => route.metric = Some(*metric),
                RouteAttribute::Table(table) => route.table = *table,
                RouteAttribute::Metrics(metrics) => route.take_metrics(metrics),
                _ => {}
            }
        }
        route.dst = IpNetwork::new(dst, message.header.destination_prefix_length).ok()?;
        (route.link != LinkIndex(0)).then_some(route)
    }

    fn take_metrics(&mut self, metrics: &[RouteMetric]) {
        for metric in metrics {
            match metric {
                RouteMetric::Mtu(mtu) => self.mtu = Some(*mtu),
                RouteMetric::Advmss(advmss) => self.advmss = Some(*advmss),
                _ => {}
            }
        }
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

/// The link of that route, and whether it ends on this host.
pub(crate) fn answer(message: &RouteMessage) -> Option<(LinkIndex, bool)> {
    let oif = message.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Oif(index) => Some(LinkIndex(*index)),
        _ => None,
    });
    oif.map(|oif| (oif, message.header.kind == RouteType::Local))
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(v4) => Some((*v4).into()),
        RouteAddress::Inet6(v6) => Some((*v6).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_survives_the_way_to_the_kernel_and_back() {
        let route = Route {
            metric: Some(100),
            table: 1000,
            scope: Some(0),
            mtu: Some(1400),
            advmss: Some(1360),
            ..Route::new("10.0.0.0/8".parse().unwrap(), Some("10.1.0.1".parse().unwrap()), LinkIndex(3))
        };
        assert_eq!(Route::of(&route.message()), Some(route));
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
