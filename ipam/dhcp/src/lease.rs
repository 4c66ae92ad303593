//! A lease: what a server has given, and until when. Pure.

use std::net::Ipv4Addr;

use cni::{Dns, IpConfig, Route, Success};
use serde::{Deserialize, Serialize};

use crate::moment::Moment;

/// A lease time that never ends (RFC 2131, section 3.3; RFC 8415, section 7.7).
pub const FOREVER: u32 = u32::MAX;

/// What a server of one address family has given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The addresses.
    pub ips: Vec<IpConfig>,
    /// The routes, each with its next hop unless it is on the link.
    pub routes: Vec<Route>,
    /// Name servers and domains.
    pub dns: Dns,
    /// Until when.
    pub times: Times,
    /// By whom.
    pub server: Server,
}

/// Who gave a lease, and what has to be said to extend it or to give it back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Server {
    /// A DHCPv4 server.
    V4 {
        /// Its address, which is its identifier.
        id: Ipv4Addr,
        /// The hardware address that its answer came from: its own, or that of the router in between.
        mac: [u8; 6],
    },
    /// A DHCPv6 server.
    V6 {
        /// Its DUID.
        duid: Vec<u8>,
    },
}

/// When a lease was asked for, and how many seconds later something has to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// When it was asked for.
    pub since: Moment,
    /// Until the server is asked to extend it (T1).
    pub renew: u32,
    /// Until any server is (T2).
    pub rebind: u32,
    /// Until the addresses must not be used any more.
    pub expire: u32,
}

/// In which part of its life a lease is (RFC 2131, section 4.4; RFC 8415, section 18.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing has to be done.
    Bound,
    /// Its server is asked to extend it.
    Renewing,
    /// Any server is.
    Rebinding,
    /// The addresses must not be used any more.
    Expired,
}

/// How long to wait at least until a server that has not answered is asked again (RFC 2131, section 4.4.5).
const SELDOM: u64 = 60;

impl Times {
    /// What a server says, each completed or put right: T1 is half of the lease, T2 seven eighths (RFC 2131, section 4.4.5).
    pub fn new(since: Moment, renew: Option<u32>, rebind: Option<u32>, expire: u32) -> Self {
        if expire == FOREVER {
            return Self { since, renew: FOREVER, rebind: FOREVER, expire };
        }
        let eighths = |n: u32| u32::try_from(u64::from(expire) * u64::from(n) / 8).unwrap_or(expire);
        let rebind = rebind.filter(|time| (1..expire).contains(time)).unwrap_or_else(|| eighths(7));
        let renew = renew.filter(|time| (1..=rebind).contains(time)).unwrap_or_else(|| eighths(4).min(rebind));
        Self { since, renew, rebind, expire }
    }

    /// The part of its life that the lease is in.
    pub fn phase(&self, now: Moment) -> Phase {
        [(self.expire, Phase::Expired), (self.rebind, Phase::Rebinding), (self.renew, Phase::Renewing)]
            .into_iter()
            .find(|(seconds, _)| self.at(*seconds).is_some_and(|then| then <= now))
            .map_or(Phase::Bound, |(_, phase)| phase)
    }

    /// When the next part of its life begins; never if the lease lasts for ever, or is over.
    pub fn next_phase(&self, now: Moment) -> Option<Moment> {
        [self.renew, self.rebind, self.expire].into_iter().filter_map(|time| self.at(time)).find(|then| *then > now)
    }

    /// When a server that has not answered is asked again: after half of what is left of the phase, but not more often than each
    /// minute, or, where leases are shorter, than a sixteenth of them. The next phase begins in time.
    pub fn retry(&self, now: Moment) -> Option<Moment> {
        let next = self.next_phase(now)?;
        let seldom = (SELDOM * 1000).min(u64::from(self.expire) * 1000 / 16).max(500);
        Some(now.plus_millis((next.millis_since(now) / 2).max(seldom)).min(next))
    }

    /// When that many seconds have passed.
    fn at(&self, seconds: u32) -> Option<Moment> {
        (seconds != FOREVER).then(|| self.since.plus_millis(u64::from(seconds) * 1000))
    }
}

/// The result of an ADD that got these leases.
pub fn success<'a>(leases: impl IntoIterator<Item = &'a Lease>) -> Success {
    let mut all = Success::default();
    for Lease { ips, routes, dns, .. } in leases.into_iter().cloned() {
        all.ips.extend(ips);
        all.routes.extend(routes);
        let new = |known: &[String], more: Vec<String>| -> Vec<String> {
            more.into_iter().filter(|text| !known.contains(text)).collect()
        };
        all.dns.nameservers.extend(new(&all.dns.nameservers.clone(), dns.nameservers));
        all.dns.search.extend(new(&all.dns.search.clone(), dns.search));
        all.dns.domain = all.dns.domain.or(dns.domain);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{
        Phase::{Bound, Expired, Rebinding, Renewing},
        *,
    };

    const BEGIN: Moment = Moment::from_millis(1_000_000);

    fn after(seconds: u64) -> Moment {
        BEGIN.plus_millis(seconds * 1000)
    }

    #[test]
    fn times_that_are_missing_or_senseless_are_those_of_the_rfc() {
        let times = |renew, rebind, expire| {
            let Times { renew, rebind, .. } = Times::new(BEGIN, renew, rebind, expire);
            (renew, rebind)
        };
        assert_eq!(times(None, None, 3600), (1800, 3150));
        assert_eq!(times(Some(60), Some(120), 180), (60, 120));
        assert_eq!(times(Some(0), Some(0), 80), (40, 70), "0 leaves it to the client");
        assert_eq!(times(Some(100), Some(50), 80), (40, 50), "T1 not behind T2");
        assert_eq!(times(Some(10), Some(90), 80), (10, 70), "T2 not behind the end");
        assert_eq!(times(Some(10), Some(20), FOREVER), (FOREVER, FOREVER));
        assert_eq!(times(None, None, 1), (0, 0));
    }

    #[test]
    fn a_lease_has_four_phases() {
        let times = Times::new(BEGIN, Some(10), Some(20), 30);
        let phases = [0, 9, 10, 19, 20, 29, 30, 99].map(|seconds| times.phase(after(seconds)));
        assert_eq!(phases, [Bound, Bound, Renewing, Renewing, Rebinding, Rebinding, Expired, Expired]);
        let next = [0, 10, 25, 30].map(|seconds| times.next_phase(after(seconds)));
        assert_eq!(next, [Some(after(10)), Some(after(20)), Some(after(30)), None]);
        let endless = Times::new(BEGIN, None, None, FOREVER);
        assert_eq!((endless.phase(after(1 << 40)), endless.next_phase(BEGIN)), (Phase::Bound, None));
    }

    #[test]
    fn who_does_not_answer_is_asked_again_at_half_time_but_seldom() {
        let times = Times::new(BEGIN, Some(1000), Some(2000), 3000);
        assert_eq!(times.retry(after(1000)), Some(after(1500)));
        assert_eq!(times.retry(after(1950)), Some(after(2000)), "the next phase comes first");
        assert_eq!(times.retry(after(1900)), Some(after(1960)), "once a minute");
        let short = Times::new(BEGIN, Some(10), Some(20), 32);
        assert_eq!(short.retry(after(10)), Some(after(15)));
        assert_eq!(short.retry(after(17)), Some(after(19)));
        assert_eq!(short.retry(after(33)), None);
    }

    #[test]
    fn results_have_both_families_and_each_server_once() {
        let lease = |address: &str, server: &str| Lease {
            ips: vec![IpConfig { interface: None, address: address.parse().unwrap(), gateway: None }],
            routes: Vec::new(),
            dns: Dns { nameservers: vec![server.into(), "10.1.0.1".into()], ..Dns::default() },
            times: Times::new(BEGIN, None, None, 60),
            server: Server::V6 { duid: Vec::new() },
        };
        let all = success([&lease("10.1.0.5/24", "10.1.0.2"), &lease("fd00::5/128", "fd00::1")]);
        assert_eq!(all.ips.len(), 2);
        assert_eq!(all.dns.nameservers, ["10.1.0.2", "10.1.0.1", "fd00::1"]);
    }
}
