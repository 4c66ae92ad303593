//! STATUS: whether an ADD would be refused whatever the container.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, attach, both, egress, ingress};

#[test]
fn a_plugin_that_can_work_is_ready_and_touches_nothing() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    for keys in [both(), ingress(), egress(), json!({}), json!({ "capabilities": { "bandwidth": true } })] {
        attach(&container, keys).status().silent();
    }
    assert_same(&before, &stage.snapshot());
}

#[test]
fn what_add_would_refuse_is_not_ready() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for keys in [json!({ "ingressRate": 5 }), json!({ "egressRate": 5, "egressBurst": 5 })] {
        attach(&container, keys).status().failure_code(50);
    }
    attach(&container, both()).with_key("cniVersion", json!("1.0.0")).status().failure_code(1);
}
