//! The messages of a datagram, and what they say.

use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
};
use nix::errno::Errno;

use crate::socket::Failure;
use crate::wire::attr::Attrs;

/// Everything before the attributes of an answer: `struct nfgenmsg`.
const NFGENMSG_LEN: usize = 4;
/// `struct nlmsghdr`
const NLMSGHDR_LEN: usize = 16;
/// `NLMSGERR_ATTR_MSG` and `NLMSGERR_ATTR_OFFS`, `include/uapi/linux/netlink.h`
const NLMSGERR_ATTR_MSG: u16 = 1;
const NLMSGERR_ATTR_OFFS: u16 = 2;

/// What an answer may say.
pub(crate) enum Answer<'a> {
    /// The attributes of an object.
    Object(&'a [u8]),
    /// The request is done.
    Done,
    Failed(Failure),
}

/// One message of a datagram.
pub(crate) struct Frame<'a> {
    kind: u16,
    pub(crate) flags: u16,
    pub(crate) sequence: u32,
    payload: &'a [u8],
}

/// The messages of a datagram; a malformed one ends it.
pub(crate) fn frames(datagram: &[u8]) -> impl Iterator<Item = Frame<'_>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let message = NetlinkBuffer::new_checked(rest).ok()?;
        let len = usize::try_from(message.length()).ok()?;
        let (kind, flags, sequence) = (message.message_type(), message.flags(), message.sequence_number());
        let payload = rest.get(NLMSGHDR_LEN..len)?;
        rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Frame { kind, flags, sequence, payload })
    })
}

impl<'a> Frame<'a> {
    /// `None` for what means nothing.
    pub(crate) fn answer(&self) -> Option<Answer<'a>> {
        match self.kind {
            NLMSG_NOOP => None,
            NLMSG_OVERRUN => Some(Answer::Failed(Errno::ENOBUFS.into())),
            // Both start with an error number; that of NLMSG_DONE tells how a dump ended.
            NLMSG_ERROR | NLMSG_DONE => Some(self.status()),
            _ => Some(Answer::Object(self.payload.get(NFGENMSG_LEN..).unwrap_or_default())),
        }
    }

    fn status(&self) -> Answer<'a> {
        let code = self.payload.first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
        if code >= 0 {
            return Answer::Done;
        }
        let attrs = Attrs(self.explanation().unwrap_or_default());
        let offset = attrs.find(NLMSGERR_ATTR_OFFS).and_then(|offset| offset.try_into().ok()).map(u32::from_ne_bytes);
        let errno = Errno::from_raw(code.saturating_neg());
        Answer::Failed(Failure { errno, extack: attrs.string(NLMSGERR_ATTR_MSG), offset })
    }

    /// The attributes of an extended acknowledgement, behind the error number and, for `NLMSG_ERROR`, the request.
    fn explanation(&self) -> Option<&'a [u8]> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let behind_code = self.payload.get(4..)?;
        if self.kind == NLMSG_DONE {
            return Some(behind_code);
        }
        let request_len = match behind_code.first_chunk() {
            Some(len) if self.flags & NLM_F_CAPPED == 0 => usize::try_from(u32::from_ne_bytes(*len)).ok()?,
            _ => NLMSGHDR_LEN,
        };
        behind_code.get(request_len.next_multiple_of(4)..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(NLMSGHDR_LEN + payload.len()).unwrap().to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([7, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend(payload);
        bytes
    }

    fn failure(bytes: &[u8]) -> Failure {
        match frames(bytes).next().and_then(|frame| frame.answer()) {
            Some(Answer::Failed(failure)) => failure,
            _ => panic!("not a failure"),
        }
    }

    #[test]
    fn extended_acknowledgement_is_read() {
        let mut payload = (-17_i32).to_ne_bytes().to_vec();
        payload.extend([0; NLMSGHDR_LEN]);
        payload.extend([7, 0, 1, 0, b'h', b'i', 0, 0, 8, 0, 2, 0]);
        payload.extend(44_u32.to_ne_bytes());
        let expected = Failure { errno: Errno::EEXIST, extack: Some("hi".to_owned()), offset: Some(44) };
        assert_eq!(failure(&frame(NLMSG_ERROR, NLM_F_CAPPED | NLM_F_ACK_TLVS, &payload)), expected);
        assert_eq!(failure(&frame(NLMSG_ERROR, NLM_F_CAPPED, &payload)), Errno::EEXIST.into());
    }

    #[test]
    fn dump_can_end_with_an_error() {
        assert_eq!(failure(&frame(NLMSG_DONE, 0, &(-2_i32).to_ne_bytes())), Errno::ENOENT.into());
    }

    #[test]
    fn junk_is_survived() {
        assert_eq!(frames(&[]).count(), 0);
        assert_eq!(frames(&[0; 64]).count(), 0);
        assert_eq!(frames(&[255; 64]).count(), 0);
        let flags = NLM_F_ACK_TLVS;
        for payload in [&[][..], &[255], &[254, 255, 255, 255], &[254, 255, 255, 255, 255, 255, 255, 255]] {
            for kind in [NLMSG_ERROR, NLMSG_DONE, NLMSG_OVERRUN, NLMSG_NOOP, 0x0a00] {
                let bytes = frame(kind, flags, payload);
                assert_eq!(frames(&bytes).filter_map(|frame| frame.answer()).count(), usize::from(kind != NLMSG_NOOP));
            }
        }
    }
}
