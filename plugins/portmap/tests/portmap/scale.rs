//! Many published ports are more elements, and nothing else.

use std::fs;

use serde_json::json;
use testkit::{Attachment, Facility, Plugin, require};

use crate::stage::{Stage, mapping};

/// portmap behind a plugin that made no link, for container `number`.
fn portmap(stage: &Stage, number: u16) -> Attachment {
    let address = format!("10.77.{}.{}/16", number / 200, number % 200 + 2);
    let conf = json!({ "cniVersion": "1.1.0", "name": "many", "type": "portmap",
        "prevResult": { "cniVersion": "1.1.0", "ips": [{ "address": address }] },
        "runtimeConfig": { "portMappings": [mapping(10_000 + number, 80, "tcp")] } });
    Attachment::new(conf, stage.host()).container(&format!("c{number}")).netns("/run/netns/none")
}

fn rules(stage: &Stage) -> usize {
    stage.host().snapshot().lines().iter().filter(|line| line.starts_with("nft rule")).count()
}

#[test]
fn two_hundred_containers_add_elements_and_no_rules() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    portmap(&stage, 0).add().success();
    let rules_of_one = rules(&stage);
    let traced = |call: Plugin| {
        let log = stage.sandbox.dir().join("strace");
        let options = ["-f", "-qq", "-e", "trace=sendto,sendmsg,clone3,vfork", "-o", log.to_str().unwrap()];
        let output = call.under(["strace"].iter().chain(&options)).run();
        assert!(output.status.success(), "{output}");
        fs::read_to_string(log).unwrap().lines().count()
    };
    let (add, del) = (traced(portmap(&stage, 999).call("ADD")), traced(portmap(&stage, 999).call("DEL")));
    for number in 1..200 {
        portmap(&stage, number).add().success();
    }
    assert_eq!(rules(&stage), rules_of_one);
    assert_eq!(stage.elements(" ports4 ").len(), 200);
    let with_many = (traced(portmap(&stage, 999).call("ADD")), traced(portmap(&stage, 999).call("DEL")));
    assert_eq!((add, del), with_many, "as many questions to the kernel as for the first");
    assert!(stage.elements("c999").is_empty());
    let listing = stage.sandbox.sh("nft list table inet mooring");
    // An administrator can save and restore it.
    stage.sandbox.sh("nft list ruleset > /run/saved; nft -c -f /run/saved");
    assert!(listing.contains("dnat ip to meta l4proto . th dport map @ports4"), "{listing}");
}
