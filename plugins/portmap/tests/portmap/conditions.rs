//! `conditionsV4` and `conditionsV6`: per mapping, in our own expressions or in the words of `nft`.

use serde_json::{Value, json};
use testkit::{Sandbox, TestNs, Uplink, assert_same};

use crate::stage::{Proto, Stage, mapping, web, web_at};

/// A second host outside, at 198.51.100.2 and `2001:db8:eeee::2`.
fn far(sandbox: &Sandbox) -> TestNs {
    let uplink = Uplink {
        link: "uplink1",
        host: ["198.51.100.1/24", "2001:db8:eeee::1/64"],
        outside: ["198.51.100.2/24", "2001:db8:eeee::2/64"],
    };
    sandbox.outside_via("far", &uplink)
}

fn under(stage: &Stage, conditions: Value) -> Value {
    let mut keys = conditions;
    keys["runtimeConfig"] = json!({ "portMappings": web() });
    stage.network(1, keys)
}

#[test]
fn usual_forms_decide_who_gets_through() {
    let stage = Stage::new();
    let far = far(&stage.sandbox);
    for (words, outside, other) in [
        (json!(["ip", "saddr", "203.0.113.0/24"]), true, false),
        (json!(["ip saddr != 203.0.113.0/24"]), false, true),
        (json!(["ip", "saddr", "{", "203.0.113.2,", "198.51.100.2", "}"]), true, true),
        (json!(["ip saddr != { 203.0.113.2, 203.0.113.3 }"]), false, true),
        (json!(["ip saddr 198.51.100.1-198.51.100.9"]), false, true),
        (json!(["iifname", "uplink0"]), true, false),
        (json!(["iifname != \"uplink0\""]), false, true),
        (json!(["iifname \"uplink*\" ip saddr 203.0.113.2"]), true, false),
        (json!(["iifname { uplink1, eth7 }"]), false, true),
        (json!(["ip daddr 203.0.113.1", "ip saddr != 198.51.100.0/24"]), true, false),
        (json!(["ip daddr != 203.0.113.1"]), false, false),
    ] {
        let web = stage.run("c1", &under(&stage, json!({ "conditionsV4": words })));
        assert_eq!(web.answers(&stage.outside), outside, "{words}");
        assert_eq!(web.answers(&far), other, "{words}");
        let rules = stage.sandbox.sh("nft list chain inet mooring portmap_conditional");
        assert!(rules.contains("dnat ip to 10.1.0."), "{rules}");
        // IPv6 has no conditions.
        assert_eq!(Proto::Udp.ask(&far, "[2001:db8:ffff::1]:8080").server, "c1");
        let netns = web.netns.path().to_owned();
        web.stop();
        stage.sandbox.sh(&format!("umount {0}; rm {0}", netns.display()));
        assert!(stage.elements("net: net1").is_empty());
    }
}

#[test]
fn usual_forms_work_for_ipv6() {
    let stage = Stage::new();
    let far = far(&stage.sandbox);
    let list = under(&stage, json!({ "conditionsV6": ["ip6 saddr", "{ 2001:db8:eeee::/64, fd99::1 }"] }));
    let _web = stage.run("c1", &list);
    for proto in Proto::BOTH {
        assert_eq!(proto.ask(&far, "[2001:db8:ffff::1]:8080").server, "c1");
        proto.ask_in_vain(&stage.outside, "[2001:db8:ffff::1]:8080");
        assert_eq!(proto.ask(&stage.outside, "203.0.113.1:8080").server, "c1");
    }
}

#[test]
fn conditions_of_one_container_are_not_those_of_another() {
    let stage = Stage::new();
    let far = far(&stage.sandbox);
    let list = |number: u8, port: u16, conditions: Value| {
        let mappings = json!([mapping(port, 80, "tcp")]);
        stage.network(number, json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": mappings } }))
    };
    let _one = stage.run("c1", &list(1, 8081, json!(["ip saddr 203.0.113.2"])));
    let two = stage.run("c2", &list(2, 8082, json!(["ip saddr 198.51.100.2"])));
    let _all = stage.run("c3", &list(3, 8083, json!(null)));
    let expect = |from: &TestNs, port: u16, server: Option<&str>| match server {
        Some(server) => assert_eq!(Proto::Tcp.ask(from, format!("203.0.113.1:{port}")).server, server),
        None => Proto::Tcp.ask_in_vain(from, format!("203.0.113.1:{port}")),
    };
    expect(&stage.outside, 8081, Some("c1"));
    expect(&stage.outside, 8082, None);
    expect(&stage.outside, 8083, Some("c3"));
    expect(&far, 8081, None);
    expect(&far, 8082, Some("c2"));
    expect(&far, 8083, Some("c3"));
    two.stop();
    expect(&stage.outside, 8081, Some("c1"));
    expect(&far, 8082, None);
    expect(&far, 8083, Some("c3"));
}

#[test]
fn conditional_port_keeps_hairpins_and_addresses() {
    let stage = Stage::new();
    let mut mappings = web();
    for mapping in mappings.as_array_mut().unwrap() {
        mapping["hostIP"] = json!("203.0.113.1");
    }
    let keys = json!({ "conditionsV4": ["ip saddr 10.1.0.0/24"], "runtimeConfig": { "portMappings": mappings } });
    let web = stage.run("c1", &stage.network(1, keys));
    for proto in Proto::BOTH {
        assert_eq!(proto.ask(&web.netns, "203.0.113.1:8080").peer.ip().to_string(), "10.1.0.1");
        proto.ask_in_vain(&web.netns, "10.1.0.1:8080");
        proto.ask_in_vain(&stage.outside, "203.0.113.1:8080");
    }
}

#[test]
fn other_words_go_through_nft() {
    let stage = Stage::new();
    let before = stage.warm_snapshot(&stage.publishing(web()));
    let far = far(&stage.sandbox);
    let list =
        under(&stage, json!({ "conditionsV4": ["meta", "mark", "5"], "conditionsV6": ["tcp", "sport", "1024-65535"] }));
    let web = stage.run("c1", &list);
    assert!(!web.answers(&stage.outside));
    stage.sandbox.sh("nft add table inet marks
         nft add chain inet marks pre '{ type filter hook prerouting priority raw; }'
         nft add rule inet marks pre ip saddr 203.0.113.2 meta mark set 5");
    assert!(web.answers(&stage.outside));
    assert!(!web.answers(&far));
    assert_eq!(Proto::Tcp.ask(&far, "[2001:db8:ffff::1]:8080").server, "c1");
    Proto::Udp.ask_in_vain(&far, "[2001:db8:ffff::1]:8080");
    stage.sandbox.sh("nft delete table inet marks");
    web.portmap().with_prev(&web.result).check().silent();
    web.stop();
    let after = stage.snapshot().without(&["uplink1", "198.51.100", "2001:db8:eeee"]);
    assert_same(&before.without(&["uplink1"]), &after);
}

#[test]
fn words_that_nft_refuses_leave_nothing_behind() {
    let stage = Stage::new();
    stage.warm_snapshot(&stage.publishing(web()));
    for words in ["no such words", "ip saddr 10.0.0.1 accept", "ip saddr @nobody", "ip saddr {", "\"", "tcp sport 1 }"]
    {
        let (chain, result) = stage.bridged("c1", &under(&stage, json!({ "conditionsV4": [words] })));
        let before = stage.snapshot();
        let error = chain.plugins()[1].with_prev(&result).add().failure_code(7);
        let msg = error["msg"].as_str().unwrap();
        assert!(msg.contains("conditionsV4") && msg.contains("nft does not accept"), "{msg}");
        assert!(!error["details"].as_str().unwrap().is_empty(), "{error}");
        assert_same(&before, &stage.snapshot());
        chain.del(Some(&result));
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}

#[test]
fn words_of_iptables_and_ends_of_rules_are_refused_before_any_effect() {
    let stage = Stage::new();
    for (words, code) in [(json!(["-s", "10.0.0.1"]), 2), (json!(["!", "-i", "eth0"]), 2), (json!(["a; b"]), 7)] {
        let keys = json!({ "backend": "nftables", "conditionsV6": words });
        let (chain, result) = stage.bridged("c1", &under(&stage, keys));
        let before = stage.snapshot();
        chain.plugins()[1].with_prev(&result).add().failure_code(code);
        assert_same(&before, &stage.snapshot());
        assert!(!stage.sandbox.sh("nft list ruleset").contains("portmap"));
        chain.plugins()[0].del().silent();
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}

#[test]
fn port_with_conditions_and_one_without_exclude_each_other() {
    let stage = Stage::new();
    // Of one family only: ports of the other would exclude each other without any conditions.
    let mapped = json!({ "portMappings": web_at("0.0.0.0") });
    let list = |words: Value| stage.network(1, json!({ "conditionsV4": words, "runtimeConfig": mapped }));
    let (conditional, plain) = (list(json!(["ip saddr 203.0.113.2"])), list(json!(null)));
    for (first, second) in [(&conditional, &plain), (&plain, &conditional), (&conditional, &conditional)] {
        let web = stage.run("c1", first);
        let (chain, result) = stage.bridged("c2", second);
        let before = stage.snapshot();
        let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
        assert!(error["msg"].as_str().unwrap().ends_with("net: net1, if: eth0, id: c1"), "{error}");
        assert_same(&before, &stage.snapshot());
        assert!(web.answers(&stage.outside));
        chain.del(Some(&result));
        web.stop();
        stage.sandbox.sh("for c in c1 c2; do umount /run/netns/$c; rm /run/netns/$c; done");
    }
}
