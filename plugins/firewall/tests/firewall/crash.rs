//! `kill -9` at the system calls by which the kernel is asked and changed, and programs are started.

use serde_json::json;
use testkit::{Facility, Kills, require};

use crate::stage::{By, Stage};

/// What can have an effect, or follows one.
const CALLS: [&str; 7] = ["sendto", "sendmsg", "recvmsg", "read", "write", "setsockopt", "execve"];

#[test]
fn add_or_del_killed_anywhere_leaves_nothing_behind_a_del() {
    if !require(Facility::Program("strace")) {
        return;
    }
    Stage::each(&By::ALL, |stage| {
        let list = stage.network(1, json!({ "ingressPolicy": "isolated" }));
        let pod = stage.bridged("c1", &list);
        pod.add(stage).success();
        pod.del(stage);
        let before = stage.snapshot();
        let verify = |when: &str| {
            stage.on(pod.bare().netns("").call("DEL")).run().silent();
            let diff = before.diff(&stage.snapshot());
            assert!(diff.is_empty(), "{:?} killed by {when}\n{diff}", stage.by);
        };
        let step = if stage.by == By::Nftables { 7 } else { 23 };
        let kills = Kills { calls: &CALLS, step, dir: stage.sandbox.dir() };
        let of_add = kills.sweep(|| stage.on(pod.firewall().call("ADD")), || {}, verify);
        let attached = || drop(pod.add(stage).success());
        let of_del = kills.sweep(|| stage.on(pod.firewall().call("DEL")), attached, verify);
        assert!(of_add.kills > 5 && of_del.kills > 5, "{of_add:?}, {of_del:?}");
    });
}
