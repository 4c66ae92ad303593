//! Conversations with servers, from within a container.

use std::{io, net::Ipv4Addr, os::fd::BorrowedFd, time::Duration};

use cni::{Code, Error, Result};
use ipnetwork::IpNetwork;
use net::Inside;

use crate::{
    exchange::{Failure, Machine, converse},
    interface::{Interface, kernel},
    key::Key,
    lease::{Lease, Phase, Server},
    moment::Moment,
    plan::Wanted,
    record::Family,
    release,
    schedule::{Patience, Random},
    v4::{
        self,
        frame::{EVERYBODY, Way},
    },
    v6,
};

/// What an attempt to extend a lease comes to.
#[derive(Debug)]
pub enum Extended {
    /// There is a new one, which may be of other addresses.
    Lease(Lease),
    /// The addresses must not be used any more, and why.
    Refused(String),
    /// Nobody has answered.
    Silence,
}

/// Why there is no lease.
#[derive(Debug)]
pub enum Missed {
    /// Nobody has answered, or only by refusing, and how.
    Silence(Option<String>),
    /// It is wanted no more.
    Cancelled,
    /// Something else.
    Failed(Error),
}

/// Who asks, and for what.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Whose lease it is.
    pub key: &'a Key,
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// For how long servers are asked.
    pub patience: Patience,
}

impl Caller<'_> {
    /// Gets a lease of a family. The one that there was is welcome.
    pub fn acquire(
        &self,
        family: Family,
        interface: &mut Interface,
        earlier: Option<&Lease>,
        wanting: Option<BorrowedFd<'_>>,
    ) -> Result<Lease, Missed> {
        match family {
            Family::V4 => self.acquire_v4(interface, earlier, wanting),
            Family::V6 => self.acquire_v6(interface, earlier, wanting),
        }
    }

    fn acquire_v4(
        &self,
        interface: &mut Interface,
        earlier: Option<&Lease>,
        wanting: Option<BorrowedFd<'_>>,
    ) -> Result<Lease, Missed> {
        let client = release::client_v4(self.key, self.wanted, interface.mac());
        let earlier = earlier.and_then(address_of);
        let mut machine =
            v4::machine::Acquire::new(client, self.link(interface), earlier, self.patience, Random::new());
        let way =
            Way { from_mac: interface.mac(), to_mac: EVERYBODY, from: Ipv4Addr::UNSPECIFIED, to: Ipv4Addr::BROADCAST };
        let name = interface.link.name.clone();
        let open = |inside: &Inside<'_>| v4::channel::Frames::open(inside, &name, way);
        let outcome = inside(interface, &mut machine, open, wanting);
        let unusable = match outcome {
            Ok(Ok(lease)) => return Ok(lease),
            Ok(Err(unusable)) => unusable,
            Err(failure) => return Err(missed(failure, interface, machine.refusal())),
        };
        let msg = format!("use what the DHCP server gives to \"{}\": {}", interface.link.name, unusable.why);
        self.decline(interface, &unusable);
        Err(Missed::Failed(Error::new(Code::Internal, msg)))
    }

    /// Gives back what no lease can be made of.
    fn decline(&self, interface: &Interface, unusable: &v4::machine::Unusable) {
        let Some(server) = unusable.server else { return };
        let client = release::client_v4(self.key, self.wanted, interface.mac());
        let say = v4::message::Say::Release { address: unusable.address, server };
        let message = client.write(say, Random::new().number(), Duration::ZERO);
        let way = Way { from_mac: interface.mac(), to_mac: EVERYBODY, from: unusable.address, to: server };
        let sent = interface.netns.enter(|inside| {
            use crate::exchange::Channel;
            v4::channel::Frames::open(inside, &interface.link.name, way)?.send(&message)
        });
        log::debug!("given back: {sent:?}");
    }

    fn acquire_v6(
        &self,
        interface: &mut Interface,
        earlier: Option<&Lease>,
        wanting: Option<BorrowedFd<'_>>,
    ) -> Result<Lease, Missed> {
        let client = release::client_v6(self.key, self.wanted);
        let from = interface.link_local().map_err(Missed::Failed)?;
        let earlier = earlier.map(|lease| lease.ips.as_slice()).unwrap_or_default();
        let mut machine = v6::machine::Acquire::new(client, Moment::now(), earlier, self.patience, Random::new());
        let link = interface.link.clone();
        let open = |inside: &Inside<'_>| v6::channel::Datagrams::open(inside, &link, from);
        inside(interface, &mut machine, open, wanting).map_err(|failure| missed(failure, interface, machine.refusal()))
    }

    /// Extends a lease: by its server, or, when that has not answered, by any.
    pub fn extend(&self, interface: &mut Interface, lease: &Lease, phase: Phase) -> Result<Extended> {
        match &lease.server {
            Server::V4 { id, mac } => {
                let Some(address) = address_of(lease) else { return Ok(Extended::Silence) };
                let client = release::client_v4(self.key, self.wanted, interface.mac());
                let link = self.link(interface);
                let mut machine = v4::machine::Extend::new(client, link, address, self.patience.answer, Random::new());
                let to = if phase == Phase::Rebinding { Ipv4Addr::BROADCAST } else { *id };
                let name = interface.link.name.clone();
                let open = |inside: &Inside<'_>| v4::channel::Datagrams::open(inside, &name, address, to);
                let outcome = inside(interface, &mut machine, open, None);
                Ok(match extended(outcome, interface)? {
                    Some(v4::machine::Extended::Lease(new)) => Extended::Lease(with_mac(new, *mac)),
                    Some(v4::machine::Extended::Refused(why)) => Extended::Refused(why),
                    None => Extended::Silence,
                })
            }
            Server::V6 { duid } => {
                let client = release::client_v6(self.key, self.wanted);
                let server = (phase != Phase::Rebinding).then_some(duid.as_slice());
                let from = interface.link_local()?;
                let what = (lease.ips.as_slice(), server);
                let give_up = self.patience.answer;
                let mut machine = v6::machine::Extend::new(client, Moment::now(), what, give_up, Random::new());
                let link = interface.link.clone();
                let open = |inside: &Inside<'_>| v6::channel::Datagrams::open(inside, &link, from);
                let outcome = inside(interface, &mut machine, open, None);
                Ok(match extended(outcome, interface)? {
                    Some(v6::machine::Extended::Lease(new)) => Extended::Lease(new),
                    Some(v6::machine::Extended::Refused(why)) => Extended::Refused(why),
                    None => Extended::Silence,
                })
            }
        }
    }

    fn link(&self, interface: &Interface) -> v4::machine::Link {
        v4::machine::Link { begin: Moment::now(), mtu: interface.link.mtu, priority: self.wanted.priority }
    }
}

/// Converses from within the container.
fn inside<M, C>(
    interface: &Interface,
    machine: &mut M,
    open: impl FnOnce(&Inside<'_>) -> io::Result<C> + Send,
    wanting: Option<BorrowedFd<'_>>,
) -> Result<M::Outcome, Failure>
where
    M: Machine + Send,
    M::Outcome: Send,
    C: crate::exchange::Channel,
{
    let entered = interface.netns.enter(|inside| {
        let channel = open(inside).map_err(Failure::Broken)?;
        converse(machine, &channel, wanting)
    });
    entered.unwrap_or_else(|error| Err(Failure::Broken(io::Error::from(error.errno))))
}

fn missed(failure: Failure, interface: &Interface, refusal: Option<&str>) -> Missed {
    match failure {
        Failure::Silence => Missed::Silence(refusal.map(str::to_owned)),
        Failure::Cancelled => Missed::Cancelled,
        Failure::Broken(error) => Missed::Failed(broken(&error, interface)),
    }
}

fn extended<T>(outcome: Result<T, Failure>, interface: &Interface) -> Result<Option<T>> {
    match outcome {
        Ok(outcome) => Ok(Some(outcome)),
        Err(Failure::Silence | Failure::Cancelled) => Ok(None),
        Err(Failure::Broken(error)) => Err(broken(&error, interface)),
    }
}

fn broken(error: &io::Error, interface: &Interface) -> Error {
    let errno = error.raw_os_error().map_or(net::Errno::EIO, net::Errno::from_raw);
    kernel(net::Error::new(format!("talk to DHCP servers of \"{}\"", interface.link.name), errno))
}

/// The IPv4 address of a lease.
fn address_of(lease: &Lease) -> Option<Ipv4Addr> {
    lease.ips.iter().find_map(|ip| match ip.address {
        IpNetwork::V4(network) => Some(network.ip()),
        IpNetwork::V6(_) => None,
    })
}

/// An answer that came as a datagram does not show from which hardware address.
fn with_mac(mut lease: Lease, mac: [u8; 6]) -> Lease {
    if let Server::V4 { mac: place, .. } = &mut lease.server {
        *place = mac;
    }
    lease
}
