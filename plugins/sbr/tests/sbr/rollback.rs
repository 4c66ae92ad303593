//! An ADD that fails leaves rules and routes exactly as they were, wherever it fails.

use serde_json::{Value, json};
use testkit::{Facility, Stdout, assert_same, require};

use crate::stage::{Stage, state};

const STRACE: Facility<'static> = Facility::Script("strace -o /dev/null true");

fn everything() -> Value {
    json!({ "addSourceHints": true, "gateways": ["10.1.0.9", "fd01::9"] })
}

#[test]
fn result_that_cannot_be_written_takes_everything_back() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for keys in [json!({}), everything(), json!({ "table": 5001 })] {
        let attachment = stage.attach(&place, keys);
        for stdout in [Stdout::Full, Stdout::BrokenPipe] {
            assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
            assert_same(&before, &place.ns.snapshot());
        }
    }
}

#[test]
fn a_second_add_that_fails_leaves_what_the_first_has_made() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    let made = place.ns.snapshot();
    for second in [attachment.clone(), stage.attach(&place, everything()), stage.attach(&place, json!({ "table": 7 }))]
    {
        assert!(!second.call("ADD").stdout(Stdout::Full).run().status.success());
        assert_same(&made, &place.ns.snapshot());
    }
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn order_among_routes_to_one_destination_is_restored() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    // As the reference's IPAM does it, the route of the later interface goes before the other one.
    place.ns.sh("ip route prepend default via 10.1.0.1 dev net1");
    let before = place.ns.sh("ip route");
    assert!(before.starts_with("default via 10.1.0.1 dev net1"));
    assert!(!stage.attach(&place, json!({})).call("ADD").stdout(Stdout::Full).run().status.success());
    assert_eq!(place.ns.sh("ip route"), before);
}

/// Each request to the kernel in turn does not get there, or its answer does not come back.
fn each_fails(fault: &str) {
    if !require(STRACE) {
        return;
    }
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, everything());
    let before = state(&place.ns);
    let mut failures = 0;
    for n in 1.. {
        let inject = format!("inject={fault}:when={n}");
        let run = attachment.call("ADD").under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]).run();
        if run.status.success() {
            attachment.check().silent();
            attachment.del().silent();
            assert_eq!(state(&place.ns), before);
            break;
        }
        run.failure();
        assert_eq!(state(&place.ns), before, "{inject}");
        failures += 1;
    }
    assert!(failures > 20, "{failures}");
}

#[test]
fn requests_that_fail_are_taken_back() {
    each_fails("sendto:error=ENOBUFS");
}

#[test]
fn requests_whose_answers_are_lost_are_taken_back() {
    each_fails("recvfrom:error=ENOBUFS");
}
