//! A port of the host has one owner, as long as the owner is there.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Proto, Stage, host_of, ip, mapping, web, web_at};

#[test]
fn taken_port_is_refused_with_its_owner_and_nothing_changes() {
    let stage = Stage::new();
    let web_of_c1 = stage.run("c1", &stage.publishing(web()));
    for mappings in [web(), json!([mapping(9999, 80, "tcp"), mapping(8080, 81, "udp")])] {
        let (chain, result) = stage.bridged("c2", &stage.publishing(mappings));
        let before = stage.snapshot();
        let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
        let msg = error["msg"].as_str().unwrap();
        assert!(msg.starts_with("publish host port 8080/"), "{msg}");
        assert!(msg.ends_with(": it is published already for net: net1, if: eth0, id: c1"), "{msg}");
        assert_same(&before, &stage.snapshot());
        // The runtime cleans up after a failed ADD: that must not touch the owner either.
        chain.del(Some(&result));
        assert!(web_of_c1.answers(&stage.outside));
        web_of_c1.portmap().with_prev(&web_of_c1.result).check().silent();
        stage.sandbox.sh("umount /run/netns/c2; rm /run/netns/c2");
    }
}

#[test]
fn same_number_for_another_protocol_address_or_family_is_free() {
    let stage = Stage::new();
    let _tcp = stage.run("c1", &stage.publishing(json!([mapping(8080, 80, "tcp")])));
    let _udp = stage.run("c2", &stage.publishing(json!([mapping(8080, 80, "udp")])));
    let _exact = stage.run("c3", &stage.publishing(web_at("203.0.113.1")));
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").server, "c3");
    assert_eq!(Proto::Tcp.ask(stage.host(), "10.1.0.1:8080").server, "c1");
    assert_eq!(Proto::Udp.ask(stage.host(), "10.1.0.1:8080").server, "c2");
    let (chain, result) = stage.bridged("c4", &stage.publishing(web_at("203.0.113.1")));
    chain.plugins()[1].with_prev(&result).add().failure_code(101);
}

/// podman, nerdctl and containerd tell each network of a container all of its ports.
#[test]
fn second_network_of_a_container_leaves_ports_to_the_first_and_publishes_the_others() {
    for conditions in [json!(null), json!(["ip saddr 203.0.113.2"]), json!(["meta mark != 5"])] {
        let stage = Stage::new();
        let keys = |mappings| json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": mappings } });
        let of_eth0 = stage.run("c1", &stage.network(1, keys(web())));
        let mut mappings = web();
        mappings.as_array_mut().unwrap().push(mapping(9090, 80, "tcp"));
        let second = testkit::Chain::new(&stage.network(2, keys(mappings)), &of_eth0.netns);
        let second = second.each(|plugin| plugin.ifname("eth1"));
        let before = stage.elements("id: c1");
        let result = second.add();
        second.check(&result);
        of_eth0.portmap().with_prev(&of_eth0.result).check().silent();
        let reached = |port: u16| host_of(Proto::Tcp.ask(&stage.outside, format!("203.0.113.1:{port}")).local);
        assert_eq!((reached(8080), reached(9090)), (of_eth0.ip(0), ip(&result, 0)));
        // A second container is another matter.
        let (other, of_other) = stage.bridged("c2", &stage.publishing(web()));
        other.plugins()[1].with_prev(&of_other).add().failure_code(101);
        second.del(Some(&result));
        assert_eq!(before, stage.elements("id: c1"));
        assert!(of_eth0.answers(&stage.outside));
        // What nobody has is taken.
        let result = second.add();
        of_eth0.portmap().del().silent();
        assert!(!of_eth0.answers(&stage.outside));
        second.plugins()[1].with_prev(&result).check().failure_code(103);
        second.plugins()[1].with_prev(&result).add().success();
        assert_eq!(reached(8080), ip(&result, 0));
    }
}

#[test]
fn port_of_an_owner_without_a_link_is_taken_over_and_its_late_del_takes_nothing() {
    for conditions in [json!(null), json!(["ip saddr 203.0.113.2"]), json!(["meta mark != 5"])] {
        let stage = Stage::new();
        // Of one family, which has the conditions.
        let mut mappings = web_at("0.0.0.0");
        mappings.as_array_mut().unwrap().push(mapping(8081, 80, "tcp"));
        let old =
            stage.network(1, json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": mappings } }));
        let gone = stage.run("c1", &old);
        let link = gone.result["interfaces"][1]["name"].as_str().unwrap().to_owned();
        stage.sandbox.sh(&format!("ip link del {link}"));
        let web_of_c2 = stage.run("c2", &stage.publishing(web_at("0.0.0.0")));
        assert!(web_of_c2.answers(&stage.outside));
        assert!(stage.elements("id: c1").is_empty(), "all of it goes, it leads nowhere");
        let rules = stage.sandbox.sh("nft list chain inet mooring portmap_conditional");
        assert!(!rules.contains("c1"), "{rules}");
        let before = stage.snapshot();
        gone.portmap().with_prev(&gone.result).del().silent();
        gone.portmap().del().silent();
        assert_same(&before, &stage.snapshot());
        assert!(web_of_c2.answers(&stage.outside));
    }
}

#[test]
fn hairpin_of_an_owner_without_a_link_goes_with_its_ports() {
    let stage = Stage::new();
    let gone = stage.run("c1", &stage.publishing(web()));
    stage.sandbox.sh("ip link del br1");
    let other = stage.network(2, json!({ "runtimeConfig": { "portMappings": web() } }));
    stage.sandbox.sh(&format!("ip link del {} 2>&1 || true", gone.result["interfaces"][1]["name"].as_str().unwrap()));
    stage.run("c2", &other);
    assert_eq!(stage.elements("hairpin_links").len(), 2);
    assert!(stage.elements("hairpin_links").iter().all(|hairpin| hairpin.contains("br2")));
}

#[test]
fn link_of_the_same_name_with_another_owner_does_not_keep_a_port() {
    let stage = Stage::new();
    let gone = stage.run("c1", &stage.publishing(web()));
    let link = gone.result["interfaces"][1]["name"].as_str().unwrap().to_owned();
    stage.sandbox.sh(&format!(
        "ip link del {link}; ip link add {link} type bridge
         ip link set {link} alias '0123456789abcdef-0123456789abcdef, net: x, if: y, id: z'"
    ));
    let web_of_c2 = stage.run("c2", &stage.publishing(web()));
    assert!(web_of_c2.answers(&stage.outside));
}

#[test]
fn owner_whose_link_nobody_named_counts_as_there() {
    let stage = Stage::new();
    let prev = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.77.0.2/24" }] });
    let conf = json!({ "cniVersion": "1.1.0", "name": "x", "type": "portmap", "prevResult": prev,
        "runtimeConfig": { "portMappings": web() } });
    let first = testkit::Attachment::new(conf.clone(), &stage.sandbox.netns("c1"));
    first.add().success();
    let second = testkit::Attachment::new(conf, &stage.sandbox.netns("c2"));
    let error = second.add().failure_code(101);
    assert!(error["msg"].as_str().unwrap().ends_with("net: x, if: eth0, id: c1"), "{error}");
    first.del().silent();
    second.add().success();
}

#[test]
fn own_leftovers_of_a_killed_add_are_replaced() {
    for conditions in [json!(null), json!(["ip saddr 203.0.113.2"])] {
        let stage = Stage::new();
        let keys = json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": web() } });
        let web = stage.run("c1", &stage.network(1, keys));
        let before = stage.snapshot();
        web.portmap().with_prev(&web.result).add().success();
        assert_same(&before, &stage.snapshot());
        assert!(web.answers(&stage.outside));
    }
}

#[test]
fn parallel_adds_of_one_port_have_one_winner() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    let attached: Vec<_> = (0..8).map(|number| stage.bridged(&format!("c{number}"), &list)).collect();
    let outcomes: Vec<bool> = std::thread::scope(|scope| {
        let calls: Vec<_> = attached
            .iter()
            .map(|(chain, result)| scope.spawn(|| chain.plugins()[1].with_prev(result).add().status.success()))
            .collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert_eq!(outcomes.iter().filter(|won| **won).count(), 1, "{outcomes:?}");
    let owners = stage.elements(" ports4 ");
    let winner = outcomes.iter().position(|won| *won).unwrap();
    assert_eq!(owners.len(), 2);
    assert!(owners.iter().all(|owner| owner.contains(&format!("id: c{winner}"))), "{owners:?}");
}
