//! `kill -9` anywhere in ADD and DEL: the next DEL brings the device back.

use serde_json::json;
use testkit::{Facility, Kills, Plugin, assert_same, require};

use crate::stage::Stage;

/// Tracing has to work too, not only the program to be there.
const STRACE: Facility<'static> = Facility::Script("strace -o /dev/null true");

/// What has an effect, or follows one.
const CALLS: [&str; 6] = ["sendto", "sendmsg", "recvfrom", "recvmsg", "write", "exit_group"];

/// Kills `command` anywhere; then the call that `clean_up` makes of it.
fn killed(command: &str, clean_up: impl Fn(&testkit::Attachment) -> Plugin) {
    if !require(STRACE) {
        return;
    }
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment =
        stage.attach(&c1, json!({ "ipam": { "type": "static", "addresses": [{ "address": "10.1.0.2/24" }] } }));
    let before = [stage.snapshot(), c1.snapshot()];
    let prepare = || {
        if command == "DEL" {
            attachment.add().success();
        }
    };
    let verify = |when: &str| {
        clean_up(&attachment).run().silent();
        let now = [stage.snapshot(), c1.snapshot()];
        assert!(before == now, "{command} killed by {when}:\n{}{}", before[0].diff(&now[0]), before[1].diff(&now[1]));
    };
    let kills = Kills { calls: &CALLS, step: 2, dir: stage.sandbox.dir() };
    let killed = kills.sweep(|| attachment.call(command), prepare, verify);
    assert!(killed.kills > 10, "{killed:?}");
}

#[test]
fn add_killed_anywhere_is_undone_by_del() {
    killed("ADD", |attachment| attachment.call("DEL"));
}

#[test]
fn del_killed_anywhere_is_completed_by_the_next() {
    killed("DEL", |attachment| attachment.call("DEL"));
}

/// The container ends with it: what has not left the host, or has come back, is as it was.
#[test]
fn marks_of_a_killed_add_go_with_gc() {
    if !require(STRACE) {
        return;
    }
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({ "ipam": null }));
    let before = stage.snapshot();
    let prepare = || {};
    let verify = |when: &str| {
        // As the kernel would do with hardware.
        c1.try_sh("for link in eth0 d0; do ip link set $link netns host || true; done");
        attachment.gc(&[]).silent();
        let now = stage.snapshot();
        assert!(before == now, "killed by {when}:\n{}", before.diff(&now));
    };
    let kills = Kills { calls: &CALLS, step: 2, dir: stage.sandbox.dir() };
    assert!(kills.sweep(|| attachment.call("ADD"), prepare, verify).kills > 10);
    assert_same(&before, &stage.snapshot());
}
