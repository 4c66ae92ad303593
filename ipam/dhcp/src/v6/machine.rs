//! The states of a client (RFC 8415, section 18.2): soliciting and requesting ([`Acquire`]), renewing and rebinding ([`Extend`]).

use std::time::Duration;

use cni::IpConfig;
use dhcproto::v6::{MessageType, Status};

use crate::{
    exchange::{Heard, Machine, Next},
    lease::Lease,
    moment::Moment,
    schedule::{Pace, Patience, Random, Resend, Turn},
    v6::{
        message::{Client, Say},
        reply::Reply,
    },
};

/// The server that is to be taken at once (RFC 8415, section 18.2.1).
const AT_ONCE: u8 = 255;

/// Gets addresses.
#[derive(Debug)]
pub struct Acquire {
    client: Client,
    begin: Moment,
    earlier: Vec<IpConfig>,
    patience: Patience,
    random: Random,
    xid: [u8; 3],
    state: State,
    pace: Pace,
    refusal: Option<String>,
}

#[derive(Debug)]
enum State {
    /// The best server so far; until the first wait is over a better one may come.
    Soliciting { asked: u32, best: Option<Reply> },
    /// This server has been told that its offer is taken.
    Requesting { offered: Vec<IpConfig>, server: Vec<u8> },
}

impl Acquire {
    /// For a client, which may have had addresses before.
    pub fn new(client: Client, begin: Moment, earlier: &[IpConfig], patience: Patience, mut random: Random) -> Self {
        let xid = number(&mut random);
        let pace = Pace::new(Resend::v6(patience.resend, random.clone()), patience.whole);
        let state = State::Soliciting { asked: 0, best: None };
        Self { client, begin, earlier: earlier.to_vec(), patience, random, xid, state, pace, refusal: None }
    }

    /// Why the last server that was asked has refused.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.as_deref()
    }

    fn solicit_again(&mut self) {
        self.state = State::Soliciting { asked: 0, best: None };
        self.xid = number(&mut self.random);
    }

    fn request(&mut self, reply: &Reply, now: Duration) {
        let offered = reply.lease(self.begin).map(|lease| lease.ips).unwrap_or_default();
        self.state = State::Requesting { offered, server: reply.server.clone() };
        self.xid = number(&mut self.random);
        self.pace.ask(now, self.patience.answer);
    }

    fn note_refusal(&mut self, reply: &Reply) {
        self.refusal = Some(match reply.refusal() {
            Some((status, text)) => format!("{status:?} {text}").trim_end().to_owned(),
            None => "it offers less than is asked for".into(),
        });
    }
}

impl Machine for Acquire {
    type Outcome = Lease;

    fn next(&mut self, now: Duration) -> Next {
        match self.pace.turn(now) {
            Turn::Rest(next) => return next,
            Turn::SayAnew => self.solicit_again(),
            Turn::Say => {}
        }
        if let State::Soliciting { asked: 1.., best } = &mut self.state
            && let Some(best) = best.take()
        {
            self.request(&best, now);
            self.pace.turn(now);
        }
        if let State::Soliciting { asked, .. } = &mut self.state {
            *asked = asked.saturating_add(1);
        }
        let say = match &self.state {
            State::Soliciting { .. } => Say::Solicit(&self.earlier),
            State::Requesting { offered, server } => Say::Request(offered, server),
        };
        Next::Send(self.client.write(say, self.xid, now))
    }

    fn hear(&mut self, now: Duration, heard: &Heard) -> Option<Lease> {
        let reply = Reply::read(&heard.message, self.xid, &self.client.duid)?;
        let prefix_wanted = self.client.wanted.prefix.is_some();
        match (&mut self.state, reply.kind) {
            (State::Soliciting { .. }, MessageType::Advertise) if !reply.has_all(prefix_wanted) => {
                self.note_refusal(&reply);
                None
            }
            (State::Soliciting { asked, best }, MessageType::Advertise) => {
                // Behind the first wait nobody else is waited for.
                if reply.preference == AT_ONCE || *asked > 1 {
                    self.request(&reply, now);
                } else if best.as_ref().is_none_or(|best| best.preference < reply.preference) {
                    *best = Some(reply);
                }
                None
            }
            (State::Requesting { server, .. }, MessageType::Reply) if *server == reply.server => {
                if reply.has_all(prefix_wanted) {
                    return reply.lease(self.begin.plus(self.pace.last()));
                }
                self.note_refusal(&reply);
                // What was offered is not to be had, nor, it may be, what was there before.
                self.earlier.clear();
                self.solicit_again();
                self.pace.retreat(now);
                None
            }
            _ => None,
        }
    }
}

/// Keeps addresses: by their server, or by any.
#[derive(Debug)]
pub struct Extend {
    client: Client,
    begin: Moment,
    ips: Vec<IpConfig>,
    server: Option<Vec<u8>>,
    xid: [u8; 3],
    pace: Pace,
}

/// What it comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Extended {
    /// A new lease, which may be of other addresses.
    Lease(Lease),
    /// The server knows nothing of them; what it says.
    Refused(String),
}

impl Extend {
    /// For a client that uses addresses of a server, or, without, of one that has not answered; for so long.
    pub fn new(
        client: Client,
        begin: Moment,
        (ips, server): (&[IpConfig], Option<&[u8]>),
        give_up: Duration,
        mut random: Random,
    ) -> Self {
        let xid = number(&mut random);
        let pace = Pace::new(Resend::v6(give_up, random), give_up);
        Self { client, begin, ips: ips.to_vec(), server: server.map(<[u8]>::to_vec), xid, pace }
    }
}

impl Machine for Extend {
    type Outcome = Extended;

    fn next(&mut self, now: Duration) -> Next {
        if let Turn::Rest(next) = self.pace.turn(now) {
            return next;
        }
        let say = match &self.server {
            Some(server) => Say::Renew(&self.ips, server),
            None => Say::Rebind(&self.ips),
        };
        Next::Send(self.client.write(say, self.xid, now))
    }

    fn hear(&mut self, _: Duration, heard: &Heard) -> Option<Extended> {
        let reply = Reply::read(&heard.message, self.xid, &self.client.duid)?;
        if reply.kind != MessageType::Reply {
            return None;
        }
        if reply.has_all(self.client.wanted.prefix.is_some()) {
            return reply.lease(self.begin.plus(self.pace.last())).map(Extended::Lease);
        }
        match reply.refusal() {
            // Not now: it is asked again (RFC 8415, section 18.2.10.1).
            Some((Status::UnspecFail, _)) => None,
            Some((status, text)) => Some(Extended::Refused(format!("{status:?} {text}").trim_end().to_owned())),
            None => Some(Extended::Refused("it gives less than before".into())),
        }
    }
}

/// The number of a conversation.
fn number(random: &mut Random) -> [u8; 3] {
    let [_, rest @ ..] = random.number().to_be_bytes();
    rest
}

#[cfg(test)]
mod tests;
