//! CHECK sees each thing that is not as ADD has made it, and nothing else.

use testkit::Attachment;

use crate::stage::{IFB, Stage, attach, both, egress, ingress};

/// A container with both limits, and the attachment with the result.
fn attached(stage: &Stage) -> Attachment {
    let attachment = attach(&stage.container("c1"), both());
    let result = attachment.add().success();
    attachment.with_prev(&result)
}

#[test]
fn differences_are_told() {
    let stage = Stage::new();
    let attachment = attached(&stage);
    attachment.check().silent();
    let tbf = |link: &str, limits: &str| format!("tc qdisc replace dev {link} root handle 6d6f: tbf {limits}");
    let filter = "tc filter add dev v-c1 parent ffff: protocol";
    for (change, words) in [
        (tbf("v-c1", "rate 21mbit burst 200000b latency 25ms"), "check ingress limit on \"v-c1\": the rate is 2625000"),
        (tbf("v-c1", "rate 20mbit burst 200000b latency 30ms"), "bytes may wait, not 262500"),
        (tbf("v-c1", "rate 20mbit burst 190000b limit 262500"), "the burst is not 200000 bytes"),
        ("tc qdisc del dev v-c1 root".to_owned(), "check ingress limit on \"v-c1\": it has no qdisc tbf"),
        (tbf(IFB, "rate 41mbit burst 100000b latency 25ms"), "the rate is 5125000, not 5000000 bytes per second"),
        (format!("tc qdisc del dev {IFB} root"), "it has no qdisc tbf"),
        (format!("ip link set {IFB} down"), "it is down"),
        ("tc filter del dev v-c1 ingress".to_owned(), "no filter of \"v-c1\" redirects everything"),
        ("tc qdisc del dev v-c1 ingress".to_owned(), "no filter of \"v-c1\" redirects everything"),
        (
            format!(
                "tc filter del dev v-c1 ingress; {filter} ip u32 match ip dst 10.0.0.0/8 action mirred egress redirect dev {IFB}"
            ),
            "no filter of \"v-c1\" redirects everything",
        ),
        (
            format!(
                "ip link add x type ifb; tc filter del dev v-c1 ingress; {filter} all u32 match u32 0 0 action mirred egress redirect dev x"
            ),
            "no filter of \"v-c1\" redirects everything",
        ),
        (format!("ip link del {IFB}"), "its ifb has gone"),
    ] {
        stage.sandbox.sh(&change);
        let msg = attachment.check().failure_code(103)["msg"].as_str().unwrap().to_owned();
        assert!(msg.contains(words), "{change}: {msg}");
        attachment.del().silent();
        stage.sandbox.try_sh("tc qdisc del dev v-c1 ingress || true; ip link del x");
        attachment.add().success();
        attachment.check().silent();
    }
    stage.sandbox.sh("ip link del v-c1");
    attachment.check().failure();
}

#[test]
fn qdiscs_of_others_are_left_out() {
    let stage = Stage::new();
    let attachment = attached(&stage);
    stage.sandbox.sh("tc qdisc add dev v-c1 parent 6d6f:1 handle 20: tbf rate 1gbit burst 1mb latency 25ms
        tc qdisc add dev lo root handle 1: tbf rate 1kbit burst 2kb latency 25ms");
    stage.sandbox.sh("ip link add x type ifb
        tc filter add dev v-c1 parent ffff: protocol ip prio 9 u32 match ip dst 10.0.0.0/8 action mirred egress mirror dev x");
    attachment.check().silent();
}

#[test]
fn a_direction_without_limit_may_be_anyhow() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for (keys, change) in [
        (ingress(), "tc qdisc add dev v-c1 ingress"),
        (egress(), "tc qdisc add dev v-c1 root tbf rate 1gbit burst 1mb latency 25ms"),
    ] {
        let attachment = attach(&container, keys);
        let result = attachment.add().success();
        stage.sandbox.sh(change);
        attachment.with_prev(&result).check().silent();
        attachment.del().silent();
        stage.sandbox.try_sh("tc qdisc del dev v-c1 root; tc qdisc del dev v-c1 ingress");
        stage.sandbox.try_sh("tc qdisc del dev v-c1 ingress");
    }
}

#[test]
fn limits_that_were_never_set_are_missed() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for keys in [ingress(), egress()] {
        attach(&container, keys).check().failure_code(103);
    }
}
