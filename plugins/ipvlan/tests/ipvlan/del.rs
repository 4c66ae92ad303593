//! DEL: whatever it is not told, it removes what is the attachment's, and nothing else.

use serde_json::json;
use testkit::{Attached, Attachment, Lan};

use crate::stage::network;

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn everything_goes_whatever_del_is_not_told() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let attachment = Attachment::new(network(&lan, json!({})), &c1);
    for keys in [
        json!({}),
        json!({ "master": "gone0", "mode": "l3", "cniVersion": "0.3.1" }),
        json!({ "master": null, "mtu": -1, "mode": "x", "flag": "x", "linkInContainer": true, "prevResult": "junk" }),
    ] {
        attachment.add().success();
        let del = keys
            .as_object()
            .unwrap()
            .iter()
            .fold(attachment.clone(), |at, (key, value)| at.with_key(key, value.clone()));
        del.del().silent();
        del.del().silent();
        assert!(!c1.try_sh("ip link show eth0").status.success());
        assert_eq!(leases(&lan), "");
    }
    // The link goes with the container.
    let (lost, attached) = lan.attach(&network(&lan, json!({})), "lost");
    lost.remove();
    attached.del();
    assert_eq!(leases(&lan), "");
}

fn leases(lan: &Lan) -> String {
    lan.sandbox.sh(&format!("find {} -name '10.*'", lan.leases().display()))
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn other_interfaces_and_those_of_other_networks_stay() {
    let lan = Lan::enter();
    let (c1, eth0) = lan.attach(&network(&lan, json!({})), "c1");
    let eth1 = Attached::new(Attachment::new(network(&lan, json!({})), &c1).ifname("eth1"));
    eth1.del();
    let other = Attachment::new(network(&lan, json!({ "name": "other" })), &c1);
    other.add().failure_code(101);
    other.del().silent();
    eth0.check().silent();
    c1.sh("ip link set eth0 down; ip link set eth0 name lan0; ip link add eth0 type bridge");
    eth0.del();
    assert!(!c1.try_sh("ip link show lan0").status.success());
    assert_eq!(c1.link("eth0")["linkinfo"]["info_kind"], "bridge");
}

/// Before any ADD, without a master, a default route or a namespace: the delegate is asked to release all the same.
#[test]
fn lease_goes_without_master_default_route_and_netns() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    for (keys, netns) in [
        (json!({ "master": "gone0" }), "/run/netns/c1"),
        (json!({ "master": null }), "/run/netns/c1"),
        (json!({ "master": null }), ""),
        (json!({ "linkInContainer": true }), "/run/netns/never-was"),
    ] {
        let conf = network(&lan, keys);
        let lease = Attachment::new(lan.network("host-local", json!({ "ipam": conf["ipam"] })), &c1);
        lease.add().success();
        assert_ne!(leases(&lan), "");
        Attachment::new(conf, &c1).netns(netns).del().silent();
        assert_eq!(leases(&lan), "");
    }
}
