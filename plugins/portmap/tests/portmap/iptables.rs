//! `backend` `iptables`, in both variants of iptables, and beside the reference plugin.

use serde_json::{Value, json};
use testkit::{Attachment, Chain, Facility, assert_same, require};

use crate::localhost::behind_pair;
use crate::stage::{Proto, Stage, Web, host_of, ip, mapping, web, web_at};

/// A test for each variant of iptables.
fn in_both_variants(test: impl Fn(&Stage)) {
    test(&Stage::new());
    let stage = Stage::new();
    if stage.sandbox.use_legacy_iptables() {
        test(&stage);
    }
}

/// Network 1 with these keys of portmap's and these mappings. The reference's Debian release knows 1.0.0.
fn list(stage: &Stage, keys: Value, mappings: &Value) -> Value {
    let mut list = stage.network(1, keys);
    list["cniVersion"] = json!("1.0.0");
    list["plugins"][1]["runtimeConfig"] = json!({ "portMappings": mappings });
    list
}

fn by_iptables(stage: &Stage, mappings: &Value) -> Value {
    list(stage, json!({ "backend": "iptables" }), mappings)
}

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/portmap && command -v iptables"))
}

/// The same attachment as the reference plugin's.
fn theirs(portmap: &Attachment) -> Attachment {
    portmap.clone().bin_dir("/usr/lib/cni")
}

/// All rules of table nat of both families.
fn nat(stage: &Stage) -> String {
    stage.sandbox.sh("for p in iptables ip6tables; do $p-save -t nat | grep -v '^[#:]'; done")
}

/// For a mapping at an address of one family the reference has, in the other, a rule that leads to an empty chain.
fn without_idle_jumps(nat: &str) -> String {
    let of_family = |rules: &str| {
        let is_idle = |line: &&str| !rules.contains("-A CNI-DN-") && line.contains("-j CNI-DN-");
        rules.split_inclusive('\n').filter(|line| !is_idle(line)).collect::<String>()
    };
    nat.split_inclusive("COMMIT\n").map(of_family).collect()
}

/// The state of a host where all shared chains are.
fn warm(stage: &Stage, list: &Value) -> testkit::Snapshot {
    nat(stage);
    stage.warm_snapshot(list)
}

fn portmap(chain: &Chain, result: &Value) -> Attachment {
    chain.plugins()[1].with_prev(result)
}

#[test]
fn second_network_of_a_container_has_its_rules_behind_the_firsts() {
    in_both_variants(|stage| {
        let first = stage.run("c1", &by_iptables(stage, &web()));
        let mut list = stage.network(2, json!({ "backend": "iptables" }));
        list["plugins"][1]["runtimeConfig"] = json!({ "portMappings": web() });
        let second = Chain::new(&list, &first.netns).each(|plugin| plugin.ifname("eth1"));
        let before = nat(stage);
        let result = second.add();
        second.check(&result);
        first.portmap().with_prev(&first.result).check().silent();
        let reached = || host_of(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").local);
        assert_eq!(reached(), first.ip(0));
        second.del(Some(&result));
        assert_eq!(before, nat(stage));
        let result = second.add();
        first.portmap().with_prev(&first.result).del().silent();
        assert_eq!(reached(), ip(&result, 0));
        second.del(Some(&result));
    });
}

#[test]
fn port_is_reached_from_everywhere() {
    in_both_variants(|stage| {
        let published = stage.run("c1", &by_iptables(stage, &web()));
        let neighbour = stage.run("c2", &stage.network(1, json!({})));
        for proto in Proto::BOTH {
            for (from, address, source) in [
                (&stage.outside, "203.0.113.1", "203.0.113.2"),
                (&stage.outside, "[2001:db8:ffff::1]", "2001:db8:ffff::2"),
                (stage.host(), "203.0.113.1", "203.0.113.1"),
                (stage.host(), "127.0.0.1", "10.1.0.1"),
                (&neighbour.netns, "203.0.113.1", "10.1.0.1"),
                (&neighbour.netns, "[2001:db8:ffff::1]", "fd01::1"),
            ] {
                let reply = proto.ask(from, format!("{address}:8080"));
                assert_eq!(
                    (reply.server.as_str(), host_of(reply.peer).as_str()),
                    ("c1", source),
                    "{proto:?} {address}"
                );
            }
        }
        published.chain.check(&published.result);
        published.stop();
        Proto::Tcp.ask_in_vain(&stage.outside, "203.0.113.1:8080");
    });
}

#[test]
fn rules_are_the_references() {
    if !is_there() {
        return;
    }
    // At an address of IPv4: the `-C` of ip6tables 1.8.9, by which the reference decides what to add, takes ports for equal.
    let one = |port: u16| {
        let protocol = if port.is_multiple_of(5) { "udp" } else { "tcp" };
        json!({ "hostPort": port, "containerPort": 80, "protocol": protocol, "hostIP": "203.0.113.1" })
    };
    let many: Vec<Value> = (8001..8021).map(one).collect();
    let cases = [
        (json!({}), web()),
        (json!({}), web_at("203.0.113.1")),
        (json!({}), web_at("2001:db8:ffff::1")),
        (json!({}), json!(many)),
        (json!({ "snat": false }), web()),
        (json!({ "markMasqBit": 5 }), web()),
        (json!({ "conditionsV4": ["!", "-s", "192.0.2.0/24"], "conditionsV6": ["-i", "lo"] }), web()),
        (json!({ "externalSetMarkChain": "KUBE-MARK-MASQ" }), web()),
    ];
    in_both_variants(|stage| {
        stage.sandbox.sh("iptables -t nat -N KUBE-MARK-MASQ; ip6tables -t nat -N KUBE-MARK-MASQ");
        for (place, (keys, mappings)) in cases.iter().enumerate() {
            stage.sandbox.sh("for p in iptables ip6tables; do for c in SETMARK MASQ; do $p -t nat -F CNI-HOSTPORT-$c || true; done; done");
            let mut keys = keys.clone();
            keys["backend"] = json!("iptables");
            let (chain, result) = stage.bridged(&format!("c{place}"), &list(stage, keys, mappings));
            let ours = portmap(&chain, &result);
            theirs(&ours).add().success();
            let wanted = without_idle_jumps(&nat(stage));
            theirs(&ours).del().silent();
            ours.add().success();
            let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
            for (line, theirs) in lines(&nat(stage)).iter().zip(&lines(&wanted)) {
                assert_eq!(line, theirs, "{}", ours.conf());
            }
            assert_eq!(nat(stage).len(), wanted.len());
            ours.del().silent();
            chain.plugins()[0].del().silent();
        }
    });
}

#[test]
fn del_in_any_form_and_gc_leave_nothing() {
    in_both_variants(|stage| {
        let list = by_iptables(stage, &web());
        let before = warm(stage, &list);
        let forms: [fn(&Web); 5] = [
            |web| web.chain.del(Some(&web.result)),
            |web| web.chain.del(None),
            |web| {
                web.portmap().with_key("runtimeConfig", json!({})).netns("").del().silent();
                web.chain.del(None);
            },
            |web| {
                web.portmap().with_key("backend", json!("nftables")).del().silent();
                web.chain.del(None);
            },
            |web| {
                web.portmap().with_key("cniVersion", json!("1.1.0")).gc(&[("other", "eth0")]).silent();
                web.chain.plugins()[0].del().silent();
            },
        ];
        for (place, form) in forms.iter().enumerate() {
            let web = stage.run(&format!("c{place}"), &list);
            form(&web);
            assert_same(&before, &stage.snapshot());
            web.portmap().del().silent();
        }
    });
}

#[test]
fn gc_keeps_what_is_valid_and_what_is_of_other_networks() {
    in_both_variants(|stage| {
        let [one, two] = [8080, 8081].map(|port| by_iptables(stage, &json!([mapping(port, 80, "tcp")])));
        let mut elsewhere = stage.network(2, json!({ "backend": "iptables" }));
        elsewhere["plugins"][1]["runtimeConfig"] = json!({ "portMappings": [mapping(8082, 80, "tcp")] });
        let (valid, other) = (stage.run("c1", &one), stage.run("c3", &elsewhere));
        let before = nat(stage);
        let garbage = stage.run("c2", &two);
        garbage.portmap().with_key("cniVersion", json!("1.1.0")).gc(&[("c1", "eth0")]).silent();
        assert_eq!(nat(stage), before);
        valid.chain.check(&valid.result);
        assert!(valid.answers(&stage.outside));
        Proto::Tcp.ask(&stage.outside, "203.0.113.1:8082");
        other.chain.check(&other.result);
    });
}

#[test]
fn port_of_another_container_is_refused_and_a_dead_ones_is_taken() {
    in_both_variants(|stage| {
        let list = by_iptables(stage, &web());
        let first = stage.run("c1", &list);
        let (chain, result) = stage.bridged("c2", &list);
        let before = nat(stage);
        let error = portmap(&chain, &result).add().failure_code(101);
        assert_eq!(error["msg"], "publish host port 8080/tcp: it is published already for name: \"net1\" id: \"c1\"");
        assert_eq!(nat(stage), before);
        // The address is given out again, which the rules of the first lead to: it has gone without a DEL of portmap.
        let mut reused = result.clone();
        reused["ips"] = first.result["ips"].clone();
        portmap(&chain, &reused).add().success();
        let (now, c1) = (nat(stage), "id: \\\"c1\\\"");
        assert!(!now.contains(c1) && now.contains("id: \\\"c2\\\""), "{now}");
    });
}

#[test]
fn refusal_in_one_family_changes_nothing_in_the_other() {
    in_both_variants(|stage| {
        let _of_v6 = stage.run("c1", &by_iptables(stage, &web_at("2001:db8:ffff::1")));
        let (chain, result) = stage.bridged("c2", &by_iptables(stage, &web_at("203.0.113.1")));
        let ours = portmap(&chain, &result);
        ours.add().success();
        let before = nat(stage);
        let mut both = web_at("203.0.113.1");
        both.as_array_mut().unwrap().extend(web_at("2001:db8:ffff::1").as_array().unwrap().clone());
        both.as_array_mut().unwrap().push(mapping(8081, 80, "tcp"));
        ours.with_key("runtimeConfig", json!({ "portMappings": both })).add().failure_code(101);
        assert_eq!(nat(stage), before, "what it had before is there, and nothing else");
    });
}

#[test]
fn pair_gets_its_loopback_back_by_del_and_by_gc() {
    in_both_variants(|stage| {
        let attachments =
            [2, 3, 4].map(|number| behind_pair(stage, number, "1.1.0").with_key("backend", json!("iptables")));
        attachments[0].add().success();
        attachments[0].del().silent();
        nat(stage);
        let before = stage.snapshot();
        let set = |at: &Attachment| {
            at.add().success();
            assert!(stage.snapshot().lines().iter().any(|line| line.contains("route_localnet=1")));
        };
        set(&attachments[1]);
        attachments[1].with_key("prevResult", json!(null)).netns("").del().silent();
        assert_same(&before, &stage.snapshot());
        set(&attachments[2]);
        attachments[2].gc(&[("c2", "eth0")]).silent();
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn shared_rules_that_two_have_made_at_once_are_one_again_with_the_next() {
    in_both_variants(|stage| {
        let _first = stage.run("c1", &by_iptables(stage, &json!([mapping(8080, 80, "tcp")])));
        let before = nat(stage);
        stage.sandbox.sh(
            "twice=$(iptables-save -t nat | grep -E '^-A (PREROUTING|OUTPUT|POSTROUTING|CNI-HOSTPORT-(MASQ|SETMARK)) ')
            printf '*nat\\n%s\\n-A PREROUTING -i uplink0 -j CNI-HOSTPORT-DNAT\\nCOMMIT\\n' \"$twice\" | iptables-restore --noflush",
        );
        let shared = |nat: &str| nat.matches("-j CNI-HOSTPORT-DNAT\n").count();
        assert_eq!(shared(&nat(stage)), shared(&before) + 3, "those of IPv4 twice, and the administrator's");
        let (chain, result) = stage.bridged("c2", &by_iptables(stage, &json!([mapping(8081, 80, "tcp")])));
        portmap(&chain, &result).add().success();
        portmap(&chain, &result).del().silent();
        let after = nat(stage).replacen("-A PREROUTING -i uplink0 -j CNI-HOSTPORT-DNAT\n", "", 1);
        assert_eq!(after, before, "but for the administrator's");
    });
}

#[test]
fn repeated_add_and_del_are_as_one() {
    in_both_variants(|stage| {
        let list = by_iptables(stage, &web());
        let web = stage.run("c1", &list);
        let before = nat(stage);
        web.portmap().with_prev(&web.result).add().success();
        assert_eq!(nat(stage), before);
        web.chain.del(Some(&web.result));
        let gone = nat(stage);
        web.portmap().with_prev(&web.result).del().silent();
        assert_eq!(nat(stage), gone);
    });
}

#[test]
fn check_says_what_is_missing() {
    in_both_variants(|stage| {
        let web = stage.run("c1", &by_iptables(stage, &web()));
        let check = || web.portmap().with_prev(&web.result).check();
        check().silent();
        for broken in ["-F PREROUTING", "-F CNI-HOSTPORT-DNAT"] {
            stage.sandbox.sh(&format!("iptables -t nat {broken}"));
            let error = check().failure_code(103);
            assert!(error["msg"].as_str().unwrap().starts_with("check published ports: "), "{error}");
            web.portmap().with_prev(&web.result).add().success();
            check().silent();
        }
    });
}

#[test]
fn mark_chain_that_is_missing_is_named() {
    let stage = Stage::new();
    let conf = list(&stage, json!({ "externalSetMarkChain": "KUBE-MARK-MASQ" }), &web());
    let (chain, result) = stage.bridged("c1", &conf);
    let before = stage.snapshot();
    let error = portmap(&chain, &result).add().failure_code(7);
    assert!(error["msg"].as_str().unwrap().contains("\"externalSetMarkChain\" \"KUBE-MARK-MASQ\""), "{error}");
    let words = |line: &str| line.contains("iptables");
    assert_same(&before, &stage.snapshot().without(&["nft table ip nat", "nft chain ip nat", "iptables"]));
    assert!(before.lines().iter().all(|line| !words(line)));
}

#[test]
fn ports_of_theirs_are_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        for backend in [json!(null), json!("nftables"), json!("iptables")] {
            let list = list(stage, json!({ "backend": backend }), &web());
            // The reference never turns it off again.
            let settings = ["route_localnet"];
            let before = warm(stage, &by_iptables(stage, &web())).without(&settings);
            for without_result in [false, true] {
                let (chain, result) = stage.bridged("c1", &list);
                let ours = portmap(&chain, &result);
                theirs(&ours).add().success();
                ours.check().silent();
                if without_result {
                    chain.plugins()[1].clone().netns("").del().silent();
                } else {
                    ours.del().silent();
                }
                chain.plugins()[0].del().silent();
                assert_same(&before, &stage.snapshot().without(&settings));
                stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
            }
            stage.sandbox.sh("umount /run/netns/warm-up; rm /run/netns/warm-up");
        }
    });
}

#[test]
fn ports_of_ours_are_removed_by_theirs() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        let list = by_iptables(stage, &web());
        let before = warm(stage, &list);
        let web = stage.run("c1", &list);
        let theirs = theirs(&web.portmap().with_prev(&web.result));
        // Its CHECK looks for IPv4 rules among those of IPv6, its own too.
        theirs.del().silent();
        web.chain.del(Some(&web.result));
        assert_same(&before, &stage.snapshot());
    });
}
