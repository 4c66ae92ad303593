//! What an ADD makes and tells: results of every version, interfaces, hardware addresses, layer 2.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attachment, TestNs};

use crate::stage::{Attached, Stage, addresses, attach, link, text};

/// The interfaces as `version` tells them, from what the kernel has.
fn interfaces_of(stage: &Stage, container: &TestNs, attached: &Attached, with_mtu: bool) -> Value {
    let tell = |kernel: &Value| {
        let mut told = json!({ "name": kernel["ifname"], "mac": kernel["address"] });
        if with_mtu {
            told["mtu"] = kernel["mtu"].clone();
        }
        told
    };
    let mut inside = tell(&link(container, "eth0"));
    inside["sandbox"] = container.path().to_str().unwrap().into();
    let host = stage.sandbox.host();
    json!([tell(&link(host, "br0")), tell(&link(host, &attached.port())), inside])
}

fn result_has_the_layout_of(version: &str) {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.dual(json!({ "cniVersion": version })), &c1);
    let routes = [json!({ "dst": "0.0.0.0/0", "gw": "10.1.0.1" }), json!({ "dst": "::/0", "gw": "fd01::1" })];
    let mut expected = json!({ "cniVersion": version });
    if version < "0.3.0" {
        expected["ip4"] = json!({ "ip": "10.1.0.2/24", "gateway": "10.1.0.1", "routes": routes[..1] });
        expected["ip6"] = json!({ "ip": "fd01::2/64", "gateway": "fd01::1", "routes": routes[1..] });
    } else {
        expected["interfaces"] = interfaces_of(&stage, &c1, &attached, version == "1.1.0");
        expected["ips"] = json!([
            { "interface": 2, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
            { "interface": 2, "address": "fd01::2/64", "gateway": "fd01::1" },
        ]);
        expected["routes"] = json!(routes);
    }
    if ("0.3.0".."1.0.0").contains(&version) {
        expected["ips"][0]["version"] = "4".into();
        expected["ips"][1]["version"] = "6".into();
    }
    if version < "1.0.0" {
        expected["dns"] = json!({});
    }
    assert_eq!(attached.result, expected);
    attached.del();
    assert_eq!(stage.ports("br0"), [""; 0]);
}

macro_rules! for_versions {
    ($($name:ident $version:literal)*) => {
        mod result_layout {
            $(#[test]
            fn $name() {
                super::result_has_the_layout_of($version);
            })*
        }
    };
}

for_versions! {
    v0_1_0 "0.1.0"
    v0_2_0 "0.2.0"
    v0_3_0 "0.3.0"
    v0_3_1 "0.3.1"
    v0_4_0 "0.4.0"
    v1_0_0 "1.0.0"
    v1_1_0 "1.1.0"
}

#[test]
fn ipv4_alone_reaches_gateway_and_neighbour() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({}));
    attach(&conf, &c1);
    attach(&conf, &c2);
    c1.ping("10.1.0.1").unwrap();
    c1.ping("10.1.0.3").unwrap();
    stage.sandbox.host().ping("10.1.0.3").unwrap();
}

#[test]
fn ipv6_alone_reaches_gateway_and_neighbour() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "ipam": stage.ipam(&["fd01::/64"]) }));
    attach(&conf, &c1);
    assert_eq!(attach(&conf, &c2).ip(0), "fd01::3");
    c1.ping("fd01::1").unwrap();
    c1.ping("fd01::3").unwrap();
    stage.sandbox.host().ping("fd01::3").unwrap();
}

#[test]
fn layer_2_has_interfaces_and_no_addresses() {
    let stage = Stage::new();
    for (number, ipam) in [json!(null), json!({}), json!({ "type": "" })].into_iter().enumerate() {
        let conf = stage.network(json!({ "ipam": ipam }));
        let containers = [0, 1].map(|other| stage.sandbox.netns(&format!("c{number}{other}")));
        let [one, other] = containers.each_ref().map(|container| attach(&conf, container));
        assert_eq!(
            one.result,
            json!({ "cniVersion": "1.1.0", "interfaces": interfaces_of(&stage, &containers[0], &one, true) })
        );
        assert_eq!(addresses(&containers[0], "eth0"), [""; 0]);
        assert_eq!(addresses(stage.sandbox.host(), "br0"), [""; 0]);
        for (container, address) in containers.iter().zip(["192.168.7.1/24", "192.168.7.2/24"]) {
            container.sh(&format!("ip addr add {address} dev eth0"));
        }
        containers[0].ping("192.168.7.2").unwrap();
        for attached in [one, other] {
            attached.check().silent();
            attached.del();
        }
    }
}

#[test]
fn layer_2_without_a_layout_for_it_is_refused_before_any_effect() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    for version in ["0.1.0", "0.2.0"] {
        let attachment = Attachment::new(stage.network(json!({ "cniVersion": version, "ipam": null })), &c1);
        let error = attachment.add().failure_code(1);
        assert_eq!(error["msg"], "cannot convert: no valid IP addresses");
        testkit::assert_same(&before, &stage.snapshot());
        attachment.del().silent();
    }
}

#[test]
fn delegate_that_is_the_plugin_itself_is_refused_before_any_effect() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let conf = stage.network(json!({ "ipam": { "type": "bridge" }, "cni.dev/valid-attachments": [] }));
    let attachment = Attachment::new(conf, &c1);
    // Should it call itself all the same, it must not go on for long.
    let call = |command| attachment.call(command).limit(Duration::from_secs(2)).run();
    for command in ["ADD", "CHECK", "GC", "STATUS"] {
        let error = call(command).failure_code(7);
        assert!(text(&error["msg"]).starts_with("\"ipam.type\" \"bridge\": it must be another plugin"), "{error}");
    }
    call("DEL").silent();
    testkit::assert_same(&before, &stage.snapshot());
}

#[test]
fn told_hardware_addresses_stay() {
    let stage = Stage::new();
    let conf = stage.network(json!({}));
    let c1 = stage.sandbox.netns("c1");
    let first = attach(&conf, &c1);
    for n in 2..6 {
        let other = stage.sandbox.netns(&format!("c{n}"));
        let attached = attach(&conf, &other);
        assert_eq!(attached.result["interfaces"][0], first.result["interfaces"][0]);
        if n % 2 == 0 {
            attached.del();
        }
    }
    assert_eq!(first.result["interfaces"], interfaces_of(&stage, &c1, &first, true));
}

#[test]
fn bridge_of_somebody_else_keeps_its_hardware_address() {
    let stage = Stage::new();
    stage.sandbox.sh("ip link add br0 type bridge; ip addr add 10.1.0.1/24 dev br0");
    let mac = text(&link(stage.sandbox.host(), "br0")["address"]);
    for (number, conf) in [stage.network(json!({})), stage.network(json!({ "ipam": null }))].iter().enumerate() {
        // A random address may be higher or lower than the bridge's own.
        for n in 0..4 {
            let container = stage.sandbox.netns(&format!("c{number}{n}"));
            let attached = attach(conf, &container);
            assert_eq!(attached.result["interfaces"][0]["mac"], *mac);
            assert_eq!(text(&link(stage.sandbox.host(), "br0")["address"]), mac);
            attached.check().silent();
            attached.del();
            assert_eq!(text(&link(stage.sandbox.host(), "br0")["address"]), mac);
        }
    }
}

#[test]
fn later_source_of_the_hardware_address_wins() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let [a, b, c] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"];
    let by_args = json!({ "cni": { "mac": b } });
    for (keys, mac) in [
        (json!({}), a),
        (json!({ "args": by_args }), b),
        (json!({ "args": by_args, "runtimeConfig": { "mac": c } }), c),
        (json!({ "RuntimeConfig": { "MAC": c } }), c),
    ] {
        let attachment = Attachment::new(stage.network(keys), &c1).args(&format!("IgnoreUnknown=1;K8S=x;MAC={a}"));
        let result = attachment.add().success();
        assert_eq!(result["interfaces"][2]["mac"], mac);
        assert_eq!(link(&c1, "eth0")["address"], mac);
        c1.ping("10.1.0.1").unwrap();
        attachment.del().silent();
    }
    let bad = Attachment::new(stage.network(json!({ "runtimeConfig": { "mac": "01:00:00:00:00:01" } })), &c1);
    let error = bad.add().failure_code(7);
    assert!(text(&error["msg"]).starts_with("runtimeConfig.mac \"01:00:00:00:00:01\""), "{error}");
}

#[test]
fn mtu_is_that_of_new_bridge_and_both_ends() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.network(json!({ "mtu": 1400 })), &c1);
    assert!(attached.result["interfaces"].as_array().unwrap().iter().all(|told| told["mtu"] == 1400));
    let host = stage.sandbox.host();
    for link in [link(host, "br0"), link(host, &attached.port()), link(&c1, "eth0")] {
        assert_eq!(link["mtu"], 1400);
    }
    host.sh("ping -n -q -c 1 -W 1 -M do -s 1372 10.1.0.2");
    assert!(!host.try_sh("ping -n -q -c 1 -W 1 -M do -s 1373 10.1.0.2").status.success());
    let refused = Attachment::new(stage.network(json!({ "mtu": 70000 })), &c1).ifname("eth1").add().failure_code(7);
    assert!(text(&refused["msg"]).starts_with("\"mtu\" 70000"), "{refused}");
}

#[test]
fn configured_dns_replaces_the_delegates() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let resolv = stage.sandbox.dir().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 10.0.0.53\nsearch example.org\n").unwrap();
    let mut conf = stage.network(json!({}));
    conf["ipam"]["resolvConf"] = resolv.to_str().unwrap().into();
    let attached = attach(&conf, &c1);
    assert_eq!(attached.result["dns"], json!({ "nameservers": ["10.0.0.53"], "search": ["example.org"] }));
    attached.del();
    conf["dns"] = json!({ "nameservers": ["10.0.0.99"], "options": ["ndots:1"] });
    let attached = attach(&conf, &c1);
    assert_eq!(attached.result["dns"], json!({ "nameservers": ["10.0.0.99"], "options": ["ndots:1"] }));
    attached.del();
    conf["ipam"] = json!({});
    assert_eq!(attach(&conf, &c1).result["dns"], json!({ "nameservers": ["10.0.0.99"], "options": ["ndots:1"] }));
}

#[test]
fn disabled_interface_is_left_down() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = stage.network(json!({ "disableContainerInterface": true, "ipam": null }));
    let attached = attach(&conf, &c1);
    assert!(!link(&c1, "eth0")["flags"].to_string().contains("UP"));
    attached.check().silent();
    let with_ipam = stage.network(json!({ "disableContainerInterface": true }));
    let error = Attachment::new(with_ipam, &c1).ifname("eth1").add().failure_code(7);
    assert!(text(&error["msg"]).starts_with("cannot use IPAM when DisableContainerInterface flag is set"), "{error}");
}

#[test]
fn container_without_ipv6_gets_it_with_its_address() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    c1.sh("for link in all default lo; do echo 1 > /proc/sys/net/ipv6/conf/$link/disable_ipv6; done");
    attach(&stage.dual(json!({})), &c1);
    c1.ping("fd01::1").unwrap();
    assert_eq!(c1.sh("cat /proc/sys/net/ipv6/conf/lo/disable_ipv6").trim(), "0");
}
