//! Routes with everything that the kernel tells of them, so that they can be put elsewhere, and back, unchanged.

use std::{collections::BTreeMap, net::IpAddr};

use netlink_packet_core::{Emitable, NLA_F_NESTED, NLM_F_APPEND, NLM_F_CREATE};
use netlink_packet_route::AddressFamily;

use crate::{
    LinkIndex, Result, Route, Rtnl,
    answer::{Answer, Attribute, Attributes},
    route::{RTA_GATEWAY, RTA_OIF, RTA_TABLE, RTA_VIA, RTM_DELROUTE, RTM_NEWROUTE, RTN_UNICAST},
};

/// `include/uapi/linux/rtnetlink.h`
const RTA_PREFSRC: u16 = 7;
const RTA_MULTIPATH: u16 = 9;
const RTA_CACHEINFO: u16 = 12;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_EXPIRES: u16 = 23;
const RTA_NH_ID: u16 = 30;
const RTNH_F_ONLINK: u8 = 4;
/// What says where packets go, as an attribute of the whole route.
const HOP_ATTRIBUTES: [u16; 5] = [RTA_OIF, RTA_GATEWAY, RTA_VIA, RTA_ENCAP_TYPE, RTA_ENCAP];
/// What has a field of its own.
const OTHERWISE_KEPT: [u16; 4] = [RTA_TABLE, RTA_PREFSRC, RTA_CACHEINFO, RTA_EXPIRES];
/// How many of the kernel's ticks a second has for users (`USER_HZ`).
const TICKS: i32 = 100;

/// What a routing table has by one link.
#[derive(Debug, Clone)]
pub struct RouteEntry {
    /// The route; of several next hops the first.
    pub route: Route,
    /// The address that packets get that have none yet (`RTA_PREFSRC`).
    pub prefsrc: Option<IpAddr>,
    /// Who made it (`RTPROT_*`).
    pub protocol: u8,
    /// It cannot be taken away by itself: it is a part of a route that has next hops by other links too.
    pub shared: bool,
    head: Head,
    /// All but the table, `RTA_PREFSRC`, and what changes by itself.
    attributes: BTreeMap<u16, Vec<u8>>,
    /// The kernel removes it after as many seconds.
    expires: Option<u32>,
}

/// Where an IPv4 route comes among those to the same destination with the same metric, of which the first is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// Before them.
    First,
    /// Behind them.
    Last,
}

/// What `struct rtmsg` has beside the table and the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    family: u8,
    dst_len: u8,
    src_len: u8,
    tos: u8,
    scope: u8,
    onlink: bool,
}

impl RouteEntry {
    /// A route that there is not yet.
    pub fn new(route: &Route, prefsrc: Option<IpAddr>, protocol: u8) -> Self {
        let message = route.message();
        let mut bytes = vec![0; message.attributes.as_slice().buffer_len()];
        message.attributes.as_slice().emit(&mut bytes);
        let head = Head {
            family: message.header.address_family.into(),
            dst_len: route.dst.prefix(),
            src_len: 0,
            tos: 0,
            scope: message.header.scope.into(),
            onlink: false,
        };
        let attributes = attributes_of(Attributes(&bytes));
        Self { route: route.clone(), prefsrc, protocol, shared: false, head, attributes, expires: None }
    }

    /// The same in another table.
    #[must_use]
    pub fn in_table(&self, table: u32) -> Self {
        Self { route: Route { table, ..self.route.clone() }, ..self.clone() }
    }

    /// The same with another address for packets that have none yet.
    #[must_use]
    pub fn with_prefsrc(&self, prefsrc: IpAddr) -> Self {
        Self { prefsrc: Some(prefsrc), ..self.clone() }
    }

    /// Whether it is the same route in the same table. How long it has left does not count.
    pub fn is_same(&self, other: &Self) -> bool {
        let rest = |entry: &Self| (entry.prefsrc, entry.protocol, entry.shared, entry.head);
        self.route == other.route && rest(self) == rest(other) && self.attributes == other.attributes
    }

    /// Whether it is for the same packets in the same table, with the same metric: of such the table uses one.
    pub fn is_rival(&self, other: &Self) -> bool {
        let key = |entry: &Self| (entry.route.table, entry.route.dst, entry.route.metric, entry.head.tos);
        key(self) == key(other)
    }

    /// What an answer tells of: an entry for each link. None if it is not a unicast route.
    fn all_of(answer: &Answer) -> Vec<Self> {
        let Some((header, told)) = answer.read::<12>(RTM_NEWROUTE) else { return Vec::new() };
        let [family, dst_len, src_len, tos, _, protocol, scope, _, flags @ ..] = header;
        let onlink = u32::from_ne_bytes(flags) & u32::from(RTNH_F_ONLINK) != 0;
        let head = Head { family, dst_len, src_len, tos, scope, onlink };
        let prefsrc = told.find(RTA_PREFSRC).and_then(Attribute::ip);
        let expires = told.find(RTA_CACHEINFO).and_then(expires);
        let mut common = attributes_of(told);
        let hops = common.remove(&RTA_MULTIPATH).map(|hops| hops_by_link(&hops)).unwrap_or_default();
        let is_group = common.contains_key(&RTA_NH_ID);
        let several = hops.len() > 1;
        // IPv6 next hops are routes of their own, a group of next hops is none's; what is in it can be said without it.
        let shared = several && (is_group || family == u8::from(AddressFamily::Inet));
        if several {
            common.remove(&RTA_NH_ID);
        } else if is_group {
            common.retain(|kind, _| !HOP_ATTRIBUTES.contains(kind));
        }
        let entry = |route, attributes| Self { route, prefsrc, protocol, shared, head, attributes, expires };
        if hops.is_empty() {
            return Route::of(answer).map(|route| entry(route, common)).into_iter().collect();
        }
        let of_link = |hops: &Hops| {
            let route = Route::of(&answer.with(&hops.first))?;
            let mut attributes = common.clone();
            if several || !is_group {
                attributes.insert(RTA_MULTIPATH, hops.all.clone());
            }
            Some(entry(route, attributes))
        };
        hops.values().filter_map(of_link).collect()
    }

    fn message(&self) -> Raw {
        let Head { family, dst_len, src_len, tos, scope, onlink } = self.head;
        // Larger numbers fit only into the attribute.
        let table = u8::try_from(self.route.table).unwrap_or(0);
        let mut message = Raw(vec![family, dst_len, src_len, tos, table, self.protocol, scope, RTN_UNICAST]);
        message.0.extend(if onlink { u32::from(RTNH_F_ONLINK) } else { 0 }.to_ne_bytes());
        for (kind, value) in &self.attributes {
            message.push(*kind, value);
        }
        match self.prefsrc {
            Some(IpAddr::V4(ip)) => message.push(RTA_PREFSRC, &ip.octets()),
            Some(IpAddr::V6(ip)) => message.push(RTA_PREFSRC, &ip.octets()),
            None => {}
        }
        if let Some(seconds) = self.expires {
            message.push(RTA_EXPIRES, &seconds.to_ne_bytes());
        }
        message.push(RTA_TABLE, &self.route.table.to_ne_bytes());
        message
    }

    fn doing(&self, verb: &str, preposition: &str) -> String {
        let Route { dst, gw, table, .. } = &self.route;
        let via = gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
        format!("{verb} route to {dst}{via} {preposition} table {table}")
    }
}

impl Rtnl {
    /// Every unicast route of every table: an entry for each of its links.
    pub fn route_entries(&mut self) -> Result<Vec<RouteEntry>> {
        let mut entries = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            entries.extend(self.route_answers(family)?.iter().flat_map(RouteEntry::all_of));
        }
        Ok(entries)
    }

    /// Adds a route beside others to the same destination; one that is there already stays. An IPv6 route becomes another next
    /// hop of one with the same metric.
    pub fn add_entry(&mut self, entry: &RouteEntry, place: Rank) -> Result<()> {
        let last = if place == Rank::Last && entry.route.dst.is_ipv4() { NLM_F_APPEND } else { 0 };
        let added = self.conversation.request(RTM_NEWROUTE, &entry.message(), NLM_F_CREATE | last);
        let added = added.map(drop).map_err(|failure| failure.of(entry.doing("add", "to")));
        added.or_else(|error| if error.is_exists() { Ok(()) } else { Err(error) })
    }

    /// Removes a route, and none by other links; one that has gone is removed.
    pub fn del_entry(&mut self, entry: &RouteEntry) -> Result<()> {
        let deleted = self.act(RTM_DELROUTE, &entry.message(), || entry.doing("delete", "of"));
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }
}

/// What is kept of the attributes of a route.
fn attributes_of(told: Attributes<'_>) -> BTreeMap<u16, Vec<u8>> {
    let kept = told.iter().filter(|(kind, _)| !OTHERWISE_KEPT.contains(kind));
    kept.map(|(kind, value)| (kind, value.0.to_vec())).collect()
}

/// The seconds until a route expires (`struct rta_cacheinfo`), rounded up.
fn expires(info: Attribute<'_>) -> Option<u32> {
    let (_, ticks) = info.0.get(..12)?.split_last_chunk()?;
    let ticks = i32::from_ne_bytes(*ticks);
    u32::try_from(ticks.checked_add(TICKS - 1)? / TICKS).ok().filter(|seconds| *seconds > 0)
}

/// Next hops by the same link.
#[derive(Debug, Default)]
struct Hops {
    /// As many `struct rtnexthop` with their attributes, without what tells the link's state.
    all: Vec<u8>,
    /// The first one as attributes of a whole route.
    first: Vec<u8>,
}

/// The next hops of `RTA_MULTIPATH`.
fn hops_by_link(mut rest: &[u8]) -> BTreeMap<LinkIndex, Hops> {
    let mut by_link: BTreeMap<LinkIndex, Hops> = BTreeMap::new();
    // struct rtnexthop: length (2), flags, weight, link (4); attributes, padding.
    while let Some(([low, high, flags, weight, link @ ..], _)) = rest.split_first_chunk::<8>() {
        let length = usize::from(u16::from_ne_bytes([*low, *high]));
        let Some(attributes) = rest.get(8..length) else { break };
        let hops = by_link.entry(LinkIndex(u32::from_ne_bytes(*link))).or_default();
        if hops.first.is_empty() {
            let mut first = Raw(Vec::new());
            first.push(RTA_OIF, link);
            first.0.extend(attributes);
            hops.first = first.0;
        }
        hops.all.extend([*low, *high, flags & RTNH_F_ONLINK, *weight]);
        hops.all.extend(link);
        hops.all.extend(attributes);
        hops.all.resize(hops.all.len().next_multiple_of(4), 0);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    by_link
}

/// A message, or attributes, as they are sent.
struct Raw(Vec<u8>);

impl Raw {
    fn push(&mut self, kind: u16, value: &[u8]) {
        let nested = if kind == RTA_ENCAP { NLA_F_NESTED } else { 0 };
        let length = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(length.to_ne_bytes());
        self.0.extend((kind | nested).to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }
}

impl Emitable for Raw {
    fn buffer_len(&self) -> usize {
        self.0.len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::echo;

    const MAIN: u32 = crate::MAIN_TABLE;

    fn route() -> Route {
        Route {
            metric: Some(100),
            mtu: Some(1400),
            advmss: Some(1360),
            scope: Some(0),
            ..Route::new("10.0.0.0/8".parse().unwrap(), Some("10.1.0.1".parse().unwrap()), LinkIndex(3))
        }
    }

    fn entry() -> RouteEntry {
        RouteEntry::new(&route(), Some("10.1.0.2".parse().unwrap()), 77)
    }

    fn read(message: &Raw) -> Vec<RouteEntry> {
        RouteEntry::all_of(&echo(RTM_NEWROUTE, message))
    }

    fn hop(link: u32, gw: [u8; 4], flags: u8) -> Vec<u8> {
        let mut gateway = Raw(Vec::new());
        gateway.push(RTA_GATEWAY, &gw);
        let mut hop = Raw(vec![16, 0, flags, 4]);
        hop.0.extend(link.to_ne_bytes());
        hop.0.extend(gateway.0);
        hop.0
    }

    /// As the kernel tells of a route with several next hops.
    fn multipath(family: AddressFamily, more: &[(u16, &[u8])], hops: &[Vec<u8>]) -> Vec<RouteEntry> {
        let mut message = Raw(vec![family.into(), 0, 0, 0, 254, 3, 0, RTN_UNICAST, 0, 0, 0, 0]);
        for (kind, value) in more {
            message.push(*kind, value);
        }
        message.push(RTA_MULTIPATH, &hops.concat());
        read(&message)
    }

    #[test]
    fn entry_is_the_same_behind_the_kernel_in_whatever_table() {
        for table in [MAIN, 100, 70_000] {
            let entry = entry().in_table(table);
            let [back] = read(&entry.message()).try_into().unwrap();
            assert!(back.is_same(&entry), "{back:?}");
            assert_eq!((back.route, back.prefsrc, back.protocol), (entry.route.clone(), entry.prefsrc, 77));
            assert!(!entry.is_same(&entry.in_table(5)) && entry.is_same(&entry.in_table(5).in_table(table)));
            assert!(!entry.is_same(&entry.with_prefsrc("10.1.0.3".parse().unwrap())));
        }
    }

    #[test]
    fn what_nobody_here_knows_is_kept_and_the_links_state_is_not() {
        let mut message = entry().message();
        // RTNH_F_ONLINK and RTNH_F_LINKDOWN; RTA_PREF; RTA_CACHEINFO with 101 ticks to go.
        message.0[8] = 4 | 16;
        message.push(20, &[3]);
        message.push(RTA_CACHEINFO, &[[0; 8], [101, 0, 0, 0, 0, 0, 0, 0]].concat());
        let [back] = read(&message).try_into().unwrap();
        let sent = back.message().0;
        assert_eq!((sent[8], back.attributes[&20].as_slice(), back.expires), (4, &[3][..], Some(2)));
        let [again] = read(&back.message()).try_into().unwrap();
        assert!(again.is_same(&back));
        assert!(!back.is_same(&entry()) && back.is_rival(&entry()));
    }

    #[test]
    fn routes_by_several_links_are_parted_by_link() {
        let hops = [hop(3, [10, 1, 0, 1], 16), hop(4, [10, 2, 0, 1], 4), hop(3, [10, 1, 0, 9], 0)];
        for (family, shared) in [(AddressFamily::Inet, true), (AddressFamily::Inet6, false)] {
            let [three, four] = multipath(family, &[], &hops).try_into().unwrap();
            assert_eq!((three.route.link, three.route.gw), (LinkIndex(3), Some([10, 1, 0, 1].into())));
            assert_eq!((four.route.link, four.route.gw), (LinkIndex(4), Some([10, 2, 0, 1].into())));
            assert_eq!((three.shared, four.shared), (shared, shared));
            let own = [hop(3, [10, 1, 0, 1], 0), hop(3, [10, 1, 0, 9], 0)].concat();
            assert_eq!((&three.attributes[&RTA_MULTIPATH], &four.attributes[&RTA_MULTIPATH]), (&own, &hops[1]));
        }
        let [alone] = multipath(AddressFamily::Inet, &[], &hops[1..2]).try_into().unwrap();
        assert!(!alone.shared);
    }

    #[test]
    fn groups_of_next_hops_are_kept_by_their_number_unless_they_lead_to_several_links() {
        let id: &[(u16, &[u8])] = &[(RTA_NH_ID, &[7, 0, 0, 0])];
        let one = [hop(3, [10, 1, 0, 1], 0), hop(3, [10, 1, 0, 9], 0)];
        let [whole] = multipath(AddressFamily::Inet6, id, &one).try_into().unwrap();
        assert_eq!(whole.attributes.keys().collect::<Vec<_>>(), [&RTA_NH_ID]);
        assert_eq!((whole.route.link, whole.shared), (LinkIndex(3), false));
        let two = [hop(3, [10, 1, 0, 1], 0), hop(4, [10, 1, 0, 9], 0)];
        let [three, _] = multipath(AddressFamily::Inet6, id, &two).try_into().unwrap();
        assert_eq!(three.attributes.keys().collect::<Vec<_>>(), [&RTA_MULTIPATH]);
        assert!(three.shared);
    }

    #[test]
    fn junk_is_left_out() {
        assert!(hops_by_link(&[9, 0, 0]).is_empty() && hops_by_link(&[4, 0, 0, 0, 3, 0, 0, 0]).is_empty());
        assert!(hops_by_link(&[200, 0, 0, 0, 3, 0, 0, 0]).is_empty());
        let mut blackhole = entry().message();
        blackhole.0[7] = 6;
        assert!(read(&blackhole).is_empty());
    }
}
