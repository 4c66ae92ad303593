//! ADD that is refused: by the configuration, by what is there. Nothing is touched.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Stage, attach, both, egress, ingress, prev};

/// Refused with this code and these words, before any effect.
fn refused(stage: &Stage, attachment: &Attachment, code: u64, words: &str) {
    let before = stage.snapshot();
    let msg = attachment.add().failure_code(code)["msg"].as_str().unwrap().to_owned();
    assert!(msg.contains(words), "{words}: {msg}");
    assert_same(&before, &stage.snapshot());
}

#[test]
fn limits_that_cannot_be() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for (keys, words) in [
        (json!({ "ingressRate": 1000 }), "if rate is set, burst must also be set"),
        (json!({ "egressBurst": 1000 }), "if burst is set, rate must also be set"),
        (json!({ "egressRate": 1000, "egressBurst": 34_359_738_360_u64 }), "burst cannot be more than 4GB"),
        (json!({ "runtimeConfig": { "bandwidth": { "egressRate": 1, "egressBurst": 8 } } }), "8 bits per second"),
    ] {
        let attachment = attach(&container, keys);
        refused(&stage, &attachment, 7, words);
        attachment.check().failure_code(7);
        attachment.status().failure_code(50);
    }
    refused(&stage, &attach(&container, json!({ "ingressRate": "fast" })), 6, "\"ingressRate\"");
}

#[test]
fn a_plugin_that_is_not_behind_another() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for keys in [both(), json!({})] {
        let alone = attach(&container, keys).with_key("prevResult", Value::Null);
        refused(&stage, &alone, 7, "must be called as chained plugin");
        alone.check().failure_code(7);
    }
}

#[test]
fn interfaces_whose_other_end_is_not_told_or_not_here() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    let told = |name: &str| attachment.with_prev(&prev("1.1.0", &container, "eth0", name));
    refused(&stage, &attachment.with_prev(&json!({ "cniVersion": "1.1.0" })), 7, "prevResult does not tell");
    refused(&stage, &told("v-other"), 7, "prevResult does not tell of its veth peer \"v-c1\"");
    let mut inside = prev("1.1.0", &container, "eth0", "v-c1");
    inside["interfaces"][1]["sandbox"] = json!(container.path());
    refused(&stage, &attachment.with_prev(&inside), 7, "prevResult does not tell");

    container.sh("ip link add eth1 type veth peer name eth2; ip link add eth3 type ifb");
    let other = |ifname| told("v-c1").ifname(ifname);
    refused(&stage, &other("eth1"), 7, "its veth peer is not on the host");
    refused(&stage, &other("eth3"), 7, "it is ifb, only links of kind veth can be limited");
    refused(&stage, &other("eth9"), 100, "find link \"eth9\": there is none");
    refused(&stage, &attachment.clone().netns("/run/netns/absent"), 100, "open network namespace");
}

/// Links are numbered in each namespace anew.
#[test]
fn another_ends_number_in_another_namespace_is_not_taken_for_it() {
    let stage = Stage::new();
    let [third, container] = ["third", "c1"].map(|name| stage.sandbox.netns(name));
    third.sh("ip link add far index 77 type veth peer name eth0 index 88 netns c1");
    stage.sandbox.sh("ip link add v-c1 index 77 type veth peer name here index 88");
    refused(&stage, &attach(&container, both()), 7, "its veth peer is not on the host");
}

#[test]
fn places_that_others_have_taken() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh("tc qdisc add dev v-c1 root handle 1: tbf rate 1gbit burst 1mb latency 25ms");
    refused(&stage, &attach(&container, both()), 101, "it has a qdisc tbf");
    refused(&stage, &attach(&container, ingress()), 101, "limit what \"v-c1\" sends");
    attach(&container, egress()).add().success();
    attach(&container, egress()).del().silent();
    assert_eq!(stage.qdiscs("v-c1").len(), 1, "others' limits stay");

    stage.sandbox.sh("tc qdisc del dev v-c1 root; tc qdisc add dev v-c1 ingress");
    refused(&stage, &attach(&container, egress()), 101, "limit what \"v-c1\" receives: it has a qdisc ingress");
    attach(&container, ingress()).add().success();
}

#[test]
fn a_repeated_add_leaves_the_first_intact() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for keys in [both(), ingress(), egress()] {
        let attachment = attach(&container, keys);
        let before = stage.snapshot();
        let result = attachment.add().success();
        refused(&stage, &attachment, 101, "it has a qdisc");
        attachment.with_prev(&result).check().silent();
        attachment.del().silent();
        assert_same(&before, &stage.snapshot());
    }
}
