//! Traffic that the host's firewall would drop flows between ADD and DEL.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{By, LONG, SHORT, Stage, gets_out, stays_in};

#[test]
fn host_whose_forward_policy_is_drop_lets_the_container_through_while_it_is_attached() {
    Stage::each(&By::IPTABLES, |stage| {
        stage.drop_forwarded();
        let pod = stage.bridged("c1", &stage.plain());
        stays_in(&pod.netns, &stage.outside);
        pod.add(stage).success();
        gets_out(&pod.netns, &stage.outside);
        pod.del(stage);
        stays_in(&pod.netns, &stage.outside);
    });
}

#[test]
fn published_ports_are_reached_while_the_container_is_attached_and_nothing_else() {
    Stage::each(&By::ALL, |stage| {
        let pod = stage.bridged("c1", &stage.plain());
        let [v4, v6] = [0, 1].map(|family| pod.ip(family));
        stage.sandbox.sh(&format!(
            "nft 'table inet publish {{ chain publish {{ type nat hook prerouting priority dstnat;
                ip daddr 203.0.113.1 tcp dport 8080 dnat ip to {v4}:8080
                ip6 daddr 2001:db8:ffff::1 tcp dport 8080 dnat ip6 to [{v6}]:8080; }}; }}'"
        ));
        stage.outside.sh("ip route add 10.1.0.0/24 via 203.0.113.1; ip route add fd01::/64 via 2001:db8:ffff::1");
        match stage.by {
            // Made by an ADD, so that an administrator can stand behind it.
            By::Nftables => {
                pod.add(stage).success();
                pod.del(stage);
                stage.sandbox.sh("nft add rule inet mooring firewall_forward drop");
            }
            _ => stage.drop_forwarded(),
        }
        let _servers = [&v4, &v6].map(|ip| {
            let at = if ip.contains(':') { format!("[{ip}]:8080") } else { format!("{ip}:8080") };
            pod.netns.listen_tcp(&at)
        });
        let reached = |at: &str, limit| stage.outside.connect_tcp(at, limit).is_ok();
        let published = |limit| ["203.0.113.1:8080", "[2001:db8:ffff::1]:8080"].map(|at| reached(at, limit));
        assert_eq!(published(SHORT), [false; 2]);
        pod.add(stage).success();
        assert_eq!(published(LONG), [true; 2]);
        assert!(!reached(&format!("{v4}:8080"), SHORT) && !reached(&format!("[{v6}]:8080"), SHORT));
        pod.check(stage).silent();
        pod.del(stage);
        assert_eq!(published(SHORT), [false; 2]);
    });
}

#[test]
fn only_families_of_the_container_are_touched() {
    Stage::each(&By::IPTABLES, |stage| {
        let mut list = stage.plain();
        list["plugins"][0]["ipam"]["ranges"] = json!([[{ "subnet": "10.1.0.0/24" }]]);
        stage.sandbox.sh(&format!("rm {}/programs/ip6*", stage.sandbox.dir().display()));
        let pod = stage.run("c1", &list);
        assert!(stage.filter("iptables").iter().any(|line| line.contains(&pod.ip(0))));
        assert!(!stage.sandbox.sh("ip6tables-nft-save; ip6tables-legacy-save").contains("CNI-FORWARD"));
    });
}

#[test]
fn chains_are_the_references_to_the_byte_and_a_second_add_adds_nothing() {
    Stage::each(&By::IPTABLES, |stage| {
        let pod = stage.run("c1", &stage.network(1, json!({ "iptablesAdminChainName": "SITE" })));
        let tag = "1fac04e1dcf28ff7-f4d01f2ef4b92245, net: net1, if: eth0, id: c1";
        for (family, ip, network) in [("iptables", pod.ip(0), "32"), ("ip6tables", pod.ip(1), "128")] {
            let mut filter = stage.filter(family);
            let tagged = filter.iter().position(|line| line.starts_with("-A MOORING-OWNERS")).unwrap();
            let record = filter.remove(tagged);
            let published =
                filter.iter().position(|line| line.ends_with("-m conntrack --ctstate DNAT -j MOORING-OWNERS"));
            let published = filter.remove(published.unwrap());
            assert!(
                published.starts_with("-A CNI-FORWARD -m comment --comment \"CNI firewall plugin published ports\"")
            );
            let text = record.split('"').nth(1).unwrap();
            assert_eq!(text.split_once(", ").unwrap().1, tag.split_once(", ").unwrap().1);
            assert!(record.starts_with(&format!("-A MOORING-OWNERS -d {ip}/{network} -m comment")), "{record}");
            let mut expected = vec![":INPUT ACCEPT", ":FORWARD ACCEPT", ":OUTPUT ACCEPT"];
            expected.extend([":CNI-FORWARD -", ":MOORING-OWNERS -", ":SITE -"]);
            let mut expected: Vec<String> = expected.into_iter().map(str::to_owned).collect();
            expected.extend([
                "-A FORWARD -m comment --comment \"CNI firewall plugin rules\" -j CNI-FORWARD".to_owned(),
                "-A CNI-FORWARD -m comment --comment \"CNI firewall plugin admin overrides\" -j SITE".to_owned(),
                format!("-A CNI-FORWARD -d {ip}/{network} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
                format!("-A CNI-FORWARD -s {ip}/{network} -j ACCEPT"),
            ]);
            assert_eq!(filter, expected);
        }
        let before = stage.snapshot();
        pod.add(stage).success();
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn set_of_addresses_lets_through_what_an_administrators_rule_behind_it_drops() {
    let stage = Stage::new(By::Nftables);
    let first = stage.run("c1", &stage.plain());
    stage.sandbox.sh("nft add rule inet mooring firewall_forward drop");
    let second = stage.bridged("c2", &stage.plain());
    gets_out(&first.netns, &stage.outside);
    stays_in(&second.netns, &stage.outside);
    second.add(&stage).success();
    gets_out(&second.netns, &stage.outside);
    second.del(&stage);
    stays_in(&second.netns, &stage.outside);
    gets_out(&first.netns, &stage.outside);
}

#[test]
fn administrators_chain_is_asked_first() {
    Stage::each(&By::ALL, |stage| {
        let pod = stage.run("c1", &stage.plain());
        gets_out(&pod.netns, &stage.outside);
        match stage.by {
            By::Nftables => stage.sandbox.sh("nft add rule inet mooring user oifname uplink0 drop"),
            _ => stage.iptables("iptables -A CNI-ADMIN -o uplink0 -j DROP; ip6tables -A CNI-ADMIN -o uplink0 -j DROP"),
        };
        stays_in(&pod.netns, &stage.outside);
        pod.del(stage);
        stage.run("c2", &stage.plain());
        stays_in(&pod.netns, &stage.outside);
    });
}

#[test]
fn second_add_of_an_attachment_writes_nothing_in_our_table() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.run("c1", &stage.network(1, json!({ "ingressPolicy": "isolated" })));
    let before = crate::stage::generation(&stage);
    pod.add(&stage).success();
    assert_eq!(before, crate::stage::generation(&stage));
}

#[test]
fn second_add_with_another_configuration_replaces_the_first() {
    Stage::each(&By::ALL, |stage| {
        let pod = stage.run("c1", &stage.network(1, json!({ "ingressPolicy": "isolated" })));
        let fewer = {
            let mut prev = pod.result.clone();
            prev["ips"].as_array_mut().unwrap().pop();
            prev
        };
        stage.on(pod.bare().with_prev(&fewer).with_key("ingressPolicy", json!("open")).call("ADD")).run().success();
        if stage.by == By::Nftables {
            assert_eq!(stage.elements("").len(), 2, "{:?}", stage.elements(""));
        }
        stage.on(pod.bare().call("DEL")).run().silent();
        assert!(stage.elements("").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("id: c1") || line.contains("br1")));
    });
}
