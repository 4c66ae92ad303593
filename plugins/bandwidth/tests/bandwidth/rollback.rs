//! An ADD that fails leaves everything as it was, wherever it fails.

use testkit::{Facility, Stdout, assert_same, require};

use crate::stage::{Stage, attach, both, egress, ingress};

#[test]
fn result_that_cannot_be_written_takes_everything_back() {
    let stage = Stage::new();
    let attachment = attach(&stage.container("c1"), both());
    let before = stage.snapshot();
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before, &stage.snapshot());
    }
}

/// The kernel refuses a request, or does what it asks for and the answer gets lost.
#[test]
fn every_request_that_fails_is_undone() {
    if !require(Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let stage = Stage::new();
    let attachment = attach(&stage.container("c1"), both());
    let before = stage.snapshot();
    for call in ["sendto", "recvfrom"] {
        let mut refusals = 0;
        for n in 1.. {
            let inject = format!("inject={call}:error=ENOBUFS:when={n}");
            let run = attachment.call("ADD").under(["strace", "-qq", "-f", "-o", "/dev/null", "-e", &inject]).run();
            if run.status.success() {
                attachment.del().silent();
                break;
            }
            assert_eq!(run.failure_code(100)["msg"].as_str().unwrap().lines().count(), 1, "{inject}");
            refusals += 1;
            assert_same(&before, &stage.snapshot());
        }
        assert!(refusals > 9, "{call}: {refusals}");
    }
}

#[test]
fn a_second_entry_that_fails_leaves_what_the_first_has_made() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let first = attach(&container, ingress());
    first.add().success();
    let before = stage.snapshot();
    let second = attach(&container, egress());
    assert!(!second.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before, &stage.snapshot());
    first.check().silent();
}
