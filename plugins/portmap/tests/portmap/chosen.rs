//! Ports of the host that are left to be chosen, and the host's address that a network publishes at.

use std::thread;

use serde_json::{Value, json};
use testkit::{Output, assert_same};

use crate::stage::{Proto, Stage, Web, mapping};

/// Port 80 of the container, and what the host's port is to be.
fn choice(keys: Value) -> Value {
    let mut mapping = mapping(0, 80, "tcp");
    for (key, value) in keys.as_object().unwrap() {
        mapping[key] = value.clone();
    }
    json!([mapping])
}

fn range(first: u16, last: u16) -> Value {
    choice(json!({ "hostPort": first, "hostPortEnd": last }))
}

fn port_of(result: &Value) -> u16 {
    let mappings = result["portMappings"].as_array().unwrap_or_else(|| panic!("no port is told: {result}"));
    assert_eq!(mappings.len(), 1, "{result}");
    assert_eq!((&mappings[0]["containerPort"], &mappings[0]["protocol"]), (&json!(80), &json!("tcp")));
    u16::try_from(mappings[0]["hostPort"].as_u64().unwrap()).unwrap()
}

#[test]
fn port_0_is_any_of_the_ephemeral_ones_told_in_the_result_and_the_same_for_both_families() {
    let stage = Stage::new();
    let list = stage.publishing(choice(json!({})));
    let before = stage.warm_snapshot(&list);
    let web = stage.run("c1", &list);
    let port = port_of(&web.result);
    assert!((32768..=60999).contains(&port), "{port}");
    for address in [format!("203.0.113.1:{port}"), format!("[2001:db8:ffff::1]:{port}")] {
        assert_eq!(Proto::Tcp.ask(&stage.outside, address).server, "c1");
    }
    // libcni hands on no key that it does not know.
    let mut known = web.result.clone();
    known.as_object_mut().unwrap().remove("portMappings");
    for result in [&web.result, &known] {
        web.portmap().with_prev(result).check().silent();
    }
    let again = web.portmap().with_prev(&known).add().success();
    assert_eq!(port_of(&again), port, "what it has it keeps");
    web.chain.del(Some(&known));
    assert_same(&before, &stage.snapshot());
}

#[test]
fn check_misses_a_port_that_is_gone() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(choice(json!({}))));
    stage.sandbox.sh("nft flush map inet mooring ports4");
    let error = web.portmap().with_prev(&web.result).check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().contains("no host port leads to container port 80/tcp"), "{error}");
    stage.sandbox.sh("nft flush ruleset");
    web.portmap().with_prev(&web.result).check().failure_code(103);
}

#[test]
fn reserved_ports_and_those_of_processes_and_attachments_are_left_out() {
    let stage = Stage::new();
    stage.sandbox.sh("echo 40000 40004 >/proc/sys/net/ipv4/ip_local_port_range
         echo 40000,40002-40002 >/proc/sys/net/ipv4/ip_local_reserved_ports");
    let _process = stage.host().listen_tcp("127.0.0.1:40001");
    let at_an_address = json!([{ "hostPort": 40003, "containerPort": 80, "protocol": "tcp", "hostIP": "203.0.113.1" }]);
    let _other = stage.run("c1", &stage.publishing(at_an_address));
    let web = stage.run("c2", &stage.publishing(choice(json!({}))));
    assert_eq!(port_of(&web.result), 40004);
    let (chain, result) = stage.bridged("c3", &stage.publishing(choice(json!({}))));
    let before = stage.snapshot();
    let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
    assert_eq!(
        error["msg"],
        "publish a host port for container port 80/tcp: all ports of the ephemeral range are taken"
    );
    assert_same(&before, &stage.snapshot());
    web.stop();
    assert_eq!(port_of(&chain.plugins()[1].with_prev(&result).add().success()), 40004);
}

#[test]
fn containers_share_a_range_by_its_first_free_port() {
    let stage = Stage::new();
    let list = stage.publishing(range(8000, 8002));
    let webs: Vec<Web> = (0..3).map(|number| stage.run(&format!("c{number}"), &list)).collect();
    let ports: Vec<u16> = webs.iter().map(|web| port_of(&web.result)).collect();
    assert_eq!(ports, [8000, 8001, 8002]);
    for (web, port) in webs.iter().zip(ports) {
        assert_eq!(Proto::Tcp.ask(&stage.outside, format!("203.0.113.1:{port}")).server, web.netns.name());
    }
    let (chain, result) = stage.bridged("late", &list);
    let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
    assert_eq!(error["msg"], "publish a host port for container port 80/tcp: all ports of 8000-8002 are taken");
}

#[test]
fn exact_mappings_of_the_same_container_come_first() {
    let stage = Stage::new();
    let mut mappings = range(8000, 8001);
    let more = [mapping(8000, 81, "tcp"), mapping(8001, 80, "udp")];
    mappings.as_array_mut().unwrap().extend(more);
    let web = stage.run("c1", &stage.publishing(mappings));
    let told = json!([
        { "hostPort": 8000, "containerPort": 81, "protocol": "tcp" },
        { "hostPort": 8001, "containerPort": 80, "protocol": "udp" },
        { "hostPort": 8001, "containerPort": 80, "protocol": "tcp" }
    ]);
    assert_eq!(web.result["portMappings"], told);
}

#[test]
fn parallel_adds_choose_different_ports() {
    let stage = Stage::new();
    let list = stage.publishing(range(8000, 8007));
    let attached: Vec<_> = (0..8).map(|number| stage.bridged(&format!("c{number}"), &list)).collect();
    let outputs: Vec<Output> = thread::scope(|scope| {
        let call = |(chain, result): &'_ (testkit::Chain, Value)| chain.plugins()[1].with_prev(result).add();
        let calls: Vec<_> = attached.iter().map(|one| scope.spawn(move || call(one))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    let mut ports: Vec<u16> = outputs.iter().map(|output| port_of(&output.success())).collect();
    ports.sort_unstable();
    assert_eq!(ports, (8000..=8007).collect::<Vec<_>>());
}

#[test]
fn network_publishes_at_its_address_of_the_host_and_a_mapping_at_its_own() {
    let stage = Stage::new();
    let mut mappings = json!([mapping(8080, 80, "tcp"), mapping(8081, 80, "tcp")]);
    mappings[1]["hostIP"] = json!("203.0.113.1");
    let web = stage
        .run("c1", &stage.network(1, json!({ "hostIP": "127.0.0.1", "runtimeConfig": { "portMappings": mappings } })));
    assert_eq!(Proto::Tcp.ask(stage.host(), "127.0.0.1:8080").server, "c1");
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8081").server, "c1");
    Proto::Tcp.ask_in_vain(&stage.outside, "203.0.113.1:8080");
    Proto::Tcp.ask_in_vain(&stage.outside, "[2001:db8:ffff::1]:8080");
    web.portmap().with_prev(&web.result).check().silent();
    web.stop();
    assert!(stage.elements("id: c1").is_empty());
}

#[test]
fn what_cannot_be_chosen_is_refused() {
    let stage = Stage::new();
    let refused = |keys: Value, code: u64, text: &str| {
        let (chain, result) = stage.bridged(&format!("refused-{code}-{}", text.len()), &stage.network(1, keys));
        let error = chain.plugins()[1].with_prev(&result).add().failure_code(code);
        assert!(error["msg"].as_str().unwrap().contains(text), "{error}");
        chain.del(Some(&result));
    };
    let mappings = |mappings: Value| json!({ "runtimeConfig": { "portMappings": mappings } });
    refused(mappings(range(8001, 8000)), 7, "\"hostPortEnd\" 8000 is less than \"hostPort\" 8001");
    let shorter = json!([{ "hostPort": 8000, "hostPortEnd": 8009, "containerPort": 80, "containerPortEnd": 88 }]);
    refused(mappings(shorter), 7, "lead host ports 8000-8009 to the 9 of 80-88");
    refused(mappings(range(0, 9)), 7, "\"hostPort\" 0 takes any port, \"hostPortEnd\" 9");
    let of_iptables = json!({ "backend": "iptables", "runtimeConfig": { "portMappings": range(8000, 8001) } });
    refused(of_iptables, 2, "a host port for container port 80/tcp can be chosen by backend \"nftables\" only");
    refused(
        json!({ "hostIP": "x", "runtimeConfig": { "portMappings": range(8000, 8001) } }),
        7,
        "invalid \"hostIP\" \"x\"",
    );
}

#[test]
fn ranges_lead_to_ranges_of_the_same_length() {
    let stage = Stage::new();
    let mut mappings = json!([mapping(8000, 80, "tcp"), mapping(9000, 9000, "udp")]);
    mappings[0]["hostPortEnd"] = json!(8002);
    mappings[0]["containerPortEnd"] = json!(82);
    mappings[1]["hostPortEnd"] = json!(9010);
    mappings[1]["containerPortEnd"] = json!(9010);
    let list = stage.publishing(mappings);
    let before = stage.warm_snapshot(&list);
    let web = stage.run("c1", &list);
    let _second = web.netns.listen_tcp("0.0.0.0:82");
    let _last = web.netns.listen_udp("0.0.0.0:9010");
    for port in [8000, 8002] {
        assert_eq!(Proto::Tcp.ask(&stage.outside, format!("203.0.113.1:{port}")).server, "c1");
    }
    assert_eq!(Proto::Udp.ask(&stage.outside, "203.0.113.1:9010").server, "c1");
    web.portmap().with_prev(&web.result).check().silent();
    for family in ["4", "6"] {
        assert_eq!(
            stage.elements(&format!(" port_ranges{family} ")).len(),
            1,
            "ports of the same numbers are one element"
        );
        assert_eq!(stage.elements(&format!(" snat_port_ranges{family} ")).len(), 1);
        assert_eq!(stage.elements(&format!(" ports{family} ")).len(), 3);
    }
    // What is in a range is taken, and a range takes all that is in it.
    let range = |first: u16, last: u16| {
        let mut mapping = mapping(first, first, "udp");
        (mapping["hostPortEnd"], mapping["containerPortEnd"]) = (json!(last), json!(last));
        mapping
    };
    let in_tcp = json!({ "hostPort": 7990, "hostPortEnd": 8000, "containerPort": 7990, "containerPortEnd": 8000 });
    let taken = [
        mapping(8001, 80, "tcp"),
        mapping(9005, 80, "udp"),
        range(8990, 9000),
        range(9010, 9011),
        range(9002, 9004),
        in_tcp,
    ];
    for taken in taken {
        let (chain, result) = stage.bridged("c2", &stage.publishing(json!([taken])));
        let error = chain.plugins()[1].with_prev(&result).add().failure_code(101);
        assert!(error["msg"].as_str().unwrap().ends_with("net: net1, if: eth0, id: c1"), "{error}");
        chain.del(Some(&result));
        stage.sandbox.sh("umount /run/netns/c2; rm /run/netns/c2");
    }
    web.stop();
    assert_same(&before, &stage.snapshot());
}

/// The table that a release without ranges has made.
#[test]
fn table_without_ranges_gets_them() {
    let stage = Stage::new();
    let old = stage.run("c1", &stage.publishing(json!([mapping(8080, 80, "tcp")])));
    let sets = ["port_ranges_of_address", "port_ranges"].map(|name| format!("map {name}"));
    let sets = sets.into_iter().chain(["snat_port_ranges", "masquerade_port_ranges"].map(|name| format!("set {name}")));
    stage.sandbox.sh("nft 'flush chain inet mooring portmap_dnat; flush chain inet mooring portmap_snat'");
    for set in sets.flat_map(|set| [format!("{set}4"), format!("{set}6")]) {
        let (kind, name) = set.split_once(' ').unwrap();
        stage.sandbox.sh(&format!("nft delete {kind} inet mooring {name}"));
    }
    let range = json!([{ "hostPort": 79, "hostPortEnd": 81, "containerPort": 79, "containerPortEnd": 81 }]);
    let new = stage.run("c2", &stage.publishing(range));
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:80").server, "c2");
    assert!(old.answers(&stage.outside));
    new.portmap().with_prev(&new.result).check().silent();
}

#[test]
fn plugins_behind_it_hand_the_choice_on() {
    let stage = Stage::new();
    let mut list = stage.publishing(choice(json!({})));
    list["plugins"].as_array_mut().unwrap().push(json!({ "type": "firewall", "backend": "nftables" }));
    let chain = stage.chain("c1", &list);
    let result = chain.add();
    assert!((32768..=60999).contains(&port_of(&result)), "{result}");
    chain.del(Some(&result));
}
