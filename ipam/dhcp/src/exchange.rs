//! A conversation with servers: who decides what is said ([`Machine`]) never sees a socket, and who has one ([`Channel`]) decides
//! nothing.

use std::{
    io,
    os::fd::BorrowedFd,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

/// The way to the servers of a link.
pub trait Channel {
    /// What can be waited on.
    fn fd(&self) -> BorrowedFd<'_>;

    /// Sends a message.
    fn send(&self, message: &[u8]) -> io::Result<()>;

    /// Takes what has arrived; `None` if it is nothing for a client.
    fn receive(&self) -> io::Result<Option<Heard>>;
}

/// A message that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// The message.
    pub message: Vec<u8>,
    /// The hardware address that it came from, where that can be seen.
    pub mac: Option<[u8; 6]>,
}

/// Decides what is said and when. Times are those since the conversation has begun.
pub trait Machine {
    /// What it comes to.
    type Outcome;

    /// What to do now.
    fn next(&mut self, now: Duration) -> Next;

    /// Takes what has been heard; what it has come to, if that is the end.
    fn hear(&mut self, now: Duration, heard: &Heard) -> Option<Self::Outcome>;
}

/// What a machine wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Something sent.
    Send(Vec<u8>),
    /// To hear something, or else to be asked again at this time.
    Wait(Duration),
    /// No more: nobody has answered.
    GiveUp,
}

/// Why there is no outcome.
#[derive(Debug)]
pub enum Failure {
    /// Nobody has answered.
    Silence,
    /// Whoever wanted it does so no more.
    Cancelled,
    /// The link has gone, or the socket broke.
    Broken(io::Error),
}

/// Errors of sending that a later attempt may not meet: no carrier yet, nobody answers ARP, the queue is full.
const PASSING: [Errno; 6] =
    [Errno::ENETDOWN, Errno::ENETUNREACH, Errno::EHOSTUNREACH, Errno::ENOBUFS, Errno::EAGAIN, Errno::ECONNREFUSED];

/// Converses until there is an outcome. Whoever wanted it is at the other end of `wanting`, and wants it no more when something can
/// be read there, which is the end.
pub fn converse<M: Machine>(
    machine: &mut M,
    channel: &impl Channel,
    wanting: Option<BorrowedFd<'_>>,
) -> Result<M::Outcome, Failure> {
    let begin = Instant::now();
    loop {
        let until = match machine.next(begin.elapsed()) {
            Next::Send(message) => {
                send(channel, &message)?;
                continue;
            }
            Next::Wait(until) => until,
            Next::GiveUp => return Err(Failure::Silence),
        };
        if !readable(channel, wanting, until.saturating_sub(begin.elapsed()))? {
            continue;
        }
        match channel.receive() {
            Ok(Some(heard)) => {
                if let Some(outcome) = machine.hear(begin.elapsed(), &heard) {
                    return Ok(outcome);
                }
            }
            Ok(None) => {}
            Err(error) if is_passing(&error) || error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Failure::Broken(error)),
        }
    }
}

fn send(channel: &impl Channel, message: &[u8]) -> Result<(), Failure> {
    match channel.send(message) {
        Err(error) if is_passing(&error) => {
            log::debug!("send: {error}");
            Ok(())
        }
        sent => sent.map_err(Failure::Broken),
    }
}

fn is_passing(error: &io::Error) -> bool {
    error.raw_os_error().is_some_and(|errno| PASSING.contains(&Errno::from_raw(errno)))
}

/// Whether something has arrived within `limit`.
fn readable(channel: &impl Channel, wanting: Option<BorrowedFd<'_>>, limit: Duration) -> Result<bool, Failure> {
    let mut fds = vec![PollFd::new(channel.fd(), PollFlags::POLLIN)];
    fds.extend(wanting.map(|fd| PollFd::new(fd, PollFlags::POLLIN)));
    // Not before the time has come: it would be asked again and again.
    let timeout = PollTimeout::try_from(limit + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
    match poll(&mut fds, timeout) {
        Err(Errno::EINTR) => return Ok(false),
        Err(errno) => return Err(Failure::Broken(errno.into())),
        Ok(_) => {}
    }
    let has = |n: usize| fds.get(n).and_then(PollFd::any) == Some(true);
    if has(1) { Err(Failure::Cancelled) } else { Ok(has(0)) }
}

#[cfg(test)]
pub mod tests {
    use std::os::{fd::AsFd, unix::net::UnixDatagram};

    use super::*;

    /// What a machine says when it is its turn the next time, which `now` becomes; nothing if it gives up.
    pub fn said(machine: &mut impl Machine, now: &mut Duration) -> Option<Vec<u8>> {
        loop {
            match machine.next(*now) {
                Next::Send(bytes) => return Some(bytes),
                Next::Wait(until) => {
                    assert!(until > *now, "it would be asked for ever");
                    *now = until;
                }
                Next::GiveUp => return None,
            }
        }
    }

    struct Socket(UnixDatagram);

    impl Channel for Socket {
        fn fd(&self) -> BorrowedFd<'_> {
            self.0.as_fd()
        }

        fn send(&self, message: &[u8]) -> io::Result<()> {
            self.0.send(message).map(drop)
        }

        fn receive(&self) -> io::Result<Option<Heard>> {
            let mut message = vec![0; 9];
            let length = self.0.recv(&mut message)?;
            message.truncate(length);
            Ok((length > 1).then_some(Heard { message, mac: None }))
        }
    }

    /// Says how often it has asked, twice, and wants an answer to its second question within this time.
    struct Asker(u8, Duration);

    impl Machine for Asker {
        type Outcome = Vec<u8>;

        fn next(&mut self, now: Duration) -> Next {
            let due = [Duration::ZERO, Duration::from_millis(20), self.1][usize::from(self.0)];
            if now < due {
                return Next::Wait(due);
            }
            self.0 += 1;
            if self.0 > 2 { Next::GiveUp } else { Next::Send(vec![self.0]) }
        }

        fn hear(&mut self, _: Duration, heard: &Heard) -> Option<Vec<u8>> {
            (self.0 == 2).then(|| heard.message.clone())
        }
    }

    #[test]
    fn questions_are_repeated_until_the_right_answer() {
        let (ours, theirs) = UnixDatagram::pair().unwrap();
        let server = std::thread::spawn(move || {
            for answer in [b"?".as_slice(), b"yes"] {
                theirs.recv(&mut [0; 9]).unwrap();
                theirs.send(answer).unwrap();
            }
        });
        assert_eq!(converse(&mut Asker(0, Duration::from_secs(20)), &Socket(ours), None).unwrap(), b"yes");
        server.join().unwrap();
    }

    #[test]
    fn silence_ends_it_and_so_does_who_wanted_it() {
        let (ours, _theirs) = UnixDatagram::pair().unwrap();
        let ours = Socket(ours);
        let asker = || Asker(0, Duration::from_millis(40));
        assert!(matches!(converse(&mut asker(), &ours, None), Err(Failure::Silence)));
        let (gone, wanting) = UnixDatagram::pair().unwrap();
        gone.shutdown(std::net::Shutdown::Both).unwrap();
        wanting.shutdown(std::net::Shutdown::Both).unwrap();
        assert!(matches!(converse(&mut asker(), &ours, Some(wanting.as_fd())), Err(Failure::Cancelled)));
    }
}
