//! CHECK notices what is missing and makes nothing; STATUS tells whether an ADD could be served.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{By, Stage};

/// CHECK fails after `damage`, says where, and leaves it.
#[track_caller]
fn notices(stage: &Stage, name: &str, damage: &str, text: &str) {
    let pod = stage.run(name, &stage.network(1, json!({ "ingressPolicy": "isolated" })));
    pod.check(stage).silent();
    stage.iptables(damage);
    let damaged = stage.snapshot();
    let error = pod.check(stage).failure_code(103);
    assert!(error["msg"].as_str().unwrap().contains(text), "{damage}: {error}");
    assert_same(&damaged, &stage.snapshot());
    // ADD mends it.
    pod.add(stage).success();
    pod.check(stage).silent();
    pod.stop(stage);
}

#[test]
fn missing_elements_and_rules_of_our_table_are_noticed() {
    let stage = Stage::new(By::Nftables);
    let flush = |what: &str| format!("nft flush {what}");
    for (place, set) in [
        ("inet", "firewall_owners"),
        ("inet", "firewall_addresses6"),
        ("inet", "ingress_within"),
        ("inet", "isolated_bridges"),
        ("bridge", "isolated_ports"),
    ] {
        notices(&stage, set, &flush(&format!("set {place} mooring {set}")), &format!("{set} lacks"));
    }
    notices(&stage, "chain", &flush("chain inet mooring firewall_forward"), "firewall_forward of table inet mooring");
    notices(&stage, "frames", &flush("chain bridge mooring firewall_forward"), "of table bridge mooring");
    notices(&stage, "all", &flush("ruleset"), "lacks");
}

#[test]
fn missing_rules_of_iptables_are_noticed() {
    Stage::each(&By::IPTABLES, |stage| {
        for (name, damage, text) in [
            ("a", "ip6tables -F CNI-FORWARD", "check firewall in ip6tables: chain CNI-FORWARD lacks"),
            ("b", "iptables -F FORWARD", "chain FORWARD lacks"),
            ("c", "iptables -F CNI-ISOLATION-STAGE-2", "chain CNI-ISOLATION-STAGE-2 lacks -o br1"),
            ("d", "iptables -D CNI-ISOLATION-STAGE-1 1", "chain CNI-ISOLATION-STAGE-1 lacks -i br1 -o br1"),
        ] {
            notices(stage, name, damage, text);
        }
    });
}

#[test]
fn address_of_a_later_owner_is_noticed() {
    Stage::each(&By::ALL, |stage| {
        let first = stage.run("c1", &stage.plain());
        let second = stage.bridged("c2", &stage.plain());
        stage.on(second.bare().with_prev(&first.result).call("ADD")).run().success();
        first.check(stage).failure_code(103);
    });
}

#[test]
fn what_later_plugins_have_added_is_accepted_and_what_earlier_ones_had_is_demanded() {
    Stage::each(&By::ALL, |stage| {
        let pod = stage.bridged("c1", &stage.plain());
        let mut more = pod.result.clone();
        more["interfaces"].as_array_mut().unwrap().push(json!({ "name": "net1", "sandbox": "/run/netns/c1" }));
        more["ips"].as_array_mut().unwrap().push(json!({ "interface": 3, "address": "192.0.2.7/24" }));
        let with = |command: &str| stage.on(pod.bare().with_prev(&more).call(command)).run();
        pod.add(stage).success();
        with("CHECK").silent();
        with("ADD").success();
        with("CHECK").silent();
        match stage.by {
            By::Nftables => stage.sandbox.sh("nft delete element inet mooring firewall_addresses4 '{ 192.0.2.7 }'"),
            _ => stage.iptables("iptables -D CNI-FORWARD -s 192.0.2.7 -j ACCEPT"),
        };
        with("CHECK").failure_code(103);
    });
}

#[test]
fn check_needs_a_previous_result() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.run("c1", &stage.plain());
    assert!(pod.bare().check().failure_code(7)["msg"].as_str().unwrap().contains("prevResult"));
}

#[test]
fn status_says_whether_the_backend_is_usable_and_makes_nothing() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.plain());
    let before = stage.snapshot();
    for backend in ["", "nftables", "iptables"] {
        pod.bare().with_key("backend", json!(backend)).status().silent();
    }
    let error = pod.bare().with_key("backend", json!("firewalld")).status().failure_code(50);
    assert!(error["msg"].as_str().unwrap().contains("firewalld"), "{error}");
    assert_same(&before, &stage.snapshot());
}
