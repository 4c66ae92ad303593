//! The messages of ctnetlink.
//!
//! Attributes are those of `include/uapi/linux/netfilter/nfnetlink_conntrack.h`.

use std::net::IpAddr;

use netlink_packet_core::{DefaultNla, NLA_F_NESTED};
use netlink_packet_netfilter::conntrack::{
    ConntrackMessage, ConntrackMessageType, ProtoTuple, Protocol, Tuple as Part,
};

use super::{Entry, Filter, Tuple};
use crate::value::Proto;
use crate::wire::Message;
use crate::wire::attr::{Attrs, nested};

const CTA_TUPLE_ORIG: u16 = 1;
const CTA_TUPLE_REPLY: u16 = 2;
const CTA_STATUS: u16 = 3;
const CTA_ID: u16 = 12;
const CTA_ZONE: u16 = 18;
const CTA_FILTER: u16 = 25;
const CTA_FILTER_ORIG_FLAGS: u16 = 1;

const CTA_TUPLE_IP: u16 = 1;
const CTA_TUPLE_PROTO: u16 = 2;
const CTA_IP_V4_SRC: u16 = 1;
const CTA_IP_V4_DST: u16 = 2;
const CTA_IP_V6_SRC: u16 = 3;
const CTA_IP_V6_DST: u16 = 4;
const CTA_PROTO_NUM: u16 = 1;
const CTA_PROTO_SRC_PORT: u16 = 2;
const CTA_PROTO_DST_PORT: u16 = 3;

/// A question that is not in the packet library (`IPCTNL_MSG_CT_GET_STATS`), and its answer.
const GET_STATS: u8 = 5;
const CTA_STATS_GLOBAL_ENTRIES: u16 = 1;

/// What of the original tuple to compare: `CTA_FILTER_F_CTA_PROTO_NUM` and `CTA_FILTER_F_CTA_PROTO_DST_PORT`,
/// `net/netfilter/nf_internals.h`.
const F_PROTO_NUM: u32 = 1 << 3;
const F_PROTO_DST_PORT: u32 = 1 << 5;

/// The request for the connections that match, or for more where the kernel cannot tell.
pub(super) fn list(filter: Filter) -> Message {
    let mut attributes = Vec::new();
    if let (Some(_), Some(proto)) = (filter.family, filter.proto) {
        let mut tuple = vec![ProtoTuple::Protocol(Protocol::from(proto.0))];
        let mut compare = F_PROTO_NUM;
        if let Some(port) = filter.orig_dport {
            tuple.push(ProtoTuple::DestinationPort(port));
            compare |= F_PROTO_DST_PORT;
        }
        let compare = DefaultNla::new(CTA_FILTER_ORIG_FLAGS, compare.to_ne_bytes().to_vec());
        attributes.push(nested(CTA_TUPLE_ORIG, &Part::Proto(tuple)));
        // Unknown before 5.8, and ignored there.
        attributes.push(nested(CTA_FILTER, &compare));
    }
    let family = filter.family.map_or(0, |family| family.0);
    message(family, ConntrackMessageType::Get, attributes)
}

/// The question how many connections there are in the network namespace.
pub(super) fn count() -> Message {
    message(0, ConntrackMessageType::Other(GET_STATS), Vec::new())
}

/// Its answer.
pub(super) fn counted(payload: &[u8]) -> Option<u32> {
    Attrs(payload).be32(CTA_STATS_GLOBAL_ENTRIES)
}

/// The request to delete one connection.
pub(super) fn delete(entry: &Entry) -> Message {
    let mut attributes = vec![
        DefaultNla::new(CTA_TUPLE_ORIG | NLA_F_NESTED, entry.name.clone()),
        DefaultNla::new(CTA_ID, entry.id.to_be_bytes().to_vec()),
    ];
    if entry.zone != 0 {
        attributes.push(DefaultNla::new(CTA_ZONE, entry.zone.to_be_bytes().to_vec()));
    }
    message(entry.family().0, ConntrackMessageType::Delete, attributes)
}

/// In its general form, as `ConntrackAttribute::Other` loses the flag of a nested attribute, on which the kernel
/// insists.
fn message(family: u8, kind: ConntrackMessageType, attributes: Vec<DefaultNla>) -> Message {
    Message::conntrack(family, ConntrackMessage::Other { message_type: kind.into(), attributes })
}

/// Reads a connection; `None` for what lacks a part that every connection has.
pub(super) fn decode(payload: &[u8]) -> Option<Entry> {
    let attrs = Attrs(payload);
    let name = attrs.find(CTA_TUPLE_ORIG)?;
    let (proto, orig) = tuple(Attrs(name))?;
    let (_, reply) = tuple(attrs.nested(CTA_TUPLE_REPLY)?)?;
    Some(Entry {
        id: attrs.be32(CTA_ID)?,
        proto,
        orig,
        reply,
        status: attrs.be32(CTA_STATUS).unwrap_or_default(),
        zone: attrs.be16(CTA_ZONE).unwrap_or_default(),
        name: name.to_vec(),
    })
}

fn tuple(attrs: Attrs<'_>) -> Option<(Proto, Tuple)> {
    let ip = attrs.nested(CTA_TUPLE_IP)?;
    let transport = attrs.nested(CTA_TUPLE_PROTO)?;
    let [proto] = transport.find(CTA_PROTO_NUM)? else { return None };
    let tuple = Tuple {
        src: addr(ip, CTA_IP_V4_SRC, CTA_IP_V6_SRC)?,
        dst: addr(ip, CTA_IP_V4_DST, CTA_IP_V6_DST)?,
        sport: transport.be16(CTA_PROTO_SRC_PORT),
        dport: transport.be16(CTA_PROTO_DST_PORT),
    };
    Some((Proto(*proto), tuple))
}

fn addr(attrs: Attrs<'_>, v4: u16, v6: u16) -> Option<IpAddr> {
    match attrs.find(v4) {
        Some(bytes) => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        None => Some(IpAddr::from(<[u8; 16]>::try_from(attrs.find(v6)?).ok()?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Nfproto;

    fn bytes(message: Message) -> Vec<u8> {
        let mut bytes = Vec::new();
        message.write(1, &mut bytes);
        bytes.split_off(16)
    }

    #[test]
    fn kernel_is_asked_to_compare_protocol_and_port() {
        let filter = Filter { family: Some(Nfproto::IPV4), proto: Some(Proto::UDP), orig_dport: Some(53) };
        let mut expected = vec![
            2, 0, 0, 0, // nfgenmsg: AF_INET
            24, 0, 1, 0x80, 20, 0, 2, 0x80, // CTA_TUPLE_ORIG, CTA_TUPLE_PROTO
            5, 0, 1, 0, 17, 0, 0, 0, // CTA_PROTO_NUM
            6, 0, 3, 0, 0, 53, 0, 0, // CTA_PROTO_DST_PORT
            12, 0, 25, 0x80, 8, 0, 1, 0, // CTA_FILTER, CTA_FILTER_ORIG_FLAGS
        ];
        expected.extend(0x28_u32.to_ne_bytes());
        assert_eq!(bytes(list(filter)), expected);
    }

    #[test]
    fn without_protocol_the_kernel_is_asked_for_all() {
        assert_eq!(bytes(list(Filter { orig_dport: Some(53), ..Filter::default() })), [0, 0, 0, 0]);
    }

    #[test]
    fn junk_is_no_connection() {
        for junk in [&[][..], &[1, 2, 3], &[4, 0, 1, 0x80], &[8, 0, 1, 0x80, 4, 0, 1, 0x80]] {
            assert_eq!(decode(junk), None);
        }
    }
}
