//! `kill -9` at the system calls by which the kernel is asked and changed.

use serde_json::{Value, json};
use testkit::{Facility, Killed, Kills, Plugin, require};

use crate::stage::{Stage, attach, vrfs};

/// What can have an effect, or follows one.
const CALLS: [&str; 3] = ["sendto", "recvfrom", "write"];

/// Kills `call` at every fifteenth of them: each takes seconds in a virtual machine; `prepare` goes before, `verify` behind.
fn sweep(stage: &Stage, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    let Killed { kills, survived } =
        Kills { calls: &CALLS, step: 15, dir: stage.sandbox.dir() }.sweep(call, prepare, verify);
    // How often it looks whether IPv6 is ready differs from call to call.
    assert!(kills > survived, "{kills} kills, {survived} survived");
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn add_killed_anywhere_leaves_no_vrf_behind_del() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let ns = stage.container("c1");
    // Routes go with the interface, as it does with its maker's DEL. What has to go before is the VRF.
    let prepare = || drop(stage.link(&ns, "net1", 1));
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let verify = |when: &str| {
        attachment.with_key("prevResult", Value::Null).del().silent();
        assert_eq!((crate::stage::master(&ns, "net1"), vrfs(&ns)), (None, vec![]), "ADD killed by {when}");
        ns.sh("ip link del net1");
        stage.sandbox.sh("umount /run/netns/net1-c1; rm /run/netns/net1-c1");
    };
    sweep(&stage, || attachment.call("ADD"), prepare, verify);
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn del_killed_anywhere_is_finished_by_the_next() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let verify = |when: &str| {
        attachment.with_key("prevResult", Value::Null).del().silent();
        let left = ns.snapshot();
        let left: Vec<_> = left.lines().iter().filter(|line| line.contains("blue")).collect();
        assert!(left.is_empty(), "DEL killed by {when}: {left:?}");
        assert_eq!(crate::stage::master(&ns, "net1"), None, "DEL killed by {when}");
    };
    sweep(&stage, || attachment.call("DEL"), || drop(attachment.add().success()), verify);
}
