use crate::stage::Stage;

const LIST: &str =
    r#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"a","ipam":{"type":"addr"}},{"type":"b","ipam":{}}]}"#;

#[test]
fn usable_network_is_a_table_of_its_plugins() {
    let stage = Stage::new(&["a", "addr", "b"]);
    stage.conflist(LIST);
    let printed = stage.cnitool(&["validate", "net"]).success();
    let words: Vec<Vec<_>> = printed.lines().map(|line| line.split_whitespace().take(3).collect()).collect();
    assert_eq!(
        words[1..],
        [["TYPE", "ROLE", "VERDICT"], ["a", "plugin", "ok"], ["addr", "ipam", "ok"], ["b", "plugin", "ok"]]
    );
    assert_eq!(printed.lines().next(), Some("network net, version 1.0.0"));
    assert_eq!(stage.calls()[0].stdin, r#"{"cniVersion":"1.0.0"}"#);
    assert_eq!(stage.order(), ["a VERSION", "addr VERSION", "b VERSION"]);
}

#[test]
fn every_problem_is_told() {
    let stage = Stage::new(&["a", "b"]);
    stage.conflist(LIST);
    stage.answer("b", "VERSION", r#"echo '{"cniVersion":"0.4.0","supportedVersions":["0.3.1","0.4.0"]}'"#);
    let ran = stage.cnitool(&["validate", "net"]);
    assert_eq!(ran.status, 1);
    let problems: Vec<_> = ran.stderr.lines().collect();
    assert!(
        problems[0].starts_with("cnitool: plugin \"addr\" of network \"net\": find plugin \"addr\" in "),
        "{problems:?}"
    );
    assert_eq!(
        problems[1],
        "cnitool: plugin \"b\" of network \"net\": it does not support version 1.0.0, but 0.3.1, 0.4.0"
    );
    assert_eq!(ran.stdout.lines().filter(|line| line.contains("wrong")).count(), 2);
}

#[test]
fn plugin_that_does_not_know_version_is_of_0_1_0() {
    let stage = Stage::new(&["a"]);
    stage.network("0.1.0", &["a"]);
    stage.answer("a", "VERSION", r#"echo '{"code": 4, "msg": "unknown CNI_COMMAND: VERSION"}'; exit 1"#);
    assert!(stage.cnitool(&["validate", "net"]).success().contains("0.1.0"));
}

#[test]
fn network_that_cannot_be_loaded_is_told_by_key() {
    let stage = Stage::new(&[]);
    stage.conflist(r#"{"cniVersion":"1.0.0","name":"net","disableCheck":"maybe","plugins":[{"type":"a"}]}"#);
    let stderr = stage.cnitool(&["validate", "net"]).failure();
    assert!(stderr.contains("10-net.conflist: disableCheck is \"maybe\", allowed is true and false"), "{stderr}");
}
