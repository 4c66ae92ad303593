//! What an ADD makes and tells.

use serde_json::{Value, json};
use testkit::{Attachment, Lan};

use crate::stage::network;

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn result_tells_of_the_link_its_addresses_and_routes() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({ "mtu": 1400 })), "c1");
    let inside = c1.link("eth0");
    assert_eq!(inside["linkinfo"]["info_kind"], "ipvlan");
    assert_eq!(inside["address"], lan.sandbox.host().link("uplink0")["address"]);
    assert_eq!(inside["mtu"], 1400);
    let expected = json!({ "cniVersion": "1.1.0",
        "interfaces": [{ "name": "eth0", "mac": inside["address"], "mtu": 1400, "sandbox": c1.path() }],
        "ips": [{ "interface": 0, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
            { "interface": 0, "address": "fd01::2/64", "gateway": "fd01::1" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] });
    assert_eq!(attached.result, expected);
    attached.check().silent();
    attached.del();
    assert!(!c1.try_sh("ip link show eth0").status.success());
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn every_version_attaches_and_detaches() {
    let lan = Lan::enter();
    for version in ["0.2.0", "0.3.1", "1.0.0"] {
        let (c, attached) = lan.attach(&network(&lan, json!({ "cniVersion": version })), &format!("c-{version}"));
        c.ping("10.1.0.1").unwrap();
        attached.del();
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn name_servers_are_those_of_the_configuration_or_else_the_delegates() {
    let lan = Lan::enter();
    let dns = |keys: Value, container: &str| {
        let mut conf = network(&lan, keys);
        conf["ipam"] = json!({ "type": "static", "addresses": [{ "address": "10.1.0.9/24" }],
            "dns": { "nameservers": ["10.1.0.1"] } });
        let (_container, attached) = lan.attach(&conf, container);
        attached.attachment.del().silent();
        attached.result["dns"].clone()
    };
    assert_eq!(dns(json!({}), "c1"), json!({ "nameservers": ["10.1.0.1"] }));
    assert_eq!(dns(json!({ "dns": { "search": ["example"] } }), "c2"), json!({ "search": ["example"] }));
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn earlier_result_comes_before_what_is_new_if_there_is_a_delegate() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let earlier = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "uplink0" }],
        "ips": [{ "interface": 0, "address": "172.20.0.2/24" }] });
    for keys in [json!({}), json!({ "master": null })] {
        let attachment = Attachment::new(network(&lan, keys), &container);
        let result = attachment.with_prev(&earlier).add().success();
        assert_eq!(result["interfaces"][0], earlier["interfaces"][0]);
        assert_eq!(result["interfaces"][1]["name"], "eth0");
        let places: Vec<&Value> = result["ips"].as_array().unwrap().iter().map(|ip| &ip["interface"]).collect();
        assert_eq!(places, [0, 1, 1]);
        container.ping("10.1.0.1").unwrap();
        attachment.with_prev(&result).check().silent();
        attachment.with_prev(&result).del().silent();
    }
}
