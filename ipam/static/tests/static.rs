//! Addresses that are said, through the real binary, alone and under `bridge`.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox};

fn ipam() -> Value {
    json!({ "type": "static",
        "addresses": [{ "address": "10.1.0.5/24", "gateway": "10.1.0.1" }, { "address": "fd00::5/64", "gateway": "fd00::1" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "192.0.2.0/24", "gw": "10.1.0.9", "mtu": 1400 }, { "dst": "::/0" }],
        "dns": { "nameservers": ["10.1.0.1"], "domain": "example.com", "search": ["example.com"], "options": ["ndots:1"] } })
}

fn conf(version: &str) -> Value {
    json!({ "cniVersion": version, "name": "net", "type": "static", "ipam": ipam() })
}

#[test]
fn add_tells_what_the_configuration_says_in_every_version() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let attachment = Attachment::new(conf(version), &container);
        let result = attachment.add().success();
        assert_eq!(result["dns"], ipam()["dns"], "{version}");
        if version < "0.3.0" {
            assert_eq!(result["ip4"]["ip"], "10.1.0.5/24");
            assert_eq!(result["ip6"]["gateway"], "fd00::1");
        } else {
            assert_eq!(result["ips"][1]["address"], "fd00::5/64");
            assert_eq!(result["routes"][1]["gw"], "10.1.0.9");
        }
        assert!(result["interfaces"].is_null(), "{result}");
        attachment.del().silent();
    }
}

#[test]
fn bridge_gives_the_container_what_is_said() {
    let sandbox = Sandbox::enter();
    let containers = [sandbox.netns("c1"), sandbox.netns("c2")];
    let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true,
        "ipam": ipam() });
    let one = Attachment::new(conf.clone(), &containers[0]);
    let told = one.add().success();
    let mut runtime = conf;
    runtime["runtimeConfig"] = json!({ "ips": ["10.1.0.6", "fd00::6"] });
    let two = Attachment::new(runtime, &containers[1]);
    two.add().success();
    for address in ["10.1.0.1", "10.1.0.6", "fd00::1", "fd00::6"] {
        containers[0].ping(address).unwrap();
    }
    assert!(containers[1].sh("ip route show default").contains("via 10.1.0.1"));
    one.with_prev(&told).check().silent();
    one.with_prev(&told).del().silent();
    two.del().silent();
    assert!(!containers[0].sh("ip link show").contains("eth0"));
}

#[test]
fn check_compares_the_result_with_the_configuration() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let attachment = Attachment::new(conf("1.0.0"), &container);
    let told = attachment.add().success();
    attachment.with_prev(&told).check().silent();
    for (change, expected) in [
        (json!([]), "find address 10.1.0.5/24 in prevResult: it has none"),
        (json!([{ "address": "10.1.0.5/24" }]), "find gateway of 10.1.0.5/24 in prevResult: it is none, and should be"),
    ] {
        let mut other = told.clone();
        other["ips"] = change;
        let error = attachment.with_prev(&other).check().failure();
        assert!(error["msg"].as_str().unwrap().starts_with(expected), "{error}");
    }
    assert_eq!(attachment.check().failure()["msg"], "required prevResult missing");
    // The plugin that asked for the address has made up a gateway.
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.5/24" }] });
    attachment.with_key("ipam", ipam).with_prev(&told).check().silent();
}

#[test]
fn del_and_gc_ask_nothing_of_the_configuration() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let attachment =
        Attachment::new(conf("1.1.0"), &container).with_key("ipam", json!({ "type": "static", "addresses": 5 }));
    attachment.del().silent();
    attachment.gc(&[]).silent();
    assert_eq!(attachment.status().failure()["code"], 50);
    Attachment::new(conf("1.1.0"), &container).status().silent();
    assert_eq!(attachment.add().failure()["code"], 6);
}
