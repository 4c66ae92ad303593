//! A failing ADD leaves everything as it was, wherever it fails.

use serde_json::json;
use testkit::{Attachment, Lan, Stdout, TestNs, assert_same};

use crate::stage::network;

/// A stage on which a container has come and gone, and a container.
fn warmed_up() -> (Lan, TestNs) {
    let lan = Lan::enter();
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    (lan, c1)
}

#[test]
fn interface_name_that_is_taken() {
    let (lan, c1) = warmed_up();
    c1.sh("ip link add eth0 type bridge");
    let msg = lan.fails_without_a_trace(&c1, &Attachment::new(network(&lan, json!({})), &c1), 101);
    assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
}

#[test]
fn second_add_of_the_same_attachment() {
    let (lan, c2) = warmed_up();
    c2.remove();
    let (_c1, first) = lan.attach(&network(&lan, json!({})), "c2");
    first.attachment.add().failure_code(101);
    first.check().silent();
}

#[test]
fn master_mtu_and_words_that_are_refused() {
    let (lan, c1) = warmed_up();
    for (keys, code) in [
        (json!({ "master": "gone0" }), 100),
        (json!({ "master": null }), 100),
        (json!({ "master": "a/b" }), 7),
        (json!({ "mtu": 1501 }), 7),
        (json!({ "mode": "x" }), 7),
    ] {
        lan.fails_without_a_trace(&c1, &Attachment::new(network(&lan, keys), &c1), code);
    }
}

#[test]
fn delegate_that_is_missing_or_has_no_address_left() {
    let (lan, c1) = warmed_up();
    let missing = network(&lan, json!({ "ipam": { "type": "no-such-plugin" } }));
    let msg = lan.fails_without_a_trace(&c1, &Attachment::new(missing, &c1), 7);
    assert!(msg.starts_with("failed to find plugin \"no-such-plugin\""), "{msg}");
    let mut full = network(&lan, json!({}));
    full["ipam"]["ranges"][1][0] = json!({ "subnet": "fd01::/64", "rangeStart": "fd01::2", "rangeEnd": "fd01::2" });
    let _other = lan.attach(&full, "other");
    lan.fails_without_a_trace(&c1, &Attachment::new(full, &c1), 102);
}

#[test]
fn route_that_the_kernel_refuses() {
    let (lan, c1) = warmed_up();
    lan.gives_everything_back(&network(&lan, json!({})), &c1);
}

#[test]
fn netns_that_is_none() {
    let (lan, c1) = warmed_up();
    let attachment = Attachment::new(network(&lan, json!({})), &c1);
    for (netns, code) in [("/run/netns/never-was", 100), ("/", 100), ("/run/netns/host", 8)] {
        lan.fails_without_a_trace(&c1, &attachment.clone().netns(netns), code);
    }
}

#[test]
fn result_that_cannot_be_written() {
    let (lan, c1) = warmed_up();
    let attachment = Attachment::new(network(&lan, json!({})), &c1);
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        let before = lan.snapshot();
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before, &lan.snapshot());
        assert!(!c1.try_sh("ip link show eth0").status.success());
    }
    attachment.add().success();
}
