//! `kill -9` at the system calls by which something is changed: the next DEL completes what is left.

use serde_json::json;
use testkit::{Facility, require};

use crate::stage::{network, tagged};

/// Every tenth request to the kernel, or its answer: `conformance crash` does it at each system call.
#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn what_is_killed_anywhere_is_completed_by_del() {
    if require(Facility::Script("strace -o /dev/null true")) {
        let lan = tagged();
        lan.survives_kills(&network(&lan, json!({ "mtu": 1400 })), "vlan", &["sendto", "recvfrom"], 10);
    }
}
