//! STATUS: whether an ADD could be served.

use serde_json::{Value, json};
use testkit::{Attachment, Lan};

use crate::stage::{network, text};

#[test]
fn ready_as_long_as_the_master_is_there() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let status = |keys: Value| Attachment::new(network(&lan, keys), &container).status();
    status(json!({ "mode": "l3", "mtu": 1500 })).silent();
    let error = status(json!({ "master": null })).failure_code(50);
    assert_eq!(error["msg"], "find \"master\": no default route interface found, name a link");
    // It may come with the ADD of the plugin before.
    status(json!({ "master": null, "ipam": null })).silent();
    status(json!({ "master": "inner0", "linkInContainer": true })).silent();
    lan.sandbox.sh("ip link del uplink0");
    for keys in [json!({}), json!({ "ipam": null })] {
        let error = status(keys).failure_code(50);
        assert_eq!(error["msg"], "find \"master\" \"uplink0\": there is no link of that name");
    }
}

#[test]
fn configuration_that_add_refuses_is_not_ready() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    for (keys, words) in [
        (json!({ "mode": "x" }), "unknown ipvlan mode: \"x\""),
        (json!({ "flag": "x" }), "unknown ipvlan flag: \"x\""),
        (json!({ "mtu": 9000 }), "\"mtu\" 9000: must be 0"),
    ] {
        let error = Attachment::new(network(&lan, keys), &container).status().failure_code(50);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
    }
}
