//! What somebody else may have put where the files are.

use std::{fs, os::unix::net::UnixListener};

use serde_json::json;

use crate::stage::{Stage, everything, state};

/// Puts junk at a path.
const JUNK: [&str; 8] = [
    "mkfifo FILE",
    "ln -s /run/victim FILE",
    "ln -s FILE FILE",
    "ln -s /dev/zero FILE",
    ": > FILE",
    "printf '{\"mac\":7}' > FILE",
    "printf '[1' > FILE",
    "truncate -s 3G FILE",
];

#[test]
fn junk_in_a_files_place_is_replaced_by_add_and_removed_by_del() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything());
    stage.sandbox.sh("echo precious > /run/victim");
    for junk in JUNK {
        let path = stage.data_dir().join("c1_eth0.json");
        fs::create_dir_all(stage.data_dir()).unwrap();
        let make = junk.replace("FILE", path.to_str().unwrap());
        stage.sandbox.sh(&make);
        attachment.del().silent();
        assert!(stage.files().is_empty(), "{junk}");
        stage.sandbox.sh(&make);
        attachment.gc(&[]).silent();
        attachment.add().success();
        assert_eq!(stage.file("c1_eth0.json")["mtu"], 1500, "{junk}");
        attachment.del().silent();
        assert_eq!(state(&container), before, "{junk}");
    }
    assert_eq!(stage.sandbox.sh("cat /run/victim"), "precious\n");
    let _socket = UnixListener::bind(stage.data_dir().join("c1_eth0.json")).unwrap();
    attachment.add().success();
    attachment.del().silent();
    assert!(stage.files().is_empty());
}

#[test]
fn a_directory_in_a_files_place_fails_add_and_nothing_else() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    stage.sandbox.sh(&format!("mkdir -p {}/c1_eth0.json/x", stage.data_dir().display()));
    let before = state(&container);
    attachment.add().failure_code(5);
    assert_eq!(state(&container), before);
    attachment.del().silent();
    attachment.gc(&[]).silent();
    assert_eq!(stage.files(), ["c1_eth0.json"]);
}

#[test]
fn places_that_cannot_be_are_refused_by_add_and_nothing_to_del() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh("touch /run/plain");
    let before = state(&container);
    for dir in ["/run/plain", "/run/plain/x", "/proc/no/such", "/run/\0", &format!("/run/{}", "x".repeat(300))] {
        let attachment = stage.attach(&container, everything()).with_key("dataDir", json!(dir));
        let error = attachment.add().failure_code(5);
        assert!(error["msg"].as_str().unwrap().contains("\"dataDir\""), "{error}");
        attachment.del().silent();
        attachment.gc(&[]).silent();
        assert_eq!(state(&container), before, "{dir}");
    }
}

#[test]
fn long_container_ids_have_a_file_too() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything()).container(&"x".repeat(250));
    attachment.add().success();
    attachment.check().silent();
    assert_eq!(stage.files().len(), 1);
    attachment.del().silent();
    assert_eq!(state(&container), before);
    assert!(stage.files().is_empty());
}

#[test]
fn attachments_whose_files_would_have_one_name_keep_their_own() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.container(name));
    c2.sh("ip link set eth0 down; ip link set eth0 name b_eth0; ip link set b_eth0 up");
    let one = stage.attach(&c1, everything()).container("a_b");
    let other = stage.attach(&c2, everything()).container("a").ifname("b_eth0");
    let before = state(&c1);
    one.add().success();
    other.add().success();
    assert_eq!(stage.files().len(), 2);
    one.del().silent();
    assert_eq!(state(&c1), before);
    other.check().silent();
    one.add().success();
    other.del().silent();
    one.check().silent();
    one.del().silent();
    assert!(stage.files().is_empty());
    assert_eq!(state(&c1), before);
}
