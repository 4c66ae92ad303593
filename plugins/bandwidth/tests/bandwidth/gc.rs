//! GC: limits of attachments that are not valid any more.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{IFB, Stage, attach, both, ingress};

#[test]
fn limits_of_attachments_that_are_not_named_go() {
    let stage = Stage::new();
    let containers = ["c1", "c2", "c3", "c4", "c5"].map(|name| stage.container(name));
    let attachments = containers.each_ref().map(|container| attach(container, both()));
    let [c1, c2, c3, c4, c5] = &attachments;
    let others = c4.with_key("name", json!("net2"));
    // The reference's does not tell its network.
    stage.sandbox.sh("ip link add bwp000000000000 type ifb");
    let (c1_result, others_result) = (c1.add().success(), others.add().success());
    c1.call("GC").run().silent();
    let kept = stage.snapshot().without(&["v-c3"]);
    c2.add().success();
    c3.add().success();
    attach(&containers[4], ingress()).add().success();
    stage.sandbox.sh("ip link del v-c3");
    assert_eq!(stage.ifbs().len(), 5);
    let all = stage.snapshot();
    c1.call("GC").run().silent();
    assert_same(&all, &stage.snapshot());

    c1.gc(&[("c1", "eth0"), ("c2", "eth1"), ("c5", "eth1"), ("c4", "eth0")]).silent();
    assert_same(&kept, &stage.snapshot());
    c1.with_prev(&c1_result).check().silent();
    others.with_prev(&others_result).check().silent();
    c1.with_key("cni.dev/valid-attachments", json!(null)).call("GC").run().silent();
    assert_eq!(stage.ifbs().len(), 2);
    c5.del().silent();
}

/// The hashes of "net" and of another network are in the addresses.
#[test]
fn what_a_crash_left_without_an_alias_goes() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    let result = attachment.add().success();
    let own = result["interfaces"][3]["mac"].as_str().unwrap();
    assert!(own.starts_with("02:a4:86:"), "{own}");
    stage.sandbox.sh(&format!("ip link set {IFB} alias ''"));
    for (name, mac) in [("bwp1", "02:a4:86:00:00:01"), ("bwp2", "02:a4:87:00:00:01"), ("xyz3", "02:a4:86:00:00:01")] {
        stage.sandbox.sh(&format!("ip link add {name} address {mac} type ifb"));
    }
    attachment.gc(&[("c1", "eth0")]).silent();
    assert_eq!(stage.ifbs(), ["bwp2", IFB, "xyz3"]);
    attachment.gc(&[]).silent();
    assert_eq!(stage.ifbs(), ["bwp2", "xyz3"]);
}

#[test]
fn a_host_without_limits_is_clean() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    attach(&container, both()).gc(&[]).silent();
    assert_same(&before, &stage.snapshot());
}
