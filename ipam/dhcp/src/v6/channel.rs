//! The way to the servers of a link: datagrams from the link-local address to the group of all servers and relays.

use std::{
    io,
    net::{Ipv6Addr, SocketAddrV6, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use net::{Inside, Link};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrIn6, bind, setsockopt, socket, sockopt};

use crate::{
    exchange::{Channel, Heard},
    v6::{CLIENT_PORT, SERVER_PORT},
};

/// `All_DHCP_Relay_Agents_and_Servers` (RFC 8415, section 7.1).
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

/// More than a datagram can have.
const LONGEST: usize = 65_536;

/// Datagrams on one link.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    servers: SocketAddrV6,
}

impl Datagrams {
    /// On this link, whose link-local address `from` is.
    pub fn open(_: &Inside<'_>, link: &Link, from: Ipv6Addr) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet6, SockType::Datagram, flags, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        setsockopt(&socket, sockopt::BindToDevice, &link.name.clone().into())?;
        bind(socket.as_raw_fd(), &SockaddrIn6::from(SocketAddrV6::new(from, CLIENT_PORT, 0, link.index.0)))?;
        Ok(Self { socket: socket.into(), servers: SocketAddrV6::new(EVERYBODY, SERVER_PORT, 0, link.index.0) })
    }
}

impl Channel for Datagrams {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        self.socket.send_to(message, self.servers).map(drop)
    }

    fn receive(&self) -> io::Result<Option<Heard>> {
        let mut message = vec![0; LONGEST];
        let (length, _) = self.socket.recv_from(&mut message)?;
        message.truncate(length);
        Ok(Some(Heard { message, mac: None }))
    }
}
