//! Frames between the container and the process that has the tap open.

use serde_json::json;
use testkit::Attached;

use crate::{
    guest::{Access, Guest, UNPRIVILEGED, reaches},
    stage::{eth0, host},
};

#[test]
fn frames_go_to_and_come_from_whoever_is_the_owner() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    let attached = Attached::new(eth0(&lan, &c1, json!({ "owner": 0, "group": 0 })));
    c1.ping("10.1.0.9").unwrap_err();
    let guest = Guest::open(&c1, "eth0", "10.1.0.9", UNPRIVILEGED);
    reaches(&c1, "10.1.0.9");
    attached.check().silent();
    drop(guest);
    // It stays, and can be opened again.
    c1.ping("10.1.0.9").unwrap_err();
    attached.check().silent();
    let _guest = Guest::open(&c1, "eth0", "10.1.0.9", UNPRIVILEGED);
    reaches(&c1, "10.1.0.9");
    // Also while it is open.
    attached.del();
    assert_eq!(c1.links(), [""; 0]);
}

#[test]
fn several_queues_only_where_they_are_asked_for() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    eth0(&lan, &c1, json!({ "multiQueue": true })).add().success();
    eth0(&lan, &c1, json!({})).ifname("eth1").add().success();
    let two = Access { queues: 2, ..UNPRIVILEGED };
    let _guest = Guest::open(&c1, "eth0", "10.1.0.9", two);
    reaches(&c1, "10.1.0.9");
    let (_guest, outcomes) = Guest::try_open(&c1, "eth1", "10.1.0.9", two);
    assert_eq!(outcomes, ["EINVAL", "EINVAL"]);
}

#[test]
fn port_of_a_bridge_of_the_container_reaches_what_is_behind_it() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip link add br0 type bridge; ip addr add 10.2.0.1/24 dev br0; ip link set br0 up");
    let attached = Attached::new(eth0(&lan, &c1, json!({ "bridge": "br0", "ipam": null, "mtu": 1400 })));
    let tap = c1.link("eth0");
    assert_eq!((&tap["master"], &tap["mtu"]), (&json!("br0"), &json!(1400)));
    let _guest = Guest::open(&c1, "eth0", "10.2.0.9", UNPRIVILEGED);
    reaches(&c1, "10.2.0.9");
    attached.check().silent();
    attached.del();
    assert_eq!(c1.links(), ["br0"]);
}
