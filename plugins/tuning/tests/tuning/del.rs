//! DEL gives back what is still there and the same, and never fails for what is not.

use std::fs;

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{MAC, Stage, everything, settings, state, sysctl, untouched};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(attachment: &Attachment, result: &Value) -> Vec<(&'static str, Attachment)> {
    let invalid = json!({ "kernel.hostname": "x" });
    vec![
        ("all that ADD was told", attachment.with_prev(result)),
        ("no prevResult", attachment.with_key("prevResult", Value::Null)),
        ("an unreadable prevResult", attachment.with_key("prevResult", json!({ "ips": "x" }))),
        ("other values", attachment.with_key("mtu", json!(1300)).with_key("mac", json!("02:00:00:00:00:77"))),
        (
            "no values",
            ["mac", "promisc", "mtu", "allmulti", "txQLen", "sysctl"]
                .iter()
                .fold(attachment.clone(), |it, key| it.with_key(key, Value::Null)),
        ),
        (
            "invalid values",
            attachment.with_key("mtu", json!(-1)).with_key("mac", json!("x")).with_key("sysctl", invalid),
        ),
        ("unknown args", attachment.clone().args("UNKNOWN=1;x")),
    ]
}

#[test]
fn every_form_of_del_leaves_all_as_before_add() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    attachment.del().silent();
    let (host, inside, before) = (stage.snapshot(), container.snapshot(), state(&container));
    for (form, del) in forms(&attachment, &attachment.add().success()) {
        attachment.add().success();
        assert_ne!(state(&container), before);
        for _ in 0..2 {
            del.del().silent();
            assert_eq!(state(&container), before, "DEL with {form}");
            assert_same(&host, &stage.snapshot());
            assert_same(&inside, &container.snapshot());
        }
    }
}

#[test]
fn namespaces_that_are_gone_or_none_are_no_error_and_leave_no_file() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    stage.sandbox.sh("touch /run/plain; mkfifo /run/fifo; ln -s loop /run/loop");
    let own = ["/proc/self/ns/net"];
    for netns in
        ["", "/run/netns/absent", "/run/plain", "/run/plain/x", "/run/fifo", "/run/loop", "/run", "/proc/self/ns/uts"]
    {
        attachment.add().success();
        assert_eq!(stage.files(), ["c1_eth0.json"]);
        attachment.clone().netns(netns).del().silent();
        assert!(stage.files().is_empty(), "{netns}");
    }
    for netns in own {
        attachment.add().success();
        attachment.clone().netns(netns).del().silent();
        assert!(stage.files().is_empty(), "{netns}");
    }
    attachment.add().success();
    container.remove();
    attachment.del().silent();
    assert!(stage.files().is_empty());
}

#[test]
fn interface_that_has_gone_costs_its_own_values_only() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    container.sh("ip link del eth0");
    attachment.del().silent();
    assert_eq!(sysctl(&container, "ipv4/ip_local_reserved_ports"), "");
    assert!(stage.files().is_empty());
}

#[test]
fn interface_that_was_renamed_is_found() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    container.sh("ip link set eth0 down; ip link set eth0 name net1");
    attachment.del().silent();
    assert_eq!(settings(&container, "net1"), untouched());
    assert_eq!(sysctl(&container, "ipv4/conf/net1/proxy_arp"), "0");
}

#[test]
fn another_interface_of_that_name_is_left_alone() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    container
        .sh("ip link del eth0; ip link add eth0 type veth peer name other; ip link set eth0 mtu 1234 txqueuelen 5");
    container.sh("echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp");
    let before = settings(&container, "eth0");
    attachment.del().silent();
    assert_eq!(settings(&container, "eth0"), before);
    assert_eq!(sysctl(&container, "ipv4/conf/eth0/proxy_arp"), "1");
    assert!(stage.files().is_empty());
}

#[test]
fn namespace_of_another_container_is_left_alone() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.container(name));
    stage.attach(&c1, everything()).add().success();
    stage.attach(&c2, everything()).add().success();
    let before = state(&c2);
    stage.attach(&c1, everything()).netns(c2.path()).del().silent();
    assert_eq!(state(&c2), before);
    assert_eq!(stage.files(), ["c2_eth0.json"]);
}

#[test]
fn what_the_kernel_refuses_for_good_does_not_keep_a_container_from_ending() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, json!({ "mac": "02:00:00:00:00:01", "mtu": 1400 }));
    attachment.add().success();
    let path = stage.data_dir().join("c1_eth0.json");
    let mut file = stage.file("c1_eth0.json");
    (file["mtu"], file["mac"]) = (json!(4_000_000), json!(MAC));
    file["sysctl"] = json!({ "net.ipv4.no.such": "1", "kernel.hostname": "stolen", "net.ipv4.ip_forward": "junk" });
    fs::write(&path, file.to_string()).unwrap();
    attachment.del().silent();
    assert_eq!(settings(&container, "eth0")["mac"], MAC);
    assert!(stage.files().is_empty());
}

#[test]
fn del_without_add_succeeds_and_writes_nothing() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let (host, inside) = (stage.snapshot(), container.snapshot());
    stage.attach(&container, everything()).del().silent();
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
}
