//! The modes, with packets: who reaches whom.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan, TestNs, eventually};

use crate::stage::{network, text};

/// Longer than it takes on a busy machine.
const LONG: Duration = Duration::from_secs(10);

/// Two containers on networks of these modes.
fn two(lan: &Lan, modes: [&str; 2]) -> [(TestNs, Attached); 2] {
    let attach = |mode: &str, container: &str| {
        let (container, attached) = lan.attach(&network(lan, json!({ "mode": mode })), container);
        assert_eq!(container.link("eth0")["linkinfo"]["info_data"]["mode"], mode);
        attached.check().silent();
        (container, attached)
    };
    [attach(modes[0], "c1"), attach(modes[1], "c2")]
}

/// Makes the other end of the host's link send frames back to where they come from, as a switch for VEPA does.
fn reflect(lan: &Lan) {
    lan.outside.sh("ip link add br0 type bridge; ip link set br0 up
        ip addr flush dev eth0; ip link set eth0 master br0; bridge link set dev eth0 hairpin on
        ip addr add 10.1.0.1/24 dev br0; ip addr add fd01::1/64 dev br0 nodad");
}

#[test]
fn bridge_containers_reach_each_other_and_the_outside() {
    let lan = Lan::enter();
    let [(c1, _), (c2, two)] = two(&lan, ["bridge", "bridge"]);
    for place in [0, 1] {
        c1.ping(two.ip(place)).unwrap();
    }
    for container in [c1, c2] {
        container.ping("10.1.0.1").unwrap();
        container.ping("fd01::1").unwrap();
    }
    lan.outside.ping(two.ip(0)).unwrap();
}

#[test]
fn private_containers_reach_the_outside_and_never_each_other() {
    let lan = Lan::enter();
    let [(c1, _), (c2, two)] = two(&lan, ["private", "private"]);
    for container in [&c1, &c2] {
        container.ping("10.1.0.1").unwrap();
    }
    c1.ping(two.ip(0)).unwrap_err();
    reflect(&lan);
    c1.ping("10.1.0.1").unwrap();
    c1.ping(two.ip(0)).unwrap_err();
}

#[test]
fn vepa_containers_reach_each_other_by_way_of_a_switch_that_sends_frames_back() {
    let lan = Lan::enter();
    let [(c1, _), (_c2, two)] = two(&lan, ["vepa", "vepa"]);
    c1.ping("10.1.0.1").unwrap();
    c1.ping(two.ip(0)).unwrap_err();
    reflect(&lan);
    // It is asking for the other's hardware address still, once a second.
    eventually(LONG, || c1.ping(two.ip(0)));
    c1.ping(two.ip(1)).unwrap();
}

#[test]
fn modes_may_differ_on_one_master() {
    let lan = Lan::enter();
    let [(c1, one), (_c2, two)] = two(&lan, ["bridge", "private"]);
    c1.ping(two.ip(0)).unwrap_err();
    c1.ping("10.1.0.1").unwrap();
    one.check().silent();
}

#[test]
fn passthru_has_the_master_for_itself() {
    let lan = Lan::enter();
    let mac = lan.sandbox.host().link("uplink0")["address"].clone();
    let conf = network(&lan, json!({ "mode": "passthru" }));
    let (c1, attached) = lan.attach(&conf, "c1");
    assert_eq!(attached.result["interfaces"][0]["mac"], mac);
    c1.ping("10.1.0.1").unwrap();
    lan.outside.ping(attached.ip(1)).unwrap();
    attached.check().silent();
    for mode in ["passthru", "bridge"] {
        let other = lan.sandbox.netns(mode);
        let before = [lan.snapshot(), other.snapshot()];
        let error = Attachment::new(network(&lan, json!({ "mode": mode })), &other).add().failure_code(100);
        assert!(text(&error["msg"]).starts_with("create macvlan on \"uplink0\": Invalid argument"), "{error}");
        assert!(text(&error["details"]).contains("in mode passthru a link has it for itself"), "{error}");
        testkit::assert_same(&before[0], &lan.snapshot());
        testkit::assert_same(&before[1], &other.snapshot());
    }
    attached.del();
    lan.attach(&conf, "c2").0.ping("10.1.0.1").unwrap();
}

#[test]
fn passthru_gives_the_master_the_containers_hardware_address_for_as_long() {
    let lan = Lan::enter();
    let of_master = || lan.sandbox.host().link("uplink0")["address"].clone();
    let (before, mac) = (of_master(), json!("02:00:00:00:00:0a"));
    let (c1, attached) = lan.attach(&network(&lan, json!({ "mode": "passthru", "mac": mac })), "c1");
    assert_eq!([&attached.result["interfaces"][0]["mac"], &of_master()], [&mac, &mac]);
    c1.ping("10.1.0.1").unwrap();
    attached.check().silent();
    attached.del();
    assert_eq!(of_master(), before);
    // Also when ADD fails behind it.
    let conf = network(
        &lan,
        json!({ "mode": "passthru", "mac": mac, "ipam": { "type": "static",
        "addresses": [{ "address": "10.1.0.9/24" }], "routes": [{ "dst": "10.9.0.0/16", "gw": "172.16.0.1" }] } }),
    );
    Attachment::new(conf, &c1).add().failure_code(100);
    assert_eq!(of_master(), before);
    assert_eq!(c1.json("ip -j link show type macvlan"), Value::Array(Vec::new()));
}
