//! STATUS: whether an ADD could be served.

use serde_json::{Value, json};
use testkit::{Lan, assert_same};

use crate::stage::{eth0, text};

/// What STATUS says, with code 50; empty if it is content.
#[track_caller]
fn lack(lan: &Lan, keys: Value) -> String {
    let output = eth0(lan, lan.sandbox.host(), keys).status();
    if output.status.success() { String::new() } else { text(&output.failure_code(50)["msg"]) }
}

#[test]
fn ready_where_the_kernel_has_vlans_and_without_any_effect() {
    let lan = Lan::enter();
    let has = lan.sandbox.try_sh("unshare -n sh -ec 'ip link add p0 type veth; ip link add link p0 type vlan id 9'");
    let expected = if has.status.success() { "" } else { "find links of kind vlan: the kernel has none" };
    let before = lan.sandbox.snapshot(&[]);
    assert_eq!(lack(&lan, json!({ "mtu": 1500 })), expected);
    // Containers that are to come cannot have it yet.
    assert_eq!(lack(&lan, json!({ "master": "inner0", "linkInContainer": true })), expected);
    assert_same(&before, &lan.sandbox.snapshot(&[]));
}

#[test]
fn what_add_would_refuse_is_not_ready() {
    let lan = Lan::enter();
    for (keys, words) in [
        (json!({ "master": "gone0" }), "find \"master\" \"gone0\": there is no link of that name"),
        (json!({ "master": null }), "\"master\" field is required"),
        (json!({ "vlanId": 4095 }), "invalid VLAN ID 4095"),
        (json!({ "mtu": 9000 }), "\"mtu\" 9000: must be 0"),
        // The reference asks the delegate "" whether it is ready.
        (json!({ "ipam": { "type": "" } }), "vlan interface requires an IPAM configuration"),
        (json!({ "ipam": null }), "vlan interface requires an IPAM configuration"),
    ] {
        let msg = lack(&lan, keys);
        assert!(msg.starts_with(words), "{msg}");
    }
    lan.sandbox.sh("ip link set uplink0 down");
    assert_eq!(lack(&lan, json!({})), "create vlan on \"uplink0\": that link is down");
}
