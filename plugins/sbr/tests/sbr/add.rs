//! ADD without keys: a table for each address, the main table without the interface.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{assert_same, eventually};

use crate::stage::{
    Stage, assert_not_reached_from_the_right, assert_reached_from_the_right, attach_at, leaves_by, prev, rules, table,
};

#[test]
fn each_address_has_a_table_with_the_routes_that_the_main_table_had() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    let result = attachment.add().success();
    assert_eq!(result, prev("1.1.0", &place.ns), "the result is the previous one");
    assert_eq!(rules(&place.ns), ["from 10.1.0.2 lookup 100", "from fd01::2 lookup 101"]);
    assert_eq!(
        table(&place.ns, "100"),
        ["default via 10.1.0.1 metric 5 mtu 1400", "10.1.0.0/24 scope link src 10.1.0.2", "10.9.0.0/16 via 10.1.0.1"]
    );
    assert_eq!(
        table(&place.ns, "101"),
        [
            "fd01::/64 metric 256",
            "fd09::/64 via fd01::1 metric 1024",
            "fe80::/64 metric 256",
            "default via fd01::1 metric 1029"
        ]
    );
    assert_eq!(table(&place.ns, "main"), ["fe80::/64 metric 256"], "neighbours still talk to each other");
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn packets_leave_by_the_interface_whose_address_they_have() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    let ways = || {
        [
            ("203.0.113.9", "10.1.0.2"),
            ("203.0.113.9", "10.0.0.2"),
            ("2001:db8:7::9", "fd01::2"),
            ("2001:db8:7::9", "fd00::2"),
        ]
        .map(|(dst, source)| leaves_by(&place.ns, dst, source))
    };
    assert_eq!(ways(), ["eth0", "eth0", "eth0", "eth0"]);
    assert_not_reached_from_the_right(&place);
    attachment.add().success();
    assert_eq!(ways(), ["net1", "eth0", "net1", "eth0"]);
    assert_reached_from_the_right(&place);
    // The main interface is as before.
    place.ns.ping("192.0.2.1").unwrap();
    place.ns.ping("2001:db8::1").unwrap();
    attachment.del().silent();
    assert_not_reached_from_the_right(&place);
}

#[test]
fn gateway_of_the_result_is_the_default_route_where_there_is_none() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    assert_eq!(table(&place.ns, "100"), ["default via 10.1.0.1 proto 77", "10.1.0.0/24 scope link src 10.1.0.2"]);
    assert_eq!(
        table(&place.ns, "101"),
        ["fd01::/64 metric 256", "fe80::/64 metric 256", "default via fd01::1 proto 77 metric 1024"]
    );
    assert_reached_from_the_right(&place);
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn several_addresses_of_a_family_have_a_table_each_and_their_own_routes() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh(
        "ip addr add 10.3.0.2/24 dev net1; ip addr add 10.1.0.3/24 dev net1; ip addr add fd03::2/64 dev net1 nodad
        ip route add 10.8.0.0/16 via 10.3.0.1; ip route add 10.7.0.0/16 dev net1 scope link
        ip route add 10.6.0.0/16 via 192.0.2.9 dev net1 onlink",
    );
    eventually(Duration::from_secs(5), || {
        let listed = place.ns.sh("ip -6 route show fd03::/64");
        if listed.is_empty() { Err(listed) } else { Ok(()) }
    });
    let before = place.ns.snapshot();
    let mut told = prev("1.1.0", &place.ns);
    for address in ["10.3.0.2/24", "10.1.0.3/24", "fd03::2/64"] {
        told["ips"].as_array_mut().unwrap().push(json!({ "interface": 1, "address": address }));
    }
    let attachment = stage.attach(&place, json!({})).with_prev(&told);
    attachment.add().success();
    let ruled = [
        "10.1.0.2 lookup 100",
        "10.1.0.3 lookup 103",
        "10.3.0.2 lookup 102",
        "fd01::2 lookup 101",
        "fd03::2 lookup 104",
    ];
    assert_eq!(rules(&place.ns), ruled.map(|rule| format!("from {rule}")));
    let dsts = |number: &str| -> Vec<String> {
        table(&place.ns, number).iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    };
    // 10.7.0.0/16 says neither next hop nor source; the next hop of 10.6.0.0/16 is in nobody's network.
    let first = ["default", "10.1.0.0/24", "10.6.0.0/16", "10.7.0.0/16", "10.9.0.0/16"];
    assert_eq!((dsts("100"), dsts("103")), (first.map(str::to_owned).to_vec(), first.map(str::to_owned).to_vec()));
    assert_eq!(dsts("102"), ["10.3.0.0/24", "10.6.0.0/16", "10.7.0.0/16", "10.8.0.0/16"]);
    assert!(dsts("104").contains(&"fd03::/64".to_owned()) && !dsts("104").contains(&"fd09::/64".to_owned()));
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

/// Kernels make one route with several next hops of IPv6 routes with the same metric (openshift/containernetworking-plugins#222).
#[test]
fn ipv6_route_that_shares_its_destination_with_another_interface_moves_alone() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("ip -6 route append default via fd01::1 dev net1");
    let hops = |table: &str| place.ns.sh(&format!("ip -6 route show default table {table}"));
    assert_eq!(hops("main").matches("nexthop").count(), 2, "{}", hops("main"));
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    assert_eq!(hops("main").trim(), "default via fd00::1 dev eth0 metric 1024 pref medium");
    assert_eq!(hops("101").trim(), "default via fd01::1 dev net1 metric 1024 pref medium");
    attachment.del().silent();
    assert_eq!(hops("main").matches("nexthop").count(), 2, "{}", hops("main"));
}

#[test]
fn routes_with_next_hops_by_several_interfaces_are_copied_and_stay() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("ip route add 10.9.0.0/16 nexthop via 10.0.0.1 dev eth0 weight 3 nexthop via 10.1.0.1 dev net1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    assert_eq!(place.ns.sh("ip route show 10.9.0.0/16").matches("nexthop").count(), 2);
    assert!(table(&place.ns, "100").contains(&"10.9.0.0/16 via 10.1.0.1".to_owned()));
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn repeated_add_changes_nothing() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for keys in
        [json!({}), json!({ "addSourceHints": true }), json!({ "gateways": ["10.1.0.7"] }), json!({ "table": 5001 })]
    {
        let attachment = stage.attach(&place, keys);
        attachment.add().success();
        let made = place.ns.snapshot();
        attachment.add().success();
        assert_same(&made, &place.ns.snapshot());
        attachment.del().silent();
        assert_same(&before, &place.ns.snapshot());
    }
}

#[test]
fn every_version_is_understood_and_hands_its_result_on() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let attachment = attach_at(version, &place, json!({}));
        assert_eq!(attachment.add().success(), prev(version, &place.ns));
        assert_eq!(rules(&place.ns).len(), 2, "{version}");
        attachment.del().silent();
        assert_same(&before, &place.ns.snapshot());
    }
}

#[test]
fn what_cannot_be_is_refused_before_any_effect() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for (code, keys, words) in [
        (7, json!({ "table": 0 }), "\"table\" 0: must be 1 to 4294967295"),
        (7, json!({ "table": -3 }), "\"table\" -3"),
        (6, json!({ "table": "100" }), "\"table\""),
        (7, json!({ "gateways": ["10.1.0.1", "10.1.0.9"] }), "10.1.0.1 and 10.1.0.9"),
        (7, json!({ "gateways": ["10.1.0.1", "fd00::1", "fd00::9"] }), "fd00::1 and fd00::9"),
        // Where there is a table, the reference does not look at them.
        (7, json!({ "table": 100, "gateways": ["gateway"] }), "\"gateways\" \"gateway\""),
        (6, json!({ "gateways": "10.1.0.1" }), "\"gateways\""),
    ] {
        let error = stage.attach(&place, keys.clone()).add().failure_code(code);
        assert!(error["msg"].as_str().unwrap().contains(words), "{keys}: {error}");
        if code == 7 {
            stage.attach(&place, keys).del().silent();
        }
    }
    let attachment = stage.attach(&place, json!({}));
    let alone = attachment.with_key("prevResult", Value::Null).add().failure_code(7);
    assert!(alone["msg"].as_str().unwrap().contains("chained plugin: prevResult missing"), "{alone}");
    let addressless = attachment.clone().ifname("net2").add().failure_code(7);
    assert!(addressless["msg"].as_str().unwrap().contains("\"net2\": prevResult has none"), "{addressless}");
    let mut told = prev("1.1.0", &place.ns);
    told["interfaces"][1]["name"] = "net7".into();
    let absent = attachment.with_prev(&told).ifname("net7").add().failure_code(100);
    assert!(absent["msg"].as_str().unwrap().contains("find link \"net7\""), "{absent}");
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn nothing_is_logged_unless_asked_for() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({}));
    for output in [attachment.add(), attachment.check(), attachment.del(), attachment.del()] {
        assert!(output.status.success() && output.stderr.is_empty(), "{output}");
    }
}
