use cni::Error;
use serde_json::{Value, json};

use super::*;

fn conf(json: Value) -> Conf {
    cni::json::decode(&json).unwrap()
}

fn refusal(json: Value) -> Error {
    Plan::new(&conf(json)).unwrap_err()
}

fn mapping_refusal(mapping: Value) -> String {
    refusal(json!({"runtimeConfig": {"portMappings": [mapping]}})).msg
}

fn dual() -> Addresses {
    Addresses { v4: Some("10.1.0.5/24".parse().unwrap()), v6: Some("fd00::5/64".parse().unwrap()) }
}

fn published(mappings: Value) -> Vec<String> {
    let plan = Plan::new(&conf(json!({"runtimeConfig": {"portMappings": mappings}}))).unwrap();
    let told = |port: &Published| {
        let HostPort { at, protocol, port: number, .. } = port.from;
        let at = at.map_or("*".to_owned(), |at| at.to_string());
        format!("{at} {number}/{protocol} -> {}", port.to)
    };
    plan.all(&dual()).iter().map(told).collect()
}

#[test]
fn mappings_match_in_either_letter_case() {
    let containerd = json!([{"HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": ""}]);
    assert_eq!(published(containerd), ["* 8080/tcp -> 10.1.0.5:80", "* 8080/tcp -> [fd00::5]:80"]);
    let podman = json!([{"hostPort": 53, "containerPort": 5353, "protocol": "UDP", "hostIP": "127.0.0.1"}]);
    assert_eq!(published(podman), ["127.0.0.1 53/udp -> 10.1.0.5:5353"]);
}

#[test]
fn host_address_chooses_the_family() {
    let at = |ip: &str| published(json!([{"hostPort": 1, "containerPort": 2, "protocol": "sctp", "hostIP": ip}]));
    assert_eq!(at("0.0.0.0"), ["* 1/sctp -> 10.1.0.5:2"]);
    assert_eq!(at("::"), ["* 1/sctp -> [fd00::5]:2"]);
    assert_eq!(at("::1"), ["::1 1/sctp -> [fd00::5]:2"]);
    assert_eq!(at("::ffff:192.0.2.1"), ["192.0.2.1 1/sctp -> 10.1.0.5:2"]);
}

#[test]
fn family_without_an_address_is_left_out() {
    let plan =
        Plan::new(&conf(json!({"runtimeConfig": {"portMappings": [{"hostPort": 1, "containerPort": 2}]}}))).unwrap();
    assert_eq!(plan.all(&Addresses { v6: None, ..dual() }).len(), 1);
    assert_eq!(plan.all(&Addresses::default()), []);
    assert!(!plan.is_empty());
}

#[test]
fn repeated_mapping_counts_once_and_a_contradiction_is_refused() {
    let one = json!({"hostPort": 1, "containerPort": 2, "protocol": "tcp"});
    assert_eq!(published(json!([one, one])).len(), 2, "one a family");
    let other = json!({"hostPort": 1, "containerPort": 3, "protocol": "tcp"});
    let msg = refusal(json!({"runtimeConfig": {"portMappings": [one, other]}})).msg;
    assert_eq!(msg, "\"portMappings\" lead host port 1/tcp to container ports 2 and 3: it can lead to one");
    // Every address and every IPv4 address take the same port.
    let of_v4 = json!({"hostPort": 1, "containerPort": 3, "protocol": "tcp", "hostIP": "0.0.0.0"});
    let msg = refusal(json!({"runtimeConfig": {"portMappings": [one, of_v4]}})).msg;
    assert!(msg.contains("to container ports 2 and 3"), "{msg}");
    let udp = json!({"hostPort": 1, "containerPort": 3, "protocol": "udp"});
    assert_eq!(published(json!([one, udp])).len(), 4);
}

#[test]
fn bad_mappings_are_refused_with_the_value() {
    for port in [-1, 65536] {
        let msg = mapping_refusal(json!({"hostPort": port, "containerPort": 80, "protocol": "tcp"}));
        assert!(msg.starts_with(&format!("Invalid host port number: {port}")), "{msg}");
    }
    for port in [0, -1, 65536] {
        let msg = mapping_refusal(json!({"hostPort": 80, "containerPort": port, "protocol": "tcp"}));
        assert!(msg.starts_with(&format!("Invalid container port number: {port}")), "{msg}");
    }
    let msg = mapping_refusal(json!({"hostPort": 1, "containerPort": 1, "protocol": "icmp"}));
    assert_eq!(msg, "invalid \"protocol\" \"icmp\": it must be tcp, udp or sctp");
    let msg = mapping_refusal(json!({"hostPort": 1, "containerPort": 1, "hostIP": "localhost"}));
    assert!(msg.starts_with("invalid \"hostIP\" \"localhost\""), "{msg}");
}

#[test]
fn del_passes_over_what_it_does_not_understand() {
    let conf = conf(json!({"backend": "x", "runtimeConfig": {"portMappings": [
        {"hostPort": 0, "containerPort": 80}, {"hostPort": 8080, "containerPort": 80}]}}));
    let ports: Vec<_> = host_ports(&conf).iter().map(|port| (port.family, port.port)).collect();
    assert_eq!(ports, [(Nfproto::IPV4, 8080), (Nfproto::IPV6, 8080)]);
}

#[test]
fn snat_and_masq_all_say_whose_source_is_changed() {
    let snat = |json| Plan::new(&conf(json)).unwrap().snat;
    assert_eq!(snat(json!({})), Snat::Locals);
    assert_eq!(snat(json!({"snat": null})), Snat::Locals);
    assert_eq!(snat(json!({"snat": false})), Snat::Nobody);
    assert_eq!(snat(json!({"masqAll": true})), Snat::Everybody);
    assert_eq!(snat(json!({"masqAll": true, "snat": false})), Snat::Nobody);
}

#[test]
fn conditions_are_read_by_the_backend_that_they_are_for() {
    let words = json!({"conditionsV4": ["!", "-d", "192.0.2.0/24"]});
    let plan = Plan::new(&conf(words)).unwrap();
    assert!(matches!(plan.backend, Backend::Iptables(_)));
    assert_eq!(plan.words(Nfproto::IPV4), ["!", "-d", "192.0.2.0/24"]);
    assert_eq!(*plan.conditions(Nfproto::IPV4), Conditions::None);
    let plan = Plan::new(&conf(json!({"conditionsV6": ["ip6", "saddr", "fd00::/64"]}))).unwrap();
    assert!(plan.backend == Backend::Any && *plan.conditions(Nfproto::IPV6) != Conditions::None);
}

#[test]
fn addresses_are_the_first_of_each_family_of_the_containers_interface() {
    let result = |json: Value| cni::wire::decode(&json, cni::Version::V1_0_0).unwrap();
    let told = result(json!({
        "interfaces": [{"name": "eth0"}, {"name": "eth0", "sandbox": "/x"}, {"name": "eth1", "sandbox": "/x"}],
        "ips": [
            {"address": "192.0.2.1/24", "interface": 0},
            {"address": "192.0.2.2/24", "interface": 2},
            {"address": "10.1.0.5/24", "interface": 1},
            {"address": "10.1.0.6/24", "interface": 1},
            {"address": "fd00::5/64", "interface": 1}
        ]
    }));
    assert_eq!(Addresses::of(&told, "eth0"), dual());
    let unplaced = result(json!({"ips": [{"address": "10.1.0.5/24"}, {"address": "fd00::5/64", "interface": 7}]}));
    assert_eq!(Addresses::of(&unplaced, "eth0"), dual());
}

#[test]
fn ranges_that_share_ports_are_each_port_once() {
    let range = |first: u16, last: u16| {
        json!({"hostPort": first, "hostPortEnd": last, "containerPort": first, "containerPortEnd": last,
            "hostIP": "0.0.0.0"})
    };
    let one = |port: u16| json!({"hostPort": port, "containerPort": port, "hostIP": "0.0.0.0"});
    let apart = |mappings| {
        let plan = Plan::new(&conf(json!({"runtimeConfig": {"portMappings": mappings}}))).unwrap();
        plan.all(&dual()).iter().map(|port| port.from.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(apart(json!([range(80, 83), range(82, 85)])), ["80-83/tcp", "84/tcp", "85/tcp"]);
    assert_eq!(apart(json!([one(82), range(81, 83)])), ["82/tcp", "81/tcp", "83/tcp"]);
    assert_eq!(apart(json!([range(80, 83), one(82), range(80, 83)])), ["80-83/tcp"]);
    let elsewhere = json!({"hostPort": 82, "containerPort": 1});
    let msg = refusal(json!({"runtimeConfig": {"portMappings": [range(80, 83), elsewhere]}})).msg;
    assert!(msg.contains("lead host port 82/tcp to container ports 82 and 1"), "{msg}");
}

#[test]
fn address_of_the_network_is_checked_where_no_mapping_needs_it() {
    let msg = refusal(json!({"hostIP": "localhost"})).msg;
    assert_eq!(msg, "invalid \"hostIP\" \"localhost\": it must be an IP address or empty");
}
