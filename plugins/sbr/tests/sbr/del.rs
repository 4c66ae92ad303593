//! DEL in its ugly forms.

use std::fs;

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Stage, prev, rules};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(attachment: &Attachment) -> Vec<(&'static str, Attachment)> {
    vec![
        ("all that ADD was told", attachment.clone()),
        ("no prevResult", attachment.with_key("prevResult", Value::Null)),
        ("an unreadable prevResult", attachment.with_key("prevResult", json!({ "ips": "x" }))),
        (
            "another's addresses",
            attachment.with_key("prevResult", json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.66.0.2/24" }] })),
        ),
        ("another table", attachment.with_key("table", json!(77))),
        (
            "no keys",
            attachment
                .with_key("table", Value::Null)
                .with_key("addSourceHints", Value::Null)
                .with_key("gateways", Value::Null),
        ),
        ("invalid values", attachment.with_key("table", json!(-1)).with_key("gateways", json!(["x", "y", "z"]))),
    ]
}

#[test]
fn every_form_of_del_leaves_all_as_before_add() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for keys in
        [json!({}), json!({ "addSourceHints": true, "gateways": ["10.1.0.9", "fd01::9"] }), json!({ "table": 5001 })]
    {
        let attachment = stage.attach(&place, keys.clone());
        for (form, del) in forms(&attachment) {
            attachment.add().success();
            assert_eq!(rules(&place.ns).len(), 2);
            for _ in 0..2 {
                del.del().silent();
                let diff = before.diff(&place.ns.snapshot());
                assert!(diff.is_empty(), "{keys}: DEL with {form}\n{diff}");
            }
        }
    }
}

/// The reference opens the path to lock it, and with that makes a file there.
#[test]
fn namespaces_that_are_gone_or_none_are_no_error_and_nothing_is_made_in_their_place() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    stage.sandbox.sh("touch /run/plain; mkfifo /run/fifo; ln -s loop /run/loop");
    for netns in [
        "",
        "/run/netns/absent",
        "/run/plain",
        "/run/plain/x",
        "/run/fifo",
        "/run/loop",
        "/run",
        "/proc/self/ns/uts",
        "/proc/self/ns/net",
    ] {
        let before = stage.sandbox.snapshot(&["/run/netns".as_ref()]);
        attachment.clone().netns(netns).del().silent();
        attachment.clone().netns(netns).with_key("prevResult", Value::Null).del().silent();
        assert_same(&before, &stage.sandbox.snapshot(&["/run/netns".as_ref()]));
    }
    assert_eq!(rules(&place.ns).len(), 2, "nobody has touched the container");
    assert!(!fs::exists("/run/netns/absent").unwrap());
    place.ns.remove();
    attachment.del().silent();
    assert!(!fs::exists("/run/netns/c1").unwrap());
}

#[test]
fn rules_go_although_the_interface_has_gone() {
    let stage = Stage::new();
    for (n, keys) in [json!({}), json!({ "table": 5001 })].iter().enumerate() {
        for (m, with_prev) in [true, false].iter().enumerate() {
            let place = stage.place(&format!("c{n}{m}"));
            let attachment = stage.attach(&place, keys.clone());
            attachment.add().success();
            place.ns.sh("ip link del net1");
            assert_eq!(rules(&place.ns).len(), 2, "rules outlive the interface");
            let del = if *with_prev { attachment } else { attachment.with_key("prevResult", Value::Null) };
            del.del().silent();
            assert!(rules(&place.ns).is_empty(), "{keys} {with_prev}: {:?}", rules(&place.ns));
            del.del().silent();
        }
    }
}

#[test]
fn rules_go_although_the_address_or_the_name_has_gone() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    for done in [
        "ip addr del 10.1.0.2/24 dev net1; ip addr add 10.1.0.99/24 dev net1; ip route add 10.5.0.0/16 dev net1 table 100",
        "ip link set net1 down; ip link set net1 name net9",
    ] {
        attachment.add().success();
        place.ns.sh(done);
        // Whose an unnamed interface's are tells only the previous result.
        let del =
            if done.contains("name") { attachment.clone() } else { attachment.with_key("prevResult", Value::Null) };
        del.del().silent();
        assert!(rules(&place.ns).is_empty(), "{done}: {:?}", rules(&place.ns));
        place.ns.sh("ip addr add 10.1.0.2/24 dev net1 2>/dev/null || true");
    }
}

#[test]
fn interface_that_is_down_has_lost_its_routes_and_del_succeeds() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    place.ns.sh("ip link set net1 down");
    attachment.del().silent();
    assert!(rules(&place.ns).is_empty());
}

#[test]
fn routes_that_the_kernel_does_not_take_back_do_not_keep_a_container_from_ending() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    // Its next hop was reached by what has gone.
    place.ns.sh("ip route del 10.1.0.0/24 dev net1 table 100");
    attachment.del().silent();
    assert!(rules(&place.ns).is_empty());
    assert_eq!(place.ns.sh("ip route show table 100 2>/dev/null || true"), "");
}

#[test]
fn del_without_add_succeeds_and_changes_nothing() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    stage.attach(&place, json!({})).del().silent();
    let told = prev("1.1.0", &place.ns);
    stage.attach(&place, json!({})).with_prev(&told).ifname("absent").del().silent();
    assert_same(&before, &place.ns.snapshot());
}
