//! GC: what belongs to the network and to no valid attachment goes.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{Attached, Stage, attach};

fn everything(stage: &Stage) -> Value {
    stage.dual(json!({ "ipMasq": true, "macspoofchk": true }))
}

/// Attachments `c0`, `c1`, ... of the same network.
fn attach_many(stage: &Stage, conf: &Value, count: usize) -> Vec<Attached> {
    (0..count).map(|n| attach(conf, &stage.sandbox.netns(&format!("c{n}")))).collect()
}

#[test]
fn attachments_that_are_not_valid_go_and_the_others_stay() {
    let stage = Stage::new();
    let conf = everything(&stage);
    let all = attach_many(&stage, &conf, 4);
    let before = stage.snapshot();
    let others = ["c8", "c9"].map(|name| attach(&conf, &stage.sandbox.netns(name)));
    let valid: Vec<String> = (0..4).map(|n| format!("c{n}")).collect();
    let valid: Vec<(&str, &str)> = valid.iter().map(|id| (id.as_str(), "eth0")).collect();
    others[0].attachment.gc(&valid).silent();
    assert_same(&before, &stage.snapshot());
    for attached in &all {
        attached.check().silent();
    }
    for attached in &others {
        attached.check().failure();
        attached.del();
    }
}

#[test]
fn another_interface_of_a_valid_container_is_not_valid() {
    let stage = Stage::new();
    let attached = attach(&everything(&stage), &stage.sandbox.netns("c1"));
    attached.attachment.gc(&[("c1", "eth1")]).silent();
    assert_eq!(stage.ports("br0"), [""; 0]);
}

#[test]
fn nothing_valid_leaves_nothing() {
    for (key, nobody) in [
        ("cni.dev/valid-attachments", json!([])),
        ("cni.dev/valid-attachments", json!(null)),
        ("cni.dev/attachments", json!([])),
        ("cni.dev/attachments", json!(null)),
    ] {
        let stage = Stage::new();
        let conf = everything(&stage);
        let warm_up = attach(&conf, &stage.sandbox.netns("warm-up"));
        warm_up.attachment.gc(&[]).silent();
        let before = stage.snapshot();
        let all = attach_many(&stage, &conf, 2);
        all[0].attachment.with_key(key, nobody).call("GC").run().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn valid_ones_of_either_key_stay() {
    let stage = Stage::new();
    let all = attach_many(&stage, &everything(&stage), 2);
    let valid = json!([{ "containerID": "c0", "ifname": "eth0" }]);
    all[0].attachment.with_key("cni.dev/attachments", valid).call("GC").run().silent();
    all[0].check().silent();
    assert_eq!(stage.ports("br0"), [all[0].port()]);
}

#[test]
fn absent_key_removes_nothing() {
    let stage = Stage::new();
    let all = attach_many(&stage, &everything(&stage), 2);
    let before = stage.snapshot();
    all[0].attachment.call("GC").run().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn other_networks_of_the_bridge_stay() {
    let stage = Stage::new();
    let conf = everything(&stage);
    let ours = attach(&conf, &stage.sandbox.netns("c1"));
    let mut other = conf.clone();
    other["name"] = json!("other");
    let others = attach(&other, &stage.sandbox.netns("c2"));
    ours.attachment.gc(&[]).silent();
    others.check().silent();
    assert_eq!(stage.ports("br0"), [others.port()]);
    others.attachment.gc(&[]).silent();
    assert!(!stage.sandbox.host().links().contains(&"br0".to_owned()));
    assert!(!stage.ruleset().contains("10.1.0.0"), "{}", stage.ruleset());
}

#[test]
fn link_that_a_crash_has_left_without_a_tag_goes() {
    let stage = Stage::new();
    let conf = everything(&stage);
    let kept = attach(&conf, &stage.sandbox.netns("kept"));
    let crashed = attach(&conf, &stage.sandbox.netns("crashed"));
    for attached in [&kept, &crashed] {
        stage.sandbox.sh(&format!("ip link set {} alias ''", attached.port()));
    }
    stage.sandbox.sh("ip link add veth0123456789a type veth; ip link add vethadmin type veth peer name x");
    kept.attachment.gc(&[("kept", "eth0")]).silent();
    kept.check().silent();
    assert_eq!(stage.ports("br0"), [kept.port()]);
    stage.sandbox.sh("ip link show veth0123456789a && ip link show vethadmin");
}

#[test]
fn rules_whose_link_has_gone_go_too() {
    let stage = Stage::new();
    let conf = everything(&stage);
    let attached = attach(&conf, &stage.sandbox.netns("c1"));
    stage.sandbox.sh("ip link del br0; ip link add br0 type bridge");
    stage.sandbox.sh(&format!("ip link del {}", attached.port()));
    // The network has moved to another bridge meanwhile.
    attached.attachment.with_key("bridge", json!("br9")).gc(&[]).silent();
    let ruleset = stage.ruleset();
    assert!(!ruleset.contains("10.1.0.0") && !ruleset.contains(&attached.port()), "{ruleset}");
}

#[test]
fn nothing_there_is_nothing_to_do() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    testkit::Attachment::new(everything(&stage), &c1).gc(&[]).silent();
    assert_eq!(stage.ruleset(), "");
}
