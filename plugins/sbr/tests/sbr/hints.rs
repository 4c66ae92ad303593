//! `addSourceHints`: the main table keeps what is on the link, and packets that have no address yet get the interface's.

use serde_json::{Value, json};
use testkit::{assert_same, eventually};

use crate::stage::{Place, Stage, assert_reached_from_the_right, prev, rules, table};

fn hinted() -> Value {
    json!({ "addSourceHints": true })
}

/// The address that a packet to `dst` gets, which has none yet.
fn source_to(place: &Place, dst: &str) -> String {
    place.ns.json(&format!("ip -j route get {dst}"))[0]["prefsrc"].as_str().unwrap().to_owned()
}

#[test]
fn networks_stay_in_the_main_table_with_a_hint_and_what_is_behind_them_goes() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("ip route add 10.7.0.0/16 dev net1 scope link; ip -6 route add fd07::/64 dev net1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, hinted());
    attachment.add().success();
    assert_eq!(
        table(&place.ns, "main"),
        [
            "10.1.0.0/24 scope link src 10.1.0.2",
            "10.7.0.0/16 scope link",
            "fd01::/64 src fd01::2 metric 256",
            "fd07::/64 metric 1024",
            "fe80::/64 metric 256"
        ]
    );
    assert_eq!(rules(&place.ns), ["from 10.1.0.2 lookup 100", "from fd01::2 lookup 101"]);
    assert!(table(&place.ns, "101").contains(&"fd01::/64 metric 256".to_owned()));
    // A neighbour is reached without naming the interface, and the world by the other one.
    place.ns.ping("10.1.0.1").unwrap();
    place.ns.ping("fd01::1").unwrap();
    assert_eq!((source_to(&place, "fd01::1"), source_to(&place, "203.0.113.9")), ("fd01::2".into(), "10.0.0.2".into()));
    assert_reached_from_the_right(&place);
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn routes_of_networks_that_are_missing_are_made_and_go_again() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("ip addr flush dev net1 scope global; ip addr add 10.1.0.2/24 dev net1 noprefixroute
        ip addr add fd01::2/64 dev net1 nodad noprefixroute; ip addr add 10.4.0.2/32 dev net1
        ip route add 10.1.0.1 dev net1; ip -6 route add fd01::1 dev net1");
    let before = place.ns.snapshot();
    let mut told = prev("1.1.0", &place.ns);
    told["ips"].as_array_mut().unwrap().push(json!({ "interface": 1, "address": "10.4.0.2/32" }));
    let attachment = stage.attach(&place, hinted()).with_prev(&told);
    attachment.add().success();
    let main = table(&place.ns, "main");
    for route in ["10.1.0.0/24 proto 77 scope link src 10.1.0.2", "fd01::/64 proto 77 src fd01::2 metric 1024"] {
        assert!(main.contains(&route.to_owned()), "{main:?}");
    }
    assert!(!main.iter().any(|route| route.starts_with("10.4.0.2")), "{main:?}");
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

/// The kernel replaces the first route to a network, whosever it is: the reference takes that of the other interface.
#[test]
fn another_interface_in_the_same_network_keeps_its_route() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("ip addr add 10.1.0.9/24 dev eth0; ip addr add fd01::9/64 dev eth0 nodad
        ip addr del 10.1.0.2/24 dev net1; ip addr add 10.1.0.2/24 dev net1 noprefixroute
        ip route append 10.1.0.0/24 dev net1 scope link");
    let of_eth0 = || place.ns.sh("ip route show 10.1.0.0/24 dev eth0; ip -6 route show fd01::/64 dev eth0");
    eventually(
        std::time::Duration::from_secs(5),
        || {
            if of_eth0().lines().count() == 2 { Ok(()) } else { Err(of_eth0()) }
        },
    );
    let (before, of_eth0_before) = (place.ns.snapshot(), of_eth0());
    let attachment = stage.attach(&place, hinted());
    attachment.add().success();
    assert_eq!(of_eth0(), of_eth0_before);
    let main = table(&place.ns, "main");
    for route in ["10.1.0.0/24 scope link src 10.1.0.2", "fd01::/64 src fd01::2 metric 256"] {
        assert!(main.contains(&route.to_owned()), "{main:?}");
    }
    assert!(place.ns.sh("ip route show 10.1.0.0/24").starts_with("10.1.0.0/24 dev eth0"), "the order stays");
    attachment.del().silent();
    assert_eq!(of_eth0(), of_eth0_before);
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn addresses_that_are_still_probed_for_other_owners_are_waited_for() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("echo 1 > /proc/sys/net/ipv6/conf/net1/accept_dad; ip -6 addr del fd01::2/64 dev net1
        ip -6 addr add fd01::2/64 dev net1");
    assert!(place.ns.sh("ip -6 addr show dev net1 tentative").contains("fd01::2"));
    stage.attach(&place, hinted()).add().success();
    assert!(table(&place.ns, "main").contains(&"fd01::/64 src fd01::2 metric 256".to_owned()));
}
