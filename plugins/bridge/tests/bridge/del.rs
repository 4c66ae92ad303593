//! DEL: whatever it is not told, it removes what is the attachment's, and nothing else.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Attached, Stage, attach, attach_as, link};

/// A network that keeps state everywhere.
fn everything(stage: &Stage) -> Value {
    stage.dual(json!({ "ipMasq": true, "macspoofchk": true }))
}

/// Everything has gone after `del`, whatever has happened to the attachment before.
fn cleans_up(del: impl FnOnce(&Stage, Attached)) {
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    attach(&everything(&stage), &warm_up).del();
    let before = stage.snapshot();
    let attached = attach(&everything(&stage), &c1);
    del(&stage, attached);
    assert_same(&before, &stage.snapshot());
}

#[test]
fn everything_goes_with_the_previous_result() {
    cleans_up(|_, attached| attached.del());
}

#[test]
fn everything_goes_without_the_previous_result_and_again() {
    cleans_up(|_, attached| {
        attached.attachment.del().silent();
        attached.attachment.del().silent();
    });
}

#[test]
fn everything_goes_without_a_netns() {
    cleans_up(|_, attached| attached.attachment.netns("").del().silent());
    for netns in ["/run/netns/never-was", "/run", "/proc/self/ns/uts"] {
        cleans_up(|_, attached| attached.attachment.netns(netns).del().silent());
    }
}

#[test]
fn everything_goes_where_the_netns_is_the_hosts() {
    cleans_up(|stage, attached| attached.attachment.netns(stage.sandbox.host().path()).del().silent());
}

#[test]
fn everything_goes_after_the_netns() {
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    attach(&everything(&stage), &warm_up).del();
    let before = stage.snapshot();
    let attached = attach(&everything(&stage), &c1);
    c1.remove();
    attached.del();
    // What is left of a namespace that was unmounted and not removed.
    let c2 = stage.sandbox.netns("c2");
    let attached = attach(&everything(&stage), &c2);
    stage.sandbox.sh("umount -l /run/netns/c2");
    attached.del();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn everything_goes_with_a_previous_result_that_is_junk() {
    for junk in [json!("junk"), json!({ "cniVersion": "7.7.7" }), json!({ "ips": 3 }), json!([]), json!({})] {
        cleans_up(|_, attached| attached.attachment.with_prev(&junk).del().silent());
    }
}

#[test]
fn everything_goes_with_a_configuration_that_has_changed() {
    cleans_up(|_, attached| {
        let changed = attached.attachment.with_key("ipMasq", json!(false)).with_key("bridge", json!("br7"));
        changed.with_key("macspoofchk", json!(false)).with_key("cniVersion", json!("0.3.1")).del().silent();
    });
}

#[test]
fn configuration_that_an_add_would_refuse_is_no_obstacle() {
    cleans_up(|_, attached| {
        let changed = attached.attachment.with_key("vlan", json!(9999)).with_key("mtu", json!(-1));
        changed.with_key("hairpinMode", json!(true)).with_key("promiscMode", json!(true)).del().silent();
    });
}

#[test]
fn everything_goes_after_the_bridge() {
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    attach(&everything(&stage), &warm_up).del();
    let before = stage.snapshot();
    let attached = attach(&everything(&stage), &c1);
    stage.sandbox.sh("ip link del br0");
    attached.del();
    let of_bridge = |line: &str| line.contains("br0");
    assert!(before.diff(&stage.snapshot()).lines().all(of_bridge), "{}", before.diff(&stage.snapshot()));
}

#[test]
fn everything_goes_after_sets_that_were_emptied() {
    let sets =
        ["inet mooring masquerade_links4", "inet mooring masquerade_subnets4", "bridge mooring allowed_addresses"];
    for set in sets.into_iter().chain(["bridge mooring restricted_ports", "inet mooring masquerade_subnets6"]) {
        let stage = Stage::new();
        let c1 = stage.sandbox.netns("c1");
        let attached = attach(&everything(&stage), &c1);
        stage.sandbox.sh(&format!("nft flush set {set}"));
        attached.check().failure_code(103);
        attached.del();
        assert_eq!(stage.ports("br0"), [""; 0]);
    }
}

#[test]
fn nothing_happens_before_any_add() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    Attachment::new(everything(&stage), &c1).del().silent();
    let of_delegate = |line: &str| line.contains("/leases");
    assert!(before.diff(&stage.snapshot()).lines().all(of_delegate));
    assert_eq!(stage.ruleset(), "");
}

/// The reference's chains have the ID in their names; one that does not fit there was never used in a name.
#[test]
fn container_id_may_be_longer_than_names_in_nf_tables() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    Attachment::new(everything(&stage), &c1).container(&"c".repeat(500)).del().silent();
}

#[test]
fn other_interfaces_of_the_container_stay() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let conf = everything(&stage);
    let eth0 = attach(&conf, &c1);
    let eth1 = attach_as(Attachment::new(conf, &c1).ifname("eth1"));
    eth1.del();
    eth0.check().silent();
    c1.ping("10.1.0.1").unwrap();
}

#[test]
fn interface_of_another_network_stays() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let other = stage.network(json!({ "name": "other", "ipam": stage.ipam(&["10.2.0.0/24"]) }));
    let owner = attach(&other, &c1);
    // The same bridge and the same interface: the ADD has to fail, and its DEL follows.
    let ours = Attachment::new(stage.network(json!({})), &c1);
    ours.add().failure_code(101);
    ours.del().silent();
    owner.check().silent();
    // The owner's name was cut off by a crash: the link's name is the owner's still.
    stage.sandbox.sh(&format!("ip link set {} alias ''", owner.port()));
    ours.del().silent();
    owner.check().silent();
    owner.del();
}

#[test]
fn interface_that_nobody_here_has_made_stays() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let ours = Attachment::new(stage.network(json!({})), &c1);
    stage.sandbox.sh("ip link add br0 type bridge; ip link add br1 type bridge");
    for script in [
        "ip link add vethforeign type veth peer name eth0 netns c1; ip link set vethforeign master br1",
        "ip link add vethforeign type veth peer name eth0 netns c1",
    ] {
        stage.sandbox.sh(script);
        ours.del().silent();
        assert_eq!(link(&c1, "eth0")["ifname"], "eth0", "{script}");
        stage.sandbox.sh("ip link del vethforeign");
    }
    c1.sh("ip link add eth0 type bridge");
    ours.del().silent();
    assert_eq!(link(&c1, "eth0")["ifname"], "eth0");
}
