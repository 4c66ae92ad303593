//! What an ADD makes and tells.

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Lan, TestNs};

use crate::stage::{eth0, host, network};

/// What `ip` says of the tap's own settings.
fn settings(container: &TestNs, name: &str) -> Value {
    let link = container.link(name);
    let data = &link["linkinfo"]["info_data"];
    json!({ "type": data["type"], "pi": data["pi"], "persist": data["persist"], "multi_queue": data["multi_queue"],
        "user": data["user"], "group": data["group"] })
}

#[test]
fn result_of_every_version_tells_what_the_kernel_has() {
    let Some(lan) = host() else { return };
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let conf = network(&lan, json!({ "cniVersion": version }));
        let (container, _attached) = lan.tells_what_there_is(&conf, &format!("c{version}"));
        assert!(container.link("eth0")["flags"].to_string().contains("\"UP\""));
    }
}

#[test]
fn owner_group_and_queues_are_as_asked() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    for (number, (keys, user, group, multi_queue)) in [
        (json!({}), Value::Null, Value::Null, false),
        (json!({ "owner": 0 }), json!("root"), Value::Null, false),
        (json!({ "group": 0, "multiQueue": true }), Value::Null, json!("root"), true),
        (json!({ "owner": 0, "group": 0, "multiQueue": true }), json!("root"), json!("root"), true),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("eth{number}");
        Attached::new(eth0(&lan, &c1, keys).ifname(&name)).check().silent();
        let expected = json!({ "type": "tap", "pi": false, "persist": true, "multi_queue": multi_queue, "user": user,
            "group": group });
        assert_eq!(settings(&c1, &name), expected);
    }
}

/// With owner and group the reference takes no notice of them.
#[test]
fn mac_and_mtu_count_also_with_owner_and_group() {
    let Some(lan) = host() else { return };
    for (number, keys) in [json!({}), json!({ "owner": 0 }), json!({ "owner": 0, "group": 0 })].into_iter().enumerate()
    {
        let container = lan.sandbox.netns(&format!("c{number}"));
        let attachment = eth0(&lan, &container, keys);
        let attachment = attachment.with_key("mac", json!("02:00:00:00:00:05")).with_key("mtu", json!(1300));
        let result = Attached::new(attachment).result;
        let link = container.link("eth0");
        assert_eq!((&link["address"], &link["mtu"]), (&json!("02:00:00:00:00:05"), &json!(1300)));
        assert_eq!(result["interfaces"][0]["mac"], "02:00:00:00:00:05");
    }
}

#[test]
fn runtime_asks_for_a_mac_by_cni_args_or_the_capability() {
    let Some(lan) = host() else { return };
    let [c1, c2] = ["c1", "c2"].map(|name| lan.sandbox.netns(name));
    let asks = eth0(&lan, &c1, json!({ "mac": "02:00:00:00:00:05" })).args("IgnoreUnknown=1;MAC=02:00:00:00:00:06");
    asks.add().success();
    assert_eq!(c1.link("eth0")["address"], "02:00:00:00:00:06");
    eth0(&lan, &c2, json!({ "runtimeConfig": { "mac": "02:00:00:00:00:07" } }))
        .args("MAC=02:00:00:00:00:06;IgnoreUnknown=1")
        .add()
        .success();
    assert_eq!(c2.link("eth0")["address"], "02:00:00:00:00:07");
}

#[test]
fn addresses_and_routes_are_those_of_the_delegate_and_told_to_neighbours() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    let result = eth0(&lan, &c1, json!({})).add().success();
    assert_eq!(result["routes"], json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]));
    assert!(c1.sh("ip route show default").starts_with("default via 10.1.0.1 dev eth0"));
    assert!(c1.sh("ip -6 route show default").starts_with("default via fd01::1 dev eth0"));
    assert_eq!(c1.sh("ip -6 addr show dev eth0 scope global tentative"), "", "nothing is waited for");
    for key in ["ipv4/conf/eth0/arp_notify", "ipv6/conf/eth0/ndisc_notify", "ipv6/conf/eth0/keep_addr_on_down"] {
        assert_eq!(c1.sysctl(key), "1", "{key}");
    }
}

#[test]
fn without_a_delegate_there_is_only_the_link() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    for (ifname, ipam) in [("eth0", Value::Null), ("eth1", json!({})), ("eth2", json!({ "type": "" }))] {
        let attached = Attached::new(eth0(&lan, &c1, json!({ "ipam": ipam })).ifname(ifname));
        assert_eq!((attached.result.get("ips"), c1.addresses(ifname)), (None, Vec::new()));
        assert!(c1.link(ifname)["flags"].to_string().contains("\"UP\""));
        attached.check().silent();
    }
}

#[test]
fn name_servers_of_the_configuration_go_before_those_of_the_delegate() {
    let Some(lan) = host() else { return };
    let [c1, c2] = ["c1", "c2"].map(|name| lan.sandbox.netns(name));
    let resolv_conf = lan.sandbox.dir().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 10.1.0.53\n").unwrap();
    let mut conf = network(&lan, json!({}));
    conf["ipam"]["resolvConf"] = json!(resolv_conf);
    let of = |conf: &Value, container| Attachment::new(conf.clone(), container).add().success()["dns"].clone();
    assert_eq!(of(&conf, &c1), json!({ "nameservers": ["10.1.0.53"] }));
    conf["dns"] = json!({ "search": ["example.org"] });
    assert_eq!(of(&conf, &c2), json!({ "search": ["example.org"] }));
}

#[test]
fn a_link_of_the_host_may_have_the_same_name() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip link add eth0 type bridge");
    Attached::new(eth0(&lan, &c1, json!({}))).check().silent();
    assert_eq!(lan.sandbox.host().links(), [Lan::LINK, "eth0"]);
}

#[test]
fn what_the_plugin_before_made_comes_out_again() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    let prev = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "net1", "sandbox": c1.path() }],
        "ips": [{ "interface": 0, "address": "10.7.0.2/24" }] });
    let result = eth0(&lan, &c1, json!({})).with_prev(&prev).add().success();
    assert_eq!(result["interfaces"][0], prev["interfaces"][0]);
    assert_eq!((&result["interfaces"][1]["name"], &result["ips"][1]["interface"]), (&json!("eth0"), &json!(1)));
}
