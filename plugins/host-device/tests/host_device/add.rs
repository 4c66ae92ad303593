//! ADD: the device is in the container, as the configuration says.

use serde_json::json;
use testkit::Attachment;

use crate::stage::{Stage, is_up, link, links, text};

#[test]
fn device_is_lent_with_addresses_and_reaches_what_is_behind_it() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let mac = text(&link(stage.sandbox.host(), "d0")["address"]);
    stage.beyond.sh("ip addr add 10.1.0.1/24 dev d0; ip addr add fd01::1/64 dev d0 nodad");
    let result = stage.attach(&c1, json!({})).add().success();
    let told = json!([{ "name": "eth0", "mac": mac, "mtu": 1500, "sandbox": "/run/netns/c1" }]);
    assert_eq!(result["interfaces"], told);
    assert_eq!((&result["ips"][0]["interface"], &result["ips"][0]["address"]), (&json!(0), &json!("10.1.0.2/24")));
    assert_eq!(links(&c1), ["eth0"]);
    assert!(stage.links().is_empty() && is_up(&c1, "eth0"));
    let eth0 = link(&c1, "eth0");
    // As the reference knows it.
    assert_eq!((&eth0["ifalias"], &eth0["address"]), (&json!("d0"), &json!(mac)));
    c1.ping("10.1.0.1").unwrap();
    c1.ping("fd01::1").unwrap();
    assert!(c1.sh("ip route show default").starts_with("default via 10.1.0.1 dev eth0"));
}

#[test]
fn marks_name_the_owner_and_what_was_before() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    stage.attach(&c1, json!({})).add().success();
    let altnames = link(&c1, "eth0")["altnames"].clone();
    // The hashes of "net" and of "eth0:c1".
    let owner = "a4861f4ae9f7d238-f4d01f2ef4b92245";
    let marks = [",net:net,if:eth0,id:c1", ",was:up:d0", ",alias:0:to%20rack%207"].map(|mark| format!("{owner}{mark}"));
    assert_eq!(altnames, json!(marks));
}

#[test]
fn without_ipam_it_is_up_and_has_no_address() {
    let stage = Stage::new();
    stage.device("d0");
    let c1 = stage.sandbox.netns("c1");
    let result = stage.attach(&c1, json!({ "ipam": null, "dns": { "nameservers": ["10.1.0.9"] } })).add().success();
    assert_eq!((&result["ips"], &result["dns"]), (&json!(null), &json!({ "nameservers": ["10.1.0.9"] })));
    assert!(is_up(&c1, "eth0"));
    let addresses = c1.json("ip -j -4 addr show dev eth0");
    assert!(addresses.as_array().unwrap().iter().all(|link| link["addr_info"] == json!([])), "{addresses}");
}

#[test]
fn names_of_others_are_not_in_the_way() {
    let stage = Stage::with_device();
    stage.device("eth0");
    let c1 = stage.sandbox.netns("c1");
    c1.sh("ip link add d0 type veth peer name d1");
    let before = (stage.snapshot(), c1.snapshot());
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    assert_eq!(link(&c1, "eth0")["ifalias"], "d0");
    assert_eq!((stage.links(), links(&c1).len()), (vec!["eth0".to_owned()], 3));
    attachment.del().silent();
    testkit::assert_same(&before.0, &stage.snapshot());
    testkit::assert_same(&before.1, &c1.snapshot());
}

#[test]
fn interface_may_be_called_as_the_device_is() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = stage.attach(&c1, json!({})).ifname("d0");
    let result = attachment.add().success();
    assert_eq!(result["interfaces"][0]["name"], "d0");
    attachment.with_prev(&result).check().silent();
    attachment.del().silent();
    testkit::assert_same(&before, &stage.snapshot());
}

#[test]
fn previous_result_comes_first() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let prev = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "x0" }], "ips": [{ "interface": 0, "address": "10.9.0.1/24" }] });
    let result = stage.attach(&c1, json!({})).with_prev(&prev).add().success();
    assert_eq!((&result["interfaces"][0]["name"], &result["interfaces"][1]["name"]), (&json!("x0"), &json!("eth0")));
    assert_eq!((&result["ips"][0]["interface"], &result["ips"][1]["interface"]), (&json!(0), &json!(1)));
}

#[test]
fn ipv6_is_turned_on_where_it_was_off() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    c1.sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1 net.ipv6.conf.all.disable_ipv6=1");
    stage.attach(&c1, json!({})).add().success();
    assert!(c1.sh("ip -6 addr show dev eth0 scope global").contains("fd01::2/64"));
}

#[test]
fn configuration_that_names_no_device_is_refused_in_the_references_words() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    for device in [json!(null), json!("")] {
        let mut conf = stage.network(json!({}));
        conf["device"] = device;
        let error = Attachment::new(conf, &c1).add().failure_code(7);
        assert_eq!(error["msg"], r#"specify either "device", "hwaddr", "kernelpath" or "pciBusID""#);
    }
}

#[test]
fn impossible_devices_are_refused_by_name() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    for (keys, code, msg) in [
        (json!({ "device": "d9" }), 100, "find \"device\" \"d9\": it is not on the host"),
        (json!({ "device": "lo" }), 7, "move \"lo\": a loopback stays where it is"),
        (
            json!({ "device": "a b" }),
            7,
            "\"device\" \"a b\": must be the name of a link: at most 127 bytes, neither / nor white space",
        ),
        (
            json!({ "device": null, "hwaddr": "02:00:00:00:00:77" }),
            100,
            "find \"hwaddr\" \"02:00:00:00:00:77\": it is not on the host",
        ),
        (
            json!({ "device": null, "hwaddr": "00:00:00:00:00:00" }),
            100,
            "find \"hwaddr\" \"00:00:00:00:00:00\": it is not on the host",
        ),
        (json!({ "hwaddr": "02:00" }), 7, "\"hwaddr\" \"02:00\": must be a hardware address, like 02:00:00:12:34:56"),
    ] {
        let error = stage.attach(&c1, keys).add().failure_code(code);
        assert_eq!(error["msg"], msg);
    }
    assert_eq!((stage.links(), stage.leased().len()), (vec!["d0".to_owned()], 0));
}
