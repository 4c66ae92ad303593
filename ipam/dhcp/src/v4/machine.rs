//! The states of a client (RFC 2131, figure 5), but for those that last: SELECTING and REQUESTING ([`Acquire`]), RENEWING and
//! REBINDING ([`Extend`]). BOUND is [`crate::lease::Times`]' and the daemon's.

use std::{net::Ipv4Addr, time::Duration};

use dhcproto::v4::MessageType;

use crate::{
    exchange::{Heard, Machine, Next},
    lease::Lease,
    moment::Moment,
    schedule::{Pace, Patience, Random, Resend, Turn},
    v4::{
        message::{Client, Say},
        reply::{Circumstances, Reply},
    },
};

/// What the circumstances of a conversation are.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    /// When the conversation begins.
    pub begin: Moment,
    /// The MTU of the link.
    pub mtu: u32,
    /// The metric of all routes.
    pub priority: Option<u32>,
}

impl Link {
    /// The lease counts from when it was asked for (RFC 2131, section 4.4.1).
    fn circumstances(&self, asked: Duration, heard: &Heard) -> Circumstances {
        Circumstances {
            since: self.begin.plus(asked),
            mac: heard.mac.unwrap_or_default(),
            mtu: self.mtu,
            priority: self.priority,
        }
    }
}

/// Gets an address.
#[derive(Debug)]
pub struct Acquire {
    client: Client,
    link: Link,
    earlier: Option<Ipv4Addr>,
    patience: Patience,
    random: Random,
    xid: u32,
    state: State,
    pace: Pace,
    refusal: Option<String>,
}

#[derive(Debug)]
enum State {
    /// Nobody has offered anything yet.
    Selecting,
    /// This server has been told that its offer is taken.
    Requesting { offered: Ipv4Addr, server: Ipv4Addr },
}

/// What it comes to: a lease, or, in place of one, what is wrong with it and where it can be given back.
pub type Acquired = Result<Lease, Unusable>;

/// An acknowledgement that no lease can be made of.
#[derive(Debug, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong with it.
    pub why: String,
    /// What has been given.
    pub address: Ipv4Addr,
    /// By whom.
    pub server: Option<Ipv4Addr>,
}

impl Acquire {
    /// For a client, which may have had an address before.
    pub fn new(client: Client, link: Link, earlier: Option<Ipv4Addr>, patience: Patience, mut random: Random) -> Self {
        let xid = random.number();
        let pace = Pace::new(Resend::v4(patience.resend, random.clone()), patience.whole);
        Self { client, link, earlier, patience, random, xid, state: State::Selecting, pace, refusal: None }
    }

    /// Why the last server that was asked has refused.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    /// Looks for another server.
    fn select_again(&mut self) {
        self.state = State::Selecting;
        self.xid = self.random.number();
    }
}

impl Machine for Acquire {
    type Outcome = Acquired;

    fn next(&mut self, now: Duration) -> Next {
        match self.pace.turn(now) {
            Turn::Rest(next) => return next,
            // It has forgotten what it offered, or it has gone.
            Turn::SayAnew => self.select_again(),
            Turn::Say => {}
        }
        let say = match self.state {
            State::Selecting => Say::Discover { earlier: self.earlier },
            State::Requesting { offered, server } => Say::Take { offered, server },
        };
        Next::Send(self.client.write(say, self.xid, now))
    }

    fn hear(&mut self, now: Duration, heard: &Heard) -> Option<Acquired> {
        let reply = Reply::read(&heard.message, self.xid, self.client.mac)?;
        match (&self.state, reply.kind) {
            (State::Selecting, MessageType::Offer) => {
                let server = reply.server()?;
                if reply.address.is_unspecified() {
                    return None;
                }
                self.state = State::Requesting { offered: reply.address, server };
                self.pace.ask(now, self.patience.answer);
                None
            }
            (State::Requesting { server, .. }, MessageType::Ack) if reply.server() == Some(*server) => {
                let lease = reply.lease(&self.link.circumstances(self.pace.last(), heard));
                Some(lease.map_err(|why| Unusable { why, address: reply.address, server: reply.server() }))
            }
            (State::Requesting { .. }, MessageType::Nak) => {
                self.refusal = Some(reply.reason().unwrap_or_else(|| "it gave no reason".into()));
                // That address is not to be had.
                self.earlier = None;
                self.select_again();
                self.pace.retreat(now);
                None
            }
            _ => None,
        }
    }
}

/// Keeps an address: by its server while that is to be asked, then by any.
#[derive(Debug)]
pub struct Extend {
    client: Client,
    link: Link,
    address: Ipv4Addr,
    xid: u32,
    pace: Pace,
}

/// What it comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Extended {
    /// A new lease, which may be of other addresses.
    Lease(Lease),
    /// The address must not be used any more; the server's reason.
    Refused(String),
}

impl Extend {
    /// For a client that uses an address, for so long.
    pub fn new(client: Client, link: Link, address: Ipv4Addr, give_up: Duration, mut random: Random) -> Self {
        let xid = random.number();
        let pace = Pace::new(Resend::v4(give_up, random), give_up);
        Self { client, link, address, xid, pace }
    }
}

impl Machine for Extend {
    type Outcome = Extended;

    fn next(&mut self, now: Duration) -> Next {
        let say = Say::Extend { address: self.address };
        match self.pace.turn(now) {
            Turn::Rest(next) => next,
            Turn::Say | Turn::SayAnew => Next::Send(self.client.write(say, self.xid, now)),
        }
    }

    fn hear(&mut self, _: Duration, heard: &Heard) -> Option<Extended> {
        let reply = Reply::read(&heard.message, self.xid, self.client.mac)?;
        match reply.kind {
            MessageType::Ack => match reply.lease(&self.link.circumstances(self.pace.last(), heard)) {
                Ok(lease) => Some(Extended::Lease(lease)),
                Err(why) => {
                    log::warn!("an acknowledgement cannot be used: {why}");
                    None
                }
            },
            MessageType::Nak => Some(Extended::Refused(reply.reason().unwrap_or_else(|| "it gave no reason".into()))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
