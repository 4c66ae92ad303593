use crate::stage::{CONTAINER, NETNS, Stage};
use serde_json::{Value, json};
use std::{fs, os::unix::fs::PermissionsExt};

#[test]
fn file_after_add_is_libcnis() {
    let stage = Stage::new(&["a"]);
    stage.conflist(r#"{"cniVersion":"0.4.0","name":"net","plugins":[{"type":"a"}]}"#);
    stage.result("a", &json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.2/24"}], "dns": {}}));
    let env = [("CNI_ARGS", "B=2;A=1"), ("CAP_ARGS", r#"{"mac":"02::","n":12345678901234567890123}"#)];
    stage.cnitool_with(&env, &["add", "net", NETNS]).success();

    let file = stage.path("cache/results").join(format!("net-{CONTAINER}-eth0"));
    let config = "eyJjbmlWZXJzaW9uIjoiMC40LjAiLCJuYW1lIjoibmV0IiwicGx1Z2lucyI6W3sidHlwZSI6ImEifV19";
    assert_eq!(
        fs::read_to_string(&file).unwrap(),
        format!(
            r#"{{"kind":"cniCacheV1","containerId":"{CONTAINER}","config":"{config}","ifName":"eth0","networkName":"net","netns":"{NETNS}","cniArgs":[["B","2"],["A","1"]],"capabilityArgs":{{"mac":"02::","n":12345678901234567890123}},"result":{{"cniVersion":"0.4.0","ips":[{{"version":"4","address":"10.0.0.2/24"}}],"dns":{{}}}}}}"#
        )
    );
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(stage.path("cache/results")).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(stage.cached(), [format!("net-{CONTAINER}-eth0")]);
}

#[test]
fn cached_configuration_holds_plugins_of_the_sibling_directory() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.0.0", &["a"]);
    fs::create_dir(stage.path("net.d/net")).unwrap();
    fs::write(stage.path("net.d/net/b.conf"), r#"{"type":"b"}"#).unwrap();
    stage.cnitool(&["add", "net", NETNS]).success();
    assert_eq!(stage.order(), ["a ADD", "b ADD"]);

    let text = fs::read(stage.path("cache/results").join(&stage.cached()[0])).unwrap();
    let entry: Value = serde_json::from_slice(&text).unwrap();
    let config = BASE64_STANDARD.decode(entry["config"].as_str().unwrap()).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["plugins"], json!([{"type": "a"}, {"type": "b"}]));
    assert_eq!(config["loadOnlyInlinedPlugins"], true);
}

#[test]
fn file_name_of_another_attachment_is_not_taken() {
    let stage = Stage::new(&["a"]);
    stage.conflist(r#"{"cniVersion":"1.0.0","name":"a-b","plugins":[{"type":"a"}]}"#);
    fs::write(stage.path("net.d/20.conflist"), r#"{"cniVersion":"1.0.0","name":"a","plugins":[{"type":"a"}]}"#)
        .unwrap();
    stage.cnitool(&["add", "a-b", NETNS, "--container-id", "c"]).success();

    let stderr = stage.cnitool(&["add", "a", NETNS, "--container-id", "b-c"]).failure();
    assert!(stderr.contains("belongs to container \"c\" in network \"a-b\""), "{stderr}");
    let stderr = stage.cnitool(&["check", "a", NETNS, "--container-id", "b-c"]).failure();
    assert!(stderr.contains("has no cached result"), "{stderr}");
    stage.cnitool(&["del", "a", NETNS, "--container-id", "b-c"]).success();
    assert_eq!(stage.cached(), ["a-b-c-eth0"]);
}
