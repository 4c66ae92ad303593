//! STATUS: whether an ADD could be served.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{eth0, host, text};

#[test]
fn ready_without_any_effect() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    let before = lan.snapshot();
    eth0(&lan, &c1, json!({ "bridge": "br0" })).status().silent();
    for ipam in [Value::Null, json!({}), json!({ "type": "" })] {
        eth0(&lan, &c1, json!({})).with_key("ipam", ipam).status().silent();
    }
    assert_same(&before, &lan.snapshot());
}

#[test]
fn what_add_would_refuse_is_not_ready() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    for (keys, words) in [(json!({ "mtu": 3 }), "\"mtu\" 3"), (json!({ "owner": -5 }), "\"owner\" -5")] {
        let error = eth0(&lan, &c1, keys).status().failure_code(50);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
    }
    eth0(&lan, &c1, json!({})).with_key("ipam", json!({ "type": "no-such-plugin" })).status().failure_code(7);
}

#[test]
fn machine_without_the_device_is_not_ready() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    // Nothing is in its place but an empty directory.
    lan.sandbox.sh("mount -t tmpfs tmpfs /dev/net");
    let expected = "open /dev/net/tun: No such file or directory (ENOENT)";
    assert_eq!(text(&eth0(&lan, &c1, json!({})).status().failure_code(50)["msg"]), expected);
    assert_eq!(text(&eth0(&lan, &c1, json!({})).add().failure_code(100)["msg"]), expected);
    assert_eq!(c1.links(), [""; 0]);
}
