//! `kill -9` at the system calls by which the kernel is asked and changed.

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Killed, Kills, Plugin, assert_same, require};

use crate::stage::{Stage, web};

/// What can have an effect, or follows one.
const CALLS: [&str; 6] = ["sendto", "sendmsg", "recvfrom", "recvmsg", "write", "bind"];

/// Kills `call` at every fifth of them; `prepare` goes before, `verify` behind.
fn sweep(stage: &Stage, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    let Killed { kills, survived } =
        Kills { calls: &CALLS, step: 5, dir: stage.sandbox.dir() }.sweep(call, prepare, verify);
    assert!(kills > 6 && survived == 0, "{kills} kills, {survived} survived");
}

fn publishing(stage: &Stage, conditions: Value) -> (Attachment, Value) {
    publishing_these(stage, conditions, web())
}

fn publishing_these(stage: &Stage, conditions: Value, mappings: Value) -> (Attachment, Value) {
    let keys = json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": mappings } });
    let (chain, result) = stage.bridged("c1", &stage.network(1, keys));
    let portmap = chain.plugins()[1].clone();
    portmap.with_prev(&result).add().success();
    portmap.with_prev(&result).del().silent();
    (portmap, result)
}

#[test]
fn add_killed_anywhere_leaves_nothing_behind_its_del() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let (portmap, result) = publishing(&stage, json!(null));
    let before = stage.snapshot();
    let verify = |when: &str| {
        portmap.clone().netns("").del().silent();
        let diff = before.diff(&stage.snapshot());
        assert!(diff.is_empty(), "ADD killed by {when}\n{diff}");
    };
    sweep(&stage, || portmap.with_prev(&result).call("ADD"), || {}, verify);
}

#[test]
fn add_with_conditions_killed_anywhere_can_be_repeated() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let (portmap, result) = publishing(&stage, json!(["ip saddr 203.0.113.2"]));
    let add = portmap.with_prev(&result);
    let before = stage.snapshot();
    add.add().success();
    let published = stage.snapshot();
    add.del().silent();
    let verify = |when: &str| {
        add.add().success();
        let diff = published.diff(&stage.snapshot());
        assert!(diff.is_empty(), "ADD killed by {when}, and repeated\n{diff}");
        add.del().silent();
    };
    sweep(&stage, || add.call("ADD"), || {}, verify);
    assert_same(&before, &stage.snapshot());
}

#[test]
fn del_killed_anywhere_is_finished_by_the_next() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let (portmap, result) = publishing(&stage, json!(null));
    let before = stage.snapshot();
    let del = portmap.with_prev(&result);
    let verify = |when: &str| {
        del.del().silent();
        let diff = before.diff(&stage.snapshot());
        assert!(diff.is_empty(), "DEL killed by {when}\n{diff}");
    };
    sweep(&stage, || del.call("DEL"), || drop(del.add().success()), verify);
}

/// What was chosen nobody knows who was killed: neither the runtime, whose DEL has the mappings alone, nor the next ADD.
#[test]
fn chosen_ports_and_ranges_of_a_killed_add_or_del_go_too() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let mappings = json!([
        { "hostPort": 0, "containerPort": 80 },
        { "hostPort": 8000, "hostPortEnd": 8009, "containerPort": 81 },
        { "hostPort": 9000, "hostPortEnd": 9009, "containerPort": 9000, "containerPortEnd": 9009, "protocol": "udp" }
    ]);
    let (portmap, result) = publishing_these(&stage, json!(null), mappings);
    let before = stage.snapshot();
    let call = portmap.with_prev(&result);
    let verify = |operation: &'static str| {
        let (before, call, stage) = (&before, &call, &stage);
        move |when: &str| {
            if operation == "ADD" {
                // Or it is repeated first, as what is left by then is nobody else's.
                call.add().success();
            }
            call.del().silent();
            let diff = before.diff(&stage.snapshot());
            assert!(diff.is_empty(), "{operation} killed by {when}\n{diff}");
        }
    };
    let del_alone = |when: &str| {
        portmap.clone().netns("").del().silent();
        let diff = before.diff(&stage.snapshot());
        assert!(diff.is_empty(), "ADD killed by {when}\n{diff}");
    };
    sweep(&stage, || call.call("ADD"), || {}, del_alone);
    sweep(&stage, || call.call("ADD"), || {}, verify("ADD"));
    sweep(&stage, || call.call("DEL"), || drop(call.add().success()), verify("DEL"));
}
