//! Real packets: servers that say who they are and whom they see, and clients that ask them.
//!
//! A server answers with its name, its own address and its peer's, as its socket sees them: after every translation on the
//! way. So a test can tell which container answered, and which source address it was shown.

use crate::namespace::TestNs;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::fmt::{Debug, Display};
use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::AsFd;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// UDP may lose a datagram: how long until it is sent again.
const RESEND: Duration = Duration::from_millis(200);

/// How long [`eventually`] rests between two attempts.
const RETRY: Duration = Duration::from_millis(20);

/// A server inside a namespace; it stops when dropped, and keeps the namespace alive until then.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    /// Closed by dropping it, which wakes the thread up.
    stop: Option<PipeWriter>,
    thread: Option<JoinHandle<()>>,
}

/// What a [`Server`] answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The name of the namespace that answered.
    pub server: String,
    /// Where the server was reached as it sees it: after DNAT. (A UDP server sees the address it was bound to.)
    pub local: SocketAddr,
    /// Who asked as the server sees it: after SNAT.
    pub peer: SocketAddr,
}

impl Server {
    /// Where it listens; with the kernel's choice when it was asked for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(address: SocketAddr, socket: impl AsFd + Send + 'static, answer: impl Fn() + Send + 'static) -> Self {
        let (stopped, stop) = pipe().unwrap_or_else(|e| panic!("create a pipe: {e}"));
        let thread = thread::spawn(move || serve(&socket, &stopped, answer));
        Self { address, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Calls `answer` whenever `socket` can be read, until the other end of `stopped` is closed.
fn serve(socket: &impl AsFd, stopped: &PipeReader, answer: impl Fn()) {
    loop {
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN), PollFd::new(stopped.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            Err(_) => return,
            Ok(_) if fds[1].any() == Some(true) => return,
            Ok(_) => answer(),
        }
    }
}

impl TestNs {
    /// Listens on TCP, e.g. on `"10.1.0.2:80"` or on every address with `"[::]:80"`.
    #[track_caller]
    pub fn listen_tcp(&self, at: impl ToSocketAddrs) -> Server {
        let at = resolve(at);
        let listener =
            self.run(|| TcpListener::bind(at).and_then(|socket| socket.set_nonblocking(true).map(|()| socket)));
        let listener = listener.unwrap_or_else(|e| panic!("listen on tcp {at} in {}: {e}", self.name()));
        let address = listener.local_addr().unwrap_or(at);
        let (name, polled) = (self.name().to_owned(), duplicate(listener.try_clone()));
        Server::start(address, polled, move || {
            // A client that went away again is no concern of the server.
            let _ = listener.accept().and_then(|(mut stream, peer)| {
                let local = stream.local_addr()?;
                stream.write_all(Reply { server: name.clone(), local, peer }.to_line().as_bytes())
            });
        })
    }

    /// Listens on UDP.
    #[track_caller]
    pub fn listen_udp(&self, at: impl ToSocketAddrs) -> Server {
        let at = resolve(at);
        let socket = self.run(|| UdpSocket::bind(at).and_then(|socket| socket.set_nonblocking(true).map(|()| socket)));
        let socket = socket.unwrap_or_else(|e| panic!("listen on udp {at} in {}: {e}", self.name()));
        let address = socket.local_addr().unwrap_or(at);
        let (name, polled) = (self.name().to_owned(), duplicate(socket.try_clone()));
        Server::start(address, polled, move || {
            let _ = socket.recv_from(&mut [0; 64]).and_then(|(_, peer)| {
                socket.send_to(Reply { server: name.clone(), local: address, peer }.to_line().as_bytes(), peer)
            });
        })
    }

    /// Connects from inside and reads the answer.
    pub fn connect_tcp(&self, to: impl ToSocketAddrs, limit: Duration) -> io::Result<Reply> {
        let to = resolve(to);
        self.run(|| {
            let mut stream = TcpStream::connect_timeout(&to, limit)?;
            stream.set_read_timeout(Some(limit))?;
            let mut line = String::new();
            stream.read_to_string(&mut line)?;
            Reply::parse(&line)
        })
    }

    /// Asks a UDP server from inside, again and again until the limit. Only an answer from where the question went counts.
    pub fn ask_udp(&self, to: impl ToSocketAddrs, limit: Duration) -> io::Result<Reply> {
        let to = resolve(to);
        let deadline = Instant::now() + limit;
        self.run(|| {
            let socket = UdpSocket::bind(if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" })?;
            socket.connect(to)?;
            socket.set_read_timeout(Some(RESEND.min(limit)))?;
            loop {
                match ask_once(&socket) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock && Instant::now() < deadline => {}
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Err(io::ErrorKind::TimedOut.into()),
                    done => return done,
                }
            }
        })
    }

    /// Sends one echo request from inside with `ping` and waits a second for the answer.
    pub fn ping(&self, to: impl Display) -> io::Result<()> {
        let ran = self.try_sh(&format!("ping -n -q -c 1 -W 1 {to}"));
        if ran.status.success() { Ok(()) } else { Err(io::Error::other(ran.stdout + &ran.stderr)) }
    }
}

fn ask_once(socket: &UdpSocket) -> io::Result<Reply> {
    let mut line = [0; 256];
    socket.send(b"who?")?;
    let length = socket.recv(&mut line)?;
    Reply::parse(&String::from_utf8_lossy(line.get(..length).unwrap_or_default()))
}

impl Reply {
    fn to_line(&self) -> String {
        format!("{} {} {}\n", self.server, self.local, self.peer)
    }

    /// A line that is not whole is as bad as none: somebody else answered.
    fn parse(line: &str) -> io::Result<Self> {
        let stranger = || io::Error::new(io::ErrorKind::InvalidData, format!("not an answer of ours: {line:?}"));
        let [server, local, peer] = line
            .strip_suffix('\n')
            .and_then(|line| line.split(' ').collect::<Vec<_>>().try_into().ok())
            .ok_or_else(stranger)?;
        // A socket for both families shows IPv4 peers as ::ffff:a.b.c.d.
        let address = |text: &str| text.parse().map(canonical).map_err(|_| stranger());
        Ok(Self { server: server.to_owned(), local: address(local)?, peer: address(peer)? })
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

#[track_caller]
fn resolve(address: impl ToSocketAddrs) -> SocketAddr {
    let first = address.to_socket_addrs().map(|mut all| all.next());
    first.ok().flatten().unwrap_or_else(|| panic!("not an address with a port"))
}

#[track_caller]
fn duplicate<T>(socket: io::Result<T>) -> T {
    socket.unwrap_or_else(|e| panic!("duplicate a socket: {e}"))
}

/// Tries until it succeeds; panics with the last error when the limit is over. For what the kernel does in its own time.
#[track_caller]
pub fn eventually<T, E: Debug>(limit: Duration, mut attempt: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(e) if Instant::now() > deadline => panic!("not within {limit:?}: {e:?}"),
            Err(_) => thread::sleep(RETRY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_survives_the_wire_with_mapped_addresses_unmapped() {
        let sent = Reply {
            server: "c1".to_owned(),
            local: "[::ffff:10.0.0.2]:80".parse().unwrap(),
            peer: "[2001:db8::1]:4000".parse().unwrap(),
        };
        let read = Reply::parse(&sent.to_line()).unwrap();
        assert_eq!(read.local, "10.0.0.2:80".parse().unwrap());
        assert_eq!((read.server, read.peer), (sent.server, sent.peer));
    }

    #[test]
    fn anything_else_is_not_a_reply() {
        for line in ["", "c1\n", "c1 10.0.0.1:1 10.0.0.2:2", "c1 10.0.0.1 10.0.0.2\n", "HTTP/1.1 200 OK\n"] {
            assert_eq!(Reply::parse(line).unwrap_err().kind(), io::ErrorKind::InvalidData, "{line:?}");
        }
    }

    #[test]
    #[should_panic(expected = "not within 50ms: \"still no\"")]
    fn what_never_happens_is_reported_with_its_last_error() {
        eventually(Duration::from_millis(50), || Err::<(), _>("still no"));
    }
}
