//! Who reaches a published port, and whom the container sees.

use serde_json::json;
use testkit::TestNs;

use crate::stage::{Proto, Stage, Web, host_of, mapping, web, web_at};

/// The container sees `source` ask when `from` asks each of `addresses`.
#[track_caller]
fn reaches(web: &Web, from: &TestNs, addresses: &[(&str, &str)]) {
    for proto in Proto::BOTH {
        for (address, source) in addresses {
            let reply = proto.ask(from, format!("{address}:8080"));
            assert_eq!(reply.server, web.netns.name(), "{proto:?} from {} to {address}", from.name());
            assert_eq!(host_of(reply.peer), *source, "{proto:?} from {} to {address}", from.name());
        }
    }
}

#[test]
fn asked_from_outside_the_container_sees_the_client() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    reaches(&web, &stage.outside, &[("203.0.113.1", "203.0.113.2"), ("[2001:db8:ffff::1]", "2001:db8:ffff::2")]);
}

#[test]
fn asked_from_the_host_itself_every_address_leads_to_the_container() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    reaches(
        &web,
        stage.host(),
        &[
            ("203.0.113.1", "203.0.113.1"),
            ("10.1.0.1", "10.1.0.1"),
            ("127.0.0.1", "10.1.0.1"),
            ("127.1.2.3", "10.1.0.1"),
            ("[2001:db8:ffff::1]", "2001:db8:ffff::1"),
            ("[fd01::1]", "fd01::1"),
        ],
    );
}

#[test]
fn asked_through_the_ipv6_loopback_it_is_refused_at_once() {
    let stage = Stage::new();
    let _web = stage.run("c1", &stage.publishing(web()));
    let error = stage.host().connect_tcp("[::1]:8080", crate::stage::LONG).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
    let refused = stage.host().ask_udp("[::1]:8080", crate::stage::LONG).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn asked_from_the_same_bridge_the_host_asks_in_its_place() {
    for hairpin in [false, true] {
        for filtered in ["0", "1"] {
            let stage = Stage::new();
            // Where the module is not loaded there is nothing to filter by.
            stage.sandbox.try_sh(&format!(
                "for f in iptables ip6tables; do echo {filtered} > /proc/sys/net/bridge/bridge-nf-call-$f; done"
            ));
            let mut list = stage.publishing(web());
            list["plugins"][0]["hairpinMode"] = json!(hairpin);
            let web = stage.run("c1", &list);
            let neighbour = stage.run("c2", &stage.network(1, json!({})));
            let addresses = [
                ("203.0.113.1", "10.1.0.1"),
                ("10.1.0.1", "10.1.0.1"),
                ("[2001:db8:ffff::1]", "fd01::1"),
                ("[fd01::1]", "fd01::1"),
            ];
            reaches(&web, &neighbour.netns, &addresses);
            reaches(&web, &web.netns, &addresses);
        }
    }
}

#[test]
fn asked_from_another_bridge_the_container_sees_the_client() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    let other = stage.run("c2", &stage.network(2, json!({})));
    let addresses = [
        ("203.0.113.1", "10.2.0.2"),
        ("10.2.0.1", "10.2.0.2"),
        ("10.1.0.1", "10.2.0.2"),
        ("[2001:db8:ffff::1]", "fd02::2"),
        ("[fd02::1]", "fd02::2"),
    ];
    reaches(&web, &other.netns, &addresses);
}

#[test]
fn masq_all_shows_the_container_the_host_alone() {
    let stage = Stage::new();
    let list = stage.network(1, json!({ "masqAll": true, "runtimeConfig": { "portMappings": web() } }));
    let web = stage.run("c1", &list);
    reaches(&web, &stage.outside, &[("203.0.113.1", "10.1.0.1"), ("[2001:db8:ffff::1]", "fd01::1")]);
    reaches(&web, stage.host(), &[("203.0.113.1", "10.1.0.1"), ("127.0.0.1", "10.1.0.1")]);
    reaches(&web, &web.netns, &[("203.0.113.1", "10.1.0.1"), ("[fd01::1]", "fd01::1")]);
}

#[test]
fn without_snat_no_source_is_changed() {
    let stage = Stage::new();
    let list = stage.network(1, json!({ "snat": false, "masqAll": true, "runtimeConfig": { "portMappings": web() } }));
    let web = stage.run("c1", &list);
    reaches(&web, &stage.outside, &[("203.0.113.1", "203.0.113.2"), ("[2001:db8:ffff::1]", "2001:db8:ffff::2")]);
    Proto::Tcp.ask_in_vain(stage.host(), "127.0.0.1:8080");
    Proto::Tcp.ask_in_vain(&web.netns, "203.0.113.1:8080");
    assert!(stage.elements("hairpin").is_empty());
    assert!(stage.elements("localnet").is_empty());
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/br1/route_localnet").trim(), "0");
}

#[test]
fn services_of_the_host_and_of_others_stay_where_they_are() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    let _service = stage.host().listen_tcp("[::]:9090");
    let _far = stage.outside.listen_tcp("[::]:8080");
    let from_outside = Proto::Tcp.ask(&stage.outside, "203.0.113.1:9090");
    assert_eq!((from_outside.server.as_str(), host_of(from_outside.peer).as_str()), ("host", "203.0.113.2"));
    // Port 8080 of another host is not ours to translate.
    let through = Proto::Tcp.ask(&web.netns, "203.0.113.2:8080");
    assert_eq!((through.server.as_str(), host_of(through.peer).as_str()), ("outside", "10.1.0.2"));
    // What reaches the container by its own address keeps its source, from neighbours too.
    let neighbour = stage.run("c2", &stage.network(1, json!({})));
    let direct = Proto::Tcp.ask(&neighbour.netns, "10.1.0.2:80");
    assert_eq!(host_of(direct.peer), "10.1.0.3");
}

#[test]
fn address_of_the_host_limits_who_gets_through() {
    for (address, answers, does_not) in [
        ("203.0.113.1", "203.0.113.1", "10.9.9.9"),
        ("10.9.9.9", "10.9.9.9", "203.0.113.1"),
        ("0.0.0.0", "203.0.113.1", "[2001:db8:ffff::1]"),
        ("::", "[2001:db8:ffff::1]", "203.0.113.1"),
        ("2001:db8:ffff::1", "[2001:db8:ffff::1]", "[fd01::1]"),
        ("::ffff:203.0.113.1", "203.0.113.1", "10.9.9.9"),
    ] {
        let stage = Stage::new();
        stage.sandbox.sh("ip addr add 10.9.9.9/32 dev lo");
        let web = stage.run("c1", &stage.publishing(web_at(address)));
        for proto in Proto::BOTH {
            for from in [&stage.outside, stage.host(), &web.netns] {
                assert_eq!(proto.ask(from, format!("{answers}:8080")).server, "c1", "{address} from {}", from.name());
                proto.ask_in_vain(from, format!("{does_not}:8080"));
            }
        }
    }
}

#[test]
fn two_addresses_of_one_port_lead_to_two_containers_and_the_exact_one_wins() {
    let stage = Stage::new();
    stage.sandbox.sh("ip addr add 203.0.113.11/24 dev uplink0; ip addr add 203.0.113.12/24 dev uplink0");
    let _one = stage.run("c1", &stage.publishing(web_at("203.0.113.11")));
    let all = stage.run("c2", &stage.publishing(web()));
    let two = stage.run("c3", &stage.publishing(web_at("203.0.113.12")));
    for proto in Proto::BOTH {
        for (address, server) in [("203.0.113.11", "c1"), ("203.0.113.12", "c3"), ("203.0.113.1", "c2")] {
            assert_eq!(proto.ask(&stage.outside, format!("{address}:8080")).server, server);
        }
    }
    two.stop();
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.12:8080").server, "c2");
    all.stop();
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.11:8080").server, "c1");
    Proto::Tcp.ask_in_vain(&stage.outside, "203.0.113.12:8080");
}

#[test]
fn several_ports_lead_to_several_ports() {
    let stage = Stage::new();
    let list = stage.publishing(json!([mapping(8080, 80, "tcp"), mapping(8081, 80, "tcp"), mapping(9000, 9, "udp")]));
    let web = stage.run("c1", &list);
    let _nine = web.netns.listen_udp("[::]:9");
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8080").local, "10.1.0.2:80".parse().unwrap());
    assert_eq!(Proto::Tcp.ask(&stage.outside, "203.0.113.1:8081").local, "10.1.0.2:80".parse().unwrap());
    assert_eq!(Proto::Udp.ask(&stage.outside, "203.0.113.1:9000").server, "c1");
    Proto::Udp.ask_in_vain(&stage.outside, "203.0.113.1:8080");
}

#[test]
fn sctp_gets_the_same_elements() {
    let stage = Stage::new();
    let _web = stage.run("c1", &stage.publishing(json!([mapping(8080, 80, "SCTP")])));
    for set in ["ports4", "ports6", "snat_ports4", "snat_ports6"] {
        let elements = stage.elements(&format!(" {set} "));
        assert_eq!(elements.len(), 1, "{set}");
        assert!(elements[0].contains("\"sctp\"") && elements[0].contains("8080"), "{}", elements[0]);
    }
}
