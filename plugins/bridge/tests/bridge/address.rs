//! The gateway's address, and what may be in its way.

use serde_json::json;
use testkit::Attachment;

use crate::stage::{Stage, addresses, attach, link, routes, text};

#[test]
fn without_is_gateway_the_bridge_has_no_address() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.network(json!({ "isGateway": false })), &c1);
    assert_eq!(addresses(stage.sandbox.host(), "br0"), [""; 0]);
    assert_eq!(attached.result["ips"][0]["gateway"], "10.1.0.1", "host-local names one");
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv4/ip_forward").trim(), "0");
    attached.check().silent();
}

#[test]
fn is_gateway_gives_the_bridge_addresses_and_lets_the_host_forward() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    attach(&stage.network(json!({ "ipam": stage.ipam(&["10.1.0.0/24", "fd01::/64"]) })), &c1);
    assert_eq!(addresses(stage.sandbox.host(), "br0"), ["10.1.0.1/24", "fd01::1/64"]);
    for sysctl in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        assert_eq!(stage.sandbox.sh(&format!("cat /proc/sys/net/{sysctl}")).trim(), "1");
    }
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv6/conf/br0/accept_ra").trim(), "0");
    assert_eq!(routes(&c1, "route show default"), [""; 0]);
}

#[test]
fn is_default_gateway_adds_default_routes() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let outside = stage.outside();
    attach(&stage.dual(json!({ "isGateway": false })), &c1);
    assert_eq!(routes(&c1, "route show default"), ["default via 10.1.0.1 dev eth0"]);
    assert_eq!(routes(&c1, "-6 route show default"), ["default via fd01::1 dev eth0 metric 1024 pref medium"]);
    c1.ping("203.0.113.2").unwrap();
    outside.ping("fd01::2").unwrap();
    c1.ping("2001:db8:ffff::2").unwrap();
}

#[test]
fn address_in_the_way_is_named_and_stays() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br0 type bridge; ip addr add 10.9.0.1/24 dev br0; ip link set br0 up");
    let before = stage.snapshot();
    let attachment = Attachment::new(stage.network(json!({})), &c1);
    let error = attachment.add().failure_code(101);
    let words = "failed to set bridge addr: \"br0\" already has an IP address different from 10.1.0.1/24: 10.9.0.1/24";
    assert!(text(&error["msg"]).starts_with(words), "{error}");
    assert_eq!(addresses(stage.sandbox.host(), "br0"), ["10.9.0.1/24"]);
    assert!(before.diff(&stage.snapshot()).lines().all(|line| line.contains("leases")), "but for host-local's files");
    let forced = attachment.with_key("forceAddress", json!(true));
    forced.add().success();
    assert_eq!(addresses(stage.sandbox.host(), "br0"), ["10.1.0.1/24"]);
    c1.ping("10.1.0.1").unwrap();
}

#[test]
fn only_overlapping_ipv6_addresses_are_in_the_way() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    stage.sandbox.sh("ip link add br0 type bridge; ip addr add fd09::1/64 dev br0 nodad; ip link set br0 up");
    attach(&stage.network(json!({ "ipam": stage.ipam(&["fd01::/64"]) })), &c1);
    let mut present = addresses(stage.sandbox.host(), "br0");
    present.sort();
    assert_eq!(present, ["fd01::1/64", "fd09::1/64"]);
    let wider = stage.network(json!({ "name": "wide", "ipam": stage.ipam(&["fd01::/48"]) }));
    let error = Attachment::new(wider.clone(), &c2).add().failure_code(101);
    assert!(text(&error["msg"]).contains("different from fd01::1/48: fd01::1/64"), "{error}");
    let forced = Attachment::new(wider, &c2).with_key("forceAddress", json!(true));
    forced.add().success();
    c2.ping("fd01::1").unwrap();
}

#[test]
fn two_networks_share_a_bridge() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let one = stage.network(json!({ "ipam": stage.ipam(&["10.1.0.0/24"]) }));
    let other = stage.network(json!({ "name": "other", "ipam": stage.ipam(&["fd02::/64"]) }));
    let first = attach(&one, &c1);
    let second = attach(&other, &c2);
    assert_eq!(addresses(stage.sandbox.host(), "br0"), ["10.1.0.1/24", "fd02::1/64"]);
    second.del();
    c1.ping("10.1.0.1").unwrap();
    first.check().silent();
    first.del();
}

#[test]
fn link_that_is_no_bridge_is_refused_and_stays() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br0 type veth peer name other");
    let before = stage.snapshot();
    let attachment = Attachment::new(stage.network(json!({})), &c1);
    let error = attachment.add().failure_code(101);
    assert_eq!(error["msg"], "failed to create bridge \"br0\": \"br0\" already exists but is not a bridge");
    assert_eq!(error["details"], "it is veth");
    attachment.del().silent();
    assert!(before.diff(&stage.snapshot()).lines().all(|line| line.contains("leases")));
}

#[test]
fn bridge_of_somebody_else_is_used_with_its_ports() {
    let stage = Stage::new();
    let [c1, vm] = ["c1", "vm"].map(|name| stage.sandbox.netns(name));
    stage.sandbox.sh("ip link add br0 type bridge; ip link add tap0 type veth peer name eth0 netns vm; ip link set tap0 master br0 up");
    vm.sh("ip link set eth0 up; ip addr add 10.1.0.77/24 dev eth0");
    let index = link(stage.sandbox.host(), "br0")["ifindex"].clone();
    let attached = attach(&stage.network(json!({})), &c1);
    assert_eq!(link(stage.sandbox.host(), "br0")["ifindex"], index);
    c1.ping("10.1.0.77").unwrap();
    attached.del();
    assert_eq!(stage.ports("br0"), ["tap0"]);
    stage.sandbox.host().ping("10.1.0.77").unwrap();
}

#[test]
fn spanning_tree_does_not_delay_add() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br0 type bridge stp_state 1");
    let attached = attach(&stage.network(json!({})), &c1);
    attached.check().silent();
    let port = link(stage.sandbox.host(), &attached.port())["linkinfo"]["info_slave_data"].clone();
    assert_eq!(port["state"], "listening", "it forwards half a minute later");
}
