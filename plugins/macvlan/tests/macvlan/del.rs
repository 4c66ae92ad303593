//! DEL: whatever it is not told, it removes what is the attachment's, and nothing else.

use serde_json::json;
use testkit::{Attached, Attachment, Lan, assert_same};

use crate::stage::network;

#[test]
fn everything_goes_whatever_del_is_not_told() {
    let lan = Lan::enter();
    lan.goes_with_every_del(
        &network(&lan, json!({})),
        &[
            json!({ "master": "gone0", "mode": "private", "cniVersion": "0.3.1" }),
            json!({ "master": null, "mtu": -1, "mode": "x", "mac": "x", "bcqueuelen": -1 }),
            json!({ "linkInContainer": true }),
        ],
    );
}

#[test]
fn everything_goes_after_the_master_and_the_default_route() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip addr add 10.1.0.250/24 dev uplink0; ip route add default via 10.1.0.1");
    let attached = Attached::new(Attachment::new(network(&lan, json!({ "master": null })), &c1));
    let lease = lan.leases().join("net/10.1.0.2");
    assert!(lease.exists());
    // With it goes what is on it.
    lan.sandbox.sh("ip link del uplink0");
    attached.del();
    assert!(!lease.exists());
    attached.del();
}

#[test]
fn link_that_the_container_has_renamed_goes() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    c1.sh("ip link set eth0 down; ip link set eth0 name lan0; ip link add eth0 type bridge");
    attached.del();
    assert!(!c1.try_sh("ip link show lan0").status.success());
    assert_eq!(c1.link("eth0")["linkinfo"]["info_kind"], "bridge");
}

#[test]
fn nothing_happens_before_any_add() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let before = [lan.snapshot(), c1.snapshot()];
    Attachment::new(network(&lan, json!({})), &c1).del().silent();
    assert!(before[0].diff(&lan.snapshot()).lines().all(|line| line.contains("/leases")));
    assert_same(&before[1], &c1.snapshot());
}

#[test]
fn other_interfaces_of_the_container_stay() {
    let lan = Lan::enter();
    let (c1, eth0) = lan.attach(&network(&lan, json!({})), "c1");
    let eth1 = Attached::new(Attachment::new(network(&lan, json!({})), &c1).ifname("eth1"));
    eth1.del();
    eth0.check().silent();
    c1.ping("10.1.0.1").unwrap();
}

#[test]
fn interface_of_another_network_stays() {
    let lan = Lan::enter();
    let (c1, owner) = lan.attach(&network(&lan, json!({ "name": "other" })), "c1");
    // The same interface: the ADD has to fail, and its DEL follows.
    let ours = Attachment::new(network(&lan, json!({})), &c1);
    ours.add().failure_code(101);
    ours.del().silent();
    owner.check().silent();
    owner.del();
}

#[test]
fn garbage_of_the_delegate_is_collected() {
    let lan = Lan::enter();
    let (_c1, kept) = lan.attach(&network(&lan, json!({})), "c1");
    let (c2, lost) = lan.attach(&network(&lan, json!({})), "c2");
    c2.remove();
    let lease = |attached: &Attached| lan.leases().join("net").join(attached.ip(0)).exists();
    kept.attachment.gc(&[("c1", "eth0")]).silent();
    assert!(lease(&kept) && !lease(&lost));
    kept.check().silent();
}

#[test]
fn interfaces_of_other_kinds_stay() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let ours = Attachment::new(network(&lan, json!({})), &c1);
    for other in ["ip link add eth0 type bridge", "ip link add eth0 type veth peer name eth9"] {
        c1.sh(other);
        ours.del().silent();
        assert_eq!(c1.link("eth0")["ifname"], "eth0", "{other}");
        c1.sh("ip link del eth0");
    }
}
