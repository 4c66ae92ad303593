//! Packets with tags, from the container to who else is in its VLAN.

use serde_json::json;
use testkit::{Attachment, eventually};

use crate::stage::{LONG, network, tagged, text};

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn container_reaches_its_vlan_and_no_other() {
    let lan = tagged();
    let (c1, _one) = lan.attach(&network(&lan, json!({})), "c1");
    for address in ["10.1.0.1", "fd01::1"] {
        c1.ping(address).unwrap();
    }
    let server = lan.outside.listen_tcp("10.1.0.1:80");
    assert_eq!(c1.connect_tcp(server.address(), LONG).unwrap().peer.ip().to_string(), "10.1.0.2");
    // One that has an address of the other VLAN is not in it.
    c1.sh("ip addr add 10.2.0.7/24 dev eth0");
    c1.ping("10.2.0.1").unwrap_err();
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.2.0.8/24" }] });
    let (c2, _two) = lan.attach(&network(&lan, json!({ "vlanId": 200, "ipam": ipam })), "c2");
    c2.ping("10.2.0.1").unwrap();
    c2.sh("ip addr add 10.1.0.9/24 dev eth0");
    c2.ping("10.1.0.1").unwrap_err();
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn hardware_address_stays_when_that_of_the_master_changes() {
    let lan = tagged();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    assert_eq!(c1.link("eth0")["address"], lan.sandbox.host().link("uplink0")["address"]);
    lan.sandbox.sh("ip link set uplink0 address 02:00:00:00:00:77");
    assert_eq!(c1.link("eth0")["address"], attached.result["interfaces"][0]["mac"]);
    eventually(LONG, || c1.ping("10.1.0.1"));
    attached.check().silent();
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn a_vlan_is_on_its_master_once() {
    let lan = tagged();
    let (c1, one) = lan.attach(&network(&lan, json!({})), "c1");
    let c2 = lan.sandbox.netns("c2");
    let second = Attachment::new(network(&lan, json!({})), &c2);
    let before = [lan.snapshot(), c2.snapshot()];
    let error = second.add().failure_code(101);
    assert_eq!(error["msg"], "create vlan 100 on \"uplink0\": File exists (EEXIST)");
    assert!(text(&error["details"]).ends_with("VLAN device already exists"), "{error}");
    testkit::assert_same(&before[0], &lan.snapshot());
    testkit::assert_same(&before[1], &c2.snapshot());
    one.check().silent();
    c1.ping("10.1.0.1").unwrap();
    one.del();
    second.add().success();
    c2.ping("10.1.0.1").unwrap();
}
