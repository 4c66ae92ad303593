use crate::stage::{CONTAINER, NETNS, Stage};
use serde_json::{Value, json};

#[test]
fn empty_cache_is_an_empty_table() {
    let stage = Stage::new(&[]);
    assert_eq!(stage.cnitool(&["ls"]).success(), "NETWORK   CONTAINER   INTERFACE   ADDRESSES   PORTS\n");
    assert_eq!(stage.cnitool(&["ls", "--json"]).success(), "[]\n");
}

#[test]
fn attachment_is_listed_with_addresses_and_ports() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.result("a", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}, {"address": "fd00::2/64"}]}));
    let ports = r#"{"portMappings":[{"HostPort":8080,"containerPort":80,"protocol":"tcp"}]}"#;
    stage.cnitool(&["add", "net", NETNS, "--cap-args", ports]).success();
    assert_eq!(
        stage.cnitool(&["ls"]).success(),
        format!(
            "NETWORK   CONTAINER                      INTERFACE   ADDRESSES                 PORTS\n\
             net       {CONTAINER}   eth0        10.0.0.2/24, fd00::2/64   0.0.0.0:8080->80/tcp\n"
        )
    );
}

#[test]
fn what_others_cached_is_listed_and_damage_is_warned_about() {
    let stage = Stage::new(&[]);
    let entry = json!({"kind": "cniCacheV1", "containerId": "c1", "config": "e30=", "ifName": "eth0",
        "networkName": "old", "netns": "/n", "result": {"cniVersion": "0.2.0", "ip4": {"ip": "10.9.0.2/24"}}});
    stage.cache("old-c1-eth0", &entry.to_string());
    stage.cache("x-c1-eth0", "");
    let ran = stage.cnitool(&["ls", "--json"]);
    assert!(ran.stderr.contains("x-c1-eth0: not a JSON object"), "{ran:?}");
    let listed: Value = serde_json::from_str(&ran.success()).unwrap();
    assert_eq!(
        listed,
        json!([{"network": "old", "containerID": "c1", "ifname": "eth0", "netns": "/n",
            "addresses": ["10.9.0.2/24"], "ports": []}])
    );
}
