//! GC of a network: who is not named any more has no ports.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{Stage, mapping, web};

fn list(stage: &Stage, network: u8, port: u16) -> Value {
    let mappings = json!([mapping(port, 80, "tcp"), mapping(port, 80, "udp")]);
    stage.network(network, json!({ "runtimeConfig": { "portMappings": mappings } }))
}

#[test]
fn attachments_that_are_not_named_lose_their_ports() {
    let stage = Stage::new();
    let webs: Vec<_> =
        (1..=3).map(|number| stage.run(&format!("c{number}"), &list(&stage, 1, 8080 + number))).collect();
    let _other_network = stage.run("c4", &list(&stage, 2, 9000));
    let portmap = webs[0].portmap();
    portmap.gc(&[("c1", "eth0"), ("c2", "eth1"), ("c3", "eth0")]).silent();
    assert!(!stage.elements("id: c1").is_empty());
    assert!(stage.elements("id: c2").is_empty(), "another interface was named");
    assert!(!stage.elements("id: c3").is_empty());
    let before = stage.generation();
    portmap.gc(&[("c1", "eth0"), ("c3", "eth0")]).silent();
    assert_eq!(before, stage.generation(), "nothing to collect");
    for (key, nobody) in [("cni.dev/valid-attachments", json!([])), ("cni.dev/attachments", json!(null))] {
        webs[0].portmap().with_prev(&webs[0].result).add().success();
        portmap.with_key(key, nobody).call("GC").run().silent();
        assert!(stage.elements("net: net1").is_empty(), "{key}");
    }
    assert!(!stage.elements("net: net2").is_empty());
}

#[test]
fn absent_list_says_nothing() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    let before = stage.snapshot();
    web.portmap().call("GC").run().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn ports_with_conditions_are_collected_with_their_rules() {
    let stage = Stage::new();
    for words in ["ip saddr { 203.0.113.2, 203.0.113.3 }", "meta mark 5"] {
        let keys = json!({ "conditionsV4": [words], "runtimeConfig": { "portMappings": web() } });
        let web = stage.run("c1", &stage.network(1, keys));
        web.portmap().gc(&[]).silent();
        assert!(!stage.sandbox.sh("nft list ruleset").contains("id: c1"));
        web.stop();
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}

#[test]
fn traces_of_links_that_have_gone_are_collected() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    assert_eq!(stage.elements("localnet_links").len(), 1);
    stage.sandbox.sh("ip link del br1");
    web.portmap().gc(&[]).silent();
    assert!(stage.elements("").is_empty(), "{:?}", stage.elements(""));
}

#[test]
fn gc_before_any_add_makes_nothing() {
    let stage = Stage::new();
    let before = stage.generation();
    let chain = stage.chain("c1", &stage.publishing(web()));
    chain.plugins()[1].gc(&[]).silent();
    assert_eq!(before, stage.generation());
}
