//! What a client says (RFC 2131, section 4.4.1, table 5). Pure.

use std::{net::Ipv4Addr, time::Duration};

use dhcproto::{
    Encodable,
    v4::{DhcpOption, Flags, Message, MessageType, OptionCode, UnknownOption},
};

use crate::plan::Wanted4;

/// As much as goes into an Ethernet frame behind the headers of IP and UDP.
const LONGEST: u16 = 1472;

/// Who asks, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// The hardware address of the interface.
    pub mac: [u8; 6],
    /// What the server knows it by, unless the configuration provides something else.
    pub id: Vec<u8>,
    /// The options to send and to ask for.
    pub wanted: Wanted4,
}

/// One of the messages of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Say {
    /// Who has an address for me? The one that it had is welcome.
    Discover {
        /// The address that it had.
        earlier: Option<Ipv4Addr>,
    },
    /// I take the one that this server offers.
    Take {
        /// The address.
        offered: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
    },
    /// May I keep the one that I use?
    Extend {
        /// The address.
        address: Ipv4Addr,
    },
    /// I need it no more.
    Release {
        /// The address.
        address: Ipv4Addr,
        /// The server that gave it.
        server: Ipv4Addr,
    },
}

impl Client {
    /// The message, in conversation `xid`, which has lasted for some time.
    pub fn write(&self, say: Say, xid: u32, lasted: Duration) -> Vec<u8> {
        let mut message = Message::default();
        message.set_xid(xid).set_chaddr(&self.mac).set_secs(u16::try_from(lasted.as_secs()).unwrap_or(u16::MAX));
        let kind = match say {
            Say::Discover { .. } => MessageType::Discover,
            Say::Take { .. } | Say::Extend { .. } => MessageType::Request,
            Say::Release { .. } => MessageType::Release,
        };
        let options = message.opts_mut();
        options.insert(DhcpOption::ClientIdentifier(self.id.clone()));
        if kind != MessageType::Release {
            options.insert(DhcpOption::MaxMessageSize(LONGEST));
        }
        for (code, value) in &self.wanted.provide {
            // To a release only who it is belongs (RFC 2131, table 5).
            if kind != MessageType::Release || OptionCode::from(*code) == OptionCode::ClientIdentifier {
                options.insert(DhcpOption::Unknown(UnknownOption::new(OptionCode::from(*code), value.clone())));
            }
        }
        options.insert(DhcpOption::MessageType(kind));
        if kind != MessageType::Release && !self.wanted.request.is_empty() {
            let codes = self.wanted.request.iter().copied().map(OptionCode::from).collect();
            options.insert(DhcpOption::ParameterRequestList(codes));
        }
        match say {
            Say::Discover { earlier } => {
                if let Some(earlier) = earlier {
                    options.insert(DhcpOption::RequestedIpAddress(earlier));
                }
            }
            Say::Take { offered, server } => {
                options.insert(DhcpOption::RequestedIpAddress(offered));
                options.insert(DhcpOption::ServerIdentifier(server));
            }
            Say::Extend { address } => drop(message.set_ciaddr(address)),
            Say::Release { address, server } => {
                options.insert(DhcpOption::ServerIdentifier(server));
                message.set_ciaddr(address);
            }
        }
        // Who has an address gets answers there.
        if self.wanted.broadcast && matches!(say, Say::Discover { .. } | Say::Take { .. }) {
            message.set_flags(Flags::default().set_broadcast());
        }
        message.to_vec().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use dhcproto::Decodable;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 5);
    const SERVER: Ipv4Addr = Ipv4Addr::new(10, 1, 0, 1);

    fn client() -> Client {
        let wanted = Wanted4 {
            provide: [(12, b"web".to_vec()), (77, b"class".to_vec())].into(),
            request: vec![1, 121, 3],
            broadcast: false,
        };
        Client { mac: [2, 0, 0, 0, 0, 1], id: b"\0c1/net/eth0".to_vec(), wanted }
    }

    fn said(client: &Client, say: Say) -> Message {
        Message::from_bytes(&client.write(say, 0x1234_5678, Duration::from_secs(3))).unwrap()
    }

    /// The options that the message has.
    fn codes(message: &Message) -> Vec<u8> {
        message.opts().iter().map(|(code, _)| u8::from(*code)).collect()
    }

    #[test]
    fn a_discovery_says_who_and_what_for() {
        let message = said(&client(), Say::Discover { earlier: None });
        assert_eq!((message.xid(), message.secs(), message.chaddr()), (0x1234_5678, 3, &[2, 0, 0, 0, 0, 1][..]));
        assert_eq!(message.ciaddr(), Ipv4Addr::UNSPECIFIED);
        assert!(!message.flags().broadcast());
        assert_eq!(codes(&message), [12, 53, 55, 57, 61, 77]);
        let option = |code| message.opts().get(code).cloned().unwrap();
        assert_eq!(option(OptionCode::Hostname), DhcpOption::Hostname("web".into()));
        assert_eq!(option(OptionCode::ClientIdentifier), DhcpOption::ClientIdentifier(b"\0c1/net/eth0".to_vec()));
        let asked = [OptionCode::SubnetMask, OptionCode::ClasslessStaticRoute, OptionCode::Router];
        assert_eq!(option(OptionCode::ParameterRequestList), DhcpOption::ParameterRequestList(asked.to_vec()));
        let again = said(&client(), Say::Discover { earlier: Some(ADDRESS) });
        assert_eq!(again.opts().get(OptionCode::RequestedIpAddress), Some(&DhcpOption::RequestedIpAddress(ADDRESS)));
    }

    #[test]
    fn requests_are_told_apart_by_what_they_have() {
        let take = said(&client(), Say::Take { offered: ADDRESS, server: SERVER });
        assert_eq!((take.ciaddr(), codes(&take)), (Ipv4Addr::UNSPECIFIED, vec![12, 50, 53, 54, 55, 57, 61, 77]));
        let extend = said(&client(), Say::Extend { address: ADDRESS });
        assert_eq!((extend.ciaddr(), codes(&extend)), (ADDRESS, vec![12, 53, 55, 57, 61, 77]));
        let release = said(&client(), Say::Release { address: ADDRESS, server: SERVER });
        assert_eq!((release.ciaddr(), codes(&release)), (ADDRESS, vec![53, 54, 61]));
    }

    #[test]
    fn the_configuration_may_say_who_it_is_and_how_answers_come() {
        let mut client = client();
        client.wanted.provide.insert(61, b"\x01me".to_vec());
        client.wanted.broadcast = true;
        client.wanted.request.clear();
        let message = said(&client, Say::Discover { earlier: None });
        assert!(message.flags().broadcast() && !message.opts().contains(OptionCode::ParameterRequestList));
        for say in [Say::Discover { earlier: None }, Say::Release { address: ADDRESS, server: SERVER }] {
            let id = said(&client, say).opts().get(OptionCode::ClientIdentifier).cloned();
            assert_eq!(id, Some(DhcpOption::ClientIdentifier(b"\x01me".to_vec())));
        }
        assert!(!said(&client, Say::Extend { address: ADDRESS }).flags().broadcast());
    }
}
