//! What belongs to other interfaces, and to others than us, stays.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Place, Stage, prev, rules};

/// `eth0` of the same container.
fn first(stage: &Stage, place: &Place, keys: Value) -> Attachment {
    stage.attach(place, keys).ifname("eth0")
}

#[test]
fn interfaces_of_one_container_come_and_go_beside_each_other() {
    let stage = Stage::new();
    for (n, keys) in [json!({}), json!({ "addSourceHints": true }), json!({ "table": 5001 })].iter().enumerate() {
        let place = stage.place(&format!("c{n}"));
        let (eth0, net1) = (first(&stage, &place, keys.clone()), stage.attach(&place, keys.clone()));
        let before = place.ns.snapshot();
        eth0.add().success();
        let between = place.ns.snapshot();
        net1.add().success();
        eth0.check().silent();
        net1.check().silent();
        for del in [net1.clone(), net1.with_key("prevResult", Value::Null)] {
            del.del().silent();
            assert_same(&between, &place.ns.snapshot());
        }
        net1.add().success();
        place.ns.sh("ip link set net1 down; ip link del net1");
        net1.with_key("prevResult", Value::Null).del().silent();
        eth0.check().silent();
        eth0.del().silent();
        assert!(rules(&place.ns).is_empty());
        let gone = before.diff(&place.ns.snapshot());
        assert!(
            gone.lines().all(|line| line.contains("net1") || line.contains("10.1.0") || line.contains("fd01:")),
            "{gone}"
        );
    }
}

#[test]
fn rules_of_others_stay() {
    let stage = Stage::new();
    let place = stage.place("c1");
    place.ns.sh("ip rule add from 10.1.0.2 lookup 300 proto static; ip rule add from 10.1.0.2 lookup 301 proto 186
        ip rule add from 10.1.0.2 fwmark 5 lookup 302 proto 0; ip rule add from 10.1.0.0/24 lookup 303 proto 0
        ip rule add from 10.1.0.2 iif lo lookup 304 proto 0; ip rule add to 10.1.0.2 lookup 305 proto 0
        ip -6 rule add from fd01::/64 lookup 306 proto 77; ip rule add from 10.99.0.2 lookup 307 proto 0
        ip rule add from 10.99.0.2 unreachable; ip route add 203.0.113.0/24 dev net1 table 307
        ip route add blackhole 203.0.113.0/24 table 308; ip rule add from 10.98.0.2 lookup 308 proto 77");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    attachment.del().silent();
    attachment.with_key("prevResult", Value::Null).del().silent();
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn an_address_that_two_interfaces_have_keeps_the_rule_of_the_other() {
    let stage = Stage::new();
    let place = stage.bare("c1");
    place.ns.sh("ip addr add 10.1.0.2/24 dev eth0 noprefixroute; ip addr add fd01::2/64 dev eth0 nodad noprefixroute
        ip route append 10.1.0.0/24 dev eth0 scope link");
    let mut told = prev("1.1.0", &place.ns);
    for ip in told["ips"].as_array_mut().unwrap() {
        ip["interface"] = 0.into();
    }
    told["ips"].as_array_mut().unwrap().remove(0);
    let eth0 = first(&stage, &place, json!({})).with_prev(&told);
    let net1 = stage.attach(&place, json!({}));
    net1.add().success();
    let only_net1 = place.ns.snapshot();
    eth0.add().success();
    eth0.del().silent();
    assert_same(&only_net1, &place.ns.snapshot());
    net1.check().silent();
}

#[test]
fn a_route_of_another_link_keeps_a_table_from_being_emptied_of_it() {
    let stage = Stage::new();
    let place = stage.place("c1");
    let before = place.ns.snapshot();
    let attachment = stage.attach(&place, json!({}));
    attachment.add().success();
    place.ns.sh("ip route add 203.0.113.0/24 dev eth0 table 100");
    attachment.del().silent();
    assert!(rules(&place.ns).is_empty());
    assert_eq!(place.ns.sh("ip route show table 100").trim(), "203.0.113.0/24 dev eth0 scope link");
    place.ns.sh("ip route flush table 100");
    assert_same(&before, &place.ns.snapshot());
}

#[test]
fn containers_do_not_touch_each_other() {
    let stage = Stage::new();
    let [one, two] = ["c1", "c2"].map(|name| stage.place(name));
    let [first, second] = [&one, &two].map(|place| stage.attach(place, json!({})));
    first.add().success();
    let before = one.ns.snapshot();
    second.add().success();
    second.with_prev(&prev("1.1.0", &one.ns)).del().silent();
    assert_same(&before, &one.ns.snapshot());
    assert!(rules(&two.ns).is_empty());
}
