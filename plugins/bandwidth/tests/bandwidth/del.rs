//! DEL takes away what is its own, in whatever form it is asked.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{IFB, Stage, attach, both, egress};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(attachment: &Attachment, result: &Value) -> Vec<(&'static str, Attachment)> {
    let no_limits = ["ingressRate", "ingressBurst", "egressRate", "egressBurst"]
        .iter()
        .fold(attachment.clone(), |it, key| it.with_key(key, Value::Null));
    vec![
        ("all that ADD was told", attachment.with_prev(result)),
        ("the result before ours", attachment.clone()),
        ("no prevResult", attachment.with_key("prevResult", Value::Null)),
        ("an unreadable prevResult", attachment.with_key("prevResult", json!({ "ips": "x" }))),
        ("no namespace and no prevResult", attachment.with_key("prevResult", Value::Null).netns("")),
        ("a namespace that has gone", attachment.clone().netns("/run/netns/absent")),
        ("a file in its place", attachment.clone().netns("/run/plain")),
        ("the host's own namespace", attachment.clone().netns("/proc/self/ns/net")),
        ("other limits", attachment.with_key("ingressRate", json!(9999))),
        ("no limits", no_limits),
        ("impossible limits", attachment.with_key("ingressBurst", json!(0)).with_key("egressRate", json!(1))),
        ("args of others", attachment.clone().args("UNKNOWN=1;x")),
    ]
}

#[test]
fn every_form_of_del_leaves_all_as_before_add() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh("touch /run/plain");
    let attachment = attach(&container, both());
    let before = stage.snapshot();
    for (form, del) in forms(&attachment, &attachment.add().success()) {
        if stage.ifbs().is_empty() {
            attachment.add().success();
        }
        for _ in 0..2 {
            del.del().silent();
            assert_same(&before, &stage.snapshot());
            assert!(stage.filters("v-c1").is_empty(), "DEL with {form}");
        }
    }
}

#[test]
fn without_an_add_there_is_nothing_to_do() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    for (_, del) in forms(&attach(&container, both()), &json!(null)) {
        del.del().silent();
    }
    assert_same(&before, &stage.snapshot());
}

#[test]
fn link_that_went_first_costs_nothing() {
    let stage = Stage::new();
    for remove in ["link", "namespace"] {
        let before = stage.snapshot();
        let container = stage.container("c1");
        let attachment = attach(&container, both());
        attachment.add().success();
        assert_eq!(stage.ifbs(), [IFB]);
        if remove == "link" {
            stage.sandbox.sh("ip link del v-c1");
            attachment.del().silent();
            container.remove();
        } else {
            container.remove();
            attachment.del().silent();
            stage.sandbox.try_sh("ip link del v-c1");
        }
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn link_that_lives_on_and_has_another_name_is_found() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    attachment.add().success();
    stage.sandbox.sh("ip link set v-c1 down; ip link set v-c1 name uplink; ip link set uplink up");
    attachment.netns("").del().silent();
    assert!(stage.qdiscs("uplink").is_empty() && stage.ifbs().is_empty());
    assert_eq!(stage.link("uplink")["altnames"], Value::Null);
}

/// With the `ifb` gone the kernel drops what the container sends.
#[test]
fn ifb_that_went_first_does_not_leave_the_link_cut_off() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    let before = stage.snapshot();
    attachment.add().success();
    stage.sandbox.sh(&format!("ip link del {IFB}"));
    attachment.del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn what_others_have_put_there_since_stays() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    attachment.add().success();
    stage.sandbox.sh("tc qdisc del dev v-c1 root; tc qdisc del dev v-c1 ingress; ip link add other0 type ifb
        tc qdisc add dev v-c1 root handle 1: tbf rate 1gbit burst 1mb latency 25ms; tc qdisc add dev v-c1 ingress
        tc filter add dev v-c1 parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev other0");
    attachment.del().silent();
    assert_eq!(stage.ifbs(), ["other0"]);
    assert_eq!(stage.qdiscs("v-c1").len(), 2, "{:?}", stage.qdiscs("v-c1"));
    assert!(stage.filters("v-c1").contains("other0"));
}

#[test]
fn links_of_others_by_our_names_stay() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, egress());
    for link in [
        format!("{IFB} type bridge"),
        format!("{IFB} type ifb; ip link set {IFB} alias somebodys"),
        // Of another attachment whose ADD goes on: it has the address of this network's, and no alias yet.
        format!("{IFB} address 02:a4:86:00:00:01 type ifb"),
    ] {
        stage.sandbox.sh(&format!("ip link add {link}"));
        let before = stage.snapshot();
        attachment.with_key("prevResult", Value::Null).netns("").del().silent();
        assert_same(&before, &stage.snapshot());
        stage.sandbox.sh(&format!("ip link del {IFB}"));
    }
}
