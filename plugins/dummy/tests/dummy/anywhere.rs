//! What needs no dummy link: refusals, STATUS, and DEL where there is none.

use serde_json::{Value, json};
use testkit::{Lan, assert_same};

use crate::stage::{eth0, network};

const NO_IPAM: &str = "dummy interface requires an IPAM configuration: \"ipam.type\" must name a plugin";

/// The reference asks the delegate "" whether it is ready.
#[test]
fn delegate_is_required() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    for ipam in [Value::Null, json!({}), json!({ "type": "" })] {
        let attachment = eth0(&lan, &c1, json!({ "ipam": ipam }));
        assert_eq!(attachment.add().failure_code(7)["msg"], NO_IPAM);
        assert_eq!(attachment.with_prev(&json!({})).check().failure_code(7)["msg"], NO_IPAM);
        assert_eq!(attachment.status().failure_code(50)["msg"], NO_IPAM);
        attachment.del().silent();
    }
    assert_eq!(c1.links(), [""; 0]);
}

#[test]
fn ready_where_the_kernel_has_dummies_and_without_any_effect() {
    let lan = Lan::enter();
    let has = lan.sandbox.try_sh("unshare -n ip link add d0 type dummy").status.success();
    let before = lan.snapshot();
    let status = eth0(&lan, lan.sandbox.host(), json!({})).status();
    if has {
        status.silent();
    } else {
        assert_eq!(status.failure_code(50)["msg"], "find links of kind dummy: the kernel has none");
    }
    let missing = eth0(&lan, lan.sandbox.host(), json!({ "ipam": { "type": "no-such-plugin" } }));
    missing.status().failure_code(7);
    assert_same(&before, &lan.snapshot());
}

#[test]
fn lease_goes_where_the_namespace_has_gone() {
    for (script, netns) in [
        ("umount -l /run/netns/c1", "/run/netns/c1"),
        ("umount /run/netns/c1; rm /run/netns/c1", "/run/netns/c1"),
        (":", ""),
    ] {
        let lan = Lan::enter();
        let attachment = lan.leased(&network(&lan, json!({})));
        lan.sandbox.sh(script);
        lan.gives_lease_back(&attachment, netns);
    }
}

#[test]
fn links_of_other_kinds_stay() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip link add eth0 type bridge");
    eth0(&lan, &c1, json!({})).del().silent();
    assert_eq!(c1.links(), ["eth0"]);
}
