//! What a server says, and the lease that it comes to (RFC 8415, section 21). Pure.

use std::net::Ipv6Addr;

use cni::{Dns, IpConfig};
use dhcproto::{
    Decodable,
    v6::{DhcpOption, DhcpOptions, Message, MessageType, OptionCode, Status},
};
use ipnetwork::{IpNetwork, Ipv6Network};

use crate::{
    domain,
    lease::{FOREVER, Lease, Server, Times},
    moment::Moment,
    v6::message::IAID,
};

/// Length of the header of a message: type and number of the conversation.
const HEADER: usize = 4;

/// What is read of a message: the number of an option, how long it has to be at least, and, if it has options of its own, where these
/// begin. The rest is not even looked at.
const KNOWN: [(OptionCode, usize, Option<usize>); 10] = [
    (OptionCode::ClientId, 1, None),
    (OptionCode::ServerId, 1, None),
    (OptionCode::IANA, 12, Some(12)),
    (OptionCode::IAPD, 12, Some(12)),
    (OptionCode::IAAddr, 24, Some(24)),
    (OptionCode::IAPrefix, 25, Some(25)),
    (OptionCode::Preference, 1, None),
    (OptionCode::StatusCode, 2, None),
    (OptionCode::DomainNameServers, 16, None),
    (OptionCode::DomainSearchList, 1, None),
];

/// Options are within options three deep at most: an association, an address, its status.
const DEEPEST: u8 = 3;

/// A message of a server to a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What kind it is of.
    pub kind: MessageType,
    /// The DUID of the server.
    pub server: Vec<u8>,
    /// How much the server is preferred; 255 is at once.
    pub preference: u8,
    options: DhcpOptions,
}

/// An address or a prefix that is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Given {
    network: Ipv6Network,
    preferred: u32,
    valid: u32,
}

impl Reply {
    /// Reads an answer in conversation `xid` to the client of this DUID; `None` if it is none.
    pub fn read(message: &[u8], xid: [u8; 3], duid: &[u8]) -> Option<Self> {
        let (header, options) = message.split_at_checked(HEADER)?;
        let message = Message::from_bytes(&[header, &sifted(options, DEEPEST)].concat()).ok()?;
        let Some(DhcpOption::ClientId(client)) = message.opts().get(OptionCode::ClientId) else { return None };
        let Some(DhcpOption::ServerId(server)) = message.opts().get(OptionCode::ServerId) else { return None };
        if message.xid() != xid || client != duid {
            return None;
        }
        let preference = match message.opts().get(OptionCode::Preference) {
            Some(DhcpOption::Preference(preference)) => *preference,
            _ => 0,
        };
        Some(Self { kind: message.msg_type(), server: server.clone(), preference, options: message.opts().clone() })
    }

    /// What the server says went wrong: of all, of addresses, or of prefixes.
    pub fn refusal(&self) -> Option<(Status, String)> {
        let [addresses, prefixes] = [OptionCode::IANA, OptionCode::IAPD].map(|code| self.association(code));
        [Some(&self.options), addresses.map(|(options, ..)| options), prefixes.map(|(options, ..)| options)]
            .into_iter()
            .flatten()
            .find_map(status)
    }

    /// Whether it has an address, and a prefix if one is wanted.
    pub fn has_all(&self, prefix_wanted: bool) -> bool {
        let has = |code| self.given(code).iter().any(|given| given.valid > 0);
        has(OptionCode::IANA) && (!prefix_wanted || has(OptionCode::IAPD))
    }

    /// The lease that it gives to who asked at this time; `None` if it has no address that is valid.
    pub fn lease(&self, since: Moment) -> Option<Lease> {
        let all: Vec<Given> = [OptionCode::IANA, OptionCode::IAPD].iter().flat_map(|code| self.given(*code)).collect();
        let valid: Vec<&Given> = all.iter().filter(|given| given.valid > 0).collect();
        // What ends first ends the lease.
        let expire = valid.iter().map(|given| given.valid).min()?;
        let preferred = valid.iter().map(|given| given.preferred).min()?;
        // 0 leaves it to the client: half and four fifths of the time that addresses are preferred (section 21.4).
        let stated = |pick: fn((u32, u32)) -> u32| {
            let times = [OptionCode::IANA, OptionCode::IAPD].iter().filter_map(|code| self.association(*code));
            times.map(|(_, t1, t2)| pick((t1, t2))).filter(|time| *time > 0).min()
        };
        let part = |tenths: u64| match preferred {
            0 | FOREVER => None,
            time => u32::try_from(u64::from(time) * tenths / 10).ok(),
        };
        let renew = stated(|(t1, _)| t1).or_else(|| part(5));
        let rebind = stated(|(_, t2)| t2).or_else(|| part(8));
        let ip = |given: &&Given| IpConfig { interface: None, address: IpNetwork::V6(given.network), gateway: None };
        Some(Lease {
            ips: valid.iter().map(ip).collect(),
            routes: Vec::new(),
            dns: self.dns(),
            times: Times::new(since, renew, rebind, expire),
            server: Server::V6 { duid: self.server.clone() },
        })
    }

    /// The options of our association, with T1 and T2.
    fn association(&self, code: OptionCode) -> Option<(&DhcpOptions, u32, u32)> {
        self.options.get_all(code)?.iter().find_map(|option| match option {
            DhcpOption::IANA(na) if na.id == IAID => Some((&na.opts, na.t1, na.t2)),
            DhcpOption::IAPD(pd) if pd.id == IAID => Some((&pd.opts, pd.t1, pd.t2)),
            _ => None,
        })
    }

    /// Of a prefix its first address is taken, with the prefix's length.
    fn given(&self, code: OptionCode) -> Vec<Given> {
        let Some((options, ..)) = self.association(code) else { return Vec::new() };
        let given = |option: &DhcpOption| match option {
            DhcpOption::IAAddr(address) => Some(Given {
                network: Ipv6Network::new(address.addr, 128).ok().filter(|network| is_usable(network.ip()))?,
                preferred: address.preferred_life,
                valid: address.valid_life,
            }),
            DhcpOption::IAPrefix(prefix) if (1..128).contains(&prefix.prefix_len) => {
                let whole = Ipv6Network::new(prefix.prefix_ip, prefix.prefix_len).ok()?;
                let first = Ipv6Addr::from_bits(whole.network().to_bits() | 1);
                Some(Given {
                    network: Ipv6Network::new(first, prefix.prefix_len)
                        .ok()
                        .filter(|network| is_usable(network.ip()))?,
                    preferred: prefix.preferred_lifetime,
                    valid: prefix.valid_lifetime,
                })
            }
            _ => None,
        };
        options.iter().filter_map(given).collect()
    }

    fn dns(&self) -> Dns {
        let nameservers = match self.options.get(OptionCode::DomainNameServers) {
            Some(DhcpOption::DomainNameServers(list)) => list.iter().map(ToString::to_string).collect(),
            _ => Vec::new(),
        };
        let search = match self.options.get(OptionCode::DomainSearchList) {
            Some(DhcpOption::DomainSearchList(names)) => {
                names.iter().filter_map(|name| domain::checked(&name.to_ascii())).collect()
            }
            _ => Vec::new(),
        };
        Dns { nameservers, search, ..Dns::default() }
    }
}

/// The status, unless it is success.
fn status(options: &DhcpOptions) -> Option<(Status, String)> {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) if code.status != Status::Success => {
            Some((code.status, code.msg.chars().filter(|c| !c.is_control()).collect()))
        }
        _ => None,
    }
}

/// Whether an interface can have the address.
fn is_usable(ip: Ipv6Addr) -> bool {
    !(ip.is_unspecified() || ip.is_multicast() || ip.is_loopback() || ip.is_unicast_link_local())
}

/// The options that are known, and whole, at every depth: what a server has put in between does not spoil them.
fn sifted(mut options: &[u8], depth: u8) -> Vec<u8> {
    let mut kept = Vec::new();
    while let Some(([a, b, c, d], rest)) = options.split_first_chunk() {
        let (code, length) = (u16::from_be_bytes([*a, *b]), usize::from(u16::from_be_bytes([*c, *d])));
        let Some((value, behind)) = rest.split_at_checked(length) else { break };
        options = behind;
        let known = KNOWN.iter().find(|(known, shortest, _)| u16::from(*known) == code && length >= *shortest);
        let Some((known, _, inner)) = known else { continue };
        let value = match (known, inner) {
            (OptionCode::DomainNameServers, _) if length % 16 != 0 => continue,
            (OptionCode::StatusCode, _) if std::str::from_utf8(value).is_err() => {
                value.get(..2).unwrap_or_default().to_vec()
            }
            (_, Some(_)) if depth == 0 => continue,
            (_, Some(begin)) => {
                let (own, inner) = value.split_at_checked(*begin).unwrap_or((value, &[]));
                [own, &sifted(inner, depth - 1)].concat()
            }
            (_, None) => value.to_vec(),
        };
        kept.extend(code.to_be_bytes());
        kept.extend(u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        kept.extend(value);
    }
    kept
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) const DUID: &[u8] = b"me";
    const XID: [u8; 3] = [1, 2, 3];

    pub(crate) fn option(code: OptionCode, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(value.len()).unwrap();
        [&u16::from(code).to_be_bytes(), &length.to_be_bytes(), value].concat()
    }

    pub(crate) fn message(kind: MessageType, xid: [u8; 3], options: &[Vec<u8>]) -> Vec<u8> {
        let ids = [option(OptionCode::ClientId, DUID), option(OptionCode::ServerId, b"you")].concat();
        [&[kind.into()], &xid[..], &ids, &options.concat()].concat()
    }

    /// T1, T2, and what is in it.
    pub(crate) fn association(code: OptionCode, times: [u32; 2], inner: &[Vec<u8>]) -> Vec<u8> {
        let numbers = [IAID, times[0], times[1]].map(u32::to_be_bytes).concat();
        option(code, &[numbers, inner.concat()].concat())
    }

    pub(crate) fn address(text: &str, preferred: u32, valid: u32) -> Vec<u8> {
        let ip = text.parse::<Ipv6Addr>().unwrap().octets();
        option(OptionCode::IAAddr, &[&ip[..], &preferred.to_be_bytes(), &valid.to_be_bytes()].concat())
    }

    pub(crate) fn prefix(text: &str, length: u8, valid: u32) -> Vec<u8> {
        let ip = text.parse::<Ipv6Addr>().unwrap().octets();
        option(OptionCode::IAPrefix, &[&valid.to_be_bytes()[..], &valid.to_be_bytes(), &[length], &ip].concat())
    }

    fn reply(options: &[Vec<u8>]) -> Reply {
        Reply::read(&message(MessageType::Reply, XID, options), XID, DUID).unwrap()
    }

    fn lease(options: &[Vec<u8>]) -> Lease {
        reply(options).lease(Moment::from_millis(0)).unwrap()
    }

    fn written(lease: &Lease) -> Vec<String> {
        lease.ips.iter().map(|ip| ip.address.to_string()).collect()
    }

    #[test]
    fn addresses_prefixes_and_name_servers_are_a_lease() {
        let options = [
            association(OptionCode::IANA, [30, 60], &[address("2001:db8::5", 100, 200)]),
            association(OptionCode::IAPD, [40, 50], &[prefix("2001:db8:1:aa00::", 56, 150)]),
            option(OptionCode::DomainNameServers, &"2001:db8::53".parse::<Ipv6Addr>().unwrap().octets()),
            option(OptionCode::DomainSearchList, b"\x07example\x03com\0\x01b\0"),
        ];
        let lease = lease(&options);
        assert_eq!(written(&lease), ["2001:db8::5/128", "2001:db8:1:aa00::1/56"]);
        assert_eq!(
            (lease.dns.nameservers, lease.dns.search),
            (vec!["2001:db8::53".into()], vec!["example.com".into(), "b".into()])
        );
        let Times { renew, rebind, expire, .. } = lease.times;
        assert_eq!((renew, rebind, expire), (30, 50, 150), "what comes first");
        assert_eq!(lease.server, Server::V6 { duid: b"you".to_vec() });
        assert!(reply(&options).has_all(true));
    }

    #[test]
    fn times_that_are_left_to_the_client_follow_from_the_preferred() {
        let times = |preferred, valid| {
            let lease = lease(&[association(OptionCode::IANA, [0, 0], &[address("2001:db8::5", preferred, valid)])]);
            (lease.times.renew, lease.times.rebind, lease.times.expire)
        };
        assert_eq!(times(100, 200), (50, 80, 200));
        assert_eq!(times(FOREVER, FOREVER), (FOREVER, FOREVER, FOREVER));
        assert_eq!(times(FOREVER, 80), (40, 70, 80));
    }

    #[test]
    fn what_is_not_valid_is_not_given() {
        let gone = association(OptionCode::IANA, [0, 0], &[address("2001:db8::5", 0, 0), address("2001:db8::6", 1, 9)]);
        assert_eq!(written(&lease(&[gone])), ["2001:db8::6/128"]);
        for odd in ["::", "ff02::1", "fe80::1", "::1"] {
            let options = [association(OptionCode::IANA, [0, 0], &[address(odd, 9, 9)])];
            assert_eq!(reply(&options).lease(Moment::from_millis(0)), None, "{odd}");
            assert!(!reply(&options).has_all(false));
        }
        let only = reply(&[association(OptionCode::IANA, [0, 0], &[address("2001:db8::5", 9, 9)])]);
        assert!(only.has_all(false) && !only.has_all(true));
    }

    #[test]
    fn refusals_are_found_at_every_depth() {
        let status = |code: u16, text: &[u8]| option(OptionCode::StatusCode, &[&code.to_be_bytes(), text].concat());
        assert_eq!(reply(&[status(0, b"fine")]).refusal(), None);
        assert_eq!(reply(&[status(2, b"no\nmore")]).refusal(), Some((Status::NoAddrsAvail, "nomore".into())));
        let inner = association(OptionCode::IAPD, [0, 0], &[status(6, b"\xff")]);
        assert_eq!(reply(&[inner]).refusal(), Some((Status::NoPrefixAvail, String::new())));
    }

    #[test]
    fn answers_to_others_are_passed_over() {
        let bytes = message(MessageType::Reply, XID, &[]);
        assert!(Reply::read(&bytes, XID, DUID).is_some());
        assert_eq!(Reply::read(&bytes, [0; 3], DUID), None);
        assert_eq!(Reply::read(&bytes, XID, b"you"), None);
        assert_eq!(Reply::read(&bytes[..4], XID, DUID), None);
    }

    #[test]
    fn an_option_that_is_spoilt_or_strange_does_not_spoil_others() {
        let options = [
            option(OptionCode::VendorOpts, b"\0"),
            option(OptionCode::StatusCode, b"\0"),
            option(OptionCode::DomainNameServers, &[1; 17]),
            association(OptionCode::IANA, [0, 0], &[option(OptionCode::StatusCode, b""), address("2001:db8::5", 9, 9)]),
            option(OptionCode::IANA, &[0; 11]),
        ];
        assert_eq!(written(&lease(&options)), ["2001:db8::5/128"]);
    }

    proptest! {
        #[test]
        fn junk_is_survived(junk in prop::collection::vec(any::<u8>(), 0..400), code in 0_u16..40) {
            let all = [option(code.into(), &junk), association(OptionCode::IANA, [0, 0], std::slice::from_ref(&junk)), junk];
            if let Some(reply) = Reply::read(&message(MessageType::Reply, XID, &all), XID, DUID) {
                let _ = (reply.refusal(), reply.lease(Moment::from_millis(0)));
            }
        }
    }
}
