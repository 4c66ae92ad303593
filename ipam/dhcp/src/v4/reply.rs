//! What a server says, and the lease that it comes to (RFC 2131, RFC 2132, RFC 3396, RFC 3442). Pure.

use std::{collections::BTreeMap, net::Ipv4Addr};

use cni::{Dns, IpConfig, Route};
use dhcproto::v4::{
    DhcpOption, MessageType, OptionCode,
    borrowed::{DhcpOptionIterator, Message},
};
use ipnetwork::{IpNetwork, Ipv4Network};

use crate::{
    domain,
    lease::{Lease, Server, Times},
    moment::Moment,
};

/// The lease time where a server says none, as the reference has it.
const HOUR: u32 = 3600;
/// `BOOTREPLY` (RFC 951).
const REPLY: u8 = 2;
/// The smallest MTU that a server may say (RFC 2132, section 5.1).
const SMALLEST_MTU: u16 = 68;
/// `RT_SCOPE_LINK`: the destination is on the link (rtnetlink(7)).
const SCOPE_LINK: u8 = 253;
/// Where in a message the hardware address of the client is, and the two fields that may have options.
const CHADDR: std::ops::Range<usize> = 28..34;
const SNAME: std::ops::Range<usize> = 44..108;
const FILE: std::ops::Range<usize> = 108..236;

/// A message of a server to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What kind it is of.
    pub kind: MessageType,
    /// The client's address.
    pub address: Ipv4Addr,
    options: BTreeMap<u8, Vec<u8>>,
}

/// What is needed to make a lease of an answer, beside the answer.
#[derive(Debug, Clone, Copy)]
pub struct Circumstances {
    /// When it was asked for.
    pub since: Moment,
    /// The hardware address that the answer came from.
    pub mac: [u8; 6],
    /// The MTU of the link.
    pub mtu: u32,
    /// The metric of all routes.
    pub priority: Option<u32>,
}

impl Reply {
    /// Reads an answer in conversation `xid` to the client with this hardware address; `None` if it is none.
    pub fn read(message: &[u8], xid: u32, mac: [u8; 6]) -> Option<Self> {
        let view = Message::new(message).ok()?;
        if message.first() != Some(&REPLY) || view.xid() != xid || message.get(CHADDR) != Some(&mac) {
            return None;
        }
        let mut options = BTreeMap::new();
        collect(&mut options, view.opts());
        // Options may go on in fields that have no use here (RFC 2132, section 9.3), the file name first (RFC 3396, section 5).
        let overload = options.get(&52).and_then(|value| value.first()).copied().unwrap_or_default();
        for (bit, field) in [(1, FILE), (2, SNAME)] {
            if overload & bit != 0 {
                collect(&mut options, DhcpOptionIterator::new(message.get(field)?));
            }
        }
        let mut reply = Self { kind: MessageType::Unknown(0), address: view.yiaddr(), options };
        reply.kind = match reply.option(OptionCode::MessageType) {
            Some(DhcpOption::MessageType(kind)) => kind,
            _ => return None,
        };
        Some(reply)
    }

    /// Which server it is from.
    pub fn server(&self) -> Option<Ipv4Addr> {
        match self.option(OptionCode::ServerIdentifier)? {
            DhcpOption::ServerIdentifier(ip) => Some(ip).filter(|ip| !ip.is_unspecified()),
            _ => None,
        }
    }

    /// What the server gives as the reason of a refusal.
    pub fn reason(&self) -> Option<String> {
        match self.option(OptionCode::Message)? {
            DhcpOption::Message(text) => Some(text.chars().filter(|c| !c.is_control()).collect()),
            _ => None,
        }
    }

    /// The lease that an acknowledgement gives, or what is wrong with it.
    pub fn lease(&self, about: &Circumstances) -> Result<Lease, String> {
        let server = self.server().ok_or("it does not say which server it is from")?;
        let usable = !(self.address.is_unspecified() || self.address.is_multicast() || self.address.is_broadcast());
        if !usable {
            return Err(format!("no interface can have the address {}", self.address));
        }
        let Some(DhcpOption::SubnetMask(mask)) = self.option(OptionCode::SubnetMask) else {
            return Err("DHCP option Subnet Mask not found in DHCPACK".into());
        };
        let network = Ipv4Network::with_netmask(self.address, mask).map_err(|_| format!("{mask} is no subnet mask"))?;
        let gateway = self.addresses(OptionCode::Router).into_iter().find(|ip| !ip.is_unspecified());
        let seconds = |code| match self.option(code)? {
            DhcpOption::AddressLeaseTime(time) | DhcpOption::Renewal(time) | DhcpOption::Rebinding(time) => Some(time),
            _ => None,
        };
        let expire = seconds(OptionCode::AddressLeaseTime).filter(|time| *time > 0).unwrap_or(HOUR);
        let (renew, rebind) = (seconds(OptionCode::Renewal), seconds(OptionCode::Rebinding));
        Ok(Lease {
            ips: vec![IpConfig { interface: None, address: network.into(), gateway: gateway.map(Into::into) }],
            routes: self.routes(gateway, about),
            dns: self.dns(),
            times: Times::new(about.since, renew, rebind, expire),
            server: Server::V4 { id: server, mac: about.mac },
        })
    }

    /// Classless routes, or else classful ones and that by the router (RFC 3442: who has the former ignores the others).
    fn routes(&self, gateway: Option<Ipv4Addr>, about: &Circumstances) -> Vec<Route> {
        let classless = match self.option(OptionCode::ClasslessStaticRoute) {
            Some(DhcpOption::ClasslessStaticRoute(routes)) => routes,
            _ => Vec::new(),
        };
        let mut routes: Vec<(Ipv4Network, Ipv4Addr)> =
            classless.iter().filter_map(|(dst, gw)| Some((network(dst.addr(), dst.prefix_len())?, *gw))).collect();
        if routes.is_empty() {
            let classful = match self.option(OptionCode::StaticRoutingTable) {
                Some(DhcpOption::StaticRoutingTable(pairs)) => pairs,
                _ => Vec::new(),
            };
            routes.extend(classful.iter().filter_map(|(dst, gw)| Some((network(*dst, class_prefix(*dst)?)?, *gw))));
            routes.extend(gateway.and_then(|gateway| Some((network(Ipv4Addr::UNSPECIFIED, 0)?, gateway))));
        }
        let mtu = match self.option(OptionCode::InterfaceMtu) {
            // A larger one than the link's would make packets that do not go through it.
            Some(DhcpOption::InterfaceMtu(mtu)) if mtu >= SMALLEST_MTU && u32::from(mtu) < about.mtu => {
                Some(mtu.into())
            }
            _ => None,
        };
        let route = |(dst, gw): (Ipv4Network, Ipv4Addr)| {
            let on_link = gw.is_unspecified();
            Route {
                gw: (!on_link).then_some(gw.into()),
                scope: on_link.then_some(SCOPE_LINK),
                priority: about.priority,
                mtu,
                ..Route::to(IpNetwork::V4(dst))
            }
        };
        routes.into_iter().map(route).collect()
    }

    fn dns(&self) -> Dns {
        let search = match self.option(OptionCode::DomainSearch) {
            Some(DhcpOption::DomainSearch(names)) => names,
            _ => Vec::new(),
        };
        let domain = match self.option(OptionCode::DomainName) {
            // Some servers have several there.
            Some(DhcpOption::DomainName(text)) => text.split(' ').find_map(domain::checked),
            _ => None,
        };
        let servers = self.addresses(OptionCode::DomainNameServer);
        Dns {
            nameservers: servers.iter().filter(|ip| !ip.is_unspecified()).map(ToString::to_string).collect(),
            domain,
            search: search.iter().filter_map(|name| domain::checked(&name.to_ascii())).collect(),
            options: Vec::new(),
        }
    }

    fn addresses(&self, code: OptionCode) -> Vec<Ipv4Addr> {
        match self.option(code) {
            Some(DhcpOption::Router(list) | DhcpOption::DomainNameServer(list)) => list,
            _ => Vec::new(),
        }
    }

    /// An option, if it is there and what it should be. One that is not does not spoil the others.
    fn option(&self, code: OptionCode) -> Option<DhcpOption> {
        let value = self.options.get(&u8::from(code))?;
        let chunks = value
            .chunks(255)
            .flat_map(|chunk| [&[u8::from(code), u8::try_from(chunk.len()).unwrap_or(0)], chunk].concat());
        let bytes: Vec<u8> = chunks.collect();
        let mut option = DhcpOptionIterator::new(&bytes);
        option.next()?.into_option().inspect_err(|error| log::debug!("option {code:?}: {error}")).ok()
    }
}

/// Parts of an option that is there several times belong together (RFC 3396).
fn collect(options: &mut BTreeMap<u8, Vec<u8>>, found: DhcpOptionIterator<'_>) {
    for option in found {
        options.entry(option.code().into()).or_default().extend(option.data());
    }
}

/// The network without host bits.
fn network(ip: Ipv4Addr, prefix: u8) -> Option<Ipv4Network> {
    let network = Ipv4Network::new(ip, prefix).ok()?;
    Ipv4Network::new(network.network(), prefix).ok()
}

/// The length of the prefix of an address of class A, B or C.
fn class_prefix(ip: Ipv4Addr) -> Option<u8> {
    match ip.octets() {
        [1..=127, ..] => Some(8),
        [128..=191, ..] => Some(16),
        [192..=223, ..] => Some(24),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
