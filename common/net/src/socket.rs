//! One conversation over `NETLINK_ROUTE` (netlink(7)).

use std::{io, ops::ControlFlow};

use netlink_packet_core::{
    ErrorMessage, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTIPART, NLM_F_REQUEST,
    NLMSG_ERROR, NetlinkHeader, NetlinkMessage, NetlinkPayload, NlasIterator,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, protocols::NETLINK_ROUTE};
use nix::errno::Errno;

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

type Answer<T> = Result<T, Failure>;

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

    /// Sends one request and waits until it is done; returns what came back before the acknowledgement.
    pub(crate) fn request(&mut self, message: RouteNetlinkMessage, flags: u16) -> Answer<Vec<RouteNetlinkMessage>> {
        self.send(message, flags | NLM_F_ACK)?;
        let mut answers = Vec::new();
        self.receive(|answer| {
            answers.push(answer);
            ControlFlow::Continue(())
        })?;
        Ok(answers)
    }

    /// Reads all objects that match. A dump during which something changed is begun again.
    pub(crate) fn dump(&mut self, message: &RouteNetlinkMessage) -> Answer<Vec<RouteNetlinkMessage>> {
        let mut answers = Vec::new();
        for _ in 0..DUMP_TRIES {
            answers.clear();
            self.send(message.clone(), NLM_F_DUMP)?;
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
        message: RouteNetlinkMessage,
        found: impl FnMut(RouteNetlinkMessage) -> ControlFlow<()>,
    ) -> Answer<()> {
        self.send(message, NLM_F_DUMP)?;
        self.receive(found).map(drop)
    }

    fn send(&mut self, message: RouteNetlinkMessage, flags: u16) -> Answer<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | flags;
        header.sequence_number = self.sequence;
        let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
        packet.finalize();
        let mut bytes = vec![0; packet.buffer_len()];
        packet.serialize(&mut bytes);
        loop {
            match self.socket.send(&bytes, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(&error)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Hands every answer to `each` until the request is done. Returns whether nothing changed meanwhile.
    fn receive(&mut self, mut each: impl FnMut(RouteNetlinkMessage) -> ControlFlow<()>) -> Answer<bool> {
        let mut undisturbed = true;
        loop {
            self.fill()?;
            let mut rest = self.buffer.as_slice();
            while rest.len() >= HEADER {
                let packet =
                    NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(|error| garbled(&error))?;
                let length = usize::try_from(packet.header.length).unwrap_or(usize::MAX).next_multiple_of(4);
                rest = rest.get(length..).unwrap_or_default();
                if packet.header.sequence_number != self.sequence {
                    continue;
                }
                undisturbed &= packet.header.flags & NLM_F_DUMP_INTR == 0;
                let (header, payload) = packet.into_parts();
                match payload {
                    NetlinkPayload::Error(error) => return finished(&header, &error).map(|()| undisturbed),
                    NetlinkPayload::Done(done) if done.code < 0 => {
                        return Err(Failure::from(Errno::from_raw(-done.code)));
                    }
                    NetlinkPayload::Done(_) => return Ok(undisturbed),
                    NetlinkPayload::InnerMessage(answer) => match each(answer) {
                        ControlFlow::Break(()) => return Ok(undisturbed),
                        ControlFlow::Continue(()) => {}
                    },
                    _ => {}
                }
            }
        }
    }

    fn fill(&mut self) -> Answer<()> {
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

fn garbled(error: &netlink_packet_core::DecodeError) -> Failure {
    Failure { errno: Errno::EBADMSG, extack: Some(error.to_string()) }
}

fn finished(header: &NetlinkHeader, error: &ErrorMessage) -> Answer<()> {
    match error.code {
        None => Ok(()),
        Some(code) => Err(Failure { errno: Errno::from_raw(-code.get()), extack: explanation(header, error) }),
    }
}

/// The text of an extended acknowledgement: behind the request's header, or behind the whole request.
fn explanation(header: &NetlinkHeader, error: &ErrorMessage) -> Option<String> {
    debug_assert!(header.message_type == NLMSG_ERROR && header.flags & NLM_F_MULTIPART == 0);
    if header.flags & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    let request = error.header.first_chunk::<4>().map(|length| u32::from_ne_bytes(*length))?;
    let skipped =
        if header.flags & NLM_F_CAPPED == 0 { usize::try_from(request).ok()?.next_multiple_of(4) } else { HEADER };
    let attributes = error.header.get(skipped..)?;
    let text = NlasIterator::new(attributes).flatten().find(|attribute| attribute.kind() == EXTACK_MESSAGE)?;
    Some(String::from_utf8_lossy(text.value()).trim_end_matches('\0').to_owned())
}
