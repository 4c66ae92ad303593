//! A network namespace of its own for every test, and what the administrator's tools say in it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up fails")]
#![allow(clippy::disallowed_methods, reason = "the tests ask nft and ip, and enter namespaces that they made")]
#![allow(dead_code, reason = "every test file uses its part of this")]

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use nft::{Family, Nft, Table};
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

/// A second network namespace beside the test's own.
pub struct Netns(File);

impl Netns {
    /// Makes one, on a thread of its own as it takes the thread along.
    pub fn new() -> Self {
        let file = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNET).unwrap();
            File::open("/proc/thread-self/ns/net").unwrap()
        });
        Self(file.join().unwrap())
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

    /// A path by which `ip link set NAME netns` finds it.
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}
