//! CHECK notices what is missing; STATUS whether an ADD could be served.

use serde_json::{Value, json};

use crate::stage::{Stage, web};

/// CHECK fails after `damage`, and the message contains `text`.
#[track_caller]
fn notices(keys: Value, damage: &str, text: &str) {
    let stage = Stage::new();
    let mut keys = keys;
    keys["runtimeConfig"] = json!({ "portMappings": web() });
    let web = stage.run("c1", &stage.network(1, keys));
    let portmap = web.portmap().with_prev(&web.result);
    portmap.check().silent();
    stage.sandbox.sh(damage);
    let error = portmap.check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().contains(text), "{damage}: {error}");
}

#[test]
fn missing_elements_are_noticed() {
    notices(json!({}), "nft flush ruleset", "port_owners lacks");
    notices(json!({}), "nft delete element inet mooring ports4 '{ tcp . 8080 }'", "ports4 lacks");
    notices(json!({}), "nft delete element inet mooring ports6 '{ udp . 8080 }'", "ports6 lacks");
    notices(json!({}), "nft flush set inet mooring snat_ports4", "snat_ports4 lacks");
    notices(json!({ "masqAll": true }), "nft flush set inet mooring masquerade_ports6", "masquerade_ports6 lacks");
    notices(json!({}), "nft flush set inet mooring hairpin_links4", "hairpin_links lacks");
    notices(json!({}), "nft flush set inet mooring localnet_links", "127.0.0.1");
    notices(json!({}), "echo 0 > /proc/sys/net/ipv4/conf/br1/route_localnet", "127.0.0.1");
}

#[test]
fn missing_rules_are_noticed() {
    for chain in ["portmap_prerouting", "portmap_output", "portmap_dnat", "portmap_snat", "portmap_guard"] {
        notices(json!({}), &format!("nft flush chain inet mooring {chain}"), chain);
    }
    for words in ["ip saddr { 203.0.113.2, 203.0.113.3 }", "meta mark 5"] {
        let flush = "nft flush chain inet mooring portmap_conditional";
        notices(json!({ "conditionsV4": [words] }), flush, "portmap_conditional has 0 rules");
    }
}

#[test]
fn port_that_leads_elsewhere_or_is_anothers_is_noticed() {
    notices(
        json!({}),
        "nft delete element inet mooring ports4 '{ tcp . 8080 }'
         nft add element inet mooring ports4 '{ tcp . 8080 : 10.1.0.99 . 80 }'",
        "ports4 lacks",
    );
}

#[test]
fn check_without_mappings_or_of_a_bare_conf_succeeds_or_says_what_is_missing() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.network(1, json!({})));
    web.portmap().with_prev(&web.result).check().silent();
    let error = web.portmap().check().failure_code(7);
    assert!(error["msg"].as_str().unwrap().contains("prevResult"), "{error}");
}

#[test]
fn status_says_whether_an_add_could_be_served() {
    let stage = Stage::new();
    let before = stage.generation();
    let chain = stage.chain("c1", &stage.network(1, json!({})));
    let portmap = &chain.plugins()[1];
    portmap.status().silent();
    assert_eq!(before, stage.generation());
    for (key, value) in [("backend", json!("ebpf")), ("markMasqBit", json!(32)), ("conditionsV4", json!(["a; b"]))] {
        let error = portmap.with_key(key, value).status().failure_code(50);
        assert!(
            error["msg"].as_str().unwrap().contains(if key == "markMasqBit" { "MasqMarkBit" } else { "" }),
            "{error}"
        );
    }
}
