//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan};

use crate::stage::{network, text};

/// What CHECK says once a script has run in the container, and another on the host.
fn complaint(keys: Value, inside: &str, on_host: &str) -> String {
    let lan = Lan::enter();
    lan.sandbox.sh("ip link add other0 type veth peer name other1");
    let (c1, attached) = lan.attach(&network(&lan, keys), "c1");
    attached.check().silent();
    c1.sh(inside);
    lan.sandbox.sh(on_host);
    text(&attached.check().failure_code(103)["msg"])
}

#[test]
fn loss_is_named() {
    let again = "ip link add link LINK name eth0 netns c1 address 02:00:00:00:00:0a type macvlan mode bridge";
    for (inside, on_host, words) in [
        ("ip addr del 10.1.0.2/24 dev eth0", "", "\"eth0\": address 10.1.0.2/24 has gone"),
        ("ip addr del fd01::2/64 dev eth0", "", "\"eth0\": address fd01::2/64 has gone"),
        ("ip route del default", "", "route to 0.0.0.0/0 has gone"),
        ("ip link del eth0", "", "\"eth0\" in /run/netns/c1: it has gone"),
        ("ip link set eth0 address 02:00:00:00:00:77", "", "its address is 02:00:00:00:00:77, not 02:00:00:00:00:0a"),
        ("ip link del eth0; ip link add eth0 type bridge", "", "it is bridge, not macvlan"),
        ("ip link set eth0 type macvlan mode private", "", "its mode is private, not bridge"),
        ("", "ip link set uplink0 name uplink1", "its master \"uplink0\" has gone"),
        ("", "ip link set uplink0 name uplink1; ip link set other0 name uplink0", "it is not on \"uplink0\""),
    ] {
        let msg = complaint(json!({ "mac": "02:00:00:00:00:0a" }), inside, on_host);
        assert!(msg.contains(words), "{inside}{on_host}: {msg}");
    }
    let layer_2 = json!({ "mac": "02:00:00:00:00:0a", "ipam": null });
    let msg = complaint(layer_2.clone(), "ip link del eth0", &again.replace("LINK", "other0"));
    assert_eq!(msg, "check interface \"eth0\": it is not on \"uplink0\"");
    let private = json!({ "mac": "02:00:00:00:00:0a", "ipam": null, "mode": "private" });
    let msg = complaint(private, "ip link del eth0", &again.replace("LINK", "uplink0"));
    assert_eq!(msg, "check interface \"eth0\": its mode is bridge, not private");
}

#[test]
fn changes_of_later_plugins_are_accepted() {
    for script in [
        "ip route add 192.168.0.0/16 via 10.1.0.1; ip addr add 10.1.0.99/24 dev eth0",
        "echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp; ip link set eth0 mtu 1300; ip link set eth0 allmulticast on",
        "ip route del default; ip route add default via 10.1.0.1 dev eth0 table 100",
        "ip route del default; ip route add default via 10.1.0.1 dev eth0 metric 500",
    ] {
        let lan = Lan::enter();
        let (c1, attached) = lan.attach(&network(&lan, json!({ "mtu": 1400 })), "c1");
        c1.sh(script);
        attached.check().silent();
    }
}

#[test]
fn address_of_a_single_host_has_no_network_that_could_be_missing() {
    let lan = Lan::enter();
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.9/32" }, { "address": "fd01::9/128" }],
        "routes": [{ "dst": "10.1.0.0/24", "scope": 253 }] });
    let (c1, attached) = lan.attach(&network(&lan, json!({ "ipam": ipam })), "c1");
    attached.check().silent();
    c1.ping("10.1.0.1").unwrap();
}

#[test]
fn configuration_and_previous_result_are_required() {
    let lan = Lan::enter();
    let (_c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    assert_eq!(attached.attachment.check().failure_code(7)["msg"], "required prevResult missing");
    attached.attachment.with_prev(&attached.result).with_key("mode", json!("x")).check().failure_code(7);
    let Attached { attachment, result } = attached;
    std::fs::remove_file(lan.leases().join("net/10.1.0.2")).unwrap();
    // It is the delegate's complaint.
    Attached { attachment, result }.check().failure();
}

#[test]
fn result_of_another_container_is_none_of_ours() {
    let lan = Lan::enter();
    let (_c1, one) = lan.attach(&network(&lan, json!({ "ipam": null })), "c1");
    let c2 = lan.sandbox.netns("c2");
    let other = Attachment::new(network(&lan, json!({ "ipam": null })), &c2);
    let error = other.with_prev(&one.result).check().failure_code(7);
    assert!(text(&error["msg"]).contains("prevResult has none of that name in sandbox /run/netns/c2"), "{error}");
}
