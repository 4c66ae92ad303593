//! Beside the plugin of containernetworking: what one side's ADD has changed, the other side's DEL gives back.

use std::fs;

use serde_json::{Value, json};
use testkit::{Facility, require};

use crate::stage::{Stage, settings, state, untouched};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/tuning"))
}

/// What 1.1.1 knows, `txQLen` is not among it.
fn keys() -> Value {
    json!({ "cniVersion": "1.0.0", "mac": "02:00:00:00:00:01", "promisc": true, "mtu": 1400, "allmulti": true })
}

#[test]
fn what_theirs_has_changed_is_checked_and_given_back_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let ours = stage.attach_at("1.0.0", &container, keys());
    let result = ours.clone().bin_dir(DIR).add().success();
    assert_ne!(settings(&container, "eth0"), untouched());
    ours.with_prev(&result).check().silent();
    ours.with_key("cniVersion", json!("1.1.0")).gc(&[]).silent();
    assert_eq!(stage.files(), ["c1_eth0.json"], "a file of theirs does not tell its network");
    ours.with_prev(&result).del().silent();
    assert_eq!(settings(&container, "eth0"), untouched());
    assert!(stage.files().is_empty());
}

#[test]
fn what_ours_has_changed_is_given_back_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let mut keys = keys();
    // Theirs does not give sysctls back, whoever has set them, and its CHECK does not know IFNAME.
    keys["sysctl"] = json!({ "net.ipv4.conf.eth0.proxy_arp": "1" });
    let ours = stage.attach_at("1.0.0", &container, keys);
    let result = ours.add().success();
    ours.with_prev(&result).bin_dir(DIR).check().silent();
    ours.with_prev(&result).bin_dir(DIR).del().silent();
    assert_eq!(settings(&container, "eth0"), untouched());
    assert!(stage.files().is_empty());
}

/// What releases from 1.4 on write.
#[test]
fn files_of_newer_releases_are_understood() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    container.sh("ip link set eth0 address 02:00:00:00:00:01 promisc on mtu 1400 allmulticast on txqueuelen 77");
    fs::create_dir_all(stage.data_dir()).unwrap();
    let file = "{\n \"mac\": \"02:00:00:00:00:aa\",\n \"promisc\": false,\n \"mtu\": 1500,\n \"allmulti\": false,\n \"txQLen\": 1000\n}";
    fs::write(stage.data_dir().join("c1_eth0.json"), file).unwrap();
    stage.attach(&container, json!({})).del().silent();
    assert_eq!(state(&container), before);
    assert!(stage.files().is_empty());
}

#[test]
fn a_file_that_theirs_forgot_does_not_speak_for_a_new_interface() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    fs::create_dir_all(stage.data_dir()).unwrap();
    fs::write(stage.data_dir().join("c1_eth0.json"), r#"{"mac":"02:00:00:00:00:99","mtu":1234}"#).unwrap();
    let attachment = stage.attach(&container, json!({ "mac": "02:00:00:00:00:01" }));
    attachment.add().success();
    attachment.del().silent();
    assert_eq!(state(&container), before);
}
