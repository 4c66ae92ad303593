//! Names: of two interfaces of one container, of others' links, of what an earlier life has left.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{IFB, Stage, attach, attach_second, both, egress, ingress};

#[test]
fn two_interfaces_of_a_container_have_a_link_each() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.interface(&container, "eth1", "v-second");
    let before = stage.snapshot();
    let attachments = [attach(&container, both()), attach_second(&container, "eth1", "v-second", both())];
    for [first, second] in [[0, 1], [1, 0]] {
        let results = attachments.each_ref().map(|attachment| attachment.add().success());
        let names = results.each_ref().map(|result| result["interfaces"][3]["name"].clone());
        assert_eq!(names[0], IFB);
        assert_ne!(names[0], names[1]);
        assert!(stage.filters("v-second").contains(names[1].as_str().unwrap()));

        attachments[first].with_prev(&results[first]).del().silent();
        let left = stage.snapshot();
        assert_eq!(stage.ifbs(), [names[second].as_str().unwrap()]);
        attachments[second].with_prev(&results[second]).check().silent();
        // Late, and without a result.
        attachments[first].clone().netns("").with_key("prevResult", json!(null)).del().silent();
        assert_same(&left, &stage.snapshot());
        attachments[second].del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn two_networks_of_a_container_have_a_link_each() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.interface(&container, "eth1", "v-second");
    attach(&container, both()).add().success();
    let other = attach_second(&container, "eth1", "v-second", both()).with_key("name", json!("net2"));
    let result = other.add().success();
    assert_eq!(stage.ifbs().len(), 2);
    attach(&container, both()).with_key("name", json!("net3")).del().silent();
    attach(&container, both()).del().silent();
    assert_eq!(stage.ifbs().len(), 1);
    other.with_prev(&result).check().silent();
}

#[test]
fn names_that_others_have_are_left_to_them() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.sandbox.sh(&format!("ip link add {IFB} type ifb"));
    let attachment = attach(&container, egress());
    let before = stage.snapshot();
    let result = attachment.add().success();
    let name = result["interfaces"][3]["name"].as_str().unwrap();
    assert!(name != IFB && name.starts_with("bwp"), "{name}");
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    assert_same(&before, &stage.snapshot());

    stage.sandbox.sh(&format!("ip link add {name} type bridge"));
    attachment.add().success();
    let third = stage.ifbs().into_iter().find(|name| name != IFB).unwrap();
    attachment.with_prev(&result).del().silent();
    stage.sandbox.sh(&format!("ip link add {third} type bridge"));
    let before = stage.snapshot();
    let msg = attachment.with_key("ingressRate", json!(8000)).with_key("ingressBurst", json!(8000)).add();
    let msg = msg.failure_code(101)["msg"].as_str().unwrap().to_owned();
    assert!([IFB, name, &third].iter().all(|name| msg.contains(name)), "{msg}");
    assert_same(&before, &stage.snapshot());
}

/// Its network namespace went, and with it the veth pair; nobody called DEL.
#[test]
fn what_an_earlier_life_of_the_container_left_is_replaced() {
    let stage = Stage::new();
    let empty = stage.snapshot();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    attachment.add().success();
    stage.sandbox.sh("ip link del v-c1");
    assert_eq!(stage.ifbs(), [IFB]);
    stage.interface(&container, "eth0", "v-c1");
    let result = attachment.add().success();
    assert_eq!(stage.ifbs(), [IFB]);
    attachment.with_prev(&result).check().silent();
    stage.sandbox.sh("ip link del v-c1");
    attachment.del().silent();
    assert_same(&empty, &stage.snapshot());
}

/// The kernel is still taking the old one apart.
#[test]
fn the_mark_of_an_earlier_life_is_taken_over() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = attach(&container, both());
    attachment.add().success();
    stage.sandbox.sh("ip link set v-c1 name v-old");
    container.sh("ip link set eth0 name old0");
    stage.interface(&container, "eth0", "v-c1");
    let result = attachment.add().success();
    attachment.with_prev(&result).check().silent();
    attachment.del().silent();
    assert_eq!((stage.qdiscs("v-c1").len(), stage.ifbs().len()), (0, 0));
}

#[test]
fn two_entries_of_a_list_limit_a_direction_each() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    let (first, second) = (attach(&container, ingress()), attach(&container, egress()));
    first.add().success();
    second.add().success();
    first.check().silent();
    second.check().silent();
    for entry in [second, first] {
        entry.del().silent();
        assert_same(&before, &stage.snapshot());
    }
}
