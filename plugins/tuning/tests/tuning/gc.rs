//! GC: files of attachments that are not valid any more.

use std::fs;

use serde_json::json;

use crate::stage::{Stage, everything};

#[test]
fn files_of_attachments_that_are_not_named_go() {
    let stage = Stage::new();
    let containers = ["c1", "c2", "c3", "c4"].map(|name| stage.container(name));
    let attachments = containers.each_ref().map(|container| stage.attach(container, everything()));
    for attachment in &attachments[..3] {
        attachment.add().success();
    }
    attachments[3].with_key("name", json!("net2")).add().success();
    fs::write(stage.data_dir().join("old_eth0.json"), r#"{"mtu":1500}"#).unwrap();
    fs::write(stage.data_dir().join("notes.json"), "hello").unwrap();
    let gc = &attachments[0];
    gc.gc(&[("c1", "eth0"), ("c2", "eth1"), ("c3", "eth0")]).silent();
    let others = ["c4_eth0.json", "notes.json", "old_eth0.json"];
    assert_eq!(stage.files(), [&["c1_eth0.json", "c3_eth0.json"][..], &others].concat());
    gc.call("GC").run().silent();
    assert_eq!(stage.files().len(), 5, "an absent list says nothing");
    gc.with_key("cni.dev/valid-attachments", json!(null)).call("GC").run().silent();
    assert_eq!(stage.files(), others);
}

#[test]
fn files_that_a_crash_left_half_written_go() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    // The hashes of "net" and "net2", of eth0 of c1 and of nobody.
    let [net, net2, c1, nobody] = ["a4861f4ae9f7d238", "0000000000000000", "f4d01f2ef4b92245", "1111111111111111"];
    let names = [(net, c1), (net, nobody), (net2, nobody)].map(|(net, owner)| format!(".{net}-{owner}.new"));
    for name in &names {
        fs::write(stage.data_dir().join(name), "{").unwrap();
    }
    attachment.gc(&[("c1", "eth0")]).silent();
    assert_eq!(stage.files(), [names[2].as_str(), &names[0], "c1_eth0.json"]);
    attachment.del().silent();
    assert_eq!(stage.files(), [names[2].as_str()]);
}

#[test]
fn a_host_without_files_is_clean() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.attach(&container, everything()).gc(&[]).silent();
    assert!(!stage.data_dir().exists());
}
