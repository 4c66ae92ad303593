//! DEL takes back what its attachment has, whatever it is told, and nothing else.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Proto, Stage, mapping, web};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(portmap: &Attachment, result: &Value) -> Vec<(&'static str, Attachment)> {
    let with = |mappings: Value| portmap.with_key("runtimeConfig", json!({ "portMappings": mappings }));
    let odd_names =
        json!({ "interfaces": [{}, { "name": "longer-than-15-bytes" }, { "name": "\0" }, { "name": "a/../b" }] });
    vec![
        ("all that ADD was told", portmap.with_prev(result)),
        ("no prevResult", portmap.clone()),
        ("no mappings", portmap.with_prev(result).with_key("runtimeConfig", json!(null))),
        ("an empty list of mappings", with(json!([])).with_prev(result)),
        ("one mapping of two", with(json!([mapping(8080, 80, "udp")])).with_prev(result)),
        ("one more mapping", with(json!([mapping(8080, 80, "tcp"), mapping(8080, 80, "udp"), mapping(1, 1, "tcp")]))),
        ("other mappings", with(json!([mapping(9090, 80, "tcp")])).with_prev(result)),
        ("invalid mappings", with(json!([{ "hostPort": 0 }, { "hostIP": "x", "protocol": "y" }])).with_prev(result)),
        ("an invalid configuration", portmap.with_key("backend", json!("x")).with_key("markMasqBit", json!(99))),
        ("an unreadable prevResult", portmap.with_key("prevResult", json!({ "ips": "x" }))),
        ("a prevResult with names that no link has", portmap.with_key("prevResult", odd_names)),
        ("an empty netns", portmap.with_prev(result).netns("")),
        ("a netns that has gone", portmap.with_prev(result).netns("/run/netns/no-such-netns")),
        ("other conditions", portmap.with_prev(result).with_key("conditionsV4", json!(["ip saddr 192.0.2.1"]))),
        ("snat off", portmap.with_prev(result).with_key("snat", json!(false))),
    ]
}

#[test]
fn every_form_of_del_leaves_the_host_as_before_add() {
    for conditions in [json!(null), json!(["ip saddr 203.0.113.2"])] {
        let stage = Stage::new();
        let keys = json!({ "conditionsV4": conditions, "runtimeConfig": { "portMappings": web() } });
        let list = stage.network(1, keys);
        // Another attachment of the same bridge, whose ports must stay.
        let other = stage.run("other", &stage.publishing(json!([mapping(7070, 80, "tcp")])));
        let (chain, result) = stage.bridged("c1", &list);
        let portmap = &chain.plugins()[1];
        portmap.with_prev(&result).add().success();
        portmap.with_prev(&result).del().silent();
        let before = stage.snapshot();
        for (form, del) in forms(portmap, &result) {
            portmap.with_prev(&result).add().success();
            assert!(!stage.elements("id: c1").is_empty());
            del.del().silent();
            let diff = before.diff(&stage.snapshot());
            assert!(diff.is_empty(), "DEL with {form}:\n{diff}");
            del.del().silent();
        }
        assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:7070").server, other.netns.name());
    }
}

#[test]
fn del_without_add_succeeds_and_writes_nothing() {
    let stage = Stage::new();
    let (chain, result) = stage.bridged("c1", &stage.publishing(web()));
    let before = stage.generation();
    for (_, del) in forms(&chain.plugins()[1], &result) {
        del.del().silent();
    }
    assert_eq!(before, stage.generation());
    assert!(stage.elements("").is_empty());
    assert!(!stage.sandbox.sh("nft list tables").contains("mooring"));
}

#[test]
fn last_port_of_a_bridge_takes_the_hairpin_along() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    let before = stage.warm_snapshot(&list);
    let neighbour = stage.run("c0", &stage.publishing(json!([mapping(7070, 80, "tcp")])));
    let without_ports = stage.run("c1", &stage.network(1, json!({})));
    let web = stage.run("c2", &list);
    assert_eq!(stage.elements("hairpin_links").len(), 2);
    web.stop();
    assert_eq!(stage.elements("hairpin_links").len(), 2, "the neighbour needs it");
    neighbour.stop();
    assert!(stage.elements("hairpin_links").is_empty());
    without_ports.stop();
    stage.sandbox.sh("for c in c0 c1 c2; do umount /run/netns/$c; rm /run/netns/$c; done");
    assert_same(&before, &stage.snapshot());
}

#[test]
fn del_after_the_container_and_its_links_have_gone_succeeds() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    let before = stage.warm_snapshot(&list);
    let web = stage.run("c1", &list);
    let (chain, result) = (web.chain.clone(), web.result.clone());
    let path = web.netns.path().display().to_string();
    drop(web);
    stage.sandbox.sh(&format!("umount -l {path}; rm {path}"));
    let each = chain.each(|plugin| plugin.netns(""));
    each.del(Some(&result));
    each.del(None);
    assert_same(&before, &stage.snapshot());
}

#[test]
fn del_after_the_bridge_has_gone_leaves_nothing_of_the_container() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    stage.sandbox.sh("ip link del br1; ip route add blackhole 10.1.0.0/16");
    let (chain, result) = (web.chain.clone(), web.result.clone());
    chain.plugins()[1].with_prev(&result).del().silent();
    assert!(stage.elements("c1").is_empty());
    assert!(stage.elements("hairpin").is_empty(), "{:?}", stage.elements(""));
}

#[test]
fn late_del_leaves_the_later_owner_of_port_and_address_alone() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    let first = stage.run("c1", &list);
    let result = first.result.clone();
    let late = first.portmap().clone();
    first.stop();
    // The same port for the same address, as when a pool has come round.
    let mut list = list;
    list["plugins"][0]["ipam"]["ranges"] =
        json!([[{ "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.2" }]]);
    let second = stage.run("c2", &list);
    assert_eq!(second.ip(0), "10.1.0.2");
    let before = stage.snapshot();
    for (_, del) in forms(&late, &result) {
        del.del().silent();
    }
    assert_same(&before, &stage.snapshot());
    assert!(second.answers(&stage.outside));
    // Its network's name alone makes it another owner too.
    let mut elsewhere = second.portmap().with_prev(&second.result);
    elsewhere = elsewhere.with_key("name", json!("net9"));
    elsewhere.del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn parallel_adds_and_dels_do_not_disturb_each_other() {
    let stage = Stage::new();
    let before = stage.warm_snapshot(&stage.publishing(web()));
    let chains: Vec<_> = (0..20)
        .map(|number| {
            let mappings = json!([mapping(8000 + number, 80, "tcp"), mapping(8000 + number, 80, "udp")]);
            stage.chain(&format!("c{number}"), &stage.publishing(mappings))
        })
        .collect();
    std::thread::scope(|scope| {
        let adds: Vec<_> = chains.iter().map(|chain| scope.spawn(|| chain.add())).collect();
        for add in adds {
            add.join().unwrap();
        }
    });
    assert_eq!(stage.elements(" ports4 ").len(), 40);
    std::thread::scope(|scope| {
        for chain in &chains {
            scope.spawn(|| chain.del(None));
        }
    });
    assert_same(&before, &stage.snapshot());
}

#[test]
fn rules_of_the_references_nftables_backend_are_removed() {
    let stage = Stage::new();
    let rule = |id: &str| format!("tcp dport 8080 dnat to 10.1.0.2:80 comment \\\"{id}\\\"");
    for id in ["c1", "c2"] {
        stage.sandbox.sh(&format!(
            "nft add table ip cni_hostport
             nft add chain ip cni_hostport hostports; nft add chain ip cni_hostport hostip_hostports
             nft add chain ip cni_hostport masquerading '{{ type nat hook postrouting priority 100; }}'
             nft add rule ip cni_hostport hostports {}; nft add rule ip cni_hostport hostip_hostports {}
             nft add rule ip cni_hostport masquerading ip saddr 10.1.0.2 masquerade comment \\\"{id}\\\"",
            rule(id),
            rule(id),
        ));
    }
    let chain = stage.chain("c1", &stage.publishing(web()));
    chain.plugins()[1].del().silent();
    let left = stage.sandbox.sh("nft list ruleset");
    assert_eq!((left.matches("\"c1\"").count(), left.matches("\"c2\"").count()), (0, 3), "{left}");
}
