//! Settings of the bridge and its ports: hairpin, promiscuous mode, isolation, spoof check, VLANs.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Attached, LONG, SHORT, Stage, attach, link, routes, text};

#[test]
fn hairpin_and_isolation_are_off_unless_asked_for() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let plain = attach(&stage.network(json!({})), &c1);
    let special = attach(&stage.network(json!({ "hairpinMode": true, "portIsolation": true })), &c2);
    let settings = |attached: &Attached| {
        let data = link(stage.sandbox.host(), &attached.port())["linkinfo"]["info_slave_data"].clone();
        [data["hairpin"].clone(), data["isolated"].clone()]
    };
    assert_eq!(settings(&plain), [json!(false), json!(false)]);
    assert_eq!(settings(&special), [json!(true), json!(true)]);
}

#[test]
fn promiscuous_mode_is_the_bridges() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    attach(&stage.network(json!({ "promiscMode": true })), &c1);
    assert!(link(stage.sandbox.host(), "br0")["flags"].to_string().contains("PROMISC"));
    let both = stage.network(json!({ "promiscMode": true, "hairpinMode": true }));
    let error = Attachment::new(both, &c1).ifname("eth1").add().failure_code(7);
    let words = "cannot set hairpin mode and promiscuous mode at the same time";
    assert!(text(&error["msg"]).starts_with(words), "{error}");
}

#[test]
fn isolated_containers_reach_the_gateway_and_not_each_other() {
    let stage = Stage::new();
    let [c1, c2, open] = ["c1", "c2", "open"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "portIsolation": true }));
    let [_, two] = [attach(&conf, &c1), attach(&conf, &c2)];
    let plain = attach(&stage.network(json!({})), &open);
    c1.ping("10.1.0.1").unwrap();
    c2.ping("10.1.0.1").unwrap();
    c1.ping(plain.ip(0)).unwrap();
    c1.ping(two.ip(0)).unwrap_err();
}

#[test]
fn container_that_changes_its_hardware_address_is_cut_off() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "macspoofchk": true }));
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    c1.ping(two.ip(0)).unwrap();
    c1.sh("ip link set eth0 address 02:00:00:00:00:99");
    c1.ping("10.1.0.1").unwrap_err();
    let server = stage.sandbox.host().listen_udp("10.1.0.1:53");
    c1.ask_udp(server.address(), SHORT).unwrap_err();
    c2.ask_udp(server.address(), LONG).unwrap();
    c1.sh(&format!("ip link set eth0 address {}", one.mac()));
    c1.ping("10.1.0.1").unwrap();
}

#[test]
fn spoof_check_leaves_nothing_behind_del() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "macspoofchk": true }));
    attach(&conf, &c1).del();
    let before = stage.ruleset();
    assert!(!before.contains("veth"), "{before}");
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    let both = stage.ruleset();
    assert!([one.port(), two.port(), one.mac(), two.mac()].iter().all(|part| both.contains(part)), "{both}");
    one.del();
    two.check().silent();
    two.attachment.netns("").with_key("macspoofchk", json!(false)).del().silent();
    assert_eq!(stage.ruleset(), before);
}

#[test]
fn leftover_of_a_spoof_check_is_replaced() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = stage.network(json!({ "macspoofchk": true }));
    let old = attach(&conf, &c1);
    let before = stage.ruleset();
    // The link has gone and the elements have not: as after a DEL that was killed.
    stage.sandbox.sh(&format!("ip link del {}; rm -r {}", old.port(), stage.leases().display()));
    assert_eq!(stage.ruleset(), before);
    let new = attach(&conf, &c1);
    let now = stage.ruleset();
    assert!(now.contains(&new.mac()) && !now.contains(&old.mac()), "{now}");
    c1.ping("10.1.0.1").unwrap();
    new.del();
    assert!(!stage.ruleset().contains("veth"));
}

#[test]
fn vlans_that_the_kernel_cannot_filter_are_refused() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    if stage.sandbox.try_sh("ip link add probe0 type bridge vlan_filtering 1").status.success() {
        return;
    }
    for keys in [json!({ "vlan": 100 }), json!({ "vlanTrunk": [{ "id": 100 }] })] {
        let attachment = Attachment::new(stage.network(keys), &c1);
        let error = attachment.add().failure_code(100);
        assert!(text(&error["msg"]).contains("\"vlan\" or \"vlanTrunk\""), "{error}");
        assert!(!c1.try_sh("ip link show eth0").status.success());
        attachment.del().silent();
        // Also where the bridge is there.
        stage.sandbox.sh("ip link add br0 type bridge");
        let before = stage.snapshot();
        attachment.add().failure_code(100);
        assert!(before.diff(&stage.snapshot()).lines().all(|line| line.contains("leases")));
        stage.sandbox.sh("ip link del br0");
    }
}

fn vlan_of(stage: &Stage, port: &str) -> Value {
    stage.sandbox.json(&format!("bridge -j vlan show dev {port}"))[0]["vlans"].clone()
}

// For kernels that filter VLANs: `scripts/vm-test cargo test -p bridge -- --ignored` has one.

#[test]
#[ignore = "needs a kernel with bridge VLAN filtering"]
fn container_is_in_its_vlan_with_the_gateway() {
    let stage = Stage::new();
    let [c1, c2, other] = ["c1", "c2", "other"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "vlan": 100 }));
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    assert_eq!(one.result["interfaces"][3]["name"], "br0.100");
    assert_eq!(vlan_of(&stage, &one.port()), json!([{ "vlan": 100, "flags": ["PVID", "Egress Untagged"] }]));
    c1.ping("10.1.0.1").unwrap();
    c1.ping(two.ip(0)).unwrap();
    let elsewhere = attach(&stage.network(json!({ "vlan": 200, "isGateway": false })), &other);
    c1.ping(elsewhere.ip(0)).unwrap_err();
    one.check().silent();
    one.del();
    two.check().silent();
}

#[test]
#[ignore = "needs a kernel with bridge VLAN filtering"]
fn trunk_carries_its_vlans_tagged() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "ipam": null, "vlanTrunk": [{ "minID": 101, "maxID": 103 }, { "id": 110 }] }));
    let one = attach(&conf, &c1);
    attach(&conf, &c2);
    for (container, last) in [(&c1, 1), (&c2, 2)] {
        container.sh(&format!(
            "for id in 102 110 120; do ip link add link eth0 name eth0.$id type vlan id $id
             ip addr add 10.$id.0.{last}/24 dev eth0.$id; ip link set eth0.$id up; done"
        ));
    }
    c1.ping("10.102.0.2").unwrap();
    c1.ping("10.110.0.2").unwrap();
    c1.ping("10.120.0.2").unwrap_err();
    one.check().silent();
}

#[test]
#[ignore = "needs a kernel with bridge VLAN filtering"]
fn default_vlan_can_be_preserved() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let one = attach(&stage.network(json!({ "vlan": 100, "preserveDefaultVlan": true })), &c1);
    let ids: Vec<u64> =
        vlan_of(&stage, &one.port()).as_array().unwrap().iter().map(|vlan| vlan["vlan"].as_u64().unwrap()).collect();
    assert_eq!(ids, [1, 100]);
    assert_eq!(routes(&c1, "route show default"), [""; 0]);
}
