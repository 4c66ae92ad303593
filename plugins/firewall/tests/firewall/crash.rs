//! `kill -9` at the system calls by which the kernel is asked and changed, and programs are started.

use std::{collections::BTreeMap, fs};

use serde_json::json;
use testkit::{Facility, Plugin, require};

use crate::stage::{By, Stage};

/// What can have an effect, or follows one.
const CALLS: [&str; 6] = ["sendto", "sendmsg", "recvmsg", "read", "write", "execve"];

fn traced(call: Plugin, options: &[&str]) -> Plugin {
    call.under([["strace", "-f", "-qq"].as_slice(), options].concat())
}

/// How often a call and what it starts make each of these system calls.
fn count(stage: &Stage, call: Plugin) -> BTreeMap<&'static str, usize> {
    let log = stage.sandbox.dir().join("strace");
    let options = ["-o", log.to_str().unwrap(), "-e", &format!("trace={}", CALLS.join(","))];
    assert!(traced(call, &options).run().status.success());
    let log = fs::read_to_string(log).unwrap();
    let of = |name: &str| log.lines().filter(|line| line.contains(&format!(" {name}("))).count();
    CALLS.map(|name| (name, of(name))).into_iter().filter(|(_, times)| *times > 0).collect()
}

/// Runs `call` once for every `step`th of its system calls, killed there; `prepare` goes before, `verify` behind.
fn sweep(stage: &Stage, step: usize, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    prepare();
    let counts = count(stage, call());
    verify("undisturbed");
    for (name, times) in counts {
        for n in (1..=times).rev().step_by(step) {
            prepare();
            let inject = format!("inject={name}:signal=KILL:when={n}");
            let _ = traced(call(), &["-o", "/dev/null", "-e", &inject]).run();
            verify(&inject);
        }
    }
}

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
        let step = if stage.by == By::Nftables { 7 } else { 40 };
        sweep(stage, step, || stage.on(pod.firewall().call("ADD")), || {}, verify);
        sweep(stage, step, || stage.on(pod.firewall().call("DEL")), || drop(pod.add(stage).success()), verify);
    });
}
