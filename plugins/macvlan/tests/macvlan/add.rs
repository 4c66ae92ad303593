//! What an ADD makes and tells: the result, hardware addresses, MTU, name servers, layer 2.

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan, assert_same};

use crate::stage::network;

#[test]
fn result_tells_of_the_link_its_addresses_and_routes() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    let inside = c1.link("eth0");
    assert_eq!(inside["linkinfo"]["info_kind"], "macvlan");
    let expected = json!({ "cniVersion": "1.1.0",
        "interfaces": [{ "name": "eth0", "mac": inside["address"], "mtu": 1500, "sandbox": c1.path() }],
        "ips": [{ "interface": 0, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
            { "interface": 0, "address": "fd01::2/64", "gateway": "fd01::1" }],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] });
    assert_eq!(attached.result, expected);
    assert!(inside["flags"].to_string().contains("\"UP\""));
    attached.check().silent();
    attached.del();
    assert!(!c1.try_sh("ip link show eth0").status.success());
}

#[test]
fn every_version_attaches_and_detaches() {
    let lan = Lan::enter();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0"] {
        let (container, attached) =
            lan.attach(&network(&lan, json!({ "cniVersion": version })), &format!("c-{version}"));
        container.ping("10.1.0.1").unwrap();
        container.ping("fd01::1").unwrap();
        attached.del();
        assert!(!container.try_sh("ip link show eth0").status.success());
    }
}

#[test]
fn name_of_a_link_of_the_host_is_no_obstacle() {
    let lan = Lan::enter();
    lan.sandbox.sh("ip link add eth0 type veth peer name eth1");
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    c1.ping("10.1.0.1").unwrap();
    attached.del();
}

#[test]
fn later_source_of_the_hardware_address_wins() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let [key, args, runtime] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"];
    for (keys, cni_args, mac) in [
        (json!({ "mac": key }), "", key),
        (json!({ "mac": key }), "IgnoreUnknown=1;K=V;MAC=02:00:00:00:00:0b", args),
        (json!({ "mac": key, "RuntimeConfig": { "MAC": runtime } }), "IgnoreUnknown=1;MAC=02:00:00:00:00:0b", runtime),
    ] {
        let attached = Attached::new(Attachment::new(network(&lan, keys), &container).args(cni_args));
        assert_eq!(attached.result["interfaces"][0]["mac"], mac);
        assert_eq!(container.link("eth0")["address"], mac);
        container.ping("10.1.0.1").unwrap();
        attached.del();
    }
}

#[test]
fn mtu_is_the_configured_one_or_the_masters() {
    let lan = Lan::enter();
    lan.sandbox.sh("ip link set uplink0 mtu 1450");
    for (keys, mtu) in [(json!({}), 1450), (json!({ "mtu": 1400 }), 1400), (json!({ "mtu": 1450 }), 1450)] {
        let (container, attached) = lan.attach(&network(&lan, keys), &format!("c{mtu}"));
        assert_eq!(container.link("eth0")["mtu"], mtu);
        assert_eq!(attached.result["interfaces"][0]["mtu"], mtu);
        attached.del();
        container.remove();
    }
}

#[test]
fn queue_for_broadcasts_has_the_configured_length() {
    let lan = Lan::enter();
    let length = |keys, container| {
        let (container, _attached) = lan.attach(&network(&lan, keys), container);
        container.link("eth0")["linkinfo"]["info_data"]["bcqueuelen"].clone()
    };
    assert_eq!(length(json!({ "bcqueuelen": 5000 }), "c1"), 5000);
    assert_eq!(length(json!({ "bcqueuelen": 0 }), "c2"), length(json!({}), "c3"));
}

#[test]
fn name_servers_are_those_of_the_configuration_or_else_the_delegates() {
    let lan = Lan::enter();
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.9/24" }], "dns": { "nameservers": ["10.1.0.1"] } });
    let dns = |keys: Value, container: &str| {
        let mut conf = network(&lan, keys);
        conf["ipam"] = ipam.clone();
        let (_container, attached) = lan.attach(&conf, container);
        attached.result["dns"].clone()
    };
    assert_eq!(dns(json!({}), "c1"), json!({ "nameservers": ["10.1.0.1"] }));
    assert_eq!(dns(json!({ "dns": { "nameservers": [] } }), "c2"), json!({ "nameservers": ["10.1.0.1"] }));
    assert_eq!(dns(json!({ "dns": { "search": ["example"] } }), "c3"), json!({ "search": ["example"] }));
}

#[test]
fn layer_2_has_the_link_and_no_addresses() {
    let lan = Lan::enter();
    for (name, ipam) in [("c1", json!(null)), ("c2", json!({})), ("c3", json!({ "type": "" }))] {
        let (container, attached) = lan.attach(&network(&lan, json!({ "ipam": ipam })), name);
        let mac = container.link("eth0")["address"].clone();
        let told = json!([{ "name": "eth0", "mac": mac, "mtu": 1500, "sandbox": container.path() }]);
        assert_eq!(attached.result, json!({ "cniVersion": "1.1.0", "interfaces": told }));
        container.sh("ip addr add 10.1.0.77/24 dev eth0");
        container.ping("10.1.0.1").unwrap();
        attached.check().silent();
        attached.del();
    }
}

#[test]
fn layer_2_without_a_layout_for_it_is_refused_before_any_effect() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let before = container.snapshot();
    for version in ["0.1.0", "0.2.0"] {
        let attachment = Attachment::new(network(&lan, json!({ "cniVersion": version, "ipam": null })), &container);
        let error = attachment.add().failure_code(1);
        assert_eq!(error["msg"], "cannot convert: no valid IP addresses");
        assert_same(&before, &container.snapshot());
        attachment.del().silent();
    }
}

#[test]
fn earlier_result_comes_before_what_is_new() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let earlier = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "wg0", "sandbox": container.path() }],
        "ips": [{ "interface": 0, "address": "172.20.0.2/24" }] });
    let attachment = Attachment::new(network(&lan, json!({})), &container);
    let result = attachment.with_prev(&earlier).add().success();
    assert_eq!(result["interfaces"][0], earlier["interfaces"][0]);
    assert_eq!(result["interfaces"][1]["name"], "eth0");
    let places: Vec<&Value> = result["ips"].as_array().unwrap().iter().map(|ip| &ip["interface"]).collect();
    assert_eq!(places, [0, 1, 1]);
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
}

#[test]
fn several_networks_have_default_routes_in_the_order_of_their_interfaces() {
    let lan = Lan::enter();
    let container = lan.sandbox.netns("c1");
    let conf = network(&lan, json!({}));
    let second = Attached::new(Attachment::new(conf.clone(), &container).ifname("eth1"));
    Attached::new(Attachment::new(conf, &container));
    assert_eq!(second.result["routes"][0], json!({ "dst": "0.0.0.0/0", "priority": 1 }));
    let first = container.json("ip -j route get 192.0.2.1");
    assert_eq!(first[0]["dev"], "eth0");
    second.check().silent();
}
