//! ADD: the interface in its VRF, with its addresses, and its routes in the VRF's table.

use std::time::Duration;

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, assert_reached, attach, attach_at, master, prev, table, vrfs};

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn interface_is_in_the_vrf_with_addresses_and_routes_and_del_brings_it_back() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip route add 10.77.0.0/16 dev net1 scope link src 10.1.0.2 proto static; ip -6 route add fd77::/64 dev net1 pref high
        ip route add 203.0.113.0/24 via 10.1.0.1 dev net1 table 300; ip route add default via 10.1.0.1 dev net1 metric 50");
    let before = ns.snapshot();
    let (main, others) = (table(&ns, "main", "net1"), table(&ns, "300", "net1"));
    for keys in [json!({ "vrfname": "blue" }), json!({ "vrfname": "blue", "table": 1001 })] {
        let number = keys["table"].as_u64().unwrap_or(1);
        let attachment = attach(&ns, "net1", 1, keys);
        let result = attachment.add().success();
        assert_eq!(result, prev("1.1.0", &ns, "net1", 1), "the result is the previous one");
        assert_eq!((master(&ns, "net1"), vrfs(&ns)), (Some("blue".into()), vec![("blue".into(), number)]));
        assert!(ns.sh("ip link show blue").contains("UP"));
        assert_eq!(table(&ns, &number.to_string(), "net1"), main);
        assert_eq!((table(&ns, "main", "net1"), table(&ns, "300", "net1")), (vec![], others.clone()));
        let addresses = ns.sh("ip addr show dev net1");
        assert!(addresses.contains("10.1.0.2/24") && addresses.contains("fd01::2/64"), "{addresses}");
        assert_reached(&ns, "blue", 1);
        ns.ping("10.0.0.1").unwrap();
        let tag = ns.json("ip -j link show dev blue")[0]["ifalias"].as_str().unwrap().to_owned();
        assert!(tag.ends_with("net: net, if: net1, id: c1"), "{tag}");
        attachment.with_prev(&result).check().silent();
        attachment.with_prev(&result).del().silent();
        assert_same(&before, &ns.snapshot());
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn packets_from_outside_are_answered_by_the_vrf() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    let there = stage.link(&ns, "net1", 1);
    ns.sh("echo 1 > /proc/sys/net/ipv4/tcp_l3mdev_accept");
    attach(&ns, "net1", 1, json!({ "vrfname": "blue" })).add().success();
    let server = ns.listen_tcp("0.0.0.0:80");
    there.sh("ip route add 10.1.0.2 dev eth0 src 198.51.100.1");
    let reply = there.connect_tcp("10.1.0.2:80", Duration::from_secs(10)).unwrap();
    assert_eq!(reply.peer.ip().to_string(), "198.51.100.1");
    drop(server);
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn addresses_survive_with_their_flags_whatever_the_kernel_is_told() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip addr add fd55::2/64 dev net1 nodad noprefixroute; ip addr add 10.55.0.2/24 dev net1 label net1:x");
    for keep in ["0", "1"] {
        ns.sh(&format!("echo {keep} > /proc/sys/net/ipv6/conf/net1/keep_addr_on_down"));
        let before = ns.snapshot();
        let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
        attachment.add().success();
        let addresses = ns.sh("ip addr show dev net1");
        for words in ["fd55::2/64 scope global nodad noprefixroute", "net1:x", "fd01::2/64 scope global nodad"] {
            assert!(addresses.contains(words), "{words}: {addresses}");
        }
        assert_eq!(ns.sh("cat /proc/sys/net/ipv6/conf/net1/keep_addr_on_down").trim(), keep);
        attachment.del().silent();
        assert_same(&before, &ns.snapshot());
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn addresses_that_are_probed_for_other_owners_can_be_used_when_add_returns() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("echo 1 > /proc/sys/net/ipv6/conf/net1/accept_dad; ip -6 addr del fd01::2/64 dev net1; ip -6 addr add fd01::2/64 dev net1");
    attach(&ns, "net1", 1, json!({ "vrfname": "blue" })).add().success();
    assert_eq!(ns.sh("ip -6 addr show dev net1 scope global tentative"), "");
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn interface_that_is_down_stays_down() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip link set net1 down");
    // The kernel forgets that its address is a local one, with or without us.
    let snapshot = || ns.snapshot().without(&["table=local"]);
    let before = snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    assert!(!ns.sh("ip link show net1").contains(",UP"));
    attachment.del().silent();
    assert_same(&before, &snapshot());
}

/// Kernels make one route with several next hops of IPv6 routes with the same metric (containernetworking/plugins#1253).
#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn ipv6_route_that_shares_its_destination_with_another_interface_moves_alone() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip -6 route append default via fd01::1 dev net1");
    assert_eq!(ns.sh("ip -6 route show default").matches("nexthop").count(), 2);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue", "table": 10 }));
    attachment.add().success();
    assert_eq!(ns.sh("ip -6 route show default").trim(), "default via fd00::1 dev eth0 metric 1024 pref medium");
    assert!(table(&ns, "10", "net1").contains(&"default via fd01::1 metric 1024".to_owned()));
    attachment.del().silent();
    assert_eq!(ns.sh("ip -6 route show default").matches("nexthop").count(), 2);
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn every_version_hands_its_result_on() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let before = ns.snapshot();
    for version in ["0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let attachment = attach_at(version, &ns, "net1", 1, json!({ "vrfname": "blue" }));
        assert_eq!(attachment.add().success(), prev(version, &ns, "net1", 1));
        attachment.del().silent();
        assert_same(&before, &ns.snapshot());
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn second_add_is_refused_and_leaves_the_first() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    let made = ns.snapshot();
    let error = attachment.add().failure_code(101);
    assert!(error["msg"].as_str().unwrap().contains("it is one of \"blue\" already"), "{error}");
    assert_same(&made, &ns.snapshot());
    attachment.check().silent();
}
