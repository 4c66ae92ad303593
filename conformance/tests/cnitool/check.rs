use crate::stage::{NETNS, Stage};
use serde_json::json;

fn attached(version: &str, plugins: &[&str]) -> Stage {
    let stage = Stage::new(plugins);
    stage.network(version, plugins);
    if let Some(last) = plugins.last() {
        stage.result(last, &json!({"cniVersion": version, "ips": [{"address": "10.0.0.2/24"}]}));
    }
    let env = [("CNI_ARGS", "K=V"), ("CAP_ARGS", r#"{"x":1}"#)];
    stage.cnitool_with(&env, &["add", "net", NETNS]).success();
    stage.forget_calls();
    stage
}

#[test]
fn every_plugin_gets_the_final_result_in_order() {
    let stage = attached("1.0.0", &["a", "b"]);
    assert_eq!(stage.cnitool(&["check", "net", NETNS]).success(), "");
    for call in stage.calls() {
        assert_eq!(call.json()["prevResult"]["ips"][0]["address"], "10.0.0.2/24");
        assert_eq!(call.env["CNI_ARGS"], "K=V");
    }
    assert_eq!(stage.order(), ["a CHECK", "b CHECK"]);
}

#[test]
fn first_failure_stops_it() {
    let stage = attached("1.0.0", &["a", "b"]);
    stage.answer("a", "CHECK", r#"echo '{"code": 100, "msg": "eth0 is gone"}'; exit 1"#);
    let stderr = stage.cnitool(&["check", "net", NETNS]).failure();
    assert_eq!(stderr, "cnitool: CHECK of plugin \"a\" in network \"net\": eth0 is gone (code 100)\n");
    assert_eq!(stage.order(), ["a CHECK"]);
}

#[test]
fn without_cached_result_it_is_refused() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    let stderr = stage.cnitool(&["check", "net", NETNS]).failure();
    assert!(stderr.contains("has no cached result, CHECK is allowed after ADD and before DEL"), "{stderr}");
    assert!(stage.order().is_empty());
}

#[test]
fn corrupt_cache_is_an_error() {
    let stage = attached("1.0.0", &["a"]);
    stage.cache(&stage.cached()[0], "{");
    assert!(stage.cnitool(&["check", "net", NETNS]).failure().contains("not a JSON object"));
    assert!(stage.order().is_empty());
}

#[test]
fn version_before_0_4_0_has_no_check() {
    let stage = attached("0.3.1", &["a"]);
    let stderr = stage.cnitool(&["check", "net", NETNS]).failure();
    assert!(stderr.contains("network \"net\" has version 0.3.1, CHECK is allowed since 0.4.0"), "{stderr}");
}

#[test]
fn disabled_check_runs_nothing() {
    let stage = Stage::new(&["a"]);
    for flag in ["true", "\"True\""] {
        stage.conflist(&format!(
            r#"{{"cniVersion":"1.0.0","name":"net","disableCheck":{flag},"plugins":[{{"type":"a"}}]}}"#
        ));
        stage.cnitool(&["check", "net", NETNS]).success();
    }
    assert!(stage.order().is_empty());
}

#[test]
fn result_is_converted_when_the_network_has_a_new_version() {
    let stage = attached("1.0.0", &["a"]);
    stage.network("0.4.0", &["a"]);
    stage.cnitool(&["check", "net", NETNS]).success();
    assert_eq!(
        stage.calls()[0].json()["prevResult"],
        json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.0.0.2/24"}], "dns": {}})
    );
}
