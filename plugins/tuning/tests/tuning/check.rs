//! CHECK: each setting that was asked for, and only those.

use serde_json::{Value, json};

use crate::stage::{Stage, everything};

#[test]
fn each_difference_is_told_with_what_is_wanted_and_found() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    let result = attachment.add().success();
    let check = attachment.with_prev(&result);
    check.check().silent();
    for (change, back, words) in [
        (
            "address 02:00:00:00:00:ee",
            "address 02:00:00:00:00:01",
            "\"mac\" of interface \"eth0\": it is 02:00:00:00:00:ee, not 02:00:00:00:00:01",
        ),
        ("promisc off", "promisc on", "\"promisc\" of interface \"eth0\": it is false, not true"),
        ("mtu 1300", "mtu 1400", "\"mtu\" of interface \"eth0\": it is 1300, not 1400"),
        ("allmulticast off", "allmulticast on", "\"allmulti\" of interface \"eth0\": it is false, not true"),
        ("txqueuelen 78", "txqueuelen 77", "\"txQLen\" of interface \"eth0\": it is 78, not 77"),
    ] {
        container.sh(&format!("ip link set eth0 {change}"));
        let error = check.check().failure_code(103);
        assert!(error["msg"].as_str().unwrap().contains(words), "{error}");
        container.sh(&format!("ip link set eth0 {back}"));
        check.check().silent();
    }
    container.sh("echo 0 > /proc/sys/net/ipv4/conf/eth0/proxy_arp");
    let error = check.check().failure_code(103);
    assert!(
        error["msg"]
            .as_str()
            .unwrap()
            .contains("\"net.ipv4.conf.IFNAME.proxy_arp\" of interface \"eth0\": it is \"0\", not \"1\""),
        "{error}"
    );
}

#[test]
fn what_was_not_asked_for_may_be_anyhow() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, json!({ "mac": "02:00:00:00:00:0A" }));
    let result = attachment.add().success();
    container.sh("ip link set eth0 promisc on allmulticast on mtu 1300 txqueuelen 5");
    attachment.with_prev(&result).check().silent();
}

#[test]
fn values_are_compared_by_words() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, json!({ "sysctl": { "net.ipv4.tcp_rmem": " 4096  131072\t6291456 " } }));
    attachment.add().success();
    attachment.check().silent();
}

#[test]
fn changes_of_later_plugins_that_the_result_tells_are_fine() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    let mut result = attachment.add().success();
    container.sh("ip link set eth0 address 02:00:00:00:00:09 mtu 1350");
    attachment.with_prev(&result).check().failure_code(103);
    result["interfaces"][1]["mac"] = "02:00:00:00:00:09".into();
    result["interfaces"][1]["mtu"] = 1350.into();
    attachment.with_prev(&result).check().silent();
}

#[test]
fn check_needs_the_result_and_the_interface() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    attachment.with_key("prevResult", Value::Null).check().failure_code(7);
    container.sh("ip link del eth0");
    let error = attachment.check().failure_code(100);
    assert!(error["msg"].as_str().unwrap().contains("find link \"eth0\""), "{error}");
}
