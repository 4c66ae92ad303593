//! CHECK: it is the right device, with what the result tells.

use serde_json::{Value, json};
use testkit::{Attachment, TestNs};

use crate::stage::{Stage, text};

/// A stage whose device is in a container, and the result.
fn lent() -> (Stage, TestNs, Attachment) {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({}));
    let result = attachment.add().success();
    let attachment = attachment.with_prev(&result);
    (stage, c1, attachment)
}

#[track_caller]
fn difference(attachment: &Attachment) -> String {
    text(&attachment.check().failure_code(103)["msg"])
}

#[test]
fn what_add_has_made_is_fine_and_stays_as_it_is() {
    let (stage, c1, attachment) = lent();
    let before = (stage.snapshot(), c1.snapshot());
    attachment.check().silent();
    testkit::assert_same(&before.0, &stage.snapshot());
    testkit::assert_same(&before.1, &c1.snapshot());
    c1.sh("ip link set eth0 mtu 1400; ip addr add 10.7.0.1/24 dev eth0");
    attachment.check().silent();
    attachment.with_key("prevResult", Value::Null).check().failure_code(7);
}

#[test]
fn what_is_missing_is_told() {
    for (script, words) in [
        ("ip link set eth0 down; ip link set eth0 name lan", "check interface \"eth0\" in /run/netns/c1: it has gone"),
        ("ip addr del 10.1.0.2/24 dev eth0", "check interface \"eth0\": address 10.1.0.2/24 has gone"),
        ("ip route del default", "check interface \"eth0\": route to 0.0.0.0/0 has gone"),
        (
            "ip link set eth0 address 02:00:00:00:00:99",
            "check interface \"eth0\": its address is 02:00:00:00:00:99, not ",
        ),
    ] {
        let (_stage, c1, attachment) = lent();
        c1.sh(script);
        let msg = difference(&attachment);
        assert!(msg.starts_with(words), "{msg}");
    }
}

#[test]
fn another_link_of_that_name_is_told() {
    let (_stage, c1, attachment) = lent();
    let swap = "ip link set eth0 down; ip link set eth0 name lan; ip link add eth0 type veth peer name eth1";
    c1.sh(swap);
    let words = "check interface \"eth0\": it is no device of the host: its alias does not say which";
    assert_eq!(difference(&attachment), words);
    c1.sh("ip link set eth0 alias d9");
    assert_eq!(difference(&attachment), "check interface \"eth0\": it is device \"d9\"");
}

#[test]
fn devices_of_others_are_told() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({ "ipam": null }));
    let attachment = attachment.with_prev(&attachment.add().success());
    let other = attachment.with_key("name", json!("net2"));
    assert_eq!(difference(&other), "check interface \"eth0\": it is the device of another attachment");
    assert_eq!(
        difference(&attachment.with_key("device", json!("d1"))),
        "check interface \"eth0\": it is device \"d0\""
    );
}
