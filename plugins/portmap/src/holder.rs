//! Whether a process of the host has a port already, and which: what it would lose if the port were published.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use cni::{Code, Error, Result};
use nft::{Nfproto, Proto};
use nix::{
    errno::Errno,
    sys::socket::{
        AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, bind, setsockopt, socket, sockopt,
    },
};

use crate::plan::{HostPort, Published};

/// How often a port is tried that only another portmap has, to look whether it is free.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(5);

/// A process that has a port.
#[derive(Debug, PartialEq, Eq)]
struct Process {
    id: u32,
    name: String,
}

/// Fails if a process of the host has one of these ports. The runtime may have it, for this container: podman's conmon
/// does, and has the container's ID among its arguments.
///
/// # Errors
/// Code 101 with the process.
pub fn refuse_held(ports: &[Published], container_id: &str) -> Result<()> {
    for port in ports.iter().flat_map(|port| port.from.each()) {
        if let Some(holder) = holder(&port, container_id) {
            let msg = format!("publish host port {port}: address already in use by {holder}");
            return Err(Error::new(Code::InUse, msg));
        }
    }
    Ok(())
}

/// Who has the port, in words. It may be the kernel itself (`WireGuard`, nfsd), or a process of another PID namespace.
fn holder(port: &HostPort, container_id: &str) -> Option<String> {
    for _ in 0..TRIES {
        if is_free(port) {
            return None;
        }
        let processes = processes_with(&inodes(port));
        if processes.iter().any(|process| process.serves(container_id)) {
            return None;
        }
        if let Some(Process { id, name }) = processes.iter().find(|process| !process.is_portmap()) {
            return Some(format!("\"{name}\" (process {id})"));
        }
        thread::sleep(PAUSE);
    }
    Some("the kernel, or a process that does not show".to_owned())
}

/// Whether the port could be had: bound, and given back at once. Connections of the past in `TIME_WAIT` are no obstacle,
/// nor is a socket of the other address family, unless it serves both. What cannot be bound for another reason is free:
/// the host has no such address, family or protocol.
pub fn is_free(port: &HostPort) -> bool {
    let tried = try_to_bind(port);
    if let Err(error) = tried
        && error != Errno::EADDRINUSE
    {
        log::debug!("cannot tell whether host port {port} is in use: {error}");
    }
    tried != Err(Errno::EADDRINUSE)
}

fn try_to_bind(port: &HostPort) -> nix::Result<()> {
    let (family, unspecified) = match port.family {
        Nfproto::IPV4 => (AddressFamily::Inet, IpAddr::from(Ipv4Addr::UNSPECIFIED)),
        _ => (AddressFamily::Inet6, IpAddr::from(Ipv6Addr::UNSPECIFIED)),
    };
    let (kind, protocol) = match port.protocol {
        Proto::UDP => (SockType::Datagram, SockProtocol::Udp),
        Proto::SCTP => (SockType::SeqPacket, SockProtocol::Sctp),
        _ => (SockType::Stream, SockProtocol::Tcp),
    };
    let socket = socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)?;
    if port.protocol == Proto::TCP {
        setsockopt(&socket, sockopt::ReuseAddr, &true)?;
    }
    if family == AddressFamily::Inet6 {
        setsockopt(&socket, sockopt::Ipv6V6Only, &true)?;
    }
    let address = SocketAddr::new(port.at.unwrap_or(unspecified), port.port);
    bind(socket.as_raw_fd(), &SockaddrStorage::from(address))
}

impl Process {
    /// Whether one of its arguments is the container's ID.
    fn serves(&self, container_id: &str) -> bool {
        let arguments = fs::read(self.dir().join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == container_id.as_bytes())
    }

    /// Whether it is this program: what has the port then has it for a moment only.
    fn is_portmap(&self) -> bool {
        let program = fs::read_link(self.dir().join("exe")).ok();
        program.is_some() && program == env::current_exe().ok()
    }

    fn dir(&self) -> PathBuf {
        Path::new("/proc").join(self.id.to_string())
    }
}

/// The inodes of sockets that have the port, at whatever address.
fn inodes(port: &HostPort) -> Vec<u64> {
    let tables = match port.protocol {
        Proto::UDP => &["udp", "udp6"][..],
        Proto::SCTP => &["sctp/eps"],
        _ => &["tcp", "tcp6"],
    };
    let read = |table: &&str| fs::read_to_string(Path::new("/proc/self/net").join(table)).ok();
    let texts: Vec<String> = tables.iter().filter_map(read).collect();
    let inode = if port.protocol == Proto::SCTP { of_endpoint } else { of_socket };
    texts.iter().flat_map(|text| text.lines()).filter_map(|line| inode(line, port.port)).collect()
}

/// The inode of a line of `/proc/net/tcp` or `udp` (proc(5)): `sl: address:port remote state ...`, with the port in hexadecimal.
/// A connection that nobody has open any more has 0.
fn of_socket(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let local = fields.get(1)?.rsplit_once(':')?.1;
    let held = u16::from_str_radix(local, 16) == Ok(port);
    held.then(|| fields.get(9)?.parse().ok()).flatten().filter(|inode| *inode != 0)
}

/// The inode of a line of `/proc/net/sctp/eps`: `ENDPT SOCK STY SST HBKT LPORT UID INODE ...`.
fn of_endpoint(line: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let held = fields.get(5)?.parse() == Ok(port);
    held.then(|| fields.get(7)?.parse().ok()).flatten()
}

/// The processes that have one of these sockets open.
fn processes_with(inodes: &[u64]) -> Vec<Process> {
    let sockets: Vec<String> = inodes.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let ids = entries(Path::new("/proc")).filter_map(|name| name.parse().ok());
    let ids = ids.filter(|id: &u32| has_one(*id, &sockets));
    let name = |id: u32| fs::read_to_string(format!("/proc/{id}/comm")).unwrap_or_default().trim_end().to_owned();
    ids.map(|id| Process { id, name: name(id) }).collect()
}

fn has_one(id: u32, sockets: &[String]) -> bool {
    let open = PathBuf::from(format!("/proc/{id}/fd"));
    let is_one = |fd: String| {
        let target = fs::read_link(open.join(fd)).ok();
        target.as_deref().and_then(Path::to_str).is_some_and(|target| sockets.iter().any(|socket| socket == target))
    };
    entries(&open).any(is_one)
}

/// The names in a directory; none if it is not there, or not for us.
fn entries(dir: &Path) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_told_by_their_local_port() {
        let listening =
            "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1";
        let waiting = "   1: 0100007F:1F90 0200007F:C001 06 00000000:00000000 03:00001770 00000000     0        0 0 3";
        let client =
            "   2: 0100007F:C001 0100007F:1F90 01 00000000:00000000 00:00000000 00000000     0        0 4243 1";
        assert_eq!(of_socket(listening, 8080), Some(4242));
        for line in [waiting, client, "  sl  local_address rem_address   st", ""] {
            assert_eq!(of_socket(line, 8080), None, "{line}");
        }
    }

    #[test]
    fn endpoints_of_sctp_are_told_by_theirs() {
        let header = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS";
        let line = "ffff8880 ffff8881 2   10  29   8080      0 31415 0.0.0.0 ";
        assert_eq!(
            (of_endpoint(line, 8080), of_endpoint(line, 29), of_endpoint(header, 8080)),
            (Some(31415), None, None)
        );
    }
}
