//! The link that containers' links are on: by name, by the default route, in the container; one that cannot be it.

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan, TestNs};

use crate::stage::{network, text};

#[test]
fn without_a_name_it_is_where_the_default_route_leads() {
    let lan = Lan::enter();
    let conf = network(&lan, json!({ "master": null }));
    let c1 = lan.sandbox.netns("c1");
    let attachment = Attachment::new(conf.clone(), &c1);
    let missing = attachment.add().failure_code(100);
    assert_eq!(missing["msg"], "find \"master\": no default route interface found, name a link");
    lan.sandbox.sh("ip link add other0 type veth peer name other1; ip link set other0 up
        ip addr add 192.0.2.1/24 dev other0; ip addr add 10.1.0.250/24 dev uplink0
        ip route add default via 192.0.2.2 metric 50; ip route add default via 10.1.0.1 metric 5");
    for keys in [json!({ "master": null }), json!({ "master": "" })] {
        let attached = Attached::new(Attachment::new(network(&lan, keys), &c1));
        c1.ping("10.1.0.1").unwrap();
        // It stays where it is when the route does not.
        attached.check().silent();
        lan.sandbox.sh("ip route del default metric 5");
        attached.check().silent();
        attached.del();
        lan.sandbox.sh("ip route add default via 10.1.0.1 metric 5");
    }
    // The way to it may be an IPv6 one only.
    lan.sandbox.sh("ip route flush table main; ip -6 route add default dev uplink0");
    let attached = Attached::new(attachment);
    c1.ping("10.1.0.1").unwrap();
    attached.del();
}

#[test]
fn one_that_is_not_there_is_named() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let before = [lan.snapshot(), c1.snapshot()];
    for keys in [json!({ "master": "gone0" }), json!({ "master": "gone0", "linkInContainer": true })] {
        let error = Attachment::new(network(&lan, keys), &c1).add().failure_code(100);
        assert_eq!(error["msg"], "find \"master\" \"gone0\": there is no link of that name");
    }
    testkit::assert_same(&before[0], &lan.snapshot());
    testkit::assert_same(&before[1], &c1.snapshot());
}

#[test]
fn mtu_above_its_own_is_refused() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let error = Attachment::new(network(&lan, json!({ "mtu": 1501 })), &c1).add().failure_code(7);
    assert_eq!(error["msg"], "\"mtu\" 1501: must be 0 (the kernel's choice) or 68 to 1500, the MTU of \"uplink0\"");
    assert!(!lan.leases().exists());
}

#[test]
fn one_that_others_use_otherwise_is_refused_with_the_reason() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip link add br0 type bridge; ip link set uplink0 master br0");
    let error = Attachment::new(network(&lan, json!({})), &c1).add().failure_code(100);
    assert!(text(&error["msg"]).starts_with("create macvlan on \"uplink0\": Device or resource busy"), "{error}");
    assert_eq!(error["details"], "its frames go to a bridge, a bond or links of another kind");
    let error = Attachment::new(network(&lan, json!({ "master": "lo" })), &c1).add().failure_code(100);
    assert!(text(&error["details"]).starts_with("it has to be an Ethernet link"), "{error}");
    // The bridge itself may be one.
    lan.sandbox.sh("ip link set br0 up");
    let (c2, _attached) = lan.attach(&network(&lan, json!({ "master": "br0" })), "c2");
    c2.ping("10.1.0.1").unwrap();
}

#[test]
fn one_without_a_carrier_serves() {
    let lan = Lan::enter();
    lan.sandbox.sh("ip link set uplink0 down");
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    attached.check().silent();
    lan.sandbox.sh("ip link set uplink0 up");
    testkit::eventually(crate::stage::LONG, || c1.ping("10.1.0.1"));
    attached.del();
}

/// A container with a link of its own into the network.
fn container_with_uplink(lan: &Lan, name: &str) -> TestNs {
    let container = lan.sandbox.netns(name);
    lan.outside.sh(&format!(
        "ip link add br0 type bridge; ip link set br0 up; ip link set eth0 master br0
        ip addr flush dev eth0; ip addr add 10.1.0.1/24 dev br0; ip addr add fd01::1/64 dev br0 nodad
        ip link add port0 type veth peer name inner0 netns {name}; ip link set port0 master br0 up"
    ));
    container.sh("ip link set inner0 up");
    container
}

#[test]
fn it_may_be_in_the_container() {
    let lan = Lan::enter();
    let c1 = container_with_uplink(&lan, "c1");
    c1.sh("ip addr add 10.1.0.200/24 dev inner0; ip route add default via 10.1.0.1 metric 9999");
    let before = [lan.snapshot(), c1.snapshot()];
    for keys in
        [json!({ "master": "inner0" }), json!({ "master": null }), json!({ "master": "inner0", "mode": "vepa" })]
    {
        let mut conf = network(&lan, keys);
        conf["linkInContainer"] = true.into();
        let attached = Attached::new(Attachment::new(conf, &c1));
        assert_eq!(attached.result["interfaces"].as_array().unwrap().len(), 1);
        assert_eq!(c1.link("eth0")["link"], "inner0");
        c1.sh("ip addr del 10.1.0.200/24 dev inner0");
        c1.ping("10.1.0.1").unwrap();
        attached.check().silent();
        attached.attachment.status().silent();
        attached.del();
        c1.sh("ip addr add 10.1.0.200/24 dev inner0; ip route add default via 10.1.0.1 metric 9999");
        testkit::assert_same(&before[0], &lan.snapshot().without(&["leases"]));
        testkit::assert_same(&before[1], &c1.snapshot());
    }
    // The one of that name is on the host.
    let not_there = Attachment::new(network(&lan, json!({ "linkInContainer": true })), &c1).add().failure_code(100);
    assert_eq!(not_there["msg"], "find \"master\" \"uplink0\": there is no link of that name");
}

#[test]
fn it_may_be_a_macvlan_link() {
    let lan = Lan::enter();
    let (c1, outer) = lan.attach(&network(&lan, json!({ "ipam": null })), "c1");
    let conf = network(&lan, json!({ "master": "eth0", "linkInContainer": true }));
    let inner = Attached::new(Attachment::new(conf, &c1).ifname("net1"));
    c1.ping("10.1.0.1").unwrap();
    for attached in [&inner, &outer] {
        attached.check().silent();
    }
    lan.sandbox.sh("ip link add link uplink0 name mv0 type macvlan mode bridge");
    let (_c2, on_host) = lan.attach(&network(&lan, json!({ "master": "mv0" })), "c2");
    on_host.check().silent();
    assert_eq!(c1.link("net1")["link_index"], c1.link("eth0")["link_index"]);
    [inner, outer, on_host].iter().for_each(Attached::del);
    let left: Value = c1.json("ip -j link show type macvlan");
    assert_eq!(left, json!([]));
}
