//! One conversation over `NETLINK_ROUTE` (netlink(7)).

use std::{io, ops::ControlFlow};

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE,
    NLMSG_ERROR, NetlinkBuffer, NetlinkHeader,
};
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

use crate::answer::{Answer, Attribute, Attributes};

/// `NLMSGERR_ATTR_MSG` (include/uapi/linux/netlink.h).
const EXTACK_MESSAGE: u16 = 1;
/// Length of `struct nlmsghdr`.
const HEADER: usize = 16;
/// The kernel fills at most 32 KiB at a time (`netlink_dump` in the kernel).
const BUFFER: usize = 65_536;
/// How often a dump that was interrupted by a change is begun again before its last answer is taken.
const DUMP_TRIES: u32 = 20;

/// Why the kernel, or the conversation, failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) extack: Option<String>,
}

type Outcome<T> = Result<T, Failure>;

#[derive(Debug)]
pub(crate) struct Conversation {
    socket: Socket,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Conversation {
    /// Opens a socket in the network namespace that the thread is in.
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_ROUTE)?;
        socket.bind_auto()?;
        // All three only refine answers, and are refused by kernels before 4.12, 4.2 and 4.20.
        for refused in [socket.set_ext_ack(true), socket.set_cap_ack(true), socket.set_netlink_get_strict_chk(true)] {
            if let Err(error) = refused {
                log::debug!("netlink socket option: {error}");
            }
        }
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER), sequence: 0 })
    }

    /// Sends one request of type `kind` and waits until it is done; returns what came back before the acknowledgement.
    pub(crate) fn request(&mut self, kind: u16, message: &impl Emitable, flags: u16) -> Outcome<Vec<Answer>> {
        self.send(kind, message, flags | NLM_F_ACK)?;
        let mut answers = Vec::new();
        self.receive(|answer| {
            answers.push(answer);
            ControlFlow::Continue(())
        })?;
        Ok(answers)
    }

    /// Reads all objects that match. A dump during which something changed is begun again.
    pub(crate) fn dump(&mut self, kind: u16, message: &impl Emitable) -> Outcome<Vec<Answer>> {
        let mut answers = Vec::new();
        for _ in 0..DUMP_TRIES {
            answers.clear();
            self.send(kind, message, NLM_F_DUMP)?;
            let whole = self.receive(|answer| {
                answers.push(answer);
                ControlFlow::Continue(())
            })?;
            if whole {
                break;
            }
        }
        Ok(answers)
    }

    /// Looks through the objects that match until `found` breaks. The rest of the dump dies with the socket.
    pub(crate) fn search(
        mut self,
        kind: u16,
        message: &impl Emitable,
        found: impl FnMut(Answer) -> ControlFlow<()>,
    ) -> Outcome<()> {
        self.send(kind, message, NLM_F_DUMP)?;
        self.receive(found).map(drop)
    }

    fn send(&mut self, kind: u16, message: &impl Emitable, flags: u16) -> Outcome<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let length = HEADER + message.buffer_len();
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(length).map_err(|_| Failure::from(Errno::EMSGSIZE))?;
        header.message_type = kind;
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut bytes = vec![0; length];
        let (head, body) = bytes.split_at_mut(HEADER);
        header.emit(head);
        message.emit(body);
        loop {
            match self.socket.send(&bytes, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&error)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Hands every answer to `each` until the request is done. Returns whether nothing changed meanwhile.
    fn receive(&mut self, mut each: impl FnMut(Answer) -> ControlFlow<()>) -> Outcome<bool> {
        let mut undisturbed = true;
        loop {
            self.fill()?;
            let mut rest = self.buffer.as_slice();
            while let Some((packet, behind)) = next(rest)? {
                rest = behind;
                if packet.sequence != self.sequence {
                    continue;
                }
                undisturbed &= packet.flags & NLM_F_DUMP_INTR == 0;
                match packet.kind {
                    NLMSG_ERROR => return packet.acknowledgement().map(|()| undisturbed),
                    NLMSG_DONE => return packet.end_of_dump().map(|()| undisturbed),
                    kind => {
                        let answer = Answer { kind, payload: packet.payload.to_vec() };
                        if let ControlFlow::Break(()) = each(answer) {
                            return Ok(undisturbed);
                        }
                    }
                }
            }
        }
    }

    fn fill(&mut self) -> Outcome<()> {
        self.buffer.clear();
        loop {
            match self.socket.recv(&mut self.buffer, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&error)),
                Ok(0) => return Err(Failure::from(Errno::EPIPE)),
                Ok(_) => return Ok(()),
            }
        }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno, extack: None }
    }
}

fn failed(error: &io::Error) -> Failure {
    Failure::from(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// A message with its netlink header taken apart.
struct Packet<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

/// The first message of what was received, and what is behind it.
fn next(bytes: &[u8]) -> Outcome<Option<(Packet<'_>, &[u8])>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let garbled = || Failure::from(Errno::EBADMSG);
    let buffer = NetlinkBuffer::new_checked(bytes).map_err(|_| garbled())?;
    let length = usize::try_from(buffer.length()).map_err(|_| garbled())?;
    let packet = Packet {
        kind: buffer.message_type(),
        flags: buffer.flags(),
        sequence: buffer.sequence_number(),
        payload: bytes.get(HEADER..length).ok_or_else(garbled)?,
    };
    Ok(Some((packet, bytes.get(length.next_multiple_of(4)..).unwrap_or_default())))
}

impl Packet<'_> {
    /// The negated error number that the payload begins with (`struct nlmsgerr`, and what follows `NLMSG_DONE`).
    fn errno(&self) -> Option<Errno> {
        let code = self.payload.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes))?;
        (code < 0).then(|| Errno::from_raw(code.wrapping_neg()))
    }

    fn acknowledgement(&self) -> Outcome<()> {
        match self.errno() {
            None => Ok(()),
            Some(errno) => Err(Failure { errno, extack: self.explanation() }),
        }
    }

    fn end_of_dump(&self) -> Outcome<()> {
        self.errno().map_or(Ok(()), |errno| Err(Failure::from(errno)))
    }

    /// The text of an extended acknowledgement: behind the request's header, or behind the whole request.
    fn explanation(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let request = self.payload.get(4..)?;
        let length = request.first_chunk().map(|bytes| u32::from_ne_bytes(*bytes))?;
        let skipped =
            if self.flags & NLM_F_CAPPED == 0 { usize::try_from(length).ok()?.next_multiple_of(4) } else { HEADER };
        Attributes(request.get(skipped..)?).find(EXTACK_MESSAGE).map(Attribute::text)
    }
}
