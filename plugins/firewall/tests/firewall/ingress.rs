//! Who reaches containers of a bridge with a policy: real packets on two bridges with two containers each.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{By, Pod, Stage, gets_out, meets, misses};

/// Two containers on `br1` and two on `br2`, with this policy.
fn four(stage: &Stage, policy: &str) -> Vec<Pod> {
    let pods = [(1, "a1"), (1, "a2"), (2, "b1"), (2, "b2")];
    let of = |(number, name): (u8, &str)| stage.run(name, &stage.network(number, json!({ "ingressPolicy": policy })));
    pods.map(of).into_iter().collect()
}

#[test]
fn open_lets_everybody_reach_everybody() {
    Stage::each(&By::ALL, |stage| {
        let pods = four(stage, "open");
        meets(&pods[0].netns, &pods[1]);
        meets(&pods[0].netns, &pods[3]);
        meets(&stage.outside, &pods[0]);
        assert!(stage.elements("ingress").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("ISOLATION")));
    });
}

#[test]
fn same_bridge_keeps_bridges_apart_and_neighbours_together() {
    Stage::each(&By::ALL, |stage| {
        let pods = four(stage, "same-bridge");
        meets(&pods[0].netns, &pods[1]);
        meets(&pods[3].netns, &pods[2]);
        misses(&pods[0].netns, &pods[2]);
        misses(&pods[3].netns, &pods[1]);
        gets_out(&pods[0].netns, &stage.outside);
        meets(&stage.outside, &pods[0]);
    });
}

#[test]
fn isolated_keeps_neighbours_apart_too() {
    Stage::each(&By::ALL, |stage| {
        let pods = four(stage, "isolated");
        // With and without bridge netfilter, where the kernel has it.
        for filtered in [1, 0] {
            let set = |family: &str| format!("echo {filtered} > /proc/sys/net/bridge/bridge-nf-call-{family}");
            stage.sandbox.try_sh(&format!("{}; {}", set("iptables"), set("ip6tables")));
            misses(&pods[0].netns, &pods[1]);
            misses(&pods[0].netns, &pods[2]);
        }
        gets_out(&pods[0].netns, &stage.outside);
        meets(stage.sandbox.host(), &pods[0]);
        meets(&stage.outside, &pods[3]);
    });
}

#[test]
fn bridge_without_a_policy_reaches_one_that_has_one_as_the_reference_has_it() {
    Stage::each(&By::ALL, |stage| {
        let closed = stage.run("a1", &stage.network(1, json!({ "ingressPolicy": "same-bridge" })));
        let open = stage.run("b1", &stage.network(2, json!({})));
        meets(&open.netns, &closed);
        meets(&closed.netns, &open);
    });
}

#[test]
fn bridges_whose_containers_are_let_through_by_different_backends_are_apart() {
    let stage = Stage::new(By::IptablesNft);
    let by = |number, name, backend: &str| {
        stage.run(name, &stage.network(number, json!({ "ingressPolicy": "same-bridge", "backend": backend })))
    };
    let (one, two) = (by(1, "a1", "iptables"), by(2, "b1", "nftables"));
    misses(&one.netns, &two);
    misses(&two.netns, &one);
}

#[test]
fn policy_goes_with_the_last_attachment_of_the_bridge() {
    Stage::each(&By::ALL, |stage| {
        for policy in ["same-bridge", "isolated"] {
            let list = stage.network(1, json!({ "ingressPolicy": policy }));
            stage.run(&format!("warm-{policy}"), &list).del(stage);
            let before = stage.snapshot().without(&["link ", "sysctl ", "file ", "addr ", "vlan "]);
            let (one, two) = (format!("one-{policy}"), format!("two-{policy}"));
            let (one, two) = (stage.run(&one, &list), stage.run(&two, &list));
            let second = stage.snapshot();
            one.add(stage).success();
            assert_same(&second, &stage.snapshot());
            one.del(stage);
            one.del(stage);
            two.check(stage).silent();
            stage.on(two.bare().netns("").call("DEL")).run().silent();
            assert_same(&before, &stage.snapshot().without(&["link ", "sysctl ", "file ", "addr ", "vlan "]));
        }
    });
}

#[test]
fn two_policies_of_one_bridge_come_and_go_by_themselves() {
    Stage::each(&By::ALL, |stage| {
        let open = stage.run("c1", &stage.network(1, json!({ "ingressPolicy": "same-bridge" })));
        let closed = stage.run("c2", &stage.network(1, json!({ "ingressPolicy": "isolated", "name": "other" })));
        open.check(stage).silent();
        closed.del(stage);
        open.check(stage).silent();
        assert!(stage.elements("isolated").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("-i br1 -o br1")));
        open.del(stage);
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("br1")));
    });
}

#[test]
fn policy_without_any_interface_of_the_host_is_refused() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.network(1, json!({ "ingressPolicy": "isolated" })));
    let prev = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.1.0.2/24" }] });
    let error = pod.bare().with_prev(&prev).add().failure_code(7);
    assert!(error["msg"].as_str().unwrap().contains("\"ingressPolicy\" \"isolated\""), "{error}");
}

#[test]
fn rules_are_the_references_to_the_byte() {
    Stage::each(&By::IPTABLES, |stage| {
        stage.run("c1", &stage.network(1, json!({ "ingressPolicy": "same-bridge" })));
        let rules = |text: &str| {
            let filter = stage.filter("iptables");
            filter.into_iter().filter(|line| line.starts_with("-A") && line.contains(text)).collect::<Vec<_>>()
        };
        let comment = "-m comment --comment \"CNI firewall plugin rules (ingressPolicy: same-bridge)\"";
        let expected = [
            format!("-A FORWARD {comment} -j CNI-ISOLATION-STAGE-1"),
            format!("-A CNI-ISOLATION-STAGE-1 -i br1 ! -o br1 {comment} -j CNI-ISOLATION-STAGE-2"),
            format!("-A CNI-ISOLATION-STAGE-1 {comment} -j RETURN"),
            format!("-A CNI-ISOLATION-STAGE-2 -o br1 {comment} -j DROP"),
            format!("-A CNI-ISOLATION-STAGE-2 {comment} -j RETURN"),
        ];
        assert_eq!(rules("ingressPolicy"), expected);
        assert!(rules("FORWARD")[0].contains("STAGE-1"), "before what lets through");
        stage.run("c2", &stage.network(2, json!({ "ingressPolicy": "isolated" })));
        let comment = comment.replace("same-bridge", "isolated");
        assert_eq!(
            rules("br2 ").into_iter().filter(|line| line.contains("ISOLATION")).collect::<Vec<_>>(),
            [
                format!("-A CNI-ISOLATION-STAGE-1 -i br2 -o br2 {comment} -j DROP"),
                format!("-A CNI-ISOLATION-STAGE-1 -i br2 ! -o br2 {comment} -j CNI-ISOLATION-STAGE-2"),
                format!("-A CNI-ISOLATION-STAGE-2 -o br2 {comment} -j DROP"),
            ]
        );
    });
}
