//! GC of a network: who is not named any more has nothing.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{By, Stage, generation};

#[test]
fn attachments_that_are_not_named_lose_what_they_have() {
    Stage::each(&By::ALL, |stage| {
        let list = stage.network(1, json!({ "ingressPolicy": "isolated" }));
        let other = stage.run("other", &stage.network(2, json!({ "ingressPolicy": "same-bridge" })));
        let pods = ["c1", "c2", "c3"].map(|name| stage.bridged(name, &list));
        pods[0].add(stage).success();
        pods[2].add(stage).success();
        let kept = stage.snapshot();
        pods[1].add(stage).success();
        let gc = |valid: Value| {
            let conf = pods[0].bare().with_key("cni.dev/valid-attachments", valid);
            stage.on(conf.call("GC")).run().silent();
        };
        let named = |id: &str, ifname: &str| json!({ "containerID": id, "ifname": ifname });
        let valid = json!([named("c1", "eth0"), named("c2", "eth1"), named("c3", "eth0")]);
        for _ in 0..2 {
            gc(valid.clone());
            assert_same(&kept, &stage.snapshot());
        }
        gc(json!(null));
        assert!(stage.elements("net: net1").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("br1") || line.contains("net: net1")));
        other.check(stage).silent();
    });
}

#[test]
fn gc_before_any_add_writes_nothing_and_starts_nothing() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.plain());
    let before = generation(&stage);
    let conf = pod.bare().with_key("cni.dev/valid-attachments", json!([]));
    conf.call("GC").env("PATH", "/nowhere").run().silent();
    assert_eq!(before, generation(&stage));
}

#[test]
fn absent_list_says_nothing() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.run("c1", &stage.plain());
    pod.bare().call("GC").run().silent();
    pod.check(&stage).silent();
}
