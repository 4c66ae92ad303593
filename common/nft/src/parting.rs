//! Closing a netfilter socket without the wait.
//!
//! The close of any netfilter socket waits until the kernel has freed what transactions removed before, 8 to 16 ms, and
//! meanwhile neither a commit nor the removal of a link gets on (`nft_rcv_nl_event` and `nf_tables_netdev_event` take one mutex,
//! `net/netfilter/nf_tables_api.c`). There is nothing to wait for: packets have been seeing the new ruleset since the commit.
//!
//! So the last reference to the socket stays in a message that nobody can receive any more. The kernel closes it when
//! it collects such messages, which it does whenever some Unix socket of the host is closed, and by itself before there
//! are many (`net/unix/garbage.c`): some time later, when there is nothing left to wait for.

use std::io::IoSlice;
use std::os::fd::AsRawFd;

use nix::sys::socket::{AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, socketpair};

/// Leaves a reference to `socket` behind, in the queue of a receiver to which nothing but its own queue refers.
pub(crate) fn leave(socket: &impl AsRawFd) -> nix::Result<()> {
    let (sender, receiver) = socketpair(AddressFamily::Unix, SockType::Datagram, None, SockFlag::SOCK_CLOEXEC)?;
    // The sender too: its close would have the message collected at once.
    let descriptors = [socket.as_raw_fd(), receiver.as_raw_fd(), sender.as_raw_fd()];
    let rights = ControlMessage::ScmRights(&descriptors);
    sendmsg::<()>(sender.as_raw_fd(), &[IoSlice::new(&[0])], &[rights], MsgFlags::empty(), None).map(drop)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::net::UnixDatagram, thread, time::Duration};

    use crate::socket::Socket;

    /// How many of protocol `NETLINK_NETFILTER` (12) the namespace has, whoever refers to them.
    fn sockets() -> usize {
        let listed = fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
        listed.lines().filter(|line| line.split_whitespace().nth(1) == Some("12")).count()
    }

    #[test]
    fn what_is_left_behind_is_collected() {
        let tested = thread::spawn(|| {
            if nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).is_err() {
                return eprintln!("skipped: no network namespace of its own");
            }
            let before = sockets();
            // Others may have the kernel collect at any moment.
            let mut stay = (0..100).map(|_| {
                drop(Socket::open().unwrap());
                sockets() > before
            });
            assert!(stay.any(|stays| stays), "every socket was closed at once");
            for _ in 0..500 {
                drop(UnixDatagram::pair().unwrap());
                if sockets() == before {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            panic!("{} sockets more than before", sockets() - before);
        });
        tested.join().unwrap();
    }
}
