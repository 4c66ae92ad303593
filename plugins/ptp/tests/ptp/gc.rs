//! GC: what belongs to the network and to no valid attachment goes.

use serde_json::json;
use testkit::{Attachment, assert_same};

use crate::stage::{Attached, Stage};

/// Attachments `c0`, `c1` and so on of the same masquerading network.
fn attach_many(stage: &Stage, names: &[&str]) -> Vec<Attached> {
    names.iter().map(|name| stage.attach(&stage.masquerading(), name).1).collect()
}

#[test]
fn attachments_that_are_not_valid_go_and_the_others_stay() {
    let stage = Stage::new();
    let valid = attach_many(&stage, &["c0", "c1"]);
    let other =
        stage.network(json!({ "name": "other", "ipMasq": true, "ipam": stage.ipam(["10.2.0.0/24", "fd02::/64"]) }));
    let (_c9, elsewhere) = stage.attach(&other, "c9");
    let before = stage.snapshot();
    let gone = attach_many(&stage, &["c2", "c3"]);
    // One whose link went with its namespace, and one that has lost its tag.
    stage.sandbox.sh(&format!("ip link del {}; ip link set {} alias ''", gone[0].near(), gone[1].near()));
    valid[0].attachment.gc(&[("c0", "eth0"), ("c1", "eth0"), ("c2", "eth1")]).silent();
    assert_same(&before, &stage.snapshot());
    valid.iter().chain([&elsewhere]).for_each(|attached| attached.check().silent());
    gone.iter().for_each(Attached::del);
}

#[test]
fn nothing_valid_leaves_nothing() {
    for (key, nobody) in [
        ("cni.dev/valid-attachments", json!([])),
        ("cni.dev/valid-attachments", json!(null)),
        ("cni.dev/attachments", json!([])),
    ] {
        let stage = Stage::new();
        let before = stage.warm_snapshot(&stage.masquerading());
        let all = attach_many(&stage, &["c0", "c1"]);
        stage.sandbox.sh("nft flush set inet mooring masquerade_owners");
        all[0].attachment.with_key(key, nobody).call("GC").run().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn absent_key_removes_nothing_and_nothing_there_is_nothing_to_do() {
    let stage = Stage::new();
    Attachment::new(stage.masquerading(), &stage.sandbox.netns("none")).gc(&[]).silent();
    assert_eq!(stage.ruleset(), "");
    let all = attach_many(&stage, &["c0", "c1"]);
    let before = stage.snapshot();
    all[0].attachment.call("GC").run().silent();
    assert_same(&before, &stage.snapshot());
}
