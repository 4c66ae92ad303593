//! `kill -9` anywhere in ADD and DEL: the next DEL completes what is left.

use serde_json::json;
use testkit::{Facility, Lan, require};

use crate::stage::network;

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn add_and_del_killed_anywhere_are_completed_by_del() {
    if require(Facility::Script("strace -o /dev/null true")) {
        let lan = Lan::enter();
        // What changes something, or follows that.
        lan.survives_kills(&network(&lan, json!({})), "ipvlan", &["sendto"], 5);
    }
}
