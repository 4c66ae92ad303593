//! STATUS: whether an ADD would be refused whatever the container.

use std::fs;

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, everything};

#[test]
fn a_plugin_that_can_work_is_ready_and_touches_nothing() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    stage.attach(&container, everything()).status().silent();
    stage.attach(&container, json!({})).status().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn what_add_would_refuse_is_not_ready() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for keys in [json!({ "mtu": 5 }), json!({ "mac": "x" }), json!({ "sysctl": { "kernel.x": "1" } })] {
        stage.attach(&container, keys).status().failure_code(50);
    }
    fs::write("/run/plain", "").unwrap();
    let error = stage.attach(&container, json!({ "dataDir": "/run/plain/x" })).status().failure_code(50);
    assert!(error["msg"].as_str().unwrap().contains("/run/plain"), "{error}");
    stage.allow("forward\n");
    stage.attach(&container, json!({ "sysctl": { "net.ipv4.ip_forward": "1" } })).status().silent();
    stage.attach(&container, everything()).status().failure_code(50);
    fs::write("/etc/cni/tuning/allowlist.conf", "(").unwrap();
    stage.attach(&container, json!({})).status().failure_code(50);
}
