//! STATUS: whether an ADD could be served.

use serde_json::json;
use testkit::{Attachment, assert_same};

use crate::stage::{Stage, text};

#[test]
fn ready_before_and_after_the_first_add_without_any_effect() {
    let stage = Stage::new();
    for backend in [json!("nftables"), json!("iptables"), json!(null)] {
        let conf = stage.network(json!({ "ipMasq": true, "ipMasqBackend": backend }));
        let before = stage.sandbox.snapshot(&[]);
        Attachment::new(conf, &stage.sandbox.netns(backend.as_str().unwrap_or("any"))).status().silent();
        assert_same(&before, &stage.sandbox.snapshot(&[]).without(&["nft table ip nat", "nft chain ip nat"]));
    }
    let (_, attached) = stage.attach(&stage.masquerading(), "c1");
    attached.attachment.status().silent();
    attached.check().silent();
}

#[test]
fn configuration_that_add_refuses_is_not_ready() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    for (keys, words) in [
        (json!({ "mtu": 3 }), "\"mtu\" 3"),
        (json!({ "ipMasq": true, "ipMasqBackend": "x" }), "unknown ipmasq backend \"x\""),
        (json!({ "ipam": null }), "\"ipam.type\" is missing"),
        (json!({ "ipam": { "type": "" } }), "\"ipam.type\" is missing"),
    ] {
        let error = Attachment::new(stage.network(keys), &c1).status().failure_code(50);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
    }
}

#[test]
fn delegate_that_is_missing_or_not_ready_is_the_answer() {
    let stage = Stage::new();
    let attachment = Attachment::new(stage.network(json!({ "ipam": { "type": "stub" } })), &stage.sandbox.netns("c1"));
    assert!(text(&attachment.status().failure()["msg"]).starts_with("failed to find plugin \"stub\""));
    let dir = stage.stub("stub", "echo '{\"code\": 51, \"msg\": \"pool is dry\"}'; exit 1");
    assert_eq!(attachment.bin_dir(dir).status().failure_code(51)["msg"], "pool is dry");
}
