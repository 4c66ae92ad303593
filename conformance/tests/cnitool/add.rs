use crate::stage::{CONTAINER, NETNS, Stage};
use serde_json::json;
use std::{
    fs,
    time::{Duration, Instant},
};

#[test]
fn plugins_run_in_order_and_each_gets_the_result_before_it() {
    let stage = Stage::new(&["a", "b", "c"]);
    stage.network("1.0.0", &["a", "b", "c"]);
    stage.result("a", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}));
    stage.result("b", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.3/24"}]}));
    stage.result("c", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.4/24"}]}));
    let printed = stage.cnitool(&["add", "net", NETNS]).success();

    let calls = stage.calls();
    assert_eq!(stage.order(), ["a ADD", "b ADD", "c ADD"]);
    assert_eq!(calls[0].stdin, r#"{"cniVersion":"1.0.0","name":"net","type":"a"}"#);
    assert_eq!(calls[1].json()["prevResult"], json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}));
    assert_eq!(calls[2].json()["prevResult"]["ips"][0]["address"], "10.0.0.3/24");
    assert_eq!(
        printed,
        "{\n    \"cniVersion\": \"1.0.0\",\n    \"ips\": [\n        {\n            \"address\": \"10.0.0.4/24\"\n        }\n    ]\n}\n"
    );
}

#[test]
fn all_plugins_get_the_same_environment() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.0.0", &["a", "b"]);
    let env =
        [("CNI_ARGS", "IgnoreUnknown=1;K=V"), ("CNI_IFNAME", "net1"), ("INHERITED", "yes"), ("CNI_NETNS", "/other")];
    stage.cnitool_with(&env, &["add", "net", "/run/./netns//blue"]).success();
    let calls = stage.calls();
    for call in &calls {
        for (name, value) in [
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", CONTAINER),
            ("CNI_NETNS", NETNS),
            ("CNI_IFNAME", "net1"),
            ("CNI_ARGS", "IgnoreUnknown=1;K=V"),
            ("CNI_PATH", stage.path("bin").to_str().unwrap()),
            ("INHERITED", "yes"),
        ] {
            assert_eq!(call.env.get(name).map(String::as_str), Some(value), "{name}");
        }
    }
}

#[test]
fn without_arguments_cni_args_is_empty_not_absent() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.cnitool(&["add", "net", NETNS]).success();
    assert_eq!(stage.calls()[0].env.get("CNI_ARGS").map(String::as_str), Some(""));
}

#[test]
fn configuration_reaches_the_plugin_as_written() {
    let stage = Stage::new(&["a"]);
    stage.conflist(
        r#"{"cniVersion":"1.0.0","name":"net","nerdctlID":"1","plugins":[{"type":"a","big":12345678901234567890,"one":1.0,"more":123456789012345678901234567890,"capabilities":{"x":true},"prevResult":{}}]}"#,
    );
    let env = [("CAP_ARGS", r#"{"x":12345678901234567890123,"y":1}"#)];
    stage.cnitool_with(&env, &["add", "net", NETNS]).success();
    assert_eq!(
        stage.calls()[0].stdin,
        r#"{"cniVersion":"1.0.0","name":"net","type":"a","big":12345678901234567890,"one":1.0,"more":123456789012345678901234567890,"runtimeConfig":{"x":12345678901234567890123}}"#
    );
}

#[test]
fn highest_known_version_is_negotiated() {
    let stage = Stage::new(&["a"]);
    stage.conflist(r#"{"cniVersion":"0.4.0","cniVersions":["1.0.0","99.0.0"],"name":"net","plugins":[{"type":"a"}]}"#);
    let printed = stage.cnitool(&["add", "net", NETNS]).success();
    assert_eq!(stage.calls()[0].json()["cniVersion"], "1.0.0");
    assert!(printed.contains("\"cniVersion\": \"1.0.0\""));
}

#[test]
fn result_of_another_version_is_converted_for_the_next_plugin() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("0.3.1", &["a", "b"]);
    stage.result("a", &json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.2/24"}]}));
    stage.cnitool(&["add", "net", NETNS]).success();
    assert_eq!(
        stage.calls()[1].json()["prevResult"],
        json!({"cniVersion": "0.3.1", "ips": [{"version": "4", "address": "10.0.0.2/24"}], "dns": {}})
    );
}

#[test]
fn failed_add_is_cleaned_up_over_the_whole_list() {
    let stage = Stage::new(&["a", "b", "c"]);
    stage.network("1.0.0", &["a", "b", "c"]);
    stage.answer(
        "b",
        "ADD",
        r#"echo '{"code": 11, "msg": "try again", "details": "lock held"}'; echo log >&2; exit 1"#,
    );
    let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
    assert_eq!(stderr, "log\ncnitool: ADD of plugin \"b\" in network \"net\": try again; lock held (code 11)\n");
    assert_eq!(stage.order(), ["a ADD", "b ADD", "c DEL", "b DEL", "a DEL"]);
    assert!(stage.cached().is_empty());
}

#[test]
fn clean_up_goes_on_after_a_failure_and_tells_it() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.0.0", &["a", "b"]);
    stage.answer("b", "ADD", "exit 3");
    stage.answer("b", "DEL", r#"echo '{"code": 999, "msg": "stuck"}'; exit 1"#);
    let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
    assert_eq!(stage.order(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert!(
        stderr.contains("ADD of plugin \"b\" in network \"net\": failed without a word: exit status: 3\n"),
        "{stderr}"
    );
    assert!(
        stderr.contains("cnitool: clean up: DEL of plugin \"b\" in network \"net\": stuck (code 999)\n"),
        "{stderr}"
    );
}

#[test]
fn no_cleanup_leaves_what_a_failed_add_made() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.0.0", &["a", "b"]);
    stage.answer("b", "ADD", "exit 1");
    stage.cnitool(&["add", "--no-cleanup", "net", NETNS]).failure();
    assert_eq!(stage.order(), ["a ADD", "b ADD"]);
}

#[test]
fn second_add_is_refused_before_it_does_harm() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.cnitool(&["add", "net", NETNS]).success();
    let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
    assert!(stderr.contains("is attached already, DEL has to come first"), "{stderr}");
    assert_eq!(stage.order(), ["a ADD"]);
    stage.cnitool(&["add", "net", NETNS, "-i", "eth1"]).success();
}

#[test]
fn missing_plugin_is_noticed_before_any_runs() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a", "b"]);
    let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
    assert!(stderr.contains("find plugin \"b\" in "), "{stderr}");
    assert!(stage.order().is_empty());
}

#[test]
fn bad_identifiers_are_refused_before_any_plugin_runs() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    for (args, error) in [
        (["add", "net", NETNS, "--container-id=../c"], "container ID is \"../c\""),
        (["add", "net", NETNS, "--ifname=much-too-long-name"], "interface name is \"much-too-long-name\""),
        (["add", "../net", NETNS, "--ifname=eth0"], "network name is \"../net\""),
        (["add", "net", NETNS, "--args=K"], "CNI_ARGS has the pair \"K\""),
        (["add", "net", NETNS, "--cap-args=[]"], "CAP_ARGS is not a JSON object"),
        (["add", "net", "", "--container-id=c1"], "the network namespace is not given"),
    ] {
        let stderr = stage.cnitool(&args).failure();
        assert!(stderr.contains(error), "{stderr}");
    }
    assert!(stage.order().is_empty());
}

#[test]
fn error_object_with_exit_status_0_is_a_failure() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.answer("a", "ADD", r#"echo '{"cniVersion": "1.0.0", "code": 7, "msg": "bad"}'"#);
    assert!(stage.cnitool(&["add", "net", NETNS]).failure().contains(": bad (code 7)"));
    assert_eq!(stage.order(), ["a ADD", "a DEL"]);
}

#[test]
fn answer_that_is_no_result_is_a_failure() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    for (answer, error) in [
        (":", "it is empty"),
        ("echo null", "it is not an object"),
        ("echo '{} {}'", "it is not JSON"),
        (r#"echo '{"ips": [{"address": "10.0.0.2"}]}'"#, "ips[0].address is \"10.0.0.2\""),
        (r#"echo '{"cniVersion": "9.0.0"}'"#, "cniVersion is \"9.0.0\""),
    ] {
        stage.answer("a", "ADD", answer);
        let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
        assert!(stderr.contains("its result cannot be used: ") && stderr.contains(error), "{stderr}");
    }
}

#[test]
fn plugin_stderr_appears_on_success() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.answer("a", "ADD", "echo warned >&2; echo '{}'");
    let ran = stage.cnitool(&["add", "net", NETNS]);
    assert_eq!(ran.stderr, "warned\n");
    ran.success();
}

#[test]
fn stderr_is_the_message_when_there_is_no_other() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.answer("a", "ADD", "echo out of memory >&2; exit 2");
    assert_eq!(
        stage.cnitool(&["add", "net", NETNS]).failure(),
        "cnitool: ADD of plugin \"a\" in network \"net\": failed without an error object: exit status: 2: out of memory\n"
    );
}

#[test]
fn plugin_that_hangs_is_killed_and_cleaned_up_after() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.answer("a", "ADD", "sleep 60");
    let start = Instant::now();
    let stderr = stage.cnitool(&["add", "net", NETNS, "--timeout", "0.5"]).failure();
    assert!(stderr.contains("killed, it ran longer than the timeout"), "{stderr}");
    assert!(start.elapsed() < Duration::from_secs(30));
    assert_eq!(stage.order(), ["a ADD", "a DEL"]);
}

#[test]
fn request_larger_than_a_pipe_arrives_whole() {
    let stage = Stage::new(&["a"]);
    let filler = "x".repeat(1 << 20);
    stage.conflist(&format!(r#"{{"cniVersion":"1.0.0","name":"net","plugins":[{{"type":"a","f":"{filler}"}}]}}"#));
    stage.cnitool(&["add", "net", NETNS]).success();
    assert_eq!(stage.calls()[0].json()["f"].as_str().map(str::len), Some(1 << 20));
}

#[test]
fn cache_that_cannot_be_written_undoes_the_add() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    // A file in the place of the directory, made when the cache has been asked already.
    let cache = stage.path("cache");
    stage.answer("a", "ADD", &format!("echo >{}; echo '{{}}'", cache.display()));
    let stderr = stage.cnitool(&["add", "net", NETNS]).failure();
    assert!(stderr.contains("write cache "), "{stderr}");
    assert_eq!(stage.order(), ["a ADD", "a DEL"]);
}

#[test]
fn single_plugin_file_is_a_network() {
    let stage = Stage::new(&["a"]);
    fs::write(stage.path("net.d/1.conf"), r#"{"cniVersion":"0.2.0","name":"old","type":"a"}"#).unwrap();
    stage.result("a", &json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24"}}));
    assert!(stage.cnitool(&["add", "old", NETNS]).success().contains("\"ip4\""));
    assert_eq!(stage.calls()[0].stdin, r#"{"cniVersion":"0.2.0","name":"old","type":"a"}"#);
}

#[test]
fn broken_file_that_sorts_earlier_is_warned_about() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    fs::write(stage.path("net.d/00-broken.conflist"), "{").unwrap();
    let ran = stage.cnitool(&["add", "net", NETNS]);
    assert!(ran.stderr.starts_with("cnitool: warning: skip "), "{ran:?}");
    ran.success();
}

#[test]
fn corrupt_cache_refuses_a_second_add_without_detaching_the_first() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.cnitool(&["add", "net", NETNS]).success();
    stage.cache(&stage.cached()[0], "{");
    let refused = stage.cnitool(&["add", "net", NETNS]).failure();
    assert!(refused.contains("DEL has to come first"), "{refused}");
    assert_eq!(stage.order(), ["a ADD"], "no DEL, which would detach it");
}
