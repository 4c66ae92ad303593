use crate::stage::Stage;

#[test]
fn plugins_are_asked_in_order() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.1.0", &["a", "b"]);
    assert_eq!(stage.cnitool(&["status", "net"]).success(), "");
    assert_eq!(stage.calls()[0].stdin, r#"{"cniVersion":"1.1.0","name":"net","type":"a"}"#);
    assert_eq!(stage.order(), ["a STATUS", "b STATUS"]);
}

#[test]
fn first_that_is_not_ready_is_told_with_its_code() {
    let stage = Stage::new(&["a", "b"]);
    stage.network("1.1.0", &["a", "b"]);
    stage.answer("a", "STATUS", r#"echo '{"code": 50, "msg": "pool is full"}'; exit 1"#);
    let stderr = stage.cnitool(&["status", "net", "/run/netns/ignored"]).failure();
    assert_eq!(stderr, "cnitool: STATUS of plugin \"a\" in network \"net\": pool is full (code 50)\n");
    assert_eq!(stage.order(), ["a STATUS"]);
}

#[test]
fn version_before_1_1_0_is_not_asked() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    stage.cnitool(&["status", "net"]).success();
    assert!(stage.order().is_empty());
}
