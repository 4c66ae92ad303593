//! CHECK: rules, default routes and hints that ADD has made.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Place, Stage, prev};

/// Demands that CHECK passes, fails with these words once that was done, and passes once it was undone.
fn fails_after(place: &Place, attachment: &Attachment, done: &str, words: &str, undone: &str) {
    attachment.check().silent();
    place.ns.sh(done);
    let error = attachment.check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().contains(words), "{done}: {error}");
    place.ns.sh(undone);
    attachment.check().silent();
}

#[test]
fn what_is_missing_is_told() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    for (done, words, undone) in [
        (
            "ip rule del from 10.1.0.2",
            "rule from 10.1.0.2 to a table of its own",
            "ip rule add from 10.1.0.2 lookup 100",
        ),
        ("ip -6 rule del from fd01::2", "rule from fd01::2", "ip -6 rule add from fd01::2 lookup 101"),
        (
            "ip route del default table 100",
            "table 100 of 10.1.0.2: its default route via 10.1.0.1",
            "ip route add default via 10.1.0.1 table 100",
        ),
        (
            "ip -6 route del default table 101",
            "table 101 of fd01::2: its default route via fd01::1",
            "ip -6 route add default via fd01::1 dev net1 table 101",
        ),
    ] {
        fails_after(&place, &attachment, done, words, undone);
    }
}

#[test]
fn each_key_is_looked_at() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let given = stage.attach(&place, json!({ "table": 5001 }));
    given.add().success();
    fails_after(
        &place,
        &given,
        "ip rule del from 10.1.0.2; ip rule add from 10.1.0.2 lookup 7",
        "rule from 10.1.0.2 to table 5001",
        "ip rule add from 10.1.0.2 lookup 5001",
    );
    given.del().silent();
    let gateways = stage.attach(&place, json!({ "gateways": ["fd01::9"] }));
    gateways.add().success();
    fails_after(
        &place,
        &gateways,
        "ip -6 route del default via fd01::9 table 101",
        "default route via fd01::9",
        "ip -6 route add default via fd01::9 table 101 metric 1",
    );
    gateways.del().silent();
    let hinted = stage.attach(&place, json!({ "addSourceHints": true }));
    hinted.add().success();
    fails_after(
        &place,
        &hinted,
        "ip route del 10.1.0.0/24 dev net1",
        "source hint of 10.1.0",
        "ip route add 10.1.0.0/24 dev net1 src 10.1.0.2",
    );
    fails_after(
        &place,
        &hinted,
        "ip -6 route del fd01::/64 dev net1; ip -6 route add fd01::/64 dev net1",
        "source hint of fd01::",
        "ip -6 route del fd01::/64 dev net1; ip -6 route add fd01::/64 dev net1 src fd01::2",
    );
}

#[test]
fn what_came_later_is_fine_and_nothing_is_changed() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    let result = attachment.add().success();
    place.ns.sh("ip route add 10.88.0.0/16 dev net1; ip addr add 10.77.0.2/24 dev net1; ip rule add from 10.1.0.2 fwmark 3 lookup 9
        ip rule add from 10.1.0.2 lookup 300; ip -6 route add fd88::/64 dev net1 table 101");
    let before = place.ns.snapshot();
    attachment.with_prev(&result).check().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn check_needs_the_result_the_interface_and_an_add() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.check().failure_code(103);
    attachment.add().success();
    attachment.with_key("prevResult", Value::Null).check().failure_code(7);
    let mut told = prev("1.1.0", &place.ns);
    told["ips"] = json!([]);
    attachment.with_prev(&told).check().failure_code(7);
    attachment.del().silent();
    attachment.check().failure_code(103);
    place.ns.sh("ip link del net1");
    attachment.check().failure_code(100);
}

#[test]
fn gc_and_status_have_nothing_to_do_but_to_look_at_the_keys() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    let (host, inside) = (stage.sandbox.snapshot(&[]), place.ns.snapshot());
    attachment.gc(&[]).silent();
    attachment.status().silent();
    assert_same(&host, &stage.sandbox.snapshot(&[]));
    assert_same(&inside, &place.ns.snapshot());
    for keys in [json!({ "table": 0 }), json!({ "gateways": ["x"] })] {
        stage.attach(&place, keys).status().failure_code(50);
    }
}
