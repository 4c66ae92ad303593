//! `gateways`: next hops that go before those of the result and of the main table.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, assert_reached_from_the_right, rules, table};

/// The default routes of the two tables.
fn defaults(place: &crate::stage::Place) -> Vec<String> {
    let lines = [table(&place.ns, "100"), table(&place.ns, "101")].concat();
    lines.into_iter().filter(|line| line.starts_with("default")).collect()
}

#[test]
fn gateways_are_used_instead_of_those_of_the_result() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    let before = place.ns.snapshot();
    for (gateways, expected) in [
        (json!(["10.1.0.9"]), ["default via 10.1.0.9 proto 77", "default via fd01::1 proto 77 metric 1024"]),
        (json!(["fd01::9"]), ["default via 10.1.0.1 proto 77", "default via fd01::9 proto 77 metric 1024"]),
        (json!(["fd01::9", "10.1.0.9"]), ["default via 10.1.0.9 proto 77", "default via fd01::9 proto 77 metric 1024"]),
    ] {
        let attachment = stage.attach(&place, json!({ "gateways": gateways }));
        attachment.add().success();
        assert_eq!(defaults(&place), expected);
        attachment.check().silent();
        attachment.del().silent();
        assert_same(&before, &place.ns.snapshot());
    }
}

#[test]
fn gateways_are_used_before_default_routes_that_the_main_table_had() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("ip route del default dev net1; ip route append default via 10.1.0.1 dev net1
        ip -6 route del default dev net1; ip -6 route add default via fd01::1 dev net1 metric 7");
    place.right.sh("ip addr add 10.1.0.9/24 dev eth0; ip addr add fd01::9/64 dev eth0 nodad");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({ "gateways": ["10.1.0.9", "fd01::9"] }));
    attachment.add().success();
    for (dst, source, gateway) in [("203.0.113.9", "10.1.0.2", "10.1.0.9"), ("2001:db8:7::9", "fd01::2", "fd01::9")] {
        let way = place.ns.sh(&format!("ip route get {dst} from {source}"));
        assert!(way.contains(&format!("via {gateway} dev net1")), "{way}");
    }
    assert_reached_from_the_right(&place);
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn gateway_that_the_main_tables_default_route_has_already_is_that_route() {
    let stage = Stage::new();
    let place = stage.place("c1");
    stage.attach(&place, json!({ "gateways": ["10.1.0.1"] })).add().success();
    assert_eq!(defaults(&place)[..1], ["default via 10.1.0.1 metric 5 mtu 1400"]);
}

#[test]
fn gateway_that_cannot_be_reached_is_refused_and_leaves_everything_as_it_was() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for (gateway, table) in [("192.0.2.77", 100), ("2001:db8:99::1", 101)] {
        let error = stage.attach(&place, json!({ "gateways": [gateway] })).add().failure_code(100);
        let words = format!("via {gateway} to table {table}: ");
        assert!(error["msg"].as_str().unwrap().contains(&words), "{error}");
        assert_same(&before, &place.ns.snapshot());
    }
    assert!(rules(&place.ns).is_empty());
}
