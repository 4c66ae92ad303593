//! What an ADD makes and tells.

use serde_json::{Value, json};
use testkit::{Attached, Attachment};

use crate::stage::{eth0, network, tagged};

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn result_of_every_version_tells_what_the_kernel_has() {
    let lan = tagged();
    for (id, version) in (300..).zip(["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"]) {
        let keys = json!({ "cniVersion": version, "vlanId": id });
        let (container, _attached) = lan.tells_what_there_is(&network(&lan, keys), &format!("c{id}"));
        assert_eq!(container.link("eth0")["linkinfo"]["info_data"]["id"], id);
    }
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn link_is_set_as_asked_and_neighbours_are_told() {
    let lan = tagged();
    lan.sandbox.sh("ip link set uplink0 mtu 1400; ip link add eth0 type bridge");
    for (name, keys, mtu) in [
        ("c1", json!({}), 1400),
        ("c2", json!({ "vlanId": 200, "mtu": 1300 }), 1300),
        ("c3", json!({ "vlanId": 0, "mtu": 1400 }), 1400),
    ] {
        let (container, attached) = lan.attach(&network(&lan, keys), name);
        assert_eq!(container.link("eth0")["mtu"], mtu);
        for key in ["ipv4/conf/eth0/arp_notify", "ipv6/conf/eth0/ndisc_notify", "ipv6/conf/eth0/keep_addr_on_down"] {
            assert_eq!(container.sysctl(key), "1", "{key}");
        }
        assert_eq!(container.sh("ip -6 addr show dev eth0 scope global tentative"), "", "nothing is waited for");
        attached.check().silent();
    }
    assert_eq!(lan.sandbox.host().links(), ["uplink0", "eth0"]);
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn name_servers_of_the_configuration_go_before_those_of_the_delegate() {
    let lan = tagged();
    let resolv_conf = lan.sandbox.dir().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 10.1.0.53\n").unwrap();
    let mut conf = network(&lan, json!({}));
    conf["ipam"]["resolvConf"] = json!(resolv_conf);
    let of = |conf: &Value, name| lan.attach(conf, name).1.result["dns"].clone();
    assert_eq!(of(&conf, "c1"), json!({ "nameservers": ["10.1.0.53"] }));
    conf["dns"] = json!({ "search": ["example.org"] });
    conf["vlanId"] = json!(200);
    assert_eq!(of(&conf, "c2"), json!({ "search": ["example.org"] }));
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn master_may_be_in_the_container() {
    let lan = tagged();
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip link set uplink0 netns c1");
    c1.sh("ip link set uplink0 up");
    let before = c1.snapshot();
    let attached = Attached::new(eth0(&lan, &c1, json!({ "linkInContainer": true })));
    c1.ping("10.1.0.1").unwrap();
    assert_eq!(c1.link("eth0")["link"], "uplink0");
    attached.check().silent();
    // The configuration means a link of the host now.
    lan.sandbox.sh("ip link add uplink0 type veth peer name other");
    let elsewhere = attached.attachment.with_key("linkInContainer", json!(false)).with_prev(&attached.result);
    assert_eq!(elsewhere.check().failure_code(103)["msg"], "check interface \"eth0\": it is not on \"uplink0\"");
    attached.del();
    // IPv6 of `lo` is turned on for the container's addresses.
    testkit::assert_same(&before.without(&[" lo"]), &c1.snapshot().without(&[" lo"]));
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn what_the_plugin_before_made_comes_out_again() {
    let lan = tagged();
    let c1 = lan.sandbox.netns("c1");
    let prev = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "net1", "sandbox": c1.path() }],
        "ips": [{ "interface": 0, "address": "10.7.0.2/24" }] });
    let result = Attachment::new(network(&lan, json!({})), &c1).with_prev(&prev).add().success();
    assert_eq!(result["interfaces"][0], prev["interfaces"][0]);
    assert_eq!((&result["interfaces"][1]["name"], &result["ips"][1]["interface"]), (&json!("eth0"), &json!(1)));
}
