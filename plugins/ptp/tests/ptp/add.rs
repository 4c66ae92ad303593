//! What an ADD makes and tells: results of every version, keys, refusals.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attachment, TestNs, assert_same};

use crate::stage::{Attached, Stage, addresses, link, text};

/// The interfaces as they are told, from what the kernel has.
fn interfaces_of(stage: &Stage, container: &TestNs, attached: &Attached, with_mtu: bool) -> Value {
    let links = [link(stage.host(), &attached.near()), link(container, "eth0")];
    let mut told = links.map(|link| {
        let mtu = if with_mtu { link["mtu"].clone() } else { Value::Null };
        json!({ "name": link["ifname"], "mac": link["address"], "mtu": mtu })
    });
    told[1]["sandbox"] = container.path().to_str().unwrap().into();
    for told in &mut told {
        told.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    }
    json!(told)
}

fn result_has_the_layout_of(version: &str) {
    let stage = Stage::new();
    let (c1, attached) = stage.attach(&stage.network(json!({ "cniVersion": version })), "c1");
    let routes = [json!({ "dst": "0.0.0.0/0" }), json!({ "dst": "::/0" })];
    let mut expected = json!({ "cniVersion": version });
    if version < "0.3.0" {
        expected["ip4"] = json!({ "ip": "10.1.0.2/24", "gateway": "10.1.0.1", "routes": routes[..1] });
        expected["ip6"] = json!({ "ip": "fd01::2/64", "gateway": "fd01::1", "routes": routes[1..] });
    } else {
        expected["interfaces"] = interfaces_of(&stage, &c1, &attached, version == "1.1.0");
        expected["ips"] = json!([
            { "interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
            { "interface": 1, "address": "fd01::2/64", "gateway": "fd01::1" },
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
    assert_eq!(stage.ends(), [""; 0]);
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
fn mtu_is_that_of_both_ends() {
    let stage = Stage::new();
    let (c1, attached) = stage.attach(&stage.network(json!({ "mtu": 1400 })), "c1");
    for link in [link(stage.host(), &attached.near()), link(&c1, "eth0")] {
        assert_eq!(link["mtu"], 1400);
    }
    assert!(attached.result["interfaces"].as_array().unwrap().iter().all(|told| told["mtu"] == 1400));
    stage.host().sh("ping -n -q -c 1 -W 1 -M do -s 1372 10.1.0.2");
    assert!(!stage.host().try_sh("ping -n -q -c 1 -W 1 -M do -s 1373 10.1.0.2").status.success());
}

#[test]
fn configured_dns_replaces_the_delegates_if_it_says_anything() {
    let stage = Stage::new();
    let resolv = stage.sandbox.dir().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 10.0.0.53\nsearch example.org\n").unwrap();
    let mut ipam = stage.ipam(["10.1.0.0/24", "fd01::/64"]);
    ipam["resolvConf"] = resolv.to_str().unwrap().into();
    let delegates = json!({ "nameservers": ["10.0.0.53"], "search": ["example.org"] });
    let own = json!({ "nameservers": ["10.0.0.99"], "options": ["ndots:1"] });
    let empty = json!({ "nameservers": [], "domain": "", "search": [], "options": [] });
    for (number, (dns, expected)) in
        [(json!(null), &delegates), (own.clone(), &own), (empty, &delegates), (json!({}), &delegates)]
            .into_iter()
            .enumerate()
    {
        let (_, attached) = stage.attach(&stage.network(json!({ "ipam": ipam, "dns": dns })), &format!("c{number}"));
        assert_eq!(&attached.result["dns"], expected, "{dns}");
    }
}

#[test]
fn what_the_plugin_before_made_comes_out_again() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add wlan0 type veth peer name net1 netns c1; ip link set wlan0 up");
    c1.sh("ip link set net1 up; ip addr add 10.7.0.2/24 dev net1");
    let prev = json!({
        "cniVersion": "1.1.0",
        "interfaces": [{ "name": "wlan0" }, { "name": "net1", "sandbox": c1.path() }],
        "ips": [{ "interface": 1, "address": "10.7.0.2/24", "gateway": "10.7.0.1" }, { "address": "10.8.0.2/24" }],
        "dns": { "nameservers": ["10.7.0.1"] },
    });
    let keys = json!({ "ipMasq": true, "prevResult": prev, "dns": { "nameservers": ["10.1.0.1"] } });
    let attached = Attached::new(Attachment::new(stage.network(keys), &c1));
    let result = &attached.result;
    assert_eq!(result["interfaces"].as_array().unwrap()[..2], prev["interfaces"].as_array().unwrap()[..]);
    assert_eq!(result["interfaces"][3]["name"], "eth0");
    assert_eq!(result["ips"].as_array().unwrap()[..2], prev["ips"].as_array().unwrap()[..]);
    assert_eq!(result["ips"][2], json!({ "interface": 3, "address": "10.1.0.2/24", "gateway": "10.1.0.1" }));
    assert_eq!(result["dns"]["nameservers"], json!(["10.7.0.1", "10.1.0.1"]));
    attached.check().silent();
    attached.del();
    assert_eq!(addresses(&c1, "net1"), ["10.7.0.2/24"]);
}

#[test]
fn configuration_that_cannot_be_is_refused_before_any_effect() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = [stage.snapshot(), c1.snapshot()];
    for (keys, words) in [
        (json!({ "ipam": null }), "\"ipam.type\" is missing"),
        (json!({ "ipam": {} }), "\"ipam.type\" is missing"),
        (json!({ "ipam": { "type": "" } }), "\"ipam.type\" is missing"),
        (json!({ "mtu": 70000 }), "\"mtu\" 70000"),
        (json!({ "ipMasq": true, "ipMasqBackend": "x" }), "unknown ipmasq backend \"x\""),
    ] {
        let attachment = Attachment::new(stage.network(keys), &c1);
        let error = attachment.add().failure_code(7);
        assert!(text(&error["msg"]).starts_with(words), "{error}");
        attachment.del().silent();
    }
    let wrong_type = Attachment::new(stage.network(json!({ "mtu": "1400" })), &c1);
    wrong_type.add().failure_code(6);
    assert_same(&before[0], &stage.snapshot().without(&["/leases"]));
    assert_same(&before[1], &c1.snapshot());
}

#[test]
fn delegate_that_is_the_plugin_itself_is_refused() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = stage.network(json!({ "ipam": { "type": "ptp" }, "cni.dev/valid-attachments": [] }));
    let attachment = Attachment::new(conf, &c1);
    // Should it call itself all the same, it must not go on for long.
    let call = |command| attachment.call(command).limit(Duration::from_secs(2)).run();
    for command in ["ADD", "CHECK", "GC", "STATUS"] {
        assert!(text(&call(command).failure_code(7)["msg"]).starts_with("\"ipam.type\" \"ptp\": it must be another"));
    }
    call("DEL").silent();
}

#[test]
fn unknown_arguments_are_somebody_elses() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = stage.network(json!({ "ipam": { "type": "static", "addresses": [{ "address": "10.1.0.2/24" }] } }));
    let attached = Attached::new(Attachment::new(conf, &c1).args("IgnoreUnknown=1;MAC=02:00:00:00:00:0a;K8S=x"));
    assert_ne!(link(&c1, "eth0")["address"], "02:00:00:00:00:0a");
    attached.check().silent();
}
