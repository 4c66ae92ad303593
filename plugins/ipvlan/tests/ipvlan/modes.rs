//! Modes and flags, with packets: who reaches whom.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan, TestNs, eventually};

use crate::stage::{network, text};

/// Longer than it takes on a busy machine.
const LONG: Duration = Duration::from_secs(10);

/// Two containers on networks of a mode and a flag.
fn two(lan: &Lan, mode: &str, flag: &str) -> [(TestNs, Attached); 2] {
    ["c1", "c2"].map(|name| {
        let (container, attached) = lan.attach(&network(lan, json!({ "mode": mode, "flag": flag })), name);
        let data = &container.link("eth0")["linkinfo"]["info_data"];
        assert_eq!([&data["mode"], &data[flag]], [&json!(mode), &json!(true)]);
        attached.check().silent();
        (container, attached)
    })
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn layer_2_containers_reach_each_other_and_the_outside() {
    let lan = Lan::enter();
    let [(c1, _), (_c2, two)] = two(&lan, "l2", "bridge");
    for address in ["10.1.0.1", "fd01::1"] {
        c1.ping(address).unwrap();
    }
    for place in [0, 1] {
        c1.ping(two.ip(place)).unwrap();
        lan.outside.ping(two.ip(place)).unwrap();
    }
}

/// The host is the router between the outside and the containers' subnets.
fn route(lan: &Lan) {
    lan.sandbox.sh("ip addr add 192.0.2.1/24 dev uplink0; ip addr add 2001:db8::1/64 dev uplink0 nodad");
    lan.outside.sh("ip addr flush dev eth0 scope global
        ip addr add 192.0.2.2/24 dev eth0; ip addr add 2001:db8::2/64 dev eth0 nodad
        ip route add 10.1.0.0/24 via 192.0.2.1; ip route add fd01::/64 via 2001:db8::1");
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn layer_3_containers_are_routed_by_the_host() {
    for mode in ["l3", "l3s"] {
        let lan = Lan::enter();
        route(&lan);
        let [(c1, one), (_c2, two)] = two(&lan, mode, "bridge");
        // The host has to find its neighbours first, on a machine that may be busy.
        let reach = |from: &TestNs, to: &str| eventually(LONG, || from.ping(to));
        for address in ["192.0.2.2", "2001:db8::2"] {
            reach(&c1, address);
        }
        for place in [0, 1] {
            reach(&c1, &two.ip(place));
            reach(&lan.outside, &two.ip(place));
        }
        one.del();
        two.check().silent();
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn private_containers_reach_the_outside_and_never_each_other() {
    for mode in ["l2", "l3"] {
        let lan = Lan::enter();
        if mode == "l3" {
            route(&lan);
        }
        let [(c1, one), (c2, two)] = two(&lan, mode, "private");
        let outside = if mode == "l3" { "192.0.2.2" } else { "10.1.0.1" };
        for container in [&c1, &c2] {
            container.ping(outside).unwrap();
        }
        c1.ping(two.ip(0)).unwrap_err();
        c2.ping(one.ip(1)).unwrap_err();
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn vepa_containers_reach_each_other_by_way_of_a_switch_that_sends_frames_back() {
    let lan = Lan::enter();
    let [(c1, _), (_c2, two)] = two(&lan, "l2", "vepa");
    c1.ping("10.1.0.1").unwrap();
    c1.ping(two.ip(0)).unwrap_err();
    lan.outside.sh("ip link add br0 type bridge; ip link set br0 up
        ip addr flush dev eth0; ip link set eth0 master br0; bridge link set dev eth0 hairpin on
        ip addr add 10.1.0.1/24 dev br0; ip addr add fd01::1/64 dev br0 nodad");
    // It is asking for the other's hardware address still, once a second.
    eventually(LONG, || c1.ping("10.1.0.1").and_then(|()| c1.ping(two.ip(0))));
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn containers_that_are_kept_apart_do_not_get_together_by_another_network() {
    let lan = Lan::enter();
    let [(c1, one), (_c2, two)] = two(&lan, "l2", "private");
    let other = lan.sandbox.netns("other");
    let refused = Attachment::new(network(&lan, json!({})), &other).add().failure_code(100);
    assert_eq!(refused["msg"], "create ipvlan on \"uplink0\": Device or resource busy (EBUSY)");
    let words = "links that are on it have another flag than bridge";
    assert!(text(&refused["details"]).starts_with(words), "{refused}");
    assert_eq!(other.json("ip -j link show type ipvlan"), json!([]));
    c1.ping(two.ip(0)).unwrap_err();
    one.check().silent();
    one.del();
    two.del();
    // The last one has gone.
    lan.attach(&network(&lan, json!({})), "new").1.check().silent();
}

/// The kernel has one mode for all links of a master: the last one decides, and CHECK of the others tells.
#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn mode_is_the_masters() {
    let lan = Lan::enter();
    let (c1, one) = lan.attach(&network(&lan, json!({ "mode": "l2" })), "c1");
    let (_c2, two) = lan.attach(&network(&lan, json!({ "mode": "l3" })), "c2");
    two.check().silent();
    assert_eq!(c1.link("eth0")["linkinfo"]["info_data"]["mode"], "l3");
    let error: Value = one.check().failure_code(103);
    assert_eq!(text(&error["msg"]), "check interface \"eth0\": its mode is l3 bridge, not l2 bridge");
}
