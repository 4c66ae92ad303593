//! `kill -9` at the system calls by which the kernel is asked and changed.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Plugin, assert_same, require};

use crate::stage::{Stage, web};

/// What can have an effect, or follows one.
const CALLS: [&str; 5] = ["sendto", "sendmsg", "recvfrom", "recvmsg", "write"];

fn traced(call: Plugin, options: &[&str]) -> Plugin {
    call.under([["strace", "-f", "-qq"].as_slice(), options].concat())
}

/// How often a call makes each of these system calls.
fn count(stage: &Stage, call: Plugin) -> BTreeMap<&'static str, usize> {
    let log = stage.sandbox.dir().join("strace");
    let options = ["-o", log.to_str().unwrap(), "-e", &format!("trace={}", CALLS.join(","))];
    assert!(traced(call, &options).run().status.success());
    let log = fs::read_to_string(log).unwrap();
    let of = |name: &str| log.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    CALLS.map(|name| (name, of(name))).into_iter().filter(|(_, times)| *times > 0).collect()
}

/// Runs `call` once for every fifth of its system calls, killed there; `prepare` goes before, `verify` behind.
fn sweep(stage: &Stage, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    prepare();
    let counts = count(stage, call());
    verify("undisturbed");
    assert!(counts.values().sum::<usize>() > 30, "{counts:?}");
    for (name, times) in counts {
        for n in (1..=times).rev().step_by(5) {
            prepare();
            let inject = format!("inject={name}:signal=KILL:when={n}");
            let killed = traced(call(), &["-o", "/dev/null", "-e", &inject]).run();
            assert!(!killed.status.success(), "outlived {inject}");
            verify(&inject);
        }
    }
}

fn publishing(stage: &Stage, conditions: Value) -> (Attachment, Value) {
    let keys = json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": web() } });
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
