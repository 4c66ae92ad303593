//! `kill -9` at the system calls by which something is changed: the next DEL completes what is left.

use serde_json::json;
use testkit::{Facility, require};

use crate::stage::{host, network};

/// What has an effect, or follows one.
const CALLS: [&str; 5] = ["ioctl", "sendto", "recvfrom", "close", "write"];

#[test]
fn what_is_killed_anywhere_is_completed_by_del() {
    let Some(lan) = host() else { return };
    if require(Facility::Script("strace -o /dev/null true")) {
        let keys = json!({ "owner": 0, "group": 0, "mtu": 1400, "mac": "02:00:00:00:00:05" });
        // The kernel's word for it.
        lan.survives_kills(&network(&lan, keys), "tun", &CALLS, 4);
    }
}
