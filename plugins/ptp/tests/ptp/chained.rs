//! Other plugins behind ptp in a list: published ports, and the host's firewall.

use serde_json::{Value, json};
use testkit::{Chain, Facility, Server, TestNs, assert_same, require};

use crate::stage::{HOST, LONG, OUTSIDE, Stage, seen};

/// `behind` this network's ptp in a list.
fn list(ptp: Value, behind: Value) -> Value {
    json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [ptp, behind] })
}

fn publishing(stage: &Stage, backend: &str, host_ip: &str) -> Value {
    let mappings = json!([{ "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": host_ip }]);
    let portmap = json!({ "type": "portmap", "backend": backend, "capabilities": { "portMappings": true },
        "runtimeConfig": { "portMappings": mappings } });
    list(stage.masquerading(), portmap)
}

/// A container that serves port 80.
struct Web {
    container: TestNs,
    chain: Chain,
    result: Value,
    _server: Server,
}

fn serve(stage: &Stage, list: &Value) -> Web {
    let container = stage.sandbox.netns("web");
    let chain = Chain::new(list, &container);
    let result = chain.add();
    let server = container.listen_tcp("[::]:80");
    Web { container, chain, result, _server: server }
}

/// Who answers, and whom that one sees.
#[track_caller]
fn ask(from: &TestNs, at: &str) -> (String, String) {
    let reply = from.connect_tcp(at, LONG).unwrap_or_else(|error| panic!("{} to {at}: {error}", from.name()));
    (reply.server, reply.peer.ip().to_string())
}

#[test]
fn published_port_is_reached_from_everywhere() {
    for backend in ["nftables", "iptables"] {
        if backend == "iptables" && !require(Facility::Program("iptables")) {
            continue;
        }
        let stage = Stage::new();
        let outside = stage.outside();
        let (c2, two) = stage.attach(&stage.masquerading(), "c2");
        let all = publishing(&stage, backend, "");
        let warm = Chain::new(&all, &stage.sandbox.netns("warm-up"));
        let made = warm.add();
        warm.del(Some(&made));
        let before = stage.snapshot();
        let web = serve(&stage, &all);
        web.chain.check(&web.result);
        assert_eq!(ask(&outside, "203.0.113.1:8080"), ("web".into(), OUTSIDE[0].into()));
        // As with the reference, iptables masquerades what comes from the whole subnet.
        let by = if backend == "iptables" { "10.1.0.1".to_owned() } else { two.ip(0) };
        assert_eq!(ask(&c2, "203.0.113.1:8080"), ("web".into(), by.clone()));
        assert_eq!(ask(&c2, "10.1.0.1:8080"), ("web".into(), by));
        assert_eq!(ask(stage.host(), "127.0.0.1:8080").0, "web", "{backend}");
        assert_eq!(ask(&web.container, "203.0.113.1:8080").0, "web", "itself by {backend}");
        if backend == "nftables" {
            assert_eq!(ask(&outside, "[2001:db8:ffff::1]:8080"), ("web".into(), OUTSIDE[1].into()));
            assert_eq!(ask(&web.container, "[2001:db8:ffff::1]:8080").0, "web");
        }
        web.chain.del(Some(&web.result));
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn port_of_127_0_0_1_is_for_the_host_alone() {
    let stage = Stage::new();
    let outside = stage.outside();
    let (c2, _) = stage
        .attach(&stage.network(json!({ "name": "other", "ipam": stage.ipam(["10.3.0.0/24", "fd03::/64"]) })), "c2");
    let web = serve(&stage, &publishing(&stage, "nftables", "127.0.0.1"));
    assert_eq!(ask(stage.host(), "127.0.0.1:8080").0, "web");
    let refused = std::time::Duration::from_millis(300);
    for (from, at) in [(&outside, "203.0.113.1:8080"), (&c2, "10.3.0.1:8080"), (&web.container, "10.1.0.1:8080")] {
        assert!(from.connect_tcp(at, refused).is_err(), "{} to {at}", from.name());
    }
}

#[test]
fn container_of_a_host_that_drops_what_it_forwards_gets_out_by_firewall() {
    for backend in ["nftables", "iptables"] {
        if backend == "iptables" && !require(Facility::Program("iptables")) {
            continue;
        }
        let stage = Stage::new();
        let outside = stage.outside();
        // Of two chains that are asked the one that drops wins, unless it is the same.
        let drop = match backend {
            "iptables" => "iptables -P FORWARD DROP; ip6tables -P FORWARD DROP",
            _ => "nft add rule inet mooring firewall_forward drop",
        };
        let c1 = stage.sandbox.netns("c1");
        let chain = Chain::new(&list(stage.masquerading(), json!({ "type": "firewall", "backend": backend })), &c1);
        let first = chain.add();
        stage.sandbox.sh(drop);
        let (c2, _) = stage.attach(&stage.masquerading(), "c2");
        for family in [0, 1] {
            assert_eq!(seen(&c1, &outside, OUTSIDE[family]), HOST[family], "{backend}");
        }
        let late = std::time::Duration::from_millis(300);
        let server = outside.listen_tcp("203.0.113.2:0");
        assert!(c2.connect_tcp(server.address(), late).is_err(), "nobody lets that one through");
        chain.check(&first);
        chain.del(Some(&first));
        assert_eq!(stage.ends().len(), 1);
    }
}
