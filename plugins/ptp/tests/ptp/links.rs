//! The pair: addresses and routes at both ends, and packets between them, at once.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Attached, Stage, addresses, lines, link, text};

/// An `ipam` with one fixed address.
fn fixed(address: &str, gateway: Option<&str>) -> Value {
    json!({ "type": "static", "addresses": [{ "address": address, "gateway": gateway }] })
}

#[test]
fn subnets_are_behind_the_gateway_which_is_the_hosts_end() {
    let stage = Stage::new();
    let (c1, attached) = stage.attach(&stage.network(json!({})), "c1");
    assert_eq!(addresses(&c1, "eth0"), ["10.1.0.2/24", "fd01::2/64"]);
    assert_eq!(
        lines(&c1, "route"),
        [
            "default via 10.1.0.1 dev eth0",
            "10.1.0.0/24 via 10.1.0.1 dev eth0 src 10.1.0.2",
            "10.1.0.1 dev eth0 scope link src 10.1.0.2",
        ]
    );
    let v6 = lines(&c1, "-6 route");
    for route in [
        "fd01::1 dev eth0 src fd01::2 metric 1024 pref medium",
        "fd01::/64 via fd01::1 dev eth0 src fd01::2 metric 1024 pref medium",
        "default via fd01::1 dev eth0 metric 1024 pref medium",
    ] {
        assert!(v6.iter().any(|line| line == route), "{route}: {v6:?}");
    }
    let (host, near) = (stage.host(), attached.near());
    assert_eq!(addresses(host, &near), ["10.1.0.1/32", "fd01::1/128"]);
    assert_eq!(lines(host, "route"), [format!("10.1.0.2 dev {near} scope host")]);
    assert_eq!(lines(host, "-6 route show fd01::2"), [format!("fd01::2 dev {near} metric 1024 pref medium")]);
    assert_eq!(host.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding"), "1\n1\n");
    assert_eq!(host.sh(&format!("cd /proc/sys/net/ipv6/conf/{near}; cat accept_ra accept_dad")), "0\n0\n");
    assert!(near.starts_with("veth") && near.len() == 15, "{near}");
    assert!(text(&link(host, &near)["ifalias"]).ends_with(", net: net, if: eth0, id: c1"));
}

#[test]
fn every_packet_arrives_as_soon_as_add_returns() {
    let stage = Stage::new();
    let conf = stage.network(json!({}));
    let (c0, first) = stage.attach(&conf, "c0");
    // A single attempt each: a lost packet would be sent again after a second.
    let once = |from: &testkit::TestNs, to: &str| from.sh(&format!("ping -n -q -c 1 -W 1 {to}"));
    for n in 1..6 {
        let (container, attached) = stage.attach(&conf, &format!("c{n}"));
        let peers = [
            [(&c0, attached.ip(1)), (stage.host(), attached.ip(0)), (&container, "fd01::1".into())],
            [(&c0, attached.ip(0)), (stage.host(), attached.ip(1)), (&container, first.ip(1))],
        ];
        // What comes first differs: it must not be what makes the others work.
        for (from, to) in &peers[n % 2] {
            once(from, to);
        }
        for (from, to) in &peers[(n + 1) % 2] {
            once(from, to);
        }
    }
}

/// Where the first link of host and container is the pair, the kernel takes its time.
#[test]
fn pair_whose_ends_have_the_same_number_can_be_used_at_once_too() {
    let stage = Stage::bare();
    let (c1, attached) = stage.attach(&stage.network(json!({})), "c1");
    assert_eq!(link(stage.host(), &attached.near())["ifindex"], link(&c1, "eth0")["ifindex"]);
    for to in ["fd01::2", "10.1.0.2"] {
        stage.host().ping(to).unwrap();
    }
}

#[test]
fn addresses_are_announced_when_they_change_and_are_not_probed() {
    let stage = Stage::new();
    let (c1, _) = stage.attach(&stage.network(json!({})), "c1");
    for setting in ["ipv4/conf/eth0/arp_notify", "ipv6/conf/eth0/ndisc_notify", "ipv6/conf/eth0/keep_addr_on_down"] {
        assert_eq!(c1.sh(&format!("cat /proc/sys/net/{setting}")), "1\n", "{setting}");
    }
    assert_eq!(c1.sh("cat /proc/sys/net/ipv6/conf/eth0/accept_dad"), "0\n");
    assert_eq!(c1.sh("ip -6 addr show tentative"), "");
}

#[test]
fn container_without_ipv6_gets_it_with_its_address() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    c1.sh("for link in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$link/disable_ipv6; done");
    Attached::new(Attachment::new(stage.network(json!({})), &c1));
    c1.ping("fd01::1").unwrap();
}

#[test]
fn address_without_a_subnet_needs_only_its_gateway() {
    let stage = Stage::new();
    for (n, (address, gateway)) in [("10.1.0.5/32", "169.254.1.1"), ("fd01::5/128", "fe80::1")].into_iter().enumerate()
    {
        let conf = stage.network(json!({ "name": format!("n{n}"), "ipam": fixed(address, Some(gateway)) }));
        let (c1, attached) = stage.attach(&conf, &format!("c{n}"));
        assert_eq!(addresses(&c1, "eth0"), [address]);
        let family = if address.contains(':') { "-6" } else { "-4" };
        let routes = lines(&c1, &format!("{family} route show {gateway}"));
        assert!(routes[0].starts_with(&format!("{gateway} dev eth0")), "{routes:?}");
        stage.host().ping(attached.ip(0)).unwrap();
        attached.check().silent();
        attached.del();
    }
}

#[test]
fn gateway_is_the_first_address_where_the_delegate_names_none() {
    let stage = Stage::new();
    for (n, (address, gateway)) in [("10.1.0.5/24", "10.1.0.1"), ("fd01::5/64", "fd01::1")].into_iter().enumerate() {
        let (c1, attached) = stage.attach(&stage.network(json!({ "ipam": fixed(address, None) })), &format!("c{n}"));
        assert_eq!(attached.result["ips"][0]["gateway"], gateway);
        c1.ping(gateway).unwrap();
        attached.check().silent();
    }
}

#[test]
fn several_addresses_of_a_subnet_share_its_gateway() {
    let stage = Stage::new();
    let both = json!({ "type": "static", "addresses": [
        { "address": "10.1.0.5/24", "gateway": "10.1.0.1" }, { "address": "10.1.0.6/24", "gateway": "10.1.0.1" }] });
    let (c1, attached) = stage.attach(&stage.network(json!({ "ipam": both, "ipMasq": true })), "c1");
    assert_eq!(addresses(stage.host(), &attached.near()), ["10.1.0.1/32"]);
    for address in ["10.1.0.5", "10.1.0.6"] {
        stage.host().ping(address).unwrap();
        c1.sh(&format!("ping -n -q -c 1 -W 1 -I {address} 10.1.0.1"));
    }
    attached.check().silent();
    attached.del();
    assert_eq!(stage.ends(), [""; 0]);
}

#[test]
fn routes_of_the_delegate_have_every_attribute() {
    let stage = Stage::new();
    let mut ipam = stage.ipam(["10.1.0.0/24", "fd01::/64"]);
    let wanted = json!([
        { "dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1360, "priority": 77 },
        { "dst": "192.168.0.0/16", "gw": "10.1.0.1", "table": 1000 },
        { "dst": "fd05::/64", "gw": "fd01::1", "mtu": 1300, "priority": 5 },
        // As the reference has it. Who is to answer there, with proxy ARP, is not the plugin's to know.
        { "dst": "192.168.5.0/24", "gw": "10.1.0.9" },
        { "dst": "fd06::/64", "gw": "fd01::9" },
    ]);
    ipam["routes"] = wanted.clone();
    let (c1, attached) = stage.attach(&stage.network(json!({ "ipam": ipam })), "c1");
    assert_eq!(lines(&c1, "route show default"), ["default via 10.1.0.1 dev eth0 metric 77 mtu 1400 advmss 1360"]);
    assert_eq!(lines(&c1, "route show table 1000"), ["192.168.0.0/16 via 10.1.0.1 dev eth0"]);
    let v6 = lines(&c1, "-6 route show fd05::/64");
    assert_eq!(v6, ["fd05::/64 via fd01::1 dev eth0 metric 5 mtu 1300 pref medium"]);
    assert_eq!(lines(&c1, "route show 192.168.5.0/24"), ["192.168.5.0/24 via 10.1.0.9 dev eth0 onlink"]);
    assert!(lines(&c1, "-6 route show fd06::/64")[0].starts_with("fd06::/64 via fd01::9 dev eth0 metric 1024 onlink"));
    assert_eq!(attached.result["routes"], wanted);
    attached.check().silent();
}

#[test]
fn address_that_another_network_has_is_refused() {
    let stage = Stage::new();
    let network = |name: &str| stage.network(json!({ "name": name, "ipam": fixed("10.1.0.5/24", None) }));
    let (_, one) = stage.attach(&network("one"), "c1");
    let c2 = stage.sandbox.netns("c2");
    let before = [stage.snapshot(), c2.snapshot()];
    let msg = text(&Attachment::new(network("two"), &c2).add().failure_code(101)["msg"]);
    assert!(
        msg.contains(&format!("link \"{}\" has the address already, net: one, if: eth0, id: c1", one.near())),
        "{msg}"
    );
    testkit::assert_same(&before[0], &stage.snapshot());
    testkit::assert_same(&before[1], &c2.snapshot());
    one.check().silent();
}

#[test]
fn address_that_is_given_out_again_too_early_is_the_later_ones_in_the_end() {
    let stage = Stage::new();
    let conf = stage.network(json!({ "ipMasq": true, "ipam": fixed("10.1.0.5/24", None) }));
    let (c1, leaving) = stage.attach(&conf, "c1");
    let (c2, coming) = stage.attach(&conf, "c2");
    c1.ping("10.1.0.1").unwrap();
    let msg = coming.complaint();
    assert!(msg.ends_with(&format!("10.1.0.5 is behind \"{}\" instead", leaving.near())), "{msg}");
    leaving.del();
    coming.check().silent();
    c2.ping("10.1.0.1").unwrap();
    stage.host().ping("10.1.0.5").unwrap();
}
