//! What is refused before anything has happened: on any kernel.

use serde_json::{Value, json};
use testkit::Lan;

use crate::stage::eth0;

#[test]
fn configuration_that_makes_no_sense() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let refusal = |keys: Value| {
        let error = eth0(&lan, &c1, keys).add().failure_code(7);
        error["msg"].as_str().unwrap().to_owned()
    };
    for (keys, words) in [
        (json!({ "master": null }), "\"master\" field is required"),
        (json!({ "master": "" }), "\"master\" field is required"),
        (json!({ "vlanId": 4095 }), "invalid VLAN ID 4095: \"vlanId\" must be 0 to 4094"),
        (json!({ "vlanId": -1 }), "invalid VLAN ID -1"),
        (json!({ "mtu": -1 }), "\"mtu\" -1: must be 0"),
        (json!({ "mtu": 1501 }), "\"mtu\" 1501: must be 0 (the kernel's choice) or 68 to 1500, the MTU of \"uplink0\""),
        (json!({ "ipam": null }), "vlan interface requires an IPAM configuration"),
        (json!({ "ipam": {} }), "vlan interface requires an IPAM configuration"),
        (json!({ "ipam": { "type": "" } }), "vlan interface requires an IPAM configuration"),
    ] {
        let msg = refusal(keys);
        assert!(msg.starts_with(words), "{msg}");
    }
    assert!(!lan.leases().exists() && c1.links().is_empty());
}

#[test]
fn master_that_is_missing_or_down() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let refusal = |keys: Value| eth0(&lan, &c1, keys).add().failure_code(100)["msg"].as_str().unwrap().to_owned();
    let missing = "find \"master\" \"gone0\": there is no link of that name";
    assert_eq!(refusal(json!({ "master": "gone0" })), missing);
    // The one of that name is on the host.
    let inside = "find \"master\" \"uplink0\": there is no link of that name";
    assert_eq!(refusal(json!({ "linkInContainer": true })), inside);
    lan.sandbox.sh("ip link set uplink0 down");
    assert_eq!(refusal(json!({})), "create vlan on \"uplink0\": that link is down");
    assert!(!lan.leases().exists() && c1.links().is_empty());
}
