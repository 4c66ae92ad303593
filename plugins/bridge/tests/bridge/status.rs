//! STATUS: whether an ADD could be served.

use serde_json::json;
use testkit::{Attachment, assert_same};

use crate::stage::{Stage, attach, text};

#[test]
fn ready_before_and_after_the_first_add_without_any_effect() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = stage.dual(json!({ "ipMasq": true, "macspoofchk": true }));
    let attachment = Attachment::new(conf.clone(), &c1);
    let before = stage.sandbox.snapshot(&[]);
    attachment.status().silent();
    assert_same(&before, &stage.sandbox.snapshot(&[]));
    attach(&conf, &c1);
    let before = stage.sandbox.snapshot(&[]);
    attachment.status().silent();
    assert_same(&before, &stage.sandbox.snapshot(&[]));
    Attachment::new(stage.network(json!({ "ipam": null })), &c1).status().silent();
}

#[test]
fn name_of_the_bridge_that_another_link_has_is_not_ready() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br0 type veth peer name other");
    let error = Attachment::new(stage.network(json!({})), &c1).status().failure_code(50);
    assert_eq!(error["msg"], "failed to create bridge \"br0\": \"br0\" already exists but is not a bridge");
}

#[test]
fn configuration_that_add_refuses_is_not_ready() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    for (keys, words) in [
        (json!({ "mtu": 3 }), "\"mtu\" 3"),
        (json!({ "hairpinMode": true, "promiscMode": true }), "cannot set hairpin mode and promiscuous mode"),
        (json!({ "ipMasq": true, "ipMasqBackend": "x" }), "unknown ipmasq backend \"x\""),
    ] {
        let error = Attachment::new(stage.network(keys), &c1).status().failure_code(50);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
    }
}

#[test]
fn delegate_that_is_missing_or_not_ready_is_the_answer() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({ "ipam": { "type": "stub" } })), &c1);
    let error = attachment.status().failure();
    assert!(text(&error["msg"]).starts_with("failed to find plugin \"stub\""), "{error}");
    let dir = stage.stub("stub", "echo '{\"code\": 51, \"msg\": \"pool is dry\"}'; exit 1");
    let error = attachment.bin_dir(dir).status().failure_code(51);
    assert_eq!(error["msg"], "pool is dry");
}
