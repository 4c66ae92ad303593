//! `kill -9` anywhere in ADD and DEL: the next DEL completes what is left.

use testkit::{Attachment, Facility, assert_same, require};

use crate::stage::Stage;

/// Not divisible by what threads or the delegate do in a regular pattern.
const STEP: usize = 7;

/// Kills `command` ever later until it survives; a DEL has to leave the host as it was before.
fn sweep(command: &str, offset: usize) {
    // Tracing has to work too, not only the program to be there.
    if !require(Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let stage = Stage::new();
    let conf = stage.masquerading();
    let before = stage.warm_snapshot(&conf);
    let kill = |n: usize| format!("inject=all:signal=KILL:when={n}");
    let survives = |n: &usize| {
        let attachment = Attachment::new(conf.clone(), &stage.sandbox.netns(&format!("c{n}")));
        if command == "DEL" {
            attachment.add().success();
        }
        let call = attachment.call(command).under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", &kill(*n)]);
        let survived = call.run().status.success();
        attachment.del().silent();
        assert_same(&before, &stage.snapshot());
        survived
    };
    assert!((offset..5000).step_by(STEP).any(|n| survives(&n)));
}

#[test]
fn add_killed_anywhere_is_undone_by_del() {
    sweep("ADD", 3);
}

#[test]
fn del_killed_anywhere_is_completed_by_the_next() {
    sweep("DEL", 5);
}
