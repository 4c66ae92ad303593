//! A failing ADD leaves everything as it was, wherever it fails.

use serde_json::json;
use testkit::{Lan, Stdout, TestNs, assert_same};

use crate::stage::{eth0, network, tagged};

/// A host where host-local's directory is there already, and a container.
fn warmed_up() -> (Lan, TestNs) {
    let lan = tagged();
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    (lan, c1)
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn name_that_is_taken() {
    let (lan, c1) = warmed_up();
    c1.sh("ip link add eth0 type bridge");
    let msg = lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, json!({})), 101);
    assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
}

/// The reference leaves the link.
#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn delegate_that_is_missing_or_hands_out_what_the_kernel_refuses() {
    let (lan, c1) = warmed_up();
    let missing = eth0(&lan, &c1, json!({ "ipam": { "type": "no-such-plugin" } }));
    lan.fails_without_a_trace(&c1, &missing, 7);
    lan.gives_everything_back(&network(&lan, json!({})), &c1);
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn result_that_cannot_be_written() {
    let (lan, c1) = warmed_up();
    let attachment = eth0(&lan, &c1, json!({}));
    let before = [lan.snapshot(), c1.snapshot()];
    assert!(!attachment.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before[0], &lan.snapshot());
    // IPv6 of `lo` is turned on for the container's addresses.
    assert_same(&before[1].without(&[" lo"]), &c1.snapshot().without(&[" lo"]));
}
