//! `kill -9` anywhere in ADD and DEL: the next DEL completes what is left.

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Plugin, assert_same, require};

use crate::stage::{Stage, attach};

/// Tracing has to work too, not only the program to be there.
const STRACE: Facility<'static> = Facility::Script("strace -o /dev/null true");

/// Not divisible by what threads or the delegate do in a regular pattern.
const STEP: usize = 7;

/// `call`, where each thread and process of it is killed at its `n`th system call.
fn killed_at(call: Plugin, n: usize) -> Plugin {
    let inject = format!("inject=all:signal=KILL:when={n}");
    call.under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", inject.as_str()])
}

fn everything(stage: &Stage) -> Value {
    stage.dual(json!({ "ipMasq": true, "macspoofchk": true }))
}

/// Kills `command` ever later until it survives; a DEL has to leave the host as it was before.
fn sweep(command: &str, offset: usize) {
    if !require(STRACE) {
        return;
    }
    let stage = Stage::new();
    let warm_up = stage.sandbox.netns("warm-up");
    attach(&everything(&stage), &warm_up).del();
    let before = stage.snapshot();
    let mut survived = false;
    for n in (offset..).step_by(STEP) {
        let container = stage.sandbox.netns(&format!("c{n}"));
        let attachment = Attachment::new(everything(&stage), &container);
        if command == "DEL" {
            attachment.add().success();
        }
        survived = killed_at(attachment.call(command), n).run().status.success();
        attachment.del().silent();
        assert_same(&before, &stage.snapshot());
        if survived {
            break;
        }
    }
    assert!(survived);
}

#[test]
fn add_killed_anywhere_is_undone_by_del() {
    sweep("ADD", 3);
}

#[test]
fn del_killed_anywhere_is_completed_by_the_next() {
    sweep("DEL", 5);
}

/// The delegate has given an address by then, or is about to.
#[test]
fn add_that_cannot_read_something_is_undone_by_itself() {
    if !require(STRACE) {
        return;
    }
    let stage = Stage::new();
    let warm_up = stage.sandbox.netns("warm-up");
    attach(&everything(&stage), &warm_up).del();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(everything(&stage), &container);
    let before = stage.snapshot();
    let mut refusals = 0;
    // More than there are.
    for n in 1..=40 {
        // The plugin's own, without those of the delegate.
        let inject = format!("inject=read:error=EIO:when={n}");
        let run = attachment.call("ADD").under(["strace", "-qq", "-o", "/dev/null", "-e", &inject]).run();
        match run.status.code() {
            Some(0) => attachment.del().silent(),
            // The loader could not read a library.
            Some(127) => {}
            _ => {
                assert_ne!(run.failure()["code"], 999, "{inject}");
                refusals += 1;
            }
        }
        assert_same(&before, &stage.snapshot());
    }
    assert!(refusals > 1, "{refusals}");
}
