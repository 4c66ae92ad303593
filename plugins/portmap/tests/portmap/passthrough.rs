//! What goes in comes out: versions, results of all plugins before us, and nothing done where nothing is mapped.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Proto, Stage, mapping, web};

#[test]
fn result_comes_out_as_it_went_in_in_every_version() {
    let stage = Stage::new();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let mut list = stage.publishing(json!([mapping(8080, 80, "tcp")]));
        list["cniVersion"] = json!(version);
        if version < "0.3.0" {
            list["plugins"][0]["ipam"]["ranges"] = json!([[{ "subnet": "10.1.0.0/24" }]]);
        }
        let netns = stage.sandbox.netns("c1");
        let chain = testkit::Chain::new(&list, &netns);
        let bridged = chain.plugins()[0].add().success();
        let published = chain.plugins()[1].with_prev(&bridged).add().success();
        assert_eq!(published, bridged, "{version}");
        let server = netns.listen_tcp("[::]:80");
        assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").server, "c1", "{version}");
        assert_eq!(Proto::Tcp.ask(&netns, "203.0.113.1:8080").server, "c1", "{version}");
        drop(server);
        if version >= "0.4.0" {
            chain.check(&published);
        }
        // Before 0.4.0 runtimes hand no result to DEL.
        chain.del(Some(&published).filter(|_| version >= "0.4.0"));
        assert!(stage.elements("net: net1").is_empty(), "{version}");
        assert!(stage.elements("hairpin").is_empty(), "{version}: {:?}", stage.elements("hairpin"));
        netns.remove();
    }
}

#[test]
fn nothing_mapped_is_no_transaction_and_no_table() {
    let stage = Stage::new();
    for runtime_config in [
        json!(null),
        json!({}),
        json!({ "portMappings": null }),
        json!({ "portMappings": [] }),
        json!({ "PortMappings": null }),
    ] {
        let list = stage.network(1, json!({ "runtimeConfig": runtime_config, "snat": true }));
        let (chain, result) = stage.bridged("c1", &list);
        let before = stage.generation();
        let portmap = chain.plugins()[1].with_prev(&result);
        assert_eq!(portmap.add().success(), result);
        portmap.check().silent();
        portmap.del().silent();
        assert_eq!(before, stage.generation(), "{runtime_config}");
        assert!(!stage.sandbox.sh("nft list tables").contains("mooring"));
        chain.plugins()[0].del().silent();
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}

#[test]
fn container_without_an_address_of_the_family_is_no_transaction() {
    let stage = Stage::new();
    let mut list = stage.publishing(crate::stage::web_at("::"));
    list["plugins"][0]["ipam"]["ranges"] = json!([[{ "subnet": "10.1.0.0/24" }]]);
    let (chain, result) = stage.bridged("c1", &list);
    let before = stage.generation();
    assert_eq!(chain.plugins()[1].with_prev(&result).add().success(), result);
    assert_eq!(before, stage.generation());
}

#[test]
fn keys_match_in_either_letter_case() {
    let stage = Stage::new();
    let mut containerd = stage.network(1, json!({}));
    containerd["plugins"][1]["runtimeConfig"] =
        json!({ "portMappings": [{ "HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }] });
    containerd["plugins"][1]["MasqAll"] = json!(true);
    let web = stage.run("c1", &containerd);
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").peer.ip().to_string(), "10.1.0.1");
    assert_eq!(Proto::Tcp.ask(&stage.outside, "[2001:db8:ffff::1]:8080").server, "c1");
    web.portmap().with_prev(&web.result).check().silent();
}

#[test]
fn mapping_told_twice_is_one() {
    let stage = Stage::new();
    let one = mapping(8080, 80, "tcp");
    let web = stage.run("c1", &stage.publishing(json!([one, one, mapping(8080, 80, "TCP")])));
    assert_eq!(stage.elements(" ports4 ").len(), 1);
    web.stop();
    assert!(stage.elements("net: net1").is_empty());
}

/// Publishes for a container whose result has these interfaces and addresses; where port 8080 leads to.
#[track_caller]
fn leads_to(stage: &Stage, version: &str, interfaces: Value, ips: Value) -> Vec<String> {
    let container = stage.sandbox.netns("odd");
    let prev = json!({ "cniVersion": version, "interfaces": interfaces, "ips": ips, "futureKey": { "a": 1 } });
    let conf = json!({ "cniVersion": version, "name": "odd", "type": "portmap", "prevResult": prev,
        "runtimeConfig": { "portMappings": [mapping(8080, 80, "tcp")] } });
    let portmap = Attachment::new(conf, &container);
    let result = portmap.add().success();
    assert_eq!(result["ips"].as_array().map(Vec::len), ips.as_array().map(Vec::len));
    if version > "0.4.0" {
        portmap.check().silent();
    }
    let text = stage.sandbox.sh("nft list map inet mooring ports4; nft list map inet mooring ports6");
    portmap.del().silent();
    assert!(stage.elements("net: odd").is_empty(), "{:?}", stage.elements(""));
    assert!(stage.elements("hairpin").is_empty(), "{:?}", stage.elements(""));
    container.remove();
    let leading = text.lines().filter_map(|line| line.split_once("\" : ")).map(|(_, to)| to);
    leading.map(|to| to.trim_end_matches([' ', '}', ',']).to_owned()).collect()
}

#[test]
fn results_in_odd_but_legal_forms_lead_to_the_containers_first_addresses() {
    let stage = Stage::new();
    stage
        .sandbox
        .sh("ip link add cali1 type veth peer name far1; ip link set cali1 up; ip route add 10.65.0.2 dev cali1");
    let here = json!({ "name": "eth0", "sandbox": "/run/netns/odd", "mac": "00:11:22:33:44:55" });
    let host = json!({ "name": "cali1", "mac": "00:11:22:33:44:66" });
    let no_index = json!([{ "address": "10.65.0.2/32" }, { "address": "fd65::2/128" }]);
    assert_eq!(leads_to(&stage, "1.1.0", json!([]), no_index.clone()), ["10.65.0.2 . 80", "fd65::2 . 80"]);
    assert_eq!(leads_to(&stage, "1.0.0", json!([host]), no_index), ["10.65.0.2 . 80", "fd65::2 . 80"]);
    let out_of_range = json!([{ "address": "10.65.0.2/32", "interface": 7 }]);
    assert_eq!(leads_to(&stage, "1.0.0", json!([host]), out_of_range), ["10.65.0.2 . 80"]);
    let several = json!([
        { "address": "10.65.0.9/24", "interface": 0 },
        { "address": "10.65.0.2/24", "interface": 1 },
        { "address": "fd65::2/64", "interface": 1 },
        { "address": "10.65.0.3/24", "interface": 1 },
        { "address": "fd65::3/64", "interface": 1 },
    ]);
    assert_eq!(leads_to(&stage, "1.0.0", json!([host, here]), several), ["10.65.0.2 . 80", "fd65::2 . 80"]);
    let old = json!([{ "version": "4", "address": "10.65.0.2/32", "interface": -1 }]);
    assert_eq!(leads_to(&stage, "0.3.1", json!([host]), old), ["10.65.0.2 . 80"]);
}

#[test]
fn add_without_a_previous_result_is_refused() {
    let stage = Stage::new();
    for mappings in [json!([]), web()] {
        let chain = stage.chain("c1", &stage.publishing(mappings));
        let error = chain.plugins()[1].add().failure_code(7);
        assert!(error["msg"].as_str().unwrap().starts_with("must be called as chained plugin"), "{error}");
        stage.sandbox.sh("umount /run/netns/c1; rm /run/netns/c1");
    }
}
