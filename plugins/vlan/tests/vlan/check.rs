//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::json;
use testkit::{Attached, Lan};

use crate::stage::{network, tagged};

/// What CHECK says of an attachment once a script has run in the container.
#[track_caller]
fn complaint(lan: &Lan, script: &str) -> String {
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.2/24", "gateway": "10.1.0.1" }],
        "routes": [{ "dst": "0.0.0.0/0" }] });
    let (container, attached) = lan.attach(&network(lan, json!({ "ipam": ipam })), "c1");
    attached.check().silent();
    container.sh(script);
    let said = attached.complaint();
    attached.del();
    container.remove();
    said
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn loss_is_named() {
    let lan = tagged();
    for (script, words) in [
        ("ip addr del 10.1.0.2/24 dev eth0", "\"eth0\": address 10.1.0.2/24 has gone"),
        ("ip route del default", "route to 0.0.0.0/0 has gone"),
        ("ip link del eth0", "\"eth0\" in /run/netns/c1: it has gone"),
        ("ip link set eth0 address 02:00:00:00:00:77", "its address is 02:00:00:00:00:77, not "),
        ("ip link del eth0; ip link add eth0 type bridge", "it is bridge, not vlan"),
    ] {
        let msg = complaint(&lan, script);
        assert!(msg.contains(words), "{script}: {msg}");
    }
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn another_vlan_or_that_of_another_master_is_named() {
    let lan = tagged();
    lan.sandbox.sh("ip link add other0 type veth peer name other1; ip link set other0 up");
    for (link, id, words) in [("uplink0", 200, "its VLAN is 200, not 100"), ("other0", 100, "it is not on \"uplink0\"")]
    {
        let again = format!(
            "mac=$(ip -o link show eth0 | sed 's/.*ether //; s/ .*//'); ip link del eth0
            ip -n host link add link {link} name eth0 netns c1 address $mac type vlan id {id}
            ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0; ip route add default via 10.1.0.1"
        );
        assert_eq!(complaint(&lan, &again), format!("check interface \"eth0\": {words}"));
    }
    let (_c1, Attached { attachment, result }) = lan.attach(&network(&lan, json!({})), "c1");
    for (master, words) in [("other0", "it is not on \"other0\""), ("gone0", "its master \"gone0\" has gone")] {
        let error = attachment.with_key("master", json!(master)).with_prev(&result).check().failure_code(103);
        assert_eq!(error["msg"], format!("check interface \"eth0\": {words}"));
    }
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn changes_of_later_plugins_are_accepted() {
    let lan = tagged();
    let (c1, attached) = lan.attach(&network(&lan, json!({ "mtu": 1400 })), "c1");
    c1.sh("ip link set eth0 mtu 1300; ip addr add 10.1.0.99/24 dev eth0; ip route add 192.168.0.0/16 via 10.1.0.1
        ip route del default; ip route add default via 10.1.0.1 dev eth0 table 100
        echo 0 > /proc/sys/net/ipv4/conf/eth0/arp_notify");
    attached.check().silent();
}
