//! The process that has a tap open: `guest.py`.

use std::fs;

use testkit::{TestNs, eventually};

use crate::stage::LONG;

/// It ends with this value.
pub struct Guest<'a> {
    container: &'a TestNs,
    pid: String,
}

/// How the process gets at the tap.
#[derive(Clone, Copy)]
pub struct Access<'a> {
    /// The device.
    pub device: &'a str,
    /// What it runs under.
    pub wrapper: &'a str,
    /// How often it opens the tap.
    pub queues: usize,
}

/// By no other right than that of the user 0: without any capability.
pub const UNPRIVILEGED: Access<'static> =
    Access { device: "/dev/net/tun", wrapper: "setpriv --bounding-set=-all --inh-caps=-all", queues: 1 };

/// Debian's: what else `PATH` has may be out of another user's reach.
const PYTHON: &str = "/usr/bin/python3";

impl<'a> Guest<'a> {
    /// Opens `tap` of the container and has `address` behind it.
    #[track_caller]
    pub fn open(container: &'a TestNs, tap: &str, address: &str, access: Access<'_>) -> Self {
        let (guest, outcomes) = Self::try_open(container, tap, address, access);
        assert!(outcomes.iter().all(|outcome| outcome == "opened"), "{outcomes:?}");
        guest
    }

    /// The same where it may be refused; what came of each queue.
    #[track_caller]
    pub fn try_open(container: &'a TestNs, tap: &str, address: &str, access: Access<'_>) -> (Self, Vec<String>) {
        let Access { device, wrapper, queues } = access;
        let (script, log) = ("/run/guest.py", format!("/run/guest-{tap}"));
        fs::write(script, include_str!("guest.py")).unwrap();
        let _ = fs::remove_file(&log);
        let command = format!("{wrapper} {PYTHON} {script} {device} {tap} {address} {queues}");
        let pid = container.sh(&format!("{command} >{log} 2>&1 & echo $!")).trim().to_owned();
        let guest = Self { container, pid };
        let outcomes = eventually(LONG, || {
            let printed = fs::read_to_string(&log).unwrap_or_default();
            let lines: Vec<String> = printed.lines().map(str::to_owned).collect();
            if lines.len() == queues { Ok(lines) } else { Err(lines) }
        });
        (guest, outcomes)
    }
}

impl Drop for Guest<'_> {
    fn drop(&mut self) {
        self.container.try_sh(&format!("kill -KILL {}", self.pid));
    }
}

/// A tap that has just been opened drops frames until the kernel has noticed its carrier.
#[track_caller]
pub fn reaches(container: &TestNs, address: &str) {
    eventually(LONG, || container.ping(address));
}
