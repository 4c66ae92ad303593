//! A `NETLINK_NETFILTER` socket: requests out, answers in.
//!
//! Answers are matched to the request by sequence number; what an earlier, abandoned request left behind is skipped.

use netlink_packet_core::{NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR};
use netlink_sys::{SocketAddr, protocols::NETLINK_NETFILTER};
use nix::errno::Errno;
use nix::libc::{MSG_DONTWAIT, MSG_TRUNC};
use nix::sys::socket::{getsockopt, setsockopt, sockopt};
use std::ops::ControlFlow;

use crate::batch::Plan;
use crate::error::{Error, Result};
use crate::frame::{Answer, frames};
use crate::parting;
use crate::wire::Message;

/// Room for an answer; the kernel fills up to 32 KiB of it in a dump (`netlink_recvmsg`, `net/netlink/af_netlink.c`), and makes
/// other answers of a page or two (`NLMSG_GOODSIZE`).
const ANSWER_LEN: usize = 64 * 1024;
/// What netlink keeps of a send buffer for itself (`netlink_sendmsg`, `net/netlink/af_netlink.c`).
const SEND_OVERHEAD: usize = 32;

/// A refusal, before it is known what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) errno: Errno,
    pub(crate) extack: Option<String>,
    /// Where in the request the offending attribute stands.
    pub(crate) offset: Option<u32>,
}

impl Failure {
    pub(crate) fn into_error(self, op: &'static str, object: impl Into<String>) -> Error {
        Error { extack: self.extack, ..Error::new(op, object, self.errno) }
    }
}

impl From<Errno> for Failure {
    fn from(errno: Errno) -> Self {
        Self { errno, extack: None, offset: None }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw).into()
    }
}

/// How a request was answered.
#[derive(Debug, Clone, Copy, Default)]
struct Exchange {
    /// The kernel says that what it told is not of one moment.
    interrupted: bool,
    /// How many datagrams had objects.
    datagrams: usize,
}

/// Hands every object on.
fn each(mut object: impl FnMut(&[u8])) -> impl FnMut(&[u8]) -> ControlFlow<()> {
    move |payload| {
        object(payload);
        ControlFlow::Continue(())
    }
}

/// A socket in the network namespace of the thread that opened it.
pub(crate) struct Socket {
    inner: netlink_sys::Socket,
    sequence: u32,
    /// How long a message may be, as far as is known.
    room: usize,
    /// Where answers go.
    buffer: Vec<u8>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Where that cannot be, such as beyond a limit of descriptors, the close waits.
        let _ = parting::leave(&self.inner);
    }
}

impl Socket {
    pub(crate) fn open() -> Result<Self> {
        let open = || -> std::io::Result<netlink_sys::Socket> {
            let mut socket = netlink_sys::Socket::new(NETLINK_NETFILTER)?;
            socket.bind_auto()?;
            // A connected socket hears the kernel only.
            socket.connect(&SocketAddr::new(0, 0))?;
            socket.set_cap_ack(true)?;
            socket.set_ext_ack(true)?;
            Ok(socket)
        };
        match open() {
            Ok(inner) => Ok(Self { inner, sequence: 0, room: 0, buffer: Vec::with_capacity(ANSWER_LEN) }),
            Err(error) => Err(Failure::from(error).into_error("open", "netfilter socket")),
        }
    }

    /// Reserves sequence numbers and gives the first.
    fn reserve(&mut self, count: usize) -> u32 {
        let first = self.sequence.wrapping_add(1);
        self.sequence = self.sequence.wrapping_add(u32::try_from(count).unwrap_or(u32::MAX));
        first
    }

    /// Sends one request and hands every object of the answer to `object`, even if the request fails in the end.
    pub(crate) fn request(
        &mut self,
        mut message: Message,
        mut object: impl FnMut(&[u8]),
    ) -> std::result::Result<(), Failure> {
        message.flags |= NLM_F_ACK;
        self.exchange(message, &mut each(&mut object)).map(|_| ())
    }

    /// Asks for one object and hands it to `object`; the kernel sends it, or why it does not, and nothing behind.
    pub(crate) fn ask(&mut self, message: Message, mut object: impl FnMut(&[u8])) -> std::result::Result<(), Failure> {
        let mut first = |payload: &[u8]| {
            object(payload);
            ControlFlow::Break(())
        };
        self.exchange(message, &mut first).map(|_| ())
    }

    /// Reads a table of the kernel until `object` breaks off. Then the rest of the answer is still to come: the socket is
    /// good for nothing else.
    pub(crate) fn scan(
        &mut self,
        mut message: Message,
        mut object: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> std::result::Result<(), Failure> {
        message.flags |= NLM_F_DUMP;
        self.exchange(message, &mut object).map(|_| ())
    }

    /// Reads a whole table of the kernel. EINTR when it changed meanwhile, as far as the kernel tells.
    pub(crate) fn dump<T>(
        &mut self,
        message: Message,
        decode: impl FnMut(&[u8], &mut Vec<T>),
    ) -> std::result::Result<Vec<T>, Failure> {
        self.dump_counted(message, decode).map(|(all, _)| all)
    }

    /// Reads a whole table of `nf_tables`. EINTR when it changed meanwhile.
    ///
    /// To go on with a dump the kernel walks the table again and skips as many entries as it has told before, those of
    /// transactions included that are still being prepared. When such entries come or go, or a hash table is resized,
    /// between two datagrams, others are told twice or not at all, and no flag says so. Hence a dump of more than one
    /// datagram counts only if a second one is equal.
    pub(crate) fn dump_twice<T: PartialEq>(
        &mut self,
        message: &Message,
        mut decode: impl FnMut(&[u8], &mut Vec<T>),
    ) -> std::result::Result<Vec<T>, Failure> {
        let (first, datagrams) = self.dump_counted(message.clone(), &mut decode)?;
        if datagrams <= 1 || first == self.dump(message.clone(), &mut decode)? {
            return Ok(first);
        }
        Err(Errno::EINTR.into())
    }

    /// A dump, and in how many datagrams it came.
    fn dump_counted<T>(
        &mut self,
        mut message: Message,
        mut decode: impl FnMut(&[u8], &mut Vec<T>),
    ) -> std::result::Result<(Vec<T>, usize), Failure> {
        message.flags |= NLM_F_DUMP;
        let mut all = Vec::new();
        let exchange = self.exchange(message, &mut each(|payload| decode(payload, &mut all)))?;
        if exchange.interrupted { Err(Errno::EINTR.into()) } else { Ok((all, exchange.datagrams)) }
    }

    /// Sends one message and reads to the end of its answer, or until `object` breaks off.
    fn exchange(
        &mut self,
        message: Message,
        object: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> std::result::Result<Exchange, Failure> {
        let sequence = self.reserve(1);
        let mut bytes = Vec::new();
        message.write(sequence, &mut bytes);
        self.send(&bytes)?;
        let mut exchange = Exchange::default();
        loop {
            let datagram = self.receive(0)?;
            let mut is_first = true;
            for frame in frames(datagram).filter(|frame| frame.sequence == sequence) {
                exchange.interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
                match frame.answer() {
                    Some(Answer::Object(payload)) => {
                        exchange.datagrams += usize::from(std::mem::take(&mut is_first));
                        if object(payload).is_break() {
                            return Ok(exchange);
                        }
                    }
                    Some(Answer::Done) => return Ok(exchange),
                    Some(Answer::Failed(failure)) => return Err(failure),
                    None => {}
                }
            }
        }
    }

    /// Sends a batch and reads what the kernel says to it. It says so before `sendmsg` returns (`nfnetlink_rcv_batch`,
    /// `net/netfilter/nfnetlink.c`): all errors in order, and if all went well the acknowledgement that was asked for.
    pub(crate) fn commit(&mut self, mut plan: Plan) -> Result<()> {
        let first = self.reserve(plan.len());
        let bytes = plan.write(first);
        if let Err(failure) = self.send(&bytes) {
            return Err(failure.into_error("send", format!("batch of {} bytes", bytes.len())));
        }
        let end = self.sequence.wrapping_sub(first);
        let mut failed: Option<(u32, Failure)> = None;
        let mut outcome = Err(Failure::from(Errno::ENOBUFS));
        loop {
            let datagram = match self.receive(MSG_DONTWAIT) {
                Ok(datagram) => datagram,
                Err(Failure { errno: Errno::EAGAIN, .. }) => break,
                // More errors than the receive buffer holds. The first ones are in it.
                Err(Failure { errno: Errno::ENOBUFS, .. }) => continue,
                Err(failure) => return Err(plan.error(0, failure)),
            };
            for frame in frames(datagram) {
                let index = frame.sequence.wrapping_sub(first);
                match frame.answer().filter(|_| index <= end) {
                    Some(Answer::Failed(failure)) => {
                        failed.get_or_insert((index, failure));
                    }
                    Some(Answer::Done) => outcome = Ok(()),
                    Some(Answer::Object(_)) | None => {}
                }
            }
        }
        match failed {
            Some((index, failure)) => Err(plan.error(index, failure)),
            None => outcome.map_err(|failure| plan.error(0, failure)),
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::result::Result<(), Failure> {
        let needed = bytes.len() + SEND_OVERHEAD;
        if needed > self.room {
            self.room = self.make_room(needed)?;
        }
        retry(|| self.inner.send(bytes, 0)).map(drop)
    }

    /// A message is sent whole or not at all, and is limited by the send buffer. Root may raise that at will; others to
    /// `net.core.wmem_max`. The kernel doubles what it is asked for.
    fn make_room(&self, needed: usize) -> std::result::Result<usize, Failure> {
        let available = || getsockopt(&self.inner, sockopt::SndBuf);
        let granted = available()?;
        if granted >= needed {
            return Ok(granted);
        }
        if setsockopt(&self.inner, sockopt::SndBufForce, &needed).is_err() {
            setsockopt(&self.inner, sockopt::SndBuf, &needed)?;
        }
        match available()? {
            granted if granted >= needed => Ok(granted),
            granted => Err(Failure {
                extack: Some(format!("the socket may send {granted} bytes at once, see net.core.wmem_max")),
                ..Errno::EMSGSIZE.into()
            }),
        }
    }

    /// One datagram.
    fn receive(&mut self, flags: i32) -> std::result::Result<&[u8], Failure> {
        let Self { inner, buffer, .. } = self;
        let len = retry(|| {
            buffer.clear();
            inner.recv(buffer, flags | MSG_TRUNC)
        })?;
        if len > buffer.len() { Err(Errno::EMSGSIZE.into()) } else { Ok(buffer) }
    }
}

/// Goes on when a signal interrupts.
fn retry(mut call: impl FnMut() -> std::io::Result<usize>) -> std::result::Result<usize, Failure> {
    loop {
        match call() {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            result => return Ok(result?),
        }
    }
}
