//! STATUS: whether there is the device that an ADD would need.

use serde_json::{Value, json};

use crate::stage::{Stage, link};

#[track_caller]
fn not_ready(stage: &Stage, keys: Value) -> Value {
    let nowhere = stage.sandbox.host();
    stage.attach(nowhere, keys).status().failure_code(50)["msg"].clone()
}

#[test]
fn a_device_is_on_the_host_or_in_a_container() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let mac = link(stage.sandbox.host(), "d0")["address"].clone();
    stage.sandbox.sh("ip link property add dev d0 altname enp59s0f1np1-of-this-host");
    let ways = [json!({}), json!({ "device": null, "hwaddr": mac }), json!({ "device": "enp59s0f1np1-of-this-host" })];
    let before = stage.snapshot();
    for keys in &ways {
        stage.attach(&c1, keys.clone()).status().silent();
    }
    testkit::assert_same(&before, &stage.snapshot());
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    c1.sh("ip link set eth0 down; ip link set eth0 name lan");
    for keys in &ways {
        stage.attach(&c1, keys.clone()).status().silent();
    }
}

#[test]
fn a_device_that_is_nowhere_is_told() {
    let stage = Stage::with_device();
    let tail = "there is none on the host, nor in a container that one was moved to";
    for (keys, what) in [
        (json!({ "device": "d9" }), "\"device\" \"d9\""),
        (json!({ "device": null, "hwaddr": "02:00:00:00:00:77" }), "\"hwaddr\" \"02:00:00:00:00:77\""),
        (json!({ "device": null, "kernelpath": "/sys/devices/no" }), "\"kernelpath\" \"/sys/devices/no\""),
    ] {
        assert_eq!(not_ready(&stage, keys), format!("find {what}: {tail}"));
    }
    let pci = json!({ "device": null, "pciBusID": "0000:99:00.0" });
    let words = "find \"pciBusID\" \"0000:99:00.0\": there is none in /sys/bus/pci/devices";
    assert_eq!(not_ready(&stage, pci), words);
    // It has gone with its container.
    let c1 = stage.sandbox.netns("c1");
    stage.attach(&c1, json!({})).add().success();
    c1.sh("ip link del eth0");
    assert_eq!(not_ready(&stage, json!({})), format!("find \"device\" \"d0\": {tail}"));
}

#[test]
fn what_add_would_refuse_is_not_ready() {
    let stage = Stage::with_device();
    let words = r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#;
    assert_eq!(not_ready(&stage, json!({ "device": null })), words);
    not_ready(&stage, json!({ "hwaddr": "junk" }));
    // The runtime brings the device with each ADD.
    let capable = json!({ "device": null, "capabilities": { "deviceID": true } });
    stage.attach(stage.sandbox.host(), capable).status().silent();
}
