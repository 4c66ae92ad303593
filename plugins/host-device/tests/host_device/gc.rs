//! Devices that have come back by themselves: the kernel takes hardware back from a container that ends, under the name that it
//! had there, and with its marks. Here the test moves it, which leaves the same ([`crate::physical`] has the kernel do it).

use serde_json::json;
use testkit::{Attachment, TestNs, assert_same};

use crate::stage::{Stage, link, text};

/// A stage whose device was lent and has come back without a DEL.
fn fallen_back() -> (Stage, Attachment, testkit::Snapshot) {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    fall_back(c1, "eth0");
    assert_eq!(stage.links(), ["eth0"]);
    (stage, attachment, before)
}

/// The container ends.
fn fall_back(container: TestNs, name: &str) {
    container.sh(&format!("ip link set eth0 netns host name {name}"));
    container.remove();
}

#[test]
fn del_gives_name_alias_and_state_back() {
    for netns in ["", "/run/netns/c1"] {
        let (stage, attachment, before) = fallen_back();
        attachment.clone().netns(netns).del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn gc_gives_name_alias_and_state_back() {
    let (stage, attachment, before) = fallen_back();
    let fallen = stage.snapshot();
    attachment.gc(&[("c1", "eth0")]).silent();
    attachment.call("GC").run().silent();
    attachment.with_key("name", json!("net2")).gc(&[]).silent();
    assert_same(&fallen, &stage.snapshot());
    attachment.gc(&[("c1", "eth1"), ("c2", "eth0")]).silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn the_next_add_gives_name_alias_and_state_back() {
    let (stage, attachment, before) = fallen_back();
    attachment.gc(&[("c1", "eth0")]).silent();
    let c2 = stage.sandbox.netns("c2");
    let next = stage.attach(&c2, json!({ "name": "net2" }));
    next.status().silent();
    next.add().success();
    let eth0 = link(&c2, "eth0");
    assert_eq!((&eth0["ifalias"], eth0["altnames"].as_array().unwrap().len()), (&json!("d0"), 3));
    next.del().silent();
    attachment.netns("").del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn alias_that_somebody_gave_it_since_stays() {
    let (stage, attachment, _) = fallen_back();
    stage.sandbox.sh("ip link set eth0 alias mine");
    attachment.netns("").del().silent();
    assert_eq!(link(stage.sandbox.host(), "d0")["ifalias"], "mine");
}

#[test]
fn name_that_is_taken_is_told_until_it_is_free() {
    let (stage, attachment, before) = fallen_back();
    stage.sandbox.sh("ip link add d0 type veth peer name d1");
    let fallen = stage.snapshot();
    let attachment = attachment.netns("");
    for call in [attachment.clone().gc(&[]), attachment.del()] {
        let error = call.failure_code(101);
        assert_eq!(error["msg"], "return device \"d0\": the name is taken on the host");
    }
    assert_same(&fallen, &stage.snapshot());
    stage.sandbox.sh("ip link del d0");
    attachment.gc(&[]).silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn several_come_back_at_once() {
    let stage = Stage::with_device();
    stage.device("d1");
    let before = stage.snapshot();
    for (container, device, name) in [("c1", "d0", "eth0"), ("c2", "d1", "dev7")] {
        let ns = stage.sandbox.netns(container);
        stage.attach(&ns, json!({ "device": device })).add().success();
        fall_back(ns, name);
    }
    let c3 = stage.sandbox.netns("c3");
    stage.attach(&c3, json!({})).gc(&[]).silent();
    assert_same(&before, &stage.snapshot());
}

/// What is in a container is nobody's to take away.
#[test]
fn devices_in_containers_stay() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    let before = c1.snapshot();
    attachment.gc(&[]).silent();
    assert_same(&before, &c1.snapshot());
    attachment.del().silent();
}

/// Marks are names like any other: those that cannot be ours change nothing but themselves.
#[test]
fn marks_that_a_container_has_forged_are_no_orders() {
    let stage = Stage::with_device();
    let owner = "a4861f4ae9f7d238-f4d01f2ef4b92245";
    let c1 = stage.sandbox.netns("c1");
    for name in ["../../x", "", "way-too-long-for-a-link"] {
        stage.sandbox.sh(&format!(
            "ip link property add dev d0 altname {owner},net:net,if:eth0,id:c1 || true
             ip link property add dev d0 altname '{owner},was:up:{name}' 2>/dev/null || true"
        ));
        stage.attach(&c1, json!({})).netns("").del().silent();
        assert_eq!(text(&link(stage.sandbox.host(), "d0")["ifname"]), "d0");
        assert_eq!(link(stage.sandbox.host(), "d0")["altnames"], json!(null), "{name}");
    }
}
