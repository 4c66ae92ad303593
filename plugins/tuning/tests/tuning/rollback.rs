//! An ADD that fails leaves everything as it was, wherever it fails.

use serde_json::json;
use testkit::{Facility, Stdout, assert_same, require};

use crate::stage::{Stage, everything, settings, state};

#[test]
fn settings_before_one_that_the_kernel_refuses_are_taken_back() {
    if !require(Facility::Link("macvlan mode bridge")) {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    // Its MTU is at most that of the link below.
    container.sh("ip link add link eth0 name mac0 type macvlan mode bridge; ip link set mac0 up");
    stage.attach(&container, everything()).add().success();
    stage.attach(&container, everything()).del().silent();
    let (host, inside, before) = (stage.snapshot(), container.snapshot(), state(&container));
    let attachment = stage.attach(&container, everything()).ifname("mac0").with_key("mtu", json!(9000));
    let error = attachment.add().failure_code(100);
    assert!(error["msg"].as_str().unwrap().starts_with("set \"mtu\" of interface \"mac0\" to 9000: "), "{error}");
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
    assert_eq!(state(&container), before);
}

#[test]
fn sysctls_before_one_that_the_kernel_refuses_are_taken_back() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let keys = json!({ "mtu": 1400, "sysctl": {
        "net.ipv4.ip_local_reserved_ports": "8080", "net.ipv4.conf.IFNAME.proxy_arp": "1", "net.ipv4.ip_forward": "junk" } });
    let error = stage.attach(&container, keys).add().failure_code(100);
    assert!(error["msg"].as_str().unwrap().starts_with("set sysctl net/ipv4/ip_forward to junk: "), "{error}");
    assert_eq!(state(&container), before);
    assert!(stage.files().is_empty());
}

#[test]
fn result_that_cannot_be_written_takes_everything_back() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything());
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_eq!(state(&container), before);
        assert!(stage.files().is_empty());
    }
}

#[test]
fn a_second_add_that_fails_leaves_what_the_first_has_made() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let first = stage.attach(&container, json!({ "mtu": 1400 }));
    first.add().success();
    let (file, made) = (stage.file("c1_eth0.json"), settings(&container, "eth0"));
    let second = stage.attach(&container, everything()).with_key("mtu", json!(1300));
    assert!(!second.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_eq!((stage.file("c1_eth0.json"), settings(&container, "eth0")), (file, made));
    first.del().silent();
    assert_eq!(state(&container), before);
}
