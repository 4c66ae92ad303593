//! Beside the reference: what its daemon and its plugin have to do with ours, which speak another language.

use std::{path::Path, process::Command};

use serde_json::json;
use testkit::{Attachment, Facility, eventually, require};

use crate::stage::{LONG, Running, Stage, addresses, told};

const REFERENCE: &str = "/usr/lib/cni/dhcp";

fn reference_daemon(stage: &Stage) -> Running {
    std::fs::create_dir_all(stage.socket().parent().unwrap()).unwrap();
    let mut command = Command::new(REFERENCE);
    command.args(["daemon", "-socketpath", stage.socket().to_str().unwrap()]);
    let daemon = Running::start(command, &stage.file("reference.log"));
    eventually(LONG, || if stage.socket().exists() { Ok(()) } else { Err(daemon.log()) });
    daemon
}

#[test]
fn the_references_daemon_is_told_and_del_does_not_fail() {
    let Some(stage) = Stage::new() else { return };
    if !require(Facility::Program(REFERENCE)) {
        return;
    }
    let _server = stage.dnsmasq(&[]);
    let daemon = reference_daemon(&stage);
    let (container, attachment) = stage.bare("c1");
    let theirs = attachment.clone().bin_dir("/usr/lib/cni").with_key("cniVersion", "1.0.0".into());
    theirs.add().success();

    let error = attachment.add().failure_code(11);
    assert!(error["msg"].as_str().unwrap().ends_with("both have to be exchanged together"), "{error}");
    attachment.status().failure_code(50);
    attachment.del().silent();

    // A node that switches: the leases were in the memory of the daemon that has gone.
    daemon.kill();
    let _daemon = stage.daemon();
    attachment.del().silent();
    let result = attachment.add().success();
    assert_eq!(told(&result).len(), 1);
    drop(container);
}

#[test]
fn the_references_plugin_is_told_by_our_daemon() {
    let Some(stage) = Stage::new() else { return };
    if !require(Facility::Program(REFERENCE)) {
        return;
    }
    let _daemon = stage.daemon();
    let (_container, attachment) = stage.bare("c1");
    let theirs = attachment.bin_dir("/usr/lib/cni").with_key("cniVersion", "1.0.0".into());
    let error = theirs.add().failure();
    let expected =
        "unexpected HTTP response: 400 this is the daemon of Mooring's dhcp, exchange plugin and daemon together";
    assert!(error["msg"].as_str().unwrap().contains(expected), "{error}");
}

/// A node that switches keeps its addresses: the server knows the container by the same name.
#[test]
fn either_gets_the_same_address() {
    let Some(stage) = Stage::new() else { return };
    if !require(Facility::Program(REFERENCE)) {
        return;
    }
    let _server = stage.dnsmasq(&[]);
    let theirs = reference_daemon(&stage);
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container).with_key("cniVersion", "1.0.0".into());
    let given = told(&attachment.clone().bin_dir("/usr/lib/cni").add().success());
    assert_eq!(addresses(&container, 4), given);
    theirs.kill();
    std::fs::remove_file(stage.socket()).unwrap();
    // Their bridge's DEL would fail without their daemon; ours does not, and keeps nothing of what the server has given.
    attachment.del().silent();
    assert!(!container.sh("ip link").contains("eth0"));
    let _ours = stage.daemon();
    assert_eq!(told(&attachment.add().success()), given);
    assert!(Path::new(REFERENCE).exists());
}
