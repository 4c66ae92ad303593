//! Two ways to servers: frames, before there is an address, and datagrams.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
};

use net::Inside;
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    libc::{in_addr, in_pktinfo},
    sys::socket::{
        AddressFamily, ControlMessage, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, recv,
        send, sendmsg, setsockopt, socket, sockopt,
    },
};

use crate::{
    exchange::{Channel, Heard},
    v4::{
        CLIENT_PORT, SERVER_PORT,
        frame::{self, Way},
    },
};

/// More than what goes through any link in one frame.
const LONGEST: usize = 65_536;

/// Frames on one link (packet(7)).
#[derive(Debug)]
pub struct Frames {
    socket: OwnedFd,
    way: Way,
    buffer: RefCell<Vec<u8>>,
}

impl Frames {
    /// On this link, between these.
    pub fn open(_: &Inside<'_>, ifname: &str, way: Way) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthIp)?;
        // Its protocol is 0, for which the kernel takes the socket's (packet_bind, net/packet/af_packet.c).
        bind(socket.as_raw_fd(), &link_address(ifname)?)?;
        Ok(Self { socket, way, buffer: RefCell::new(vec![0; LONGEST]) })
    }
}

/// The link as a packet socket's address.
fn link_address(ifname: &str) -> io::Result<LinkAddr> {
    let of_link = |address: nix::ifaddrs::InterfaceAddress| {
        (address.interface_name == ifname).then(|| address.address?.as_link_addr().copied())?
    };
    getifaddrs()?.find_map(of_link).ok_or_else(|| Errno::ENODEV.into())
}

impl Channel for Frames {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        send(self.socket.as_raw_fd(), &frame::write(&self.way, message), MsgFlags::empty())?;
        Ok(())
    }

    fn receive(&self) -> io::Result<Option<Heard>> {
        let mut buffer = self.buffer.borrow_mut();
        let length = recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let heard = buffer.get(..length).and_then(frame::read);
        Ok(heard.map(|(message, mac)| Heard { message: message.to_vec(), mac: Some(mac) }))
    }
}

/// Datagrams from the address that is in use to one server, or to all of the link. Refusals come by broadcast (RFC 2131, section
/// 4.1), so the socket is not bound to that address.
#[derive(Debug)]
pub struct Datagrams {
    socket: UdpSocket,
    from: Ipv4Addr,
    server: SocketAddrV4,
}

impl Datagrams {
    /// On this link, between these addresses.
    pub fn open(_: &Inside<'_>, ifname: &str, from: Ipv4Addr, to: Ipv4Addr) -> io::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let socket = socket(AddressFamily::Inet, SockType::Datagram, flags, None)?;
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
        setsockopt(&socket, sockopt::Broadcast, &true)?;
        setsockopt(&socket, sockopt::BindToDevice, &ifname.into())?;
        bind(socket.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, CLIENT_PORT)))?;
        Ok(Self { socket: socket.into(), from, server: SocketAddrV4::new(to, SERVER_PORT) })
    }
}

impl Channel for Datagrams {
    fn fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        let from = in_addr { s_addr: u32::from_ne_bytes(self.from.octets()) };
        let about = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: from, ipi_addr: in_addr { s_addr: 0 } };
        let (parts, control) = ([IoSlice::new(message)], [ControlMessage::Ipv4PacketInfo(&about)]);
        let server = SockaddrIn::from(self.server);
        sendmsg(self.socket.as_raw_fd(), &parts, &control, MsgFlags::empty(), Some(&server))?;
        Ok(())
    }

    fn receive(&self) -> io::Result<Option<Heard>> {
        let mut message = vec![0; LONGEST];
        let (length, _) = self.socket.recv_from(&mut message)?;
        message.truncate(length);
        Ok(Some(Heard { message, mac: None }))
    }
}
