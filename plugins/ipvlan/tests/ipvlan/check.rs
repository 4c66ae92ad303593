//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::json;
use testkit::Lan;

use crate::stage::{network, text};

/// Starting a program takes its time in a virtual machine: one stage for all, on which each loss is repaired.
#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn loss_is_named() {
    let lan = Lan::enter();
    lan.sandbox.sh("ip link add other0 type veth peer name other1; ip link set uplink0 down");
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    for (ns, loss, repair, words) in [
        (&c1, "ip addr del fd01::2/64 dev eth0", "ip addr add fd01::2/64 dev eth0", "address fd01::2/64 has gone"),
        (&c1, "ip route del default", "ip route add default via 10.1.0.1", "route to 0.0.0.0/0 has gone"),
        (
            &c1,
            "ip link set eth0 type ipvlan mode l3",
            "ip link set eth0 type ipvlan mode l2",
            "its mode is l3 bridge, not l2 bridge",
        ),
        (
            &c1,
            "ip link set eth0 type ipvlan mode l2 private",
            "ip link set eth0 type ipvlan mode l2 bridge",
            "its mode is l2 private, not l2 bridge",
        ),
        (lan.sandbox.host(), "ip link set uplink0 name was0", "", "its master \"uplink0\" has gone"),
        (
            lan.sandbox.host(),
            "ip link set other0 name uplink0",
            "ip link set uplink0 name other0; ip link set was0 name uplink0",
            "it is not on \"uplink0\"",
        ),
        (&c1, "ip link del eth0", "", "\"eth0\" in /run/netns/c1: it has gone"),
        (&c1, "ip link add eth0 type bridge", "", "it is bridge, not ipvlan"),
    ] {
        ns.sh(loss);
        let msg = text(&attached.check().failure_code(103)["msg"]);
        assert!(msg.contains(words), "{loss}: {msg}");
        ns.sh(repair);
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn changes_of_later_plugins_are_accepted() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({ "mtu": 1400 })), "c1");
    for script in [
        "ip route add 192.168.0.0/16 via 10.1.0.1; ip addr add 10.1.0.99/24 dev eth0",
        "echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp; ip link set eth0 mtu 1300",
        "ip route del default; ip route add default via 10.1.0.1 dev eth0 table 100",
    ] {
        c1.sh(script);
        attached.check().silent();
    }
}
