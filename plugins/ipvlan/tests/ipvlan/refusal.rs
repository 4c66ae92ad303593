//! What is refused before any effect, on whatever kernel.

use serde_json::json;
use testkit::{Attachment, Lan};

use crate::stage::network;

#[test]
fn configurations_that_cannot_work() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    for (keys, code, words) in [
        (json!({ "mode": "bridge" }), 7, "unknown ipvlan mode: \"bridge\""),
        (json!({ "flag": "x" }), 7, "unknown ipvlan flag: \"x\""),
        (
            json!({ "mtu": 1501 }),
            7,
            "\"mtu\" 1501: must be 0 (the kernel's choice) or 68 to 1500, the MTU of \"uplink0\"",
        ),
        (json!({ "mtu": 9 }), 7, "\"mtu\" 9: must be 0"),
        (json!({ "master": "a/b" }), 7, "\"master\" \"a/b\": "),
        (json!({ "ipam": null }), 7, "\"ipam\" is missing"),
        (json!({ "ipam": {} }), 7, "\"ipam\" is missing"),
        (json!({ "master": "gone0" }), 100, "find \"master\" \"gone0\": there is no link of that name"),
        (json!({ "linkInContainer": true }), 100, "find \"master\" \"uplink0\": there is no link of that name"),
        (json!({ "master": null }), 100, "find \"master\": no default route interface found"),
    ] {
        let msg = lan.fails_without_a_trace(&c1, &Attachment::new(network(&lan, keys), &c1), code);
        assert!(msg.starts_with(words), "{msg}");
    }
}

#[test]
fn kernel_without_ipvlan() {
    let lan = Lan::enter();
    // Where there are such links there is nothing to refuse.
    if lan.sandbox.try_sh("ip link add link uplink0 name probe0 type ipvlan").status.success() {
        return;
    }
    let c1 = lan.sandbox.netns("c1");
    let attachment = Attachment::new(network(&lan, json!({})), &c1);
    let error = attachment.add().failure_code(100);
    let words = "create ipvlan on \"uplink0\": Operation not supported on transport endpoint (EOPNOTSUPP)";
    assert_eq!(error["msg"], words);
    assert_eq!(error["details"], "Unknown device type");
    attachment.del().silent();
}
