//! Behind `bridge`, as lists have it.

use serde_json::{Value, json};
use testkit::{Chain, assert_same};

use crate::stage::{Stage, both};

fn list(stage: &Stage, limits: Value) -> Value {
    let ipam = json!({ "type": "host-local", "dataDir": stage.sandbox.dir().join("leases"),
        "ranges": [[{ "subnet": "10.2.0.0/24" }]] });
    json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [
        { "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipam": ipam },
        { "type": "bandwidth", "capabilities": { "bandwidth": true }, "runtimeConfig": { "bandwidth": limits } },
    ]})
}

#[test]
fn a_container_of_bridge_is_limited_checked_reached_and_removed() {
    let stage = Stage::new();
    let warm_up = Chain::new(&list(&stage, both()), &stage.sandbox.netns("warm-up"));
    warm_up.del(Some(&warm_up.add()));
    let container = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    for with_result in [true, false] {
        let chain = Chain::new(&list(&stage, both()), &container);
        let result = chain.add();
        assert_eq!(result["interfaces"].as_array().unwrap().len(), 4);
        assert_eq!(stage.ifbs().len(), 1);
        let address = result["ips"][0]["address"].as_str().unwrap().split('/').next().unwrap();
        stage.sandbox.host().ping(address).unwrap();
        container.ping("10.2.0.1").unwrap();
        chain.check(&result);
        chain.status();
        chain.gc(&[("c1", "eth0")]);
        chain.check(&result);
        chain.del(with_result.then_some(&result));
        assert_same(&before, &stage.snapshot());
    }
}

/// A runtime that goes on after a failure, or begins at the wrong end.
#[test]
fn the_limits_go_when_the_link_went_first() {
    let stage = Stage::new();
    let warm_up = Chain::new(&list(&stage, json!({})), &stage.sandbox.netns("warm-up"));
    warm_up.del(Some(&warm_up.add()));
    let container = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let chain = Chain::new(&list(&stage, both()), &container);
    chain.add();
    for plugin in chain.plugins() {
        plugin.del().silent();
    }
    assert_same(&before, &stage.snapshot());
}
