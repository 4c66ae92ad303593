//! An ADD that fails leaves everything as it was, wherever it fails.

use serde_json::json;
use testkit::{Facility, Stdout, assert_same, require};

use crate::stage::{Stage, attach};

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn result_that_cannot_be_written_takes_everything_back() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh(
        "ip route prepend default via 10.1.0.1 dev net1; ip route add 203.0.113.0/24 via 10.1.0.1 dev net1 table 300",
    );
    let (before, routes) = (ns.snapshot(), ns.sh("ip route"));
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before, &ns.snapshot());
        assert_eq!(ns.sh("ip route").lines().next(), routes.lines().next(), "the order of default routes");
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn a_vrf_that_others_use_stays_when_a_later_add_fails() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    stage.link(&ns, "net2", 2);
    attach(&ns, "net1", 1, json!({ "vrfname": "blue" })).add().success();
    let before = ns.snapshot();
    let second = attach(&ns, "net2", 2, json!({ "vrfname": "blue" }));
    assert!(!second.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before, &ns.snapshot());
}

/// Each tenth request to the kernel does not get there, or its answer does not come back; each takes seconds in a virtual machine.
#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn requests_that_fail_or_whose_answers_are_lost_are_taken_back() {
    if !require(Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let before = ns.snapshot();
    for fault in ["sendto:error=ENOBUFS", "recvfrom:error=ENOBUFS"] {
        let mut failures = 0;
        for n in (1..).step_by(10) {
            let inject = format!("inject={fault}:when={n}");
            let run = attachment.call("ADD").under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]).run();
            if run.status.success() {
                attachment.del().silent();
                break;
            }
            run.failure();
            let diff = before.diff(&ns.snapshot());
            assert!(diff.is_empty(), "{inject}\n{diff}");
            failures += 1;
        }
        assert!(failures > 1, "{failures}");
    }
}
