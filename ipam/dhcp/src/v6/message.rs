//! What a client says (RFC 8415, section 18.2). Pure.

use std::time::Duration;

use cni::IpConfig;
use dhcproto::{
    Encodable,
    v6::{DhcpOption, DhcpOptions, IAAddr, IANA, IAPD, IAPrefix, Message, MessageType, ORO, OptionCode},
};
use ipnetwork::IpNetwork;

use crate::plan::Wanted6;

/// The number of its one association with addresses, and of that with prefixes. The DUID tells attachments apart.
pub const IAID: u32 = 1;

/// Who asks, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// What servers know it by.
    pub duid: Vec<u8>,
    /// What it asks for.
    pub wanted: Wanted6,
}

/// One of the messages of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say<'a> {
    /// Who has addresses for me? Those that it had are welcome.
    Solicit(&'a [IpConfig]),
    /// I take what this server offers.
    Request(&'a [IpConfig], &'a [u8]),
    /// May I keep what this server gave?
    Renew(&'a [IpConfig], &'a [u8]),
    /// May I keep what I use?
    Rebind(&'a [IpConfig]),
    /// I need no more what this server gave.
    Release(&'a [IpConfig], &'a [u8]),
}

impl Client {
    /// The message, in conversation `xid`, which has lasted for some time.
    pub fn write(&self, say: Say<'_>, xid: [u8; 3], lasted: Duration) -> Vec<u8> {
        let (kind, ips, server) = match say {
            Say::Solicit(ips) => (MessageType::Solicit, ips, None),
            Say::Request(ips, server) => (MessageType::Request, ips, Some(server)),
            Say::Renew(ips, server) => (MessageType::Renew, ips, Some(server)),
            Say::Rebind(ips) => (MessageType::Rebind, ips, None),
            Say::Release(ips, server) => (MessageType::Release, ips, Some(server)),
        };
        let mut message = Message::new_with_id(kind, xid);
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientId(self.duid.clone()));
        if let Some(server) = server {
            options.insert(DhcpOption::ServerId(server.to_vec()));
        }
        let hundredths = u16::try_from(lasted.as_millis() / 10).unwrap_or(u16::MAX);
        options.insert(DhcpOption::ElapsedTime(hundredths));
        options.insert(DhcpOption::IANA(IANA {
            id: IAID,
            t1: 0,
            t2: 0,
            opts: ips.iter().filter_map(address).collect(),
        }));
        if let Some(length) = self.wanted.prefix {
            let mut prefixes: DhcpOptions = ips.iter().filter_map(prefix).collect();
            if prefixes.iter().next().is_none() {
                prefixes.insert(DhcpOption::IAPrefix(of_length(length)));
            }
            options.insert(DhcpOption::IAPD(IAPD { id: IAID, t1: 0, t2: 0, opts: prefixes }));
        }
        if kind != MessageType::Release {
            let opts = vec![OptionCode::DomainNameServers, OptionCode::DomainSearchList];
            options.insert(DhcpOption::ORO(ORO { opts }));
        }
        message.to_vec().unwrap_or_default()
    }
}

/// A prefix of which only the length is asked for (RFC 8415, section 18.2.4).
fn of_length(length: u8) -> IAPrefix {
    IAPrefix {
        preferred_lifetime: 0,
        valid_lifetime: 0,
        prefix_len: length,
        prefix_ip: [0; 16].into(),
        opts: DhcpOptions::new(),
    }
}

fn address(ip: &IpConfig) -> Option<DhcpOption> {
    let IpNetwork::V6(network) = ip.address else { return None };
    let address = IAAddr { addr: network.ip(), preferred_life: 0, valid_life: 0, opts: DhcpOptions::new() };
    (network.prefix() == 128).then_some(DhcpOption::IAAddr(address))
}

/// What is not a single address is the first one of a delegated prefix.
fn prefix(ip: &IpConfig) -> Option<DhcpOption> {
    let IpNetwork::V6(network) = ip.address else { return None };
    let prefix = IAPrefix { prefix_ip: network.network(), ..of_length(network.prefix()) };
    (network.prefix() < 128).then_some(DhcpOption::IAPrefix(prefix))
}

#[cfg(test)]
mod tests {
    use dhcproto::Decodable;

    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpConfig> {
        let ip = |text: &&str| IpConfig { interface: None, address: text.parse().unwrap(), gateway: None };
        texts.iter().map(ip).collect()
    }

    fn said(say: Say<'_>, prefix: Option<u8>) -> Message {
        let client = Client { duid: b"me".to_vec(), wanted: Wanted6 { prefix } };
        Message::from_bytes(&client.write(say, [1, 2, 3], Duration::from_millis(1230))).unwrap()
    }

    fn codes(message: &Message) -> Vec<u16> {
        message.opts().iter().map(|option| u16::from(OptionCode::from(option))).collect()
    }

    #[test]
    fn a_solicitation_asks_for_addresses_and_a_prefix_if_wanted() {
        let message = said(Say::Solicit(&[]), None);
        assert_eq!((message.msg_type(), message.xid()), (MessageType::Solicit, [1, 2, 3]));
        assert_eq!(codes(&message), [1, 3, 6, 8]);
        assert_eq!(message.opts().get(OptionCode::ElapsedTime), Some(&DhcpOption::ElapsedTime(123)));
        let Some(DhcpOption::IAPD(pd)) = said(Say::Solicit(&[]), Some(56)).opts().get(OptionCode::IAPD).cloned() else {
            panic!()
        };
        let Some(DhcpOption::IAPrefix(prefix)) = pd.opts.get(OptionCode::IAPrefix) else { panic!() };
        assert_eq!((prefix.prefix_len, prefix.prefix_ip), (56, [0; 16].into()));
    }

    #[test]
    fn other_messages_name_what_they_are_about() {
        let ips = ips(&["2001:db8::5/128", "2001:db8:1::1/56"]);
        let message = said(Say::Renew(&ips, b"you"), Some(60));
        assert_eq!(codes(&message), [1, 2, 3, 6, 8, 25]);
        let Some(DhcpOption::IANA(na)) = message.opts().get(OptionCode::IANA) else { panic!() };
        let Some(DhcpOption::IAAddr(address)) = na.opts.get(OptionCode::IAAddr) else { panic!() };
        assert_eq!(address.addr.to_string(), "2001:db8::5");
        let Some(DhcpOption::IAPD(pd)) = message.opts().get(OptionCode::IAPD) else { panic!() };
        let Some(DhcpOption::IAPrefix(prefix)) = pd.opts.get(OptionCode::IAPrefix) else { panic!() };
        assert_eq!((prefix.prefix_len, prefix.prefix_ip.to_string()), (56, "2001:db8:1::".into()));
        assert_eq!(codes(&said(Say::Rebind(&ips), None)), [1, 3, 6, 8]);
        assert_eq!(codes(&said(Say::Release(&ips, b"you"), Some(60))), [1, 2, 3, 8, 25]);
    }
}
