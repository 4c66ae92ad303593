//! Routes of the delegate, and those of several networks on one container.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Attached, Stage, attach, attach_as, routes};

#[test]
fn every_attribute_of_a_route_is_applied_and_told() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let mut conf = stage.network(json!({ "ipam": stage.ipam(&["10.1.0.0/24", "fd01::/64"]) }));
    let wanted = json!([
        { "dst": "0.0.0.0/0", "mtu": 1400, "advmss": 1360, "priority": 77 },
        { "dst": "192.168.0.0/16", "gw": "10.1.0.9", "table": 1000 },
        { "dst": "192.168.5.0/24", "scope": 253 },
        { "dst": "fd05::/64", "gw": "fd01::9", "mtu": 1300, "priority": 5 },
    ]);
    conf["ipam"]["routes"] = wanted.clone();
    conf["isGateway"] = json!(false);
    let attached = attach(&conf, &c1);
    assert_eq!(routes(&c1, "route show default"), ["default via 10.1.0.1 dev eth0 metric 77 mtu 1400 advmss 1360"]);
    assert_eq!(routes(&c1, "route show table 1000"), ["192.168.0.0/16 via 10.1.0.9 dev eth0"]);
    assert_eq!(
        routes(&c1, "-6 route show fd05::/64"),
        ["fd05::/64 via fd01::9 dev eth0 metric 5 mtu 1300 pref medium"]
    );
    assert_eq!(routes(&c1, "route show 192.168.5.0/24"), ["192.168.5.0/24 dev eth0 scope link"]);
    assert_eq!(attached.result["routes"], wanted);
    attached.check().silent();
}

/// Two networks with default gateways, on `eth0` and `eth1` of one container.
fn both(stage: &Stage, eth1_first: bool) -> [Attached; 2] {
    let container = stage.sandbox.netns(if eth1_first { "late" } else { "early" });
    let network = |name: &str, v4: &str, v6: &str| {
        stage.dual(json!({ "name": name, "bridge": format!("br-{name}"), "ipam": stage.ipam(&[v4, v6]) }))
    };
    let eth0 = Attachment::new(network("one", "10.1.0.0/24", "fd01::/64"), &container);
    let eth1 = Attachment::new(network("two", "10.2.0.0/24", "fd02::/64"), &container).ifname("eth1");
    if eth1_first {
        let two = attach_as(eth1);
        [attach_as(eth0), two]
    } else {
        [attach_as(eth0), attach_as(eth1)]
    }
}

#[test]
fn default_route_of_the_first_interface_wins_in_either_order_of_attaching() {
    let stage = Stage::new();
    for eth1_first in [false, true] {
        let [one, two] = both(&stage, eth1_first);
        let container = stage
            .sandbox
            .json(&format!("ip netns exec {} ip -j -4 route show default", if eth1_first { "late" } else { "early" }));
        let v4: Vec<(Value, Value)> =
            container.as_array().unwrap().iter().map(|r| (r["dev"].clone(), r["metric"].clone())).collect();
        assert_eq!(v4, [(json!("eth0"), json!(null)), (json!("eth1"), json!(1))]);
        let told = |attached: &Attached| {
            let routes = attached.result["routes"].as_array().unwrap().iter();
            routes.map(|route| route["priority"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(told(&one), [json!(null), json!(null)]);
        assert_eq!(told(&two), [json!(1), json!(1025)]);
        for attached in [&one, &two] {
            attached.check().silent();
        }
        one.del();
        two.check().silent();
        two.del();
    }
}

#[test]
fn default_routes_of_two_networks_share_no_traffic() {
    let stage = Stage::new();
    let [_, two] = both(&stage, false);
    let v6 = stage.sandbox.sh("ip netns exec early ip -6 route show default");
    assert!(!v6.contains("nexthop"), "{v6}");
    assert!(v6.contains("via fd01::1 dev eth0 metric 1024") && v6.contains("via fd02::1 dev eth1 metric 1025"), "{v6}");
    let taken = |ns: &str, to: &str| stage.sandbox.sh(&format!("ip netns exec {ns} ip route get {to}"));
    for to in ["203.0.113.2", "2001:db8::2"] {
        assert!(taken("early", to).contains("dev eth0"), "{to}");
    }
    two.del();
}

#[test]
fn network_with_the_lowest_priority_leads_outside_and_the_next_when_it_is_detached() {
    for order in [["eth0", "eth1"], ["eth1", "eth0"]] {
        let stage = Stage::new();
        let c1 = stage.sandbox.netns("c1");
        let network = |ifname: &str| {
            let (number, priority) = if ifname == "eth0" { (1, 20) } else { (2, 10) };
            let subnets = [format!("10.{number}.0.0/24"), format!("fd0{number}::/64")];
            let keys = json!({ "name": ifname, "bridge": format!("br{number}"), "isDefaultGateway": true,
                "gatewayPriority": priority, "ipam": stage.ipam(&[&subnets[0], &subnets[1]]) });
            attach_as(Attachment::new(stage.network(keys), &c1).ifname(ifname))
        };
        let attached = order.map(network);
        let of = |ifname: &str| attached.iter().zip(order).find(|(_, own)| *own == ifname).unwrap().0;
        let demand = |ifname: &str| {
            for to in ["203.0.113.2", "2001:db8::2"] {
                let taken = c1.sh(&format!("ip route get {to}"));
                assert!(taken.contains(&format!("dev {ifname} ")), "{order:?} {to}: {taken}");
            }
        };
        demand("eth1");
        assert_eq!(of("eth1").result["routes"][0]["priority"], 10);
        assert_eq!(of("eth0").result["routes"][1]["priority"], 1024 + 20);
        for attached in &attached {
            attached.check().silent();
        }
        of("eth1").del();
        demand("eth0");
        of("eth0").check().silent();
    }
}

#[test]
fn priority_of_a_route_goes_before_that_of_its_network() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let mut conf = stage.network(json!({ "gatewayPriority": 10, "ipam": stage.ipam(&["10.1.0.0/24"]) }));
    conf["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0", "priority": 50 }, { "dst": "192.168.0.0/16" }]);
    attach(&conf, &c1);
    assert_eq!(routes(&c1, "route show default"), ["default via 10.1.0.1 dev eth0 metric 50"]);
    assert_eq!(routes(&c1, "route show 192.168.0.0/16"), ["192.168.0.0/16 via 10.1.0.1 dev eth0"]);
}

#[test]
fn route_whose_priority_is_taken_gets_the_next() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let network = |name: &str, subnet: &str| {
        let mut conf =
            stage.network(json!({ "name": name, "bridge": format!("br-{name}"), "ipam": stage.ipam(&[subnet]) }));
        conf["ipam"]["routes"] = json!([{ "dst": "192.168.0.0/16", "priority": 50 }]);
        conf
    };
    attach(&network("one", "10.1.0.0/24"), &c1);
    let second = attach_as(Attachment::new(network("two", "10.2.0.0/24"), &c1).ifname("eth1"));
    assert_eq!(second.result["routes"][0]["priority"], 51);
    second.check().silent();
    second.del();
    assert_eq!(routes(&c1, "route show 192.168.0.0/16"), ["192.168.0.0/16 via 10.1.0.1 dev eth0 metric 50"]);
}
