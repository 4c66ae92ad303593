//! Tracked connections: listing and forgetting them.
//!
//! A connection keeps the translation that it began with, whatever becomes of the rules. UDP has no end that would
//! settle it: who takes a published port away, or gives it to another, deletes the entries of that port.

mod wire;

use std::net::IpAddr;

use nix::errno::Errno;

use crate::error::{Error, Result};
use crate::expr::ct::Status;
use crate::socket::{Failure, Socket};
use crate::value::{Nfproto, Proto};

/// Which connections: every field that is set must match the original direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Filter {
    /// The network layer.
    pub family: Option<Nfproto>,
    /// The transport protocol.
    pub proto: Option<Proto>,
    /// The destination port as it was before translation.
    pub orig_dport: Option<u16>,
}

impl Filter {
    fn matches(self, entry: &Entry) -> bool {
        self.family.is_none_or(|family| family == entry.family())
            && self.proto.is_none_or(|proto| proto == entry.proto)
            && self.orig_dport.is_none_or(|port| entry.orig.dport == Some(port))
    }
}

/// Addresses and ports of one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Source port, of protocols that have ports.
    pub sport: Option<u16>,
    /// Destination port, of protocols that have ports.
    pub dport: Option<u16>,
}

/// A tracked connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The kernel's number for this connection, made of where it lies in memory and of its addresses (`nf_ct_get_id`,
    /// `net/netfilter/nf_conntrack_core.c`): a later one between the same addresses mostly has another, not always.
    pub id: u32,
    /// The transport protocol.
    pub proto: Proto,
    /// From the side that began, before translation.
    pub orig: Tuple,
    /// From the other side: what answers look like before they are translated back.
    pub reply: Tuple,
    /// `enum ip_conntrack_status`; see [`Entry::has`].
    pub status: u32,
    /// `CTA_ZONE`; 0 without zones.
    pub zone: u16,
    /// `CTA_TUPLE_ORIG` as the kernel sent it: it names the connection whatever the protocol.
    name: Vec<u8>,
}

impl Entry {
    /// The network layer.
    pub fn family(&self) -> Nfproto {
        Nfproto::of(self.orig.src)
    }

    /// Whether this happened to the connection.
    pub fn has(&self, status: Status) -> bool {
        self.status & status as u32 != 0
    }
}

/// An open connection to the tracking of the network namespace of the thread that opened it.
#[derive(Debug)]
pub struct Conntrack {
    socket: Socket,
}

impl Conntrack {
    /// Opens a socket in the current thread's network namespace.
    pub fn open() -> Result<Self> {
        Socket::open().map(|socket| Self { socket })
    }

    /// The connections that match. Given family and protocol, the kernel sends no others (since 5.8).
    ///
    /// All network namespaces share one table, with places for a quarter of a million connections on larger machines, and the
    /// kernel looks into each of them. It is not asked to if this one has no connection.
    pub fn list(&mut self, filter: Filter) -> Result<Vec<Entry>> {
        if self.count() == Some(0) {
            return Ok(Vec::new());
        }
        let decode = |payload: &[u8], entries: &mut Vec<Entry>| {
            entries.extend(wire::decode(payload).filter(|entry| filter.matches(entry)));
        };
        let entries = self.socket.dump(wire::list(filter), decode);
        entries.map_err(|failure| failure.into_error("list", "conntrack entries"))
    }

    /// How many there are; `None` where the kernel does not say.
    fn count(&mut self) -> Option<u32> {
        let mut count = None;
        let asked = self.socket.ask(wire::count(), |payload| count = wire::counted(payload));
        asked.ok().and(count)
    }

    /// Forgets a connection; says whether it was still there. One that took its place is left alone if its id tells.
    pub fn delete(&mut self, entry: &Entry) -> Result<bool> {
        match self.socket.request(wire::delete(entry), |_| {}) {
            Ok(()) => Ok(true),
            Err(Failure { errno: Errno::ENOENT, .. }) => Ok(false),
            Err(failure) => Err(failure.into_error("delete", describe(entry))),
        }
    }

    /// Forgets the connections that match and for which `which` is true; says how many there were. Goes on after an
    /// error and returns the first.
    pub fn flush(&mut self, filter: Filter, which: impl Fn(&Entry) -> bool) -> Result<usize> {
        let (mut count, mut failed): (usize, Option<Error>) = (0, None);
        for entry in self.list(filter)?.iter().filter(|entry| which(entry)) {
            match self.delete(entry) {
                Ok(true) => count += 1,
                Ok(false) => {}
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        failed.map_or(Ok(count), Err)
    }
}

fn describe(entry: &Entry) -> String {
    let Tuple { src, dst, sport, dport } = entry.orig;
    let port = |port: Option<u16>| port.map(|port| format!(" port {port}")).unwrap_or_default();
    format!("conntrack entry {} from {src}{} to {dst}{}", entry.proto, port(sport), port(dport))
}
