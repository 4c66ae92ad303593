//! `kill -9` at the system calls by which something is changed: the next DEL, or GC, completes what is left. `scripts/crash-sweep`
//! tries all of them.

use testkit::{Attachment, Facility, Kills, assert_same, require};

use crate::stage::{Stage, attach, both};

/// Kills `command` at every `step`th of its calls; `clean_up` leaves all as before ADD.
fn killed(command: &str, step: usize, clean_up: impl Fn(&Attachment)) {
    if !require(Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let stage = Stage::new();
    let attachment = attach(&stage.container("c1"), both());
    let before = stage.snapshot();
    let kills = Kills { calls: &["sendto", "recvfrom", "write", "close"], step, dir: stage.sandbox.dir() };
    let prepare = || {
        if command == "DEL" {
            attachment.add().success();
        }
    };
    let verify = |_: &str| {
        clean_up(&attachment);
        assert_same(&before, &stage.snapshot());
    };
    let killed = kills.sweep(|| attachment.call(command), prepare, verify);
    eprintln!("{killed:?}");
    assert!(killed.kills > 10 && killed.survived == 0, "{killed:?}");
}

#[test]
fn add_killed_somewhere_is_undone_by_del() {
    killed("ADD", 2, |attachment| attachment.clone().netns("").del().silent());
}

#[test]
fn add_killed_somewhere_is_undone_by_gc() {
    killed("ADD", 3, |attachment| attachment.gc(&[]).silent());
}

#[test]
fn del_killed_somewhere_is_completed_by_the_next() {
    killed("DEL", 2, |attachment| attachment.clone().netns("").del().silent());
}
