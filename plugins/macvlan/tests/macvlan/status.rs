//! STATUS: whether an ADD could be served.

use serde_json::{Value, json};
use testkit::{Attachment, Lan, assert_same};

use crate::stage::{network, text};

#[test]
fn ready_without_any_effect_as_long_as_the_master_is_there() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let status = |keys: Value| Attachment::new(network(&lan, keys), &container).status();
    let before = lan.sandbox.snapshot(&[]);
    status(json!({ "mode": "vepa", "mtu": 1500 })).silent();
    status(json!({ "ipam": null })).silent();
    assert_same(&before, &lan.sandbox.snapshot(&[]));
    let error = status(json!({ "master": null })).failure_code(50);
    assert_eq!(error["msg"], "find \"master\": no default route interface found, name a link");
    // Those of containers that are to come cannot be there.
    status(json!({ "master": "inner0", "linkInContainer": true })).silent();
    lan.sandbox.sh("ip addr add 10.1.0.250/24 dev uplink0; ip route add default via 10.1.0.1");
    status(json!({ "master": null })).silent();
    lan.sandbox.sh("ip link del uplink0");
    let error = status(json!({})).failure_code(50);
    assert_eq!(error["msg"], "find \"master\" \"uplink0\": there is no link of that name");
}

#[test]
fn configuration_that_add_refuses_is_not_ready() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    for (keys, words) in [
        (json!({ "mode": "x" }), "unknown macvlan mode: \"x\""),
        (json!({ "mtu": 9000 }), "\"mtu\" 9000: must be 0"),
        (json!({ "mac": "x" }), "\"mac\" \"x\""),
    ] {
        let error = Attachment::new(network(&lan, keys), &container).status().failure_code(50);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
    }
}
