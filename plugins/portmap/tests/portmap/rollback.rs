//! An ADD that fails leaves the host as it found it.

use serde_json::{Value, json};
use testkit::{Stdout, assert_same};

use crate::stage::{Stage, mapping, web};

/// A container on the bridge, portmap about to be called, and a host that has had all of it before.
fn about_to_publish(keys: Value) -> (Stage, testkit::Chain, Value) {
    let stage = Stage::new();
    stage.warm_snapshot(&stage.publishing(web()));
    let (chain, result) = stage.bridged("c1", &stage.network(1, keys));
    (stage, chain, result)
}

#[test]
fn result_that_cannot_be_written_is_undone() {
    for conditions in [json!(null), json!(["ip saddr 203.0.113.2"]), json!(["meta mark 5"])] {
        for filtered in ["0", "1"] {
            let keys = json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": web() } });
            let (stage, chain, result) = about_to_publish(keys);
            stage.sandbox.try_sh(&format!("echo {filtered} > /proc/sys/net/bridge/bridge-nf-call-iptables"));
            let before = stage.snapshot();
            for stdout in [Stdout::Full, Stdout::BrokenPipe] {
                let output = chain.plugins()[1].with_prev(&result).call("ADD").stdout(stdout).run();
                assert!(!output.status.success(), "{output}");
                assert_same(&before, &stage.snapshot());
            }
        }
    }
}

#[test]
fn bad_configuration_is_refused_before_any_effect() {
    let (stage, chain, result) = about_to_publish(json!({ "runtimeConfig": { "portMappings": web() } }));
    let before = (stage.snapshot(), stage.generation());
    for (key, value, code, names) in [
        ("runtimeConfig", json!({ "portMappings": [mapping(8080, 80, "tcp"), mapping(8081, 0, "tcp")] }), 7, "0"),
        ("runtimeConfig", json!({ "portMappings": [mapping(8080, 80, "tcp"), mapping(8080, 81, "tcp")] }), 7, "8080"),
        ("runtimeConfig", json!({ "portMappings": [mapping(8080, 80, "icmp")] }), 7, "icmp"),
        (
            "runtimeConfig",
            json!({ "portMappings": [{ "hostPort": 1, "containerPort": 1, "hostIP": "a" }] }),
            7,
            "hostIP",
        ),
        ("runtimeConfig", json!({ "portMappings": [{ "hostPort": "1", "containerPort": 1 }] }), 6, "hostPort"),
        ("backend", json!("ebpf"), 7, "ebpf"),
        ("markMasqBit", json!(32), 7, "32"),
        ("externalSetMarkChain", json!("KUBE-MARK-MASQ"), 7, "KUBE-MARK-MASQ"),
        ("conditionsV4", json!("ip saddr 10.0.0.1"), 6, "conditionsV4"),
    ] {
        let error = chain.plugins()[1].with_prev(&result).with_key(key, value).add().failure_code(code);
        assert!(error["msg"].as_str().unwrap().contains(names), "{names}: {error}");
        assert_eq!(before.1, stage.generation(), "{names}");
    }
    assert_same(&before.0, &stage.snapshot());
}

#[test]
fn port_taken_at_the_second_of_two_mappings_gives_back_the_first() {
    let (stage, chain, result) = about_to_publish(
        json!({ "runtimeConfig": { "portMappings": [mapping(8081, 80, "tcp"), mapping(8080, 80, "tcp")] } }),
    );
    let _owner = stage.run("c2", &stage.publishing(web()));
    let before = (stage.snapshot(), stage.generation());
    chain.plugins()[1].with_prev(&result).add().failure_code(101);
    assert_same(&before.0, &stage.snapshot());
    assert_eq!(before.1, stage.generation());
}

#[test]
fn words_without_nft_are_an_error_that_says_so() {
    let keys = json!({ "conditionsV4": ["meta mark 5"], "runtimeConfig": { "portMappings": web() } });
    let (stage, chain, result) = about_to_publish(keys);
    let before = stage.snapshot();
    let add = chain.plugins()[1].with_prev(&result).call("ADD").env("PATH", "/nowhere").run();
    let error = add.failure_code(5);
    assert!(error["msg"].as_str().unwrap().starts_with("run nft for \"conditionsV4\""), "{error}");
    assert_same(&before, &stage.snapshot());
    // Nobody else needs the program.
    let list = stage.publishing(web());
    let (chain, result) = stage.bridged("c2", &list);
    chain.plugins()[1].with_prev(&result).call("ADD").env("PATH", "/nowhere").run().success();
}

#[test]
fn hairpin_mode_that_an_add_has_set_is_taken_back() {
    let (stage, chain, result) = about_to_publish(json!({ "runtimeConfig": { "portMappings": web() } }));
    let loaded = stage.sandbox.try_sh("echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables");
    if !loaded.status.success() {
        return;
    }
    let port = result["interfaces"][1]["name"].as_str().unwrap();
    let hairpin = || {
        stage.sandbox.json(&format!("ip -j -d link show {port}"))[0]["linkinfo"]["info_slave_data"]["hairpin"] == true
    };
    let portmap = chain.plugins()[1].with_prev(&result);
    assert!(!portmap.call("ADD").stdout(Stdout::Full).run().status.success());
    assert!(!hairpin());
    portmap.add().success();
    assert!(hairpin());
}
