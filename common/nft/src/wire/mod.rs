//! Between the model and the attributes of nfnetlink.
//!
//! Messages are built with the types of `netlink-packet-netfilter`. Answers are read attribute by attribute
//! ([`attr::Attrs`]): only what is needed, every length checked, anything else skipped.

pub(crate) mod attr;
pub(crate) mod element;
pub(crate) mod expr;
pub(crate) mod object;
pub(crate) mod rule;

use netlink_packet_core::{DefaultNla, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_netfilter::conntrack::ConntrackMessage;
use netlink_packet_netfilter::nftables::NfTablesMessage;
use netlink_packet_netfilter::none::ControlMessage;
use netlink_packet_netfilter::{NetfilterHeader, NetfilterMessage, NetfilterMessageInner};

use crate::model::Family;

/// Why something cannot be encoded.
pub(crate) type Refusal = String;

/// `NFT_NAME_MAXLEN` with its NUL, `include/uapi/linux/netfilter/nf_tables.h`.
const NAME_MAX: usize = 255;

/// `NFNL_SUBSYS_NFTABLES`, `include/uapi/linux/netfilter/nfnetlink.h`: the subsystem that a batch is for.
const SUBSYS_NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN`
const MSG_BATCH_BEGIN: u8 = 16;
/// `NFNL_BATCH_GENID`
const BATCH_GENID: u16 = 1;

/// A name as the kernel takes it.
pub(crate) fn name(name: &str) -> Result<String, Refusal> {
    if name.is_empty() || name.len() > NAME_MAX || name.contains('\0') {
        return Err(format!("the name {name:?} is not 1 to {NAME_MAX} bytes without NUL"));
    }
    Ok(name.to_owned())
}

/// One request without its sequence number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    inner: NetfilterMessageInner,
    family: u8,
    res_id: u16,
    /// `NLM_F_*` beside `NLM_F_REQUEST`.
    pub(crate) flags: u16,
}

impl Message {
    pub(crate) fn nftables(family: Family, flags: u16, message: NfTablesMessage) -> Self {
        Self { inner: message.into(), family: family.number(), res_id: 0, flags }
    }

    pub(crate) fn conntrack(family: u8, message: ConntrackMessage) -> Self {
        Self { inner: message.into(), family, res_id: 0, flags: 0 }
    }

    /// Opens a batch, which the kernel refuses (ERESTART) when the ruleset is not of this generation any more.
    pub(crate) fn batch_begin(generation: Option<u32>) -> Self {
        let guard = generation.map(|id| DefaultNla::new(BATCH_GENID, id.to_be_bytes().to_vec()));
        Self::control(ControlMessage::Other { message_type: MSG_BATCH_BEGIN, attributes: guard.into_iter().collect() })
    }

    pub(crate) fn batch_end() -> Self {
        Self::control(ControlMessage::BatchEnd)
    }

    fn control(message: ControlMessage) -> Self {
        Self { inner: message.into(), family: 0, res_id: SUBSYS_NFTABLES, flags: 0 }
    }

    /// Appends the message's bytes.
    pub(crate) fn write(self, sequence: u32, buffer: &mut Vec<u8>) {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | self.flags;
        header.sequence_number = sequence;
        let netfilter = NetfilterHeader::new(self.family.into(), 0, self.res_id);
        let payload = NetfilterMessage::new(netfilter, self.inner);
        let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(payload));
        message.finalize();
        let start = buffer.len();
        buffer.resize(start + message.buffer_len(), 0);
        if let Some(room) = buffer.get_mut(start..) {
            message.serialize(room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guarded_batch_begins_with_the_generation() {
        let mut bytes = Vec::new();
        Message::batch_begin(Some(0x0102)).write(7, &mut bytes);
        let expected = [
            28, 0, 0, 0, 16, 0, 1, 0, 7, 0, 0, 0, 0, 0, 0, 0, // nlmsghdr
            0, 0, 0, 10, // nfgenmsg: res_id 10 is nftables
            8, 0, 1, 0, 0, 0, 1, 2, // NFNL_BATCH_GENID
        ];
        assert_eq!(bytes, expected);
    }

    #[test]
    fn names_are_limited() {
        assert!(name(&"x".repeat(255)).is_ok());
        assert!(name(&"x".repeat(256)).is_err());
        assert!(name("").is_err());
    }
}
