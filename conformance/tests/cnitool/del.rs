use crate::stage::{CONTAINER, NETNS, Stage};
use serde_json::json;

fn attached(version: &str) -> Stage {
    let stage = Stage::new(&["a", "b"]);
    stage.conflist(&format!(
        r#"{{"cniVersion":"{version}","name":"net","plugins":[{{"type":"a","capabilities":{{"x":true}}}},{{"type":"b"}}]}}"#
    ));
    stage.result("b", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}));
    stage.cnitool_with(&[("CNI_ARGS", "K=V"), ("CAP_ARGS", r#"{"x":1}"#)], &["add", "net", NETNS]).success();
    stage.forget_calls();
    stage
}

#[test]
fn plugins_run_in_reverse_with_the_final_result_and_the_cache_goes() {
    let stage = attached("1.0.0");
    assert_eq!(stage.cnitool(&["del", "net", NETNS]).success(), "");
    for call in stage.calls() {
        assert_eq!(call.json()["prevResult"]["ips"][0]["address"], "10.0.0.2/24");
    }
    assert_eq!(stage.order(), ["b DEL", "a DEL"]);
    assert!(stage.cached().is_empty());
}

#[test]
fn arguments_of_add_are_restored() {
    let stage = attached("1.0.0");
    stage.cnitool(&["del", "net", NETNS]).success();
    let calls = stage.calls();
    assert!(calls.iter().all(|call| call.env["CNI_ARGS"] == "K=V"));
    assert_eq!(calls[1].json()["runtimeConfig"], json!({"x": 1}));
    assert_eq!(calls[0].json().get("runtimeConfig"), None);
}

#[test]
fn given_arguments_beat_those_of_add() {
    let stage = attached("1.0.0");
    let env = [("CNI_ARGS", "K=W"), ("CAP_ARGS", r#"{"x":2}"#)];
    stage.cnitool_with(&env, &["del", "net", NETNS]).success();
    let calls = stage.calls();
    assert_eq!(calls[1].env["CNI_ARGS"], "K=W");
    assert_eq!(calls[1].json()["runtimeConfig"], json!({"x": 2}));
}

#[test]
fn container_id_alone_brings_its_netns_along() {
    let stage = attached("1.0.0");
    stage.cnitool(&["del", "net", "--container-id", CONTAINER]).success();
    assert_eq!(stage.calls()[0].env["CNI_NETNS"], NETNS);
    assert!(stage.cached().is_empty());
}

#[test]
fn unknown_container_without_netns_is_deleted_all_the_same() {
    let stage = attached("1.0.0");
    stage.cnitool(&["del", "net", "--container-id", "c9"]).success();
    assert_eq!(stage.calls()[0].env["CNI_NETNS"], "");
    assert_eq!(stage.order(), ["b DEL", "a DEL"]);
}

#[test]
fn repeated_del_runs_without_result() {
    let stage = attached("1.0.0");
    stage.cnitool(&["del", "net", NETNS]).success();
    stage.forget_calls();
    stage.cnitool(&["del", "net", NETNS]).success();
    assert!(stage.calls().iter().all(|call| call.json().get("prevResult").is_none()));
    assert_eq!(stage.order(), ["b DEL", "a DEL"]);
}

#[test]
fn first_failure_stops_it_and_the_cache_stays() {
    let stage = attached("1.0.0");
    stage.answer("b", "DEL", r#"echo '{"code": 11, "msg": "busy"}'; exit 1"#);
    let stderr = stage.cnitool(&["del", "net", NETNS]).failure();
    assert_eq!(stderr, "cnitool: DEL of plugin \"b\" in network \"net\": busy (code 11)\n");
    assert_eq!(stage.order(), ["b DEL"]);
    assert_eq!(stage.cached().len(), 1);

    stage.answer("b", "DEL", "");
    stage.cnitool(&["del", "net", NETNS]).success();
    assert!(stage.cached().is_empty());
}

#[test]
fn version_before_0_4_0_has_no_result_on_del() {
    let stage = attached("0.3.1");
    stage.cnitool(&["del", "net", NETNS]).success();
    assert!(stage.calls().iter().all(|call| call.json().get("prevResult").is_none()));
    assert!(stage.cached().is_empty());
}

#[test]
fn unusable_cache_is_warned_about_and_dropped() {
    for text in ["{", r#"{"kind":"other"}"#, r#"{"cniVersion":"77.0.0"}"#] {
        let stage = attached("1.0.0");
        stage.cache(&stage.cached()[0], text);
        let ran = stage.cnitool(&["del", "net", NETNS]);
        assert!(ran.stderr.starts_with("cnitool: warning: run DEL without prevResult: "), "{ran:?}");
        ran.success();
        assert_eq!(stage.order(), ["b DEL", "a DEL"]);
        assert!(stage.cached().is_empty());
    }
}

#[test]
fn legacy_cache_gives_the_result() {
    let stage = attached("1.0.0");
    stage.cache(&stage.cached()[0], r#"{"cniVersion":"0.2.0","ip4":{"ip":"10.9.0.2/24"}}"#);
    stage.cnitool(&["del", "net", NETNS]).success();
    let prev = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.9.0.2/24"}]});
    assert_eq!(stage.calls()[0].json()["prevResult"], prev);
    assert!(stage.cached().is_empty());
}
