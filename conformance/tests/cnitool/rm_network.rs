use crate::{gc::attached, stage::Stage};
use serde_json::json;

fn removed(stage: &Stage) {
    let printed = stage.cnitool(&["rm-network", "net"]).success();
    assert_eq!(printed, "remove c1/eth0 from net\nremove c2/eth0 from net\n");
    assert_eq!(stage.cached(), ["other-c1-eth0"]);
}

#[test]
fn everything_is_detached_and_plugins_are_told_that_nobody_stays() {
    let stage = attached("1.1.0");
    removed(&stage);
    for call in &stage.calls()[4..] {
        assert_eq!(call.json()["cni.dev/valid-attachments"], json!([]));
    }
    assert_eq!(stage.order(), ["b DEL", "a DEL", "b DEL", "a DEL", "a GC", "b GC"]);
}

#[test]
fn older_networks_are_collected_in_the_version_that_can() {
    let stage = attached("0.4.0");
    removed(&stage);
    let versions: Vec<_> = stage.calls().iter().map(|call| call.json()["cniVersion"].clone()).collect();
    assert_eq!(versions, ["0.4.0", "0.4.0", "0.4.0", "0.4.0", "1.1.0", "1.1.0"]);
}

#[test]
fn disabled_gc_is_for_runtimes_that_nobody_has_asked() {
    let stage = attached("1.1.0");
    stage.conflist(r#"{"cniVersion":"1.1.0","name":"net","disableGC":true,"plugins":[{"type":"a"},{"type":"b"}]}"#);
    removed(&stage);
    assert_eq!(stage.order()[4..], ["a GC", "b GC"]);
}
