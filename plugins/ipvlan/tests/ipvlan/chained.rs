//! Behind a plugin that has an interface of the host and its addresses for the container, without a delegate.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Lan, assert_same, require};

use crate::stage::network;

/// What that plugin tells.
fn prev(version: &str) -> Value {
    let mut prev = json!({ "cniVersion": version, "interfaces": [{ "name": "uplink0" }],
        "ips": [{ "interface": 0, "address": "10.1.0.7/24", "gateway": "10.1.0.1" }, { "address": "fd01::7/64", "gateway": "fd01::1" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0", "gw": "fd01::1" }],
        "dns": { "nameservers": ["10.1.0.1"] } });
    if version < "1.0.0" {
        prev["ips"][0]["version"] = "4".into();
        prev["ips"][1]["version"] = "6".into();
    }
    prev
}

fn chained(lan: &Lan, keys: Value) -> Value {
    let mut conf = network(lan, json!({ "ipam": null }));
    keys.as_object().unwrap().iter().for_each(|(key, value)| conf[key] = value.clone());
    conf
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn addresses_of_the_plugin_before_are_the_links() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let before = lan.snapshot();
    for keys in [json!({}), json!({ "master": "", "ipam": { "type": "" } })] {
        let attachment = Attachment::new(chained(&lan, keys), &c1);
        let result = attachment.with_prev(&prev("1.1.0")).add().success();
        let mac = &c1.link("eth0")["address"];
        let mut expected = prev("1.1.0");
        expected["interfaces"] = json!([{ "name": "eth0", "mac": mac, "mtu": 1500, "sandbox": c1.path() }]);
        expected["ips"][1]["interface"] = 0.into();
        assert_eq!(result, expected);
        for address in ["10.1.0.1", "fd01::1"] {
            c1.ping(address).unwrap();
        }
        attachment.with_prev(&result).check().silent();
        attachment.status().silent();
        attachment.with_prev(&result).del().silent();
        assert_same(&before, &lan.snapshot());
        assert!(!c1.try_sh("ip link show eth0").status.success());
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn what_the_container_has_already_stays_in_the_result() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip link add wg0 type veth peer name wg1; ip addr add 172.20.0.2/24 dev wg0; ip link set wg0 up");
    let mut prev = prev("1.0.0");
    let wg0 = json!({ "name": "wg0", "mac": c1.link("wg0")["address"], "sandbox": c1.path() });
    prev["interfaces"].as_array_mut().unwrap().insert(0, wg0.clone());
    prev["ips"][0]["interface"] = 1.into();
    prev["ips"].as_array_mut().unwrap().insert(0, json!({ "interface": 0, "address": "172.20.0.2/24" }));
    let attachment =
        Attachment::new(chained(&lan, json!({ "cniVersion": "1.0.0", "dns": { "domain": "a.test" } })), &c1);
    let result = attachment.with_prev(&prev).add().success();
    assert_eq!([&result["interfaces"][0], &result["interfaces"][1]["name"]], [&wg0, &json!("eth0")]);
    let places: Vec<&Value> = result["ips"].as_array().unwrap().iter().map(|ip| &ip["interface"]).collect();
    assert_eq!(places, [0, 1, 1]);
    assert_eq!(result["dns"], json!({ "domain": "a.test" }));
    attachment.with_prev(&result).check().silent();
    let missing = attachment.with_prev(&prev).with_key("master", Value::Null).ifname("eth1").add().failure_code(7);
    assert!(missing["msg"].as_str().unwrap().starts_with("chained master failure. PrevResult lacks"), "{missing}");
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn failing_add_leaves_nothing() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let mut refused = prev("1.1.0");
    refused["routes"][0]["gw"] = "172.16.0.1".into();
    let attachment = Attachment::new(chained(&lan, json!({})), &c1).with_prev(&refused);
    lan.fails_without_a_trace(&c1, &attachment, 100);
    let nothing = Attachment::new(chained(&lan, json!({})), &c1);
    let msg = lan.fails_without_a_trace(&c1, &nothing, 7);
    assert!(msg.starts_with("\"ipam\" is missing"), "{msg}");
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn either_side_removes_what_the_other_has_made() {
    if !require(Facility::Program("/usr/lib/cni/ipvlan")) {
        return;
    }
    let lan = Lan::enter();
    let ours = Attachment::new(chained(&lan, json!({ "cniVersion": "1.0.0", "master": "" })), &lan.sandbox.netns("c1"));
    let theirs = ours.clone().bin_dir(Path::new("/usr/lib/cni"));
    for (from, to) in [(&ours, &theirs), (&theirs, &ours)] {
        // Without a name theirs finds the master of a DEL in the result.
        let result = from.with_prev(&prev("1.0.0")).add().success();
        to.with_prev(&result).del().silent();
    }
    let result = theirs.with_prev(&prev("1.0.0")).add().success();
    ours.with_prev(&result).check().silent();
    ours.with_prev(&result).del().silent();
}
