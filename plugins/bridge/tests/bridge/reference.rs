//! Beside the plugins of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, assert_same, require};

use crate::stage::{Attached, Stage, attach, attach_as, link};

/// Where Debian's package puts them.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/bridge -a -x /usr/lib/cni/host-local && command -v iptables"))
}

fn network(stage: &Stage) -> Value {
    stage.dual(json!({ "cniVersion": "1.0.0" }))
}

fn theirs(conf: Value, container: &testkit::TestNs) -> Attachment {
    Attachment::new(conf, container).bin_dir(Path::new(DIR))
}

#[test]
fn attachment_of_theirs_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    attach_as(theirs(network(&stage), &warm_up)).attachment.del().silent();
    let before = stage.snapshot();
    let made = attach_as(theirs(network(&stage), &c1));
    let ours = Attached { attachment: Attachment::new(network(&stage), &c1), result: made.result };
    ours.check().silent();
    ours.del();
    assert_same(&before, &stage.snapshot());
    assert!(!c1.try_sh("ip link show eth0").status.success());
    // Also without a previous result.
    attach_as(theirs(network(&stage), &c1));
    ours.attachment.del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn attachment_of_ours_is_checked_and_removed_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    attach(&network(&stage), &warm_up).del();
    let before = stage.snapshot();
    let made = attach(&network(&stage), &c1);
    let ours = Attached { attachment: theirs(network(&stage), &c1), result: made.result };
    ours.check().silent();
    ours.del();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn containers_of_both_talk_on_one_bridge() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let one = attach_as(theirs(network(&stage), &c1));
    let two = attach(&network(&stage), &c2);
    assert_ne!(one.ip(0), two.ip(0));
    assert_eq!(one.result["interfaces"][0]["mac"], link(stage.sandbox.host(), "br0")["address"]);
    for family in [0, 1] {
        c2.ping(one.ip(family)).unwrap();
    }
    two.del();
    one.check().silent();
}

#[test]
fn spoof_check_of_theirs_is_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "cniVersion": "1.0.0", "macspoofchk": true }));
    attach_as(theirs(conf.clone(), &c1));
    let before = stage.ruleset();
    attach_as(theirs(conf.clone(), &c2));
    assert!(stage.ruleset().contains("macspoofchk-c2-eth0"), "{}", stage.ruleset());
    Attachment::new(conf.clone(), &c2).netns("").del().silent();
    assert_eq!(stage.ruleset(), before);
    Attachment::new(conf, &c1).del().silent();
    assert!(!stage.ruleset().contains("c1-eth0"), "{}", stage.ruleset());
}

/// What releases from 1.6 on keep for two containers of the network `net`.
const MASQUERADING: &str = "table inet cni_plugins_masquerade {
    chain masq_checks {
        ip saddr 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade comment \"a4861f4ae9f7d238-f4d01f2ef4b92245, net: net, if: eth0, id: c1\"
        ip saddr 10.1.0.3 ip daddr != 10.1.0.0/24 masquerade comment \"a4861f4ae9f7d238-0000000000000000, net: net, if: eth0, id: c2\"
    }
}";

#[test]
fn masquerading_of_theirs_is_removed_by_ours() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh(&format!("nft -f - <<'RULES'\n{MASQUERADING}\nRULES"));
    Attachment::new(network(&stage), &c1).netns("").del().silent();
    let left = stage.ruleset();
    assert!(left.contains("10.1.0.3") && !left.contains("10.1.0.2"), "{left}");
}

#[test]
fn masquerading_of_theirs_is_garbage_like_ours() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh(&format!("nft -f - <<'RULES'\n{MASQUERADING}\nRULES"));
    Attachment::new(stage.dual(json!({})), &c1).gc(&[("c1", "eth0")]).silent();
    let left = stage.ruleset();
    assert!(left.contains("10.1.0.2") && !left.contains("10.1.0.3"), "{left}");
}

#[test]
fn interface_of_theirs_whose_address_tuning_had_changed_is_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let mut made = attach_as(theirs(network(&stage), &c1));
    // The result has what tuning made of it; tuning's DEL comes before ours, and has given the old one back.
    made.result["interfaces"][2]["mac"] = json!("02:00:00:00:00:55");
    Attached { attachment: Attachment::new(network(&stage), &c1), result: made.result }.del();
    assert!(!c1.try_sh("ip link show eth0").status.success());
}

#[test]
fn interface_of_another_container_of_theirs_stays() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let made = attach_as(theirs(network(&stage), &c1));
    // Our ADD for the same interface fails. The result tells whose it is, and it is not ours.
    let mut ours =
        Attached { attachment: Attachment::new(network(&stage), &c1).container("other"), result: made.result.clone() };
    ours.attachment.add().failure_code(101);
    ours.result["interfaces"][1]["name"] = json!("veth0ther");
    ours.result["interfaces"][2]["mac"] = json!("02:00:00:00:00:55");
    ours.del();
    made.check().silent();
}
