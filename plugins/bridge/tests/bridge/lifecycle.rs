//! When bridges come and go.

use std::thread;

use serde_json::{Value, json};
use testkit::{Attachment, Stdout, assert_same};

use crate::stage::{Stage, attach, text};

fn ephemeral(stage: &Stage) -> Value {
    stage.dual(json!({ "ephemeral": true, "ipMasq": true, "gatewayMode": "nat" }))
}

fn bridges(stage: &Stage) -> Vec<String> {
    let links = stage.sandbox.json("ip -j link show type bridge");
    links.as_array().unwrap().iter().map(|link| text(&link["ifname"])).collect()
}

#[test]
fn ephemeral_bridge_goes_with_its_last_attachment() {
    let stage = Stage::new();
    let containers = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let [one, two] = containers.each_ref().map(|container| attach(&ephemeral(&stage), container));
    one.del();
    assert_eq!(bridges(&stage), ["br0"]);
    two.del();
    assert_eq!(bridges(&stage), [""; 0]);
    two.del();
    // The network namespace may have gone before.
    let [first, _] = &containers;
    let again = attach(&ephemeral(&stage), first);
    first.sh("ip link del eth0");
    again.del();
    assert_eq!(bridges(&stage), [""; 0]);
}

#[test]
fn other_bridges_stay_for_the_next_but_not_behind_a_gc_that_keeps_nobody() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.dual(json!({})), &c1);
    attached.attachment.gc(&[]).silent();
    assert_eq!(bridges(&stage), [""; 0]);
    let attached = attach(&stage.dual(json!({})), &c1);
    attached.del();
    assert_eq!(bridges(&stage), ["br0"]);
    attached.attachment.gc(&[("c9", "eth0")]).silent();
    assert_eq!(bridges(&stage), ["br0"]);
    attached.attachment.gc(&[]).silent();
    assert_eq!(bridges(&stage), [""; 0]);
}

#[test]
fn what_somebody_else_has_made_or_uses_stays() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br0 type bridge");
    let adopted = attach(&ephemeral(&stage), &c1);
    adopted.del();
    adopted.attachment.gc(&[]).silent();
    assert_eq!(bridges(&stage), ["br0"]);
    stage.sandbox.sh("ip link del br0");
    for used in
        ["ip link add p0 type veth peer name p1; ip link set p0 master br0", "ip link add m0 link br0 type macvlan"]
    {
        let made = attach(&ephemeral(&stage), &c1);
        stage.sandbox.sh(used);
        made.del();
        made.attachment.gc(&[]).silent();
        assert_eq!(bridges(&stage), ["br0"], "{used}");
        stage.sandbox.sh("ip link del p0 2>/dev/null || ip link del m0");
        made.del();
        assert_eq!(bridges(&stage), [""; 0], "{used}");
    }
}

#[test]
fn failing_add_takes_its_ephemeral_bridge_back() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    attach(&ephemeral(&stage), &c1).del();
    let before = stage.snapshot();
    let attachment = Attachment::new(ephemeral(&stage), &c1);
    assert!(!attachment.call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before, &stage.snapshot());
}

/// A bridge must not go while somebody adds a port to it.
#[test]
fn comings_and_goings_at_the_same_time_leave_everybody_a_bridge() {
    let stage = Stage::new();
    let conf = &ephemeral(&stage);
    let all: Vec<_> = (0..8)
        .map(|number| (0..6).map(|turn| stage.sandbox.netns(&format!("c{number}-{turn}"))).collect::<Vec<_>>())
        .collect();
    thread::scope(|scope| {
        for containers in &all {
            scope.spawn(move || {
                for container in containers {
                    let attached = attach(conf, container);
                    container.ping("10.1.0.1").unwrap();
                    attached.del();
                }
            });
        }
    });
    assert_eq!(bridges(&stage), [""; 0]);
}

#[test]
#[ignore = "needs a kernel with bridge VLAN filtering"]
fn interfaces_in_a_vlan_go_with_their_bridge() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.sandbox.host().links();
    let attached = attach(&stage.network(json!({ "ephemeral": true, "vlan": 5 })), &c1);
    assert!(stage.sandbox.host().links().contains(&"br0.5".to_owned()));
    attached.del();
    assert_eq!(stage.sandbox.host().links(), before);
}
