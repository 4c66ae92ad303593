//! A network namespace of its own for every test, and what the administrator's tools say in it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]
#![allow(clippy::disallowed_methods, reason = "the tests ask nft and ip, and enter namespaces that they made")]
#![allow(dead_code, reason = "every test file uses its part of this")]

use std::fs::File;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};
use std::thread;

use nft::{Batch, Element, Family, Key, KeyType, Nft, Proto, Result, Set, Table};
use nix::sched::{CloneFlags, setns, unshare};

/// Moves the test's thread into a new network namespace; what it opens and starts from now on is there.
pub fn private_netns() -> Nft {
    unshare(CloneFlags::CLONE_NEWNET).expect("run the tests under `unshare -rnm`");
    Nft::open().unwrap()
}

/// The table that most tests use.
pub fn table() -> Table {
    Table::new(Family::Inet, "t")
}

/// Runs a program that must succeed and gives what it prints.
pub fn run(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Feeds a ruleset to nft, as another program would.
pub fn nft_file(text: &str) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{text}");
}

/// An IPv4 address.
pub fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

/// A port of TCP.
pub fn tcp(port: u16) -> Key {
    Key::new().proto(Proto::TCP).port(port)
}

/// A map from protocol and port to address and port.
pub fn map() -> Set {
    Set::map("m", [KeyType::InetProto, KeyType::InetService], [KeyType::Ipv4Addr, KeyType::InetService])
}

/// A set of ranges of addresses.
pub fn nets() -> Set {
    Set::new("nets", [KeyType::Ipv4Addr]).interval()
}

/// A set of ranges of addresses and ports.
pub fn pairs() -> Set {
    Set::new("pairs", [KeyType::Ipv4Addr, KeyType::InetService]).interval()
}

/// Data of the map.
pub fn to_web() -> Key {
    Key::new().ipv4(v4("10.0.0.2")).port(8080)
}

/// A table with the sets above.
pub fn with_sets() -> (Nft, Table) {
    let mut nft = private_netns();
    let table = table();
    let mut batch = Batch::new();
    batch.ensure_table(&table);
    for set in [map(), nets(), pairs()] {
        batch.ensure_set(&table, &set);
    }
    nft.commit(batch).unwrap();
    (nft, table)
}

/// Adds elements that must not be there.
pub fn add(nft: &mut Nft, table: &Table, set: &Set, elements: impl IntoIterator<Item = Element>) -> Result<()> {
    let mut batch = Batch::new();
    batch.add_elements(table, set, elements);
    nft.commit(batch)
}

/// Another network namespace, reached by a cable from the test's own.
pub struct Peer(File);

impl Peer {
    /// Makes one, on a thread of its own as that goes along, and a veth pair: `name` here, `eth0` there. Addresses are
    /// `NET.1` and `NET.2` of a /24, and `NET6::1` and `NET6::2` of a /64; the default route there leads here.
    pub fn connect(name: &str, net: &str, net6: &str) -> Self {
        let unshared = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        let peer = Self(unshared.join().unwrap());
        run(&format!("ip link add {name} type veth peer name eth0 netns {}", peer.path()));
        run(&format!("ip address add {net}.1/24 dev {name}"));
        run(&format!("ip address add {net6}::1/64 dev {name} nodad"));
        run(&format!("ip link set {name} up"));
        peer.enter(|| {
            run("ip link set lo up");
            run(&format!("ip address add {net}.2/24 dev eth0"));
            run(&format!("ip address add {net6}::2/64 dev eth0 nodad"));
            run("ip link set eth0 up");
            run(&format!("ip route add default via {net}.1"));
            run(&format!("ip -6 route add default via {net6}::1"));
        });
        peer
    }

    /// Runs something inside.
    pub fn enter<T: Send>(&self, run: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.0, CloneFlags::CLONE_NEWNET).unwrap();
                run()
            });
            inside.join().unwrap()
        })
    }

    fn path(&self) -> String {
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
