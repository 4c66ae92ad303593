//! `lo` through the real binary and the real kernel.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox, Stdout, TestNs, assert_same};

fn conf(version: &str) -> Value {
    json!({"cniVersion": version, "name": "cni-loopback", "type": "loopback"})
}

fn lo_is_up(netns: &TestNs) -> bool {
    netns.sh("ip -j link show lo").contains("\"UP\"")
}

#[test]
fn add_brings_lo_up_and_del_brings_it_down() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let lo = Attachment::new(conf(version), &container).ifname("lo");
        let result = lo.add().success();
        assert!(lo_is_up(&container), "{version}");
        assert_eq!(result["cniVersion"], version);
        let told = if version < "0.3.0" { &result["ip4"]["ip"] } else { &result["ips"][0]["address"] };
        assert_eq!(told, "127.0.0.1/8", "{version}");
        if version >= "0.3.0" {
            assert_eq!(result["interfaces"][0]["sandbox"], container.path().to_str().unwrap());
            assert_eq!(result["interfaces"][0]["mac"], "00:00:00:00:00:00");
        }
        lo.del().silent();
        assert!(!lo_is_up(&container), "{version}");
        lo.del().silent();
    }
}

#[test]
fn prev_result_is_passed_on_unchanged() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let prev = json!({"cniVersion": "1.0.0", "interfaces": [{"name": "x", "sandbox": "/y"}], "ips": [{"address": "10.0.0.1/8", "interface": 0}]});
    let result = Attachment::new(conf("1.0.0"), &container).with_prev(&prev).add().success();
    assert_eq!(result, prev);
}

#[test]
fn other_addresses_are_refused_and_lo_stays_down() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    container.sh("ip address add 10.0.0.1/8 dev lo");
    let before = container.snapshot();
    let error = Attachment::new(conf("1.0.0"), &container).add().failure();
    assert!(error["msg"].as_str().unwrap().contains("10.0.0.1/8"), "{error}");
    assert_same(&before, &container.snapshot());
}

#[test]
fn add_whose_result_cannot_be_written_leaves_lo_down() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let lo = Attachment::new(conf("1.0.0"), &container);
    assert!(!lo.call("ADD").stdout(Stdout::Full).run().status.success());
    assert!(!lo_is_up(&container));
}

#[test]
fn check_tells_whether_lo_is_up() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let lo = Attachment::new(conf("1.0.0"), &container);
    assert!(lo.check().failure()["msg"].as_str().unwrap().contains("it is down"));
    lo.add().success();
    lo.check().silent();
}

#[test]
fn del_without_a_namespace_succeeds_and_spares_the_hosts_lo() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let lo = Attachment::new(conf("1.0.0"), &container);
    container.remove();
    lo.del().silent();
    for netns in ["", "/proc/self/ns/net", "/proc/self/ns/uts", "/run"] {
        lo.clone().netns(netns).del().silent();
    }
    assert!(lo_is_up(sandbox.host()));
}
