//! ADD: what hangs on which link.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{IFB, Stage, attach, attach_at, both, egress, ingress, prev, text};

#[test]
fn both_directions_are_limited_on_the_host() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh("ip link set v-c1 mtu 1400");
    let result = attach(&container, both()).add().success();

    let [root, filters] = &stage.qdiscs("v-c1")[..] else { panic!("{:?}", stage.qdiscs("v-c1")) };
    assert!(root.starts_with("qdisc tbf 6d6f: root "), "{root}");
    assert!(root.contains("rate 20Mbit burst 200000b lat 25ms"), "{root}");
    assert!(filters.starts_with("qdisc ingress ffff: "), "{filters}");
    let told = stage.filters("v-c1");
    assert!(told.contains("protocol all pref 1 u32") && told.contains("match 00000000/00000000 at 0"), "{told}");
    assert!(told.contains(&format!("Egress Redirect to device {IFB}) stolen")), "{told}");
    let [root] = &stage.qdiscs(IFB)[..] else { panic!("{:?}", stage.qdiscs(IFB)) };
    assert!(root.contains("rate 40Mbit burst 100000b lat 25ms"), "{root}");

    let ifb = stage.link(IFB);
    assert!(ifb["flags"].as_array().unwrap().contains(&json!("UP")), "{ifb}");
    assert_eq!((&ifb["mtu"], &ifb["addr_info"]), (&json!(1400), &json!([])));
    let alias = text(&ifb["ifalias"]);
    assert!(alias.ends_with(", net: net, if: eth0, id: c1"), "{alias}");

    let mut expected = prev("1.1.0", &container, "eth0", "v-c1");
    let told = json!({ "name": IFB, "mac": ifb["address"], "mtu": 1400 });
    expected["interfaces"].as_array_mut().unwrap().push(told);
    assert_eq!(result, expected);
    assert_eq!(container.sh("tc qdisc show dev eth0"), "qdisc noqueue 0: root refcnt 2 \n", "nothing inside");
}

#[test]
fn one_direction_leaves_the_other_alone() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, ingress());
    assert_eq!(attachment.add().success(), prev("1.1.0", &container, "eth0", "v-c1"));
    let [root] = &stage.qdiscs("v-c1")[..] else { panic!("{:?}", stage.qdiscs("v-c1")) };
    assert!(root.contains("tbf") && stage.ifbs().is_empty(), "{root}");
    attachment.del().silent();

    let result = attach(&container, egress()).add().success();
    assert_eq!(result["interfaces"][3]["name"], IFB);
    let [filters] = &stage.qdiscs("v-c1")[..] else { panic!("{:?}", stage.qdiscs("v-c1")) };
    assert!(filters.contains("ingress"), "{filters}");
    assert_eq!(stage.qdiscs(IFB).len(), 1);
}

#[test]
fn without_limits_the_previous_result_comes_out_and_nothing_is_touched() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    let zeros = json!({ "ingressRate": 0, "ingressBurst": 0, "egressRate": 0, "egressBurst": 0 });
    let overridden = json!({ "egressRate": 0, "runtimeConfig": { "bandwidth": both() } });
    for keys in [json!({}), zeros.clone(), json!({ "runtimeConfig": { "bandwidth": zeros } }), overridden] {
        let attachment = attach(&container, keys);
        assert_eq!(attachment.add().success(), prev("1.1.0", &container, "eth0", "v-c1"));
        // Not even the network namespace is looked at.
        attachment.clone().netns("/run/netns/absent").add().success();
        attachment.check().silent();
    }
    assert_same(&before, &stage.snapshot());
}

#[test]
fn every_version_that_has_interfaces_is_spoken() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for version in ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let attachment = attach_at(version, &container, both());
        let result = attachment.add().success();
        assert_eq!(result["cniVersion"], version);
        let told = result["interfaces"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&told["name"], told.get("mtu").is_some()), (&json!(IFB), version == "1.1.0"));
        attachment.del().silent();
    }
    for version in ["", "0.1.0", "0.2.0"] {
        attach(&container, both()).with_key("cniVersion", json!(version)).add().failure_code(1);
    }
}

/// As containerd spells keys, with its burst; kubelet's, and the most that CRI-O sends.
#[test]
fn what_clients_send_is_understood_whole() {
    let stage = Stage::new();
    let container = stage.container("c1");
    for (burst, told) in [(2_147_483_647_u64, "256Mb"), (4_294_967_295, "512Mb"), (34_359_738_359, "4Gb")] {
        let limits =
            json!({ "IngressRate": 10_000_000, "IngressBurst": burst, "EgressRate": 1_000_000, "EgressBurst": burst });
        let attachment = attach(&container, json!({ "runtimeConfig": { "bandwidth": limits } }));
        let result = attachment.add().success();
        attachment.with_prev(&result).check().silent();
        let [root, _] = &stage.qdiscs("v-c1")[..] else { panic!("{:?}", stage.qdiscs("v-c1")) };
        // tc makes bytes of ticks, of which the kernel tells 32 bits: it sees what is longer than 275 seconds folded.
        if burst < 4_294_967_295 {
            assert!(root.contains(&format!("burst {told}")), "{root}");
        }
        attachment.del().silent();
    }
}

#[test]
fn rates_beyond_32_bits_and_small_bursts_are_told_to_the_kernel() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let fast = json!({ "ingressRate": 100_000_000_000_u64, "ingressBurst": 800_000_000, "egressRate": u64::MAX, "egressBurst": 8 });
    let attachment = attach(&container, fast);
    let result = attachment.add().success();
    assert!(stage.qdiscs("v-c1")[0].contains("rate 100Gbit"), "{:?}", stage.qdiscs("v-c1"));
    attachment.with_prev(&result).check().silent();
    attachment.del().silent();

    // A burst of 57 bytes, in which no packet fits: one has to.
    let small = json!({ "ingressRate": 1_000_000, "ingressBurst": 456, "egressRate": 1_000_000, "egressBurst": 456 });
    let attachment = attach(&container, small);
    let result = attachment.add().success();
    attachment.with_prev(&result).check().silent();
    assert!(stage.qdiscs("v-c1")[0].contains("burst 1514b"), "{:?}", stage.qdiscs("v-c1"));
    stage.sandbox.sh("ip addr add 10.1.0.1/24 dev v-c1");
    container.sh("ip addr add 10.1.0.2/24 dev eth0; ping -q -c 1 -W 5 -M do -s 1472 10.1.0.1");
}

/// The container's other interface, and other containers, have veth pairs whose ends the result may tell of as well.
#[test]
fn limits_hang_on_the_link_whose_other_end_the_interface_is() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.interface(&container, "eth1", "v-other");
    stage.container("c2");
    let mut told = prev("1.1.0", &container, "eth0", "v-other");
    for name in ["v-c2", "v-c1"] {
        told["interfaces"].as_array_mut().unwrap().push(json!({ "name": name }));
    }
    attach(&container, both()).with_prev(&told).add().success();
    let limited: Vec<_> = ["v-other", "v-c2", "v-c1"].iter().map(|link| stage.qdiscs(link).len()).collect();
    assert_eq!(limited, [0, 0, 2]);
}

/// As calico's results are: the host's end alone, and addresses that are of no interface.
#[test]
fn results_that_tell_only_of_the_hosts_end_are_enough() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let told = json!({ "cniVersion": "0.3.1", "interfaces": [{ "name": "v-c1" }], "dns": {},
        "ips": [{ "version": "4", "address": "10.1.0.2/32" }] });
    let result = attach_at("0.3.1", &container, both()).with_prev(&told).add().success();
    assert_eq!((&result["interfaces"][0]["name"], &result["interfaces"][1]["name"]), (&json!("v-c1"), &json!(IFB)));
    assert_eq!(result["ips"], told["ips"]);
}

#[test]
fn the_link_says_whose_limits_it_has_and_keeps_its_alias() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh("ip link set v-c1 alias somebodys");
    let attachment = attach(&container, ingress());
    attachment.add().success();
    let link = stage.link("v-c1");
    let name = text(&link["altnames"][0]);
    assert!(name.starts_with("bandwidth-") && name.len() == "bandwidth-".len() + 33, "{link}");
    attachment.del().silent();
    let link = stage.link("v-c1");
    assert_eq!((&link["ifalias"], &link["altnames"]), (&json!("somebodys"), &Value::Null));
}
