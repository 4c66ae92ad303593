//! Verbs over one rtnetlink socket (rtnetlink(7)). Nothing is decided here.

use std::{net::IpAddr, ops::ControlFlow};

use netlink_packet_core::{Emitable, NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::{
    AddressFamily,
    address::AddressMessage,
    link::{LinkAttribute, LinkExtentMask, LinkMessage},
};
use nix::errno::Errno;

use crate::{
    Address, BridgeSpec, Error, Inside, Kind, Link, LinkChange, LinkIndex, LinkSpec, Mac, Netns, Nexthop, PortChange,
    PortVlan, Result, Route, VethSpec,
    address::{RTM_DELADDR, RTM_GETADDR, RTM_NEWADDR},
    link::{self, RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK},
    port,
    route::{self, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE},
    socket::{Conversation, Failure},
};

/// How the kernel says that a packet would not go anywhere: no route, or one of type `unreachable`, `blackhole` or
/// `prohibit` (`fib_props` in `net/ipv4/fib_semantics.c`).
const NO_ROUTE: [Errno; 4] = [Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::EINVAL, Errno::EACCES];

/// A socket to the links, addresses and routes of one network namespace.
#[derive(Debug)]
pub struct Rtnl {
    pub(crate) conversation: Conversation,
}

impl Rtnl {
    /// Opens a socket to the namespace that the thread is in; it stays there wherever the value goes.
    pub fn open(_: &Inside<'_>) -> Result<Self> {
        match Conversation::open() {
            Ok(conversation) => Ok(Self { conversation }),
            Err(error) => Err(Error::io("open rtnetlink socket", &error)),
        }
    }

    // Links.

    /// The link of that name, if there is one.
    pub fn link(&mut self, name: &str) -> Result<Option<Link>> {
        self.get_link(link::question(Some(LinkAttribute::IfName(name.to_owned()))), || format!("get link \"{name}\""))
    }

    /// The link of that number, if there is one.
    pub fn link_at(&mut self, index: LinkIndex) -> Result<Option<Link>> {
        let mut question = link::question(None);
        question.header.index = index.0;
        self.get_link(question, || format!("get link {index}"))
    }

    pub(crate) fn get_link(&mut self, question: LinkMessage, doing: impl FnOnce() -> String) -> Result<Option<Link>> {
        match self.conversation.request(RTM_GETLINK, &question, 0) {
            Ok(answers) => Ok(answers.iter().find_map(Link::of)),
            Err(failure) if failure.errno == Errno::ENODEV => Ok(None),
            Err(failure) => Err(failure.of(doing())),
        }
    }

    /// Every link.
    pub fn links(&mut self) -> Result<Vec<Link>> {
        let answers = self.conversation.dump(RTM_GETLINK, &link::question(None));
        Ok(answers.map_err(|failure| failure.of("list links"))?.iter().filter_map(Link::of).collect())
    }

    /// The first port of a bridge that `wanted` wants. Stops there: the cost does not grow with the ports behind it.
    pub fn find_port(self, bridge: LinkIndex, mut wanted: impl FnMut(&Link) -> bool) -> Result<Option<Link>> {
        let mut found = None;
        let question = link::question(Some(LinkAttribute::Controller(bridge.0)));
        let searched = self.conversation.search(RTM_GETLINK, &question, |answer| {
            // Kernels before 4.6 do not filter by master.
            found = Link::of(&answer).filter(|link| link.master == Some(bridge) && wanted(link));
            if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        searched.map(|()| found).map_err(|failure| failure.of(format!("list ports of link {bridge}")))
    }

    /// Makes a bridge; fails if the name is taken.
    pub fn add_bridge(&mut self, spec: &BridgeSpec) -> Result<()> {
        self.create(RTM_NEWLINK, &spec.message(), || format!("create bridge \"{}\"", spec.name))
    }

    /// Makes a bridge look at VLAN tags.
    pub fn enable_vlan_filtering(&mut self, bridge: &Link) -> Result<()> {
        self.act(RTM_NEWLINK, &link::vlan_filtering_message(bridge.index), || {
            format!("enable vlan filtering of bridge \"{}\"", bridge.name)
        })
    }

    /// Makes a veth pair; fails if one of the names is taken.
    pub fn add_veth(&mut self, spec: &VethSpec<'_>) -> Result<()> {
        self.create(RTM_NEWLINK, &spec.message(), || {
            let place = spec.netns.map(|netns| format!(" in {}", netns.path().display())).unwrap_or_default();
            format!("create veth \"{}\" with peer \"{}\"{place}", spec.near.name, spec.far.name)
        })
    }

    /// Makes a link; fails if the name is taken.
    ///
    /// Kernels before 6.15 look the name up in the network namespace of the socket, wherever the link is to be.
    pub fn add_link(&mut self, spec: &LinkSpec<'_>) -> Result<()> {
        self.create(RTM_NEWLINK, &spec.message(), || {
            let place = spec.netns.map(|netns| format!(" in {}", netns.path().display())).unwrap_or_default();
            format!("create {} \"{}\"{place}", spec.kind.name(), spec.name)
        })
    }

    /// Whether the kernel can make links of this kind. It loads the driver for the answer, as for a link.
    ///
    /// It is asked for a link with a hardware address that none can have, and looks for the driver before it looks at that
    /// (`rtnl_newlink`, `net/core/rtnetlink.c`).
    pub fn has_kind(&mut self, kind: Kind) -> Result<bool> {
        let impossible = LinkSpec { mac: Some(Mac([0xff; 6])), ..LinkSpec::new("probe", kind) };
        match self.conversation.request(RTM_NEWLINK, &impossible.message(), NLM_F_CREATE | NLM_F_EXCL) {
            Err(failure) if failure.errno == Errno::EOPNOTSUPP => Ok(false),
            Err(failure) if failure.errno != Errno::EADDRNOTAVAIL => {
                Err(failure.of(format!("ask for links of kind {}", kind.name())))
            }
            _ => Ok(true),
        }
    }

    /// Moves a link to another network namespace and gives it a name there, which may be the one that it has. It is down then.
    ///
    /// # Errors
    /// Of a name that is taken there the kernel may tell when it has moved the link already (`do_setlink`,
    /// `net/core/rtnetlink.c`).
    pub fn move_link(&mut self, link: &Link, netns: &Netns, name: &str) -> Result<()> {
        self.move_and_set_link(link, netns, &LinkChange { name: Some(name.to_owned()), ..LinkChange::default() })
    }

    /// The same with more changes, which are made in the other network namespace with the same message.
    pub fn move_and_set_link(&mut self, link: &Link, netns: &Netns, change: &LinkChange) -> Result<()> {
        self.act(RTM_SETLINK, &link::move_message(link.index, netns, change), || {
            let name = change.name.as_ref().unwrap_or(&link.name);
            format!("move link \"{}\" to {} as \"{name}\"", link.name, netns.path().display())
        })
    }

    /// Changes a link.
    pub fn set_link(&mut self, link: &Link, change: &LinkChange) -> Result<()> {
        self.act(RTM_SETLINK, &change.message(link.index), || format!("change link \"{}\"", link.name))
    }

    /// Changes a port of a bridge.
    pub fn set_port(&mut self, link: &Link, change: PortChange) -> Result<()> {
        self.act(RTM_NEWLINK, &change.message(link.index), || format!("change bridge port \"{}\"", link.name))
    }

    /// Removes a link; one that has gone is removed.
    pub fn del_link(&mut self, index: LinkIndex) -> Result<()> {
        let mut message = LinkMessage::default();
        message.header.index = index.0;
        let deleted = self.act(RTM_DELLINK, &message, || format!("delete link {index}"));
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }

    /// Adds a port, or a bridge itself, to VLANs.
    pub fn add_port_vlans(&mut self, link: &Link, vlans: &[PortVlan]) -> Result<()> {
        self.act(RTM_SETLINK, &port::vlans_message(link.index, vlans), || {
            format!("add bridge port \"{}\" to vlans", link.name)
        })
    }

    /// Removes a port from VLANs.
    pub fn del_port_vlans(&mut self, link: &Link, vlans: &[PortVlan]) -> Result<()> {
        self.act(RTM_DELLINK, &port::vlans_message(link.index, vlans), || {
            format!("remove bridge port \"{}\" from vlans", link.name)
        })
    }

    /// The VLANs of a port, one entry each.
    pub fn port_vlans(&mut self, link: &Link) -> Result<Vec<PortVlan>> {
        let mut question = LinkMessage::default();
        question.header.interface_family = AddressFamily::Bridge;
        question.attributes = vec![LinkAttribute::ExtMask(vec![LinkExtentMask::Brvlan])];
        let answers = self.conversation.dump(RTM_GETLINK, &question);
        let answers = answers.map_err(|failure| failure.of(format!("list vlans of \"{}\"", link.name)))?;
        let own = answers.iter().filter_map(port::vlans_of).find(|(index, _)| *index == link.index);
        Ok(own.map(|(_, vlans)| vlans).unwrap_or_default())
    }

    // Addresses.

    /// The addresses of a link, IPv4 first.
    pub fn addresses(&mut self, link: &Link) -> Result<Vec<Address>> {
        let mut message = AddressMessage::default();
        message.header.index = link.index.0;
        let answers = self.conversation.dump(RTM_GETADDR, &message);
        let answers = answers.map_err(|failure| failure.of(format!("list addresses of \"{}\"", link.name)))?;
        // Kernels before 4.20 do not filter by link.
        let of_link = answers.iter().filter_map(Address::of).filter(|(index, _)| *index == link.index);
        Ok(of_link.map(|(_, address)| address).collect())
    }

    /// Adds an address to a link; fails if it has it.
    pub fn add_address(&mut self, link: &Link, address: &Address) -> Result<()> {
        self.create(RTM_NEWADDR, &address.message(link.index), || {
            format!("add address {} to \"{}\"", address.ip, link.name)
        })
    }

    /// Removes an address from a link; one that has gone is removed.
    pub fn del_address(&mut self, link: &Link, address: &Address) -> Result<()> {
        let deleted = self.act(RTM_DELADDR, &address.message(link.index), || {
            format!("delete address {} of \"{}\"", address.ip, link.name)
        });
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }

    // Routes.

    /// Every unicast route of every table.
    pub fn routes(&mut self) -> Result<Vec<Route>> {
        let mut routes = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            routes.extend(self.route_answers(family)?.iter().filter_map(Route::of));
        }
        Ok(routes)
    }

    /// Where a packet to `dst` goes. `None` if there is no route.
    pub fn route_to(&mut self, dst: IpAddr) -> Result<Option<Nexthop>> {
        match self.conversation.request(RTM_GETROUTE, &route::question(dst), 0) {
            Ok(answers) => Ok(answers.iter().find_map(route::nexthop)),
            Err(failure) if NO_ROUTE.contains(&failure.errno) => Ok(None),
            Err(failure) => Err(failure.of(format!("find route to {dst}"))),
        }
    }

    /// Whether there is a route for packets to `dst` by `link`.
    pub fn has_route_by(&mut self, link: LinkIndex, dst: IpAddr) -> Result<bool> {
        match self.conversation.request(RTM_GETROUTE, &route::question_by(link, dst), 0) {
            Ok(answers) => Ok(!answers.is_empty()),
            Err(failure) if NO_ROUTE.contains(&failure.errno) => Ok(false),
            Err(failure) => Err(failure.of(format!("find route to {dst} by link {link}"))),
        }
    }

    /// Adds a route; fails if there is one to the same destination with the same metric.
    pub fn add_route(&mut self, route: &Route) -> Result<()> {
        self.create(RTM_NEWROUTE, &route.message(), || {
            let via = route.gw.map(|gw| format!(" via {gw}")).unwrap_or_default();
            format!("add route to {}{via}", route.dst)
        })
    }

    /// Removes a route, as [`Self::routes`] tells it; one that has gone is removed.
    pub fn del_route(&mut self, route: &Route) -> Result<()> {
        let deleted = self.act(RTM_DELROUTE, &route.deletion(), || format!("delete route to {}", route.dst));
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }

    pub(crate) fn create(&mut self, kind: u16, message: &impl Emitable, doing: impl FnOnce() -> String) -> Result<()> {
        let created = self.conversation.request(kind, message, NLM_F_CREATE | NLM_F_EXCL);
        created.map(drop).map_err(|failure| failure.of(doing()))
    }

    pub(crate) fn act(&mut self, kind: u16, message: &impl Emitable, doing: impl FnOnce() -> String) -> Result<()> {
        self.conversation.request(kind, message, 0).map(drop).map_err(|failure| failure.of(doing()))
    }
}

impl Failure {
    pub(crate) fn of(self, doing: impl Into<String>) -> Error {
        Error { doing: doing.into(), errno: self.errno, extack: self.extack }
    }
}
