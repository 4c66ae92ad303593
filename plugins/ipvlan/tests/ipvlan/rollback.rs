//! A failing ADD leaves everything as it was.

use serde_json::json;
use testkit::{Attached, Attachment, Lan, Stdout, assert_same};

use crate::stage::{network, text};

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn route_that_the_kernel_refuses() {
    let lan = Lan::enter();
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    lan.gives_everything_back(&network(&lan, json!({})), &c1);
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn result_that_cannot_be_written() {
    let lan = Lan::enter();
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    let attachment = Attachment::new(network(&lan, json!({})), &c1);
    let before = lan.snapshot();
    assert!(!attachment.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before, &lan.snapshot());
    assert!(!c1.try_sh("ip link show eth0").status.success());
    attachment.add().success();
}

/// The kernel knows all addresses of links on one parent.
#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn address_of_another_container() {
    let lan = Lan::enter();
    let fixed = json!({ "type": "static", "addresses": [{ "address": "10.1.0.9/24" }] });
    let [c1, c2] = ["c1", "c2"].map(|name| lan.sandbox.netns(name));
    let owner = Attached::new(Attachment::new(network(&lan, json!({ "ipam": fixed })), &c1));
    let error = Attachment::new(network(&lan, json!({ "ipam": fixed })), &c2).add().failure_code(101);
    assert!(text(&error["msg"]).starts_with("add address 10.1.0.9/24 to \"eth0\": Address already in use"), "{error}");
    assert!(!c2.try_sh("ip link show eth0").status.success());
    owner.check().silent();
}
