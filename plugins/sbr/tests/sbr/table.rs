//! `table`: rules to a table that has its routes from somebody else.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, leaves_by, rules, table};

#[test]
fn rules_lead_to_the_given_table_and_no_route_moves() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("ip route add default via 10.1.0.1 table 5001; ip -6 route add default via fd01::1 table 5001");
    let before = place.ns.snapshot();
    let (main, given) = (table(&place.ns, "main"), table(&place.ns, "5001"));
    // What goes with tables of one's own has no effect here.
    for keys in [json!({ "table": 5001 }), json!({ "table": 5001, "addSourceHints": true, "gateways": ["10.1.0.9"] })] {
        let attachment = stage.attach(&place, keys);
        attachment.add().success();
        assert_eq!(rules(&place.ns), ["from 10.1.0.2 lookup 5001", "from fd01::2 lookup 5001"]);
        assert_eq!((table(&place.ns, "main"), table(&place.ns, "5001")), (main.clone(), given.clone()));
        assert_eq!(leaves_by(&place.ns, "203.0.113.9", "10.1.0.2"), "net1");
        attachment.check().silent();
        attachment.del().silent();
        assert_same(&before, &place.ns.snapshot());
    }
}

#[test]
fn any_number_is_a_table() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    for table in [1_u32, 7, 256, 70_000, u32::MAX] {
        let attachment = stage.attach(&place, json!({ "table": table }));
        attachment.add().success();
        assert_eq!(rules(&place.ns)[0], format!("from 10.1.0.2 lookup {table}"));
        attachment.check().silent();
        attachment.del().silent();
        assert_same(&before, &place.ns.snapshot());
    }
}

#[test]
fn tables_that_rules_or_routes_of_any_type_use_are_not_taken() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("ip rule add fwmark 7 lookup 100; ip -6 rule add from 2001:db8::/32 lookup 101
        ip route add blackhole 203.0.113.0/24 table 102; ip -6 route add unreachable fd99::/64 table 103
        ip route add 203.0.113.0/24 dev eth0 table 105");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    let own: Vec<_> =
        rules(&place.ns).into_iter().filter(|rule| rule.contains("10.1.0.2") || rule.contains("fd01::2")).collect();
    assert_eq!(own, ["from 10.1.0.2 lookup 104", "from fd01::2 lookup 106"]);
    attachment.del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn tables_of_the_kernel_are_passed_over() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("for table in $(seq 100 252); do echo rule add fwmark $table lookup $table; done | ip -batch -");
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    assert!(rules(&place.ns).contains(&"from 10.1.0.2 lookup 256".to_owned()));
}
