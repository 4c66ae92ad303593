//! Many published ports are more elements, and nothing else.

use std::fs;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Plugin, require};

use crate::stage::{Proto, Stage, mapping};

/// portmap behind a plugin that made no link, for container `number`.
fn portmap(stage: &Stage, number: u16, mappings: Value) -> Attachment {
    let address = format!("10.77.{}.{}/16", number / 200, number % 200 + 2);
    let conf = json!({ "cniVersion": "1.1.0", "name": "many", "type": "portmap",
        "prevResult": { "cniVersion": "1.1.0", "ips": [{ "address": address }] },
        "runtimeConfig": { "portMappings": mappings } });
    Attachment::new(conf, stage.host()).container(&format!("c{number}")).netns("/run/netns/none")
}

/// The same with one port of its own.
fn one_port(stage: &Stage, number: u16) -> Attachment {
    portmap(stage, number, json!([mapping(10_000 + number, 80, "tcp")]))
}

fn mappings(ports: impl Iterator<Item = u16>, protocol: &str) -> Value {
    ports.map(|port| mapping(port, 80, protocol)).collect()
}

fn rules(stage: &Stage) -> usize {
    stage.host().snapshot().lines().iter().filter(|line| line.starts_with("nft rule")).count()
}

/// How many published ports have this in their owner's tag. A snapshot of many takes long.
fn published(stage: &Stage, tag: &str) -> usize {
    stage.sandbox.sh("nft list map inet mooring ports4").matches(tag).count()
}

/// What a call sends and receives, and the programs that it starts: a line each.
fn traced(stage: &Stage, call: Plugin) -> Vec<String> {
    let log = stage.sandbox.dir().join("strace");
    let calls = "trace=sendto,sendmsg,recvfrom,recvmsg,clone3,vfork";
    let options = ["-f", "-qq", "--seccomp-bpf", "-e", calls, "-o", log.to_str().unwrap()];
    let output = call.under(["strace"].iter().chain(&options)).run();
    assert!(output.status.success(), "{output}");
    fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect()
}

/// How many of these lines are requests of the kind.
fn requests(traced: &[String], kind: &str) -> usize {
    traced.iter().filter(|line| line.contains("sendto(") && line.contains(kind)).count()
}

#[test]
fn two_hundred_containers_add_elements_and_no_rules() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    one_port(&stage, 0).add().success();
    let rules_of_one = rules(&stage);
    let count = |command| traced(&stage, one_port(&stage, 999).call(command)).len();
    let (add, del) = (count("ADD"), count("DEL"));
    for number in 1..200 {
        one_port(&stage, number).add().success();
    }
    assert_eq!(rules(&stage), rules_of_one);
    assert_eq!(stage.elements(" ports4 ").len(), 200);
    assert_eq!((add, del), (count("ADD"), count("DEL")), "as many questions to the kernel as for the first");
    assert!(stage.elements("c999").is_empty());
    let listing = stage.sandbox.sh("nft list table inet mooring");
    // An administrator can save and restore it.
    stage.sandbox.sh("nft list ruleset > /run/saved; nft -c -f /run/saved");
    assert!(listing.contains("dnat ip to meta l4proto . th dport map @ports4"), "{listing}");
}

#[test]
fn thousand_ports_of_one_container_lead_to_it_until_its_del() {
    let stage = Stage::new();
    let list = stage.publishing(mappings(10_000..11_000, "tcp"));
    let web = stage.run("c1", &list);
    assert_eq!(stage.elements(" ports4 ").len(), 1_000);
    let asked = [10_000, 10_500, 10_999];
    for port in asked {
        for address in ["203.0.113.1", "[2001:db8:ffff::1]"] {
            assert_eq!(Proto::Tcp.ask(&stage.outside, format!("{address}:{port}")).server, "c1");
        }
    }
    web.portmap().with_prev(&web.result).check().silent();
    web.stop();
    assert!(stage.elements("net: net1").is_empty() && stage.elements("hairpin_links").is_empty());
    for port in asked {
        Proto::Tcp.ask_in_vain(&stage.outside, format!("203.0.113.1:{port}"));
    }
}

#[test]
fn thousand_ports_come_and_go_in_one_transaction_each() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    one_port(&stage, 0).add().success();
    let many = portmap(&stage, 1, mappings(20_000..21_000, "udp"));
    for command in ["ADD", "DEL"] {
        let before = published(&stage, "net: many");
        let calls = traced(&stage, many.call(command));
        assert_eq!(published(&stage, "net: many").abs_diff(before), 1_000, "{command}");
        assert_eq!(requests(&calls, "NFNL_MSG_BATCH_BEGIN"), 1, "{command}");
        // It is the whole table that the kernel goes through for each.
        assert_eq!(requests(&calls, "NFNL_SUBSYS_CTNETLINK"), 1, "{command} reads the connections once");
    }
}

#[test]
fn ten_thousand_ports_of_a_container_are_one_attachments() {
    let stage = Stage::new();
    one_port(&stage, 0).add().success();
    let many = portmap(&stage, 1, mappings(20_000..30_000, "tcp"));
    many.add().success();
    many.check().silent();
    assert_eq!(published(&stage, "id: c1\""), 10_000);
    many.del().silent();
    assert_eq!(published(&stage, "id: c1\""), 0, "DEL");
    many.add().success();
    many.with_key("runtimeConfig", json!({})).del().silent();
    assert_eq!(published(&stage, "id: c1\""), 0, "DEL that is told no ports");
    many.add().success();
    many.gc(&[("c0", "eth0")]).silent();
    assert!(stage.elements("id: c1").is_empty(), "GC");
    assert_eq!(published(&stage, "id: c0\""), 1);
}

#[test]
fn ports_of_others_cost_a_container_no_message() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let (own, result) = stage.bridged("c1", &stage.publishing(mappings(8080..8081, "tcp")));
    let own = own.plugins()[1].with_prev(&result);
    // The first ADD makes the chains.
    own.add().success();
    own.del().silent();
    let count = |command| traced(&stage, own.call(command)).len();
    let (add, del) = (count("ADD"), count("DEL"));
    // A neighbour on the same bridge, whose hairpin they share.
    stage.chain("c2", &stage.publishing(mappings(20_000..25_000, "tcp"))).add();
    for number in 1..=50 {
        let first = 30_000 + 100 * number;
        portmap(&stage, number, mappings(first..first + 100, "tcp")).add().success();
    }
    let beside = (count("ADD"), count("DEL"));
    assert!(beside.0 <= add && beside.1 <= del, "ADD {add}, DEL {del}; beside 10,000 ports of others {beside:?}");
    let left = stage.elements("");
    assert!(!left.iter().any(|element| element.contains("net: net1, if: eth0, id: c1")));
    assert_eq!(left.iter().filter(|element| element.contains("hairpin_links")).count(), 2, "the neighbour needs it");
}
