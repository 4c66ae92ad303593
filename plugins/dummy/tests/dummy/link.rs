//! The life of a dummy link.

use serde_json::{Value, json};
use testkit::{Attached, Facility, Lan, Stdout, assert_same, require};

use crate::stage::{eth0, network};

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn result_of_every_version_tells_what_the_kernel_has() {
    let lan = Lan::enter();
    // It is of no concern that the host has one of the same name.
    lan.sandbox.sh("ip link add eth0 type dummy");
    for version in ["0.2.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let conf = network(&lan, json!({ "cniVersion": version }));
        let (container, _attached) = lan.tells_what_there_is(&conf, &format!("c{version}"));
        assert_eq!(container.link("eth0")["linkinfo"]["info_kind"], "dummy");
    }
    assert_eq!(lan.sandbox.host().links(), [Lan::LINK, "eth0"]);
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn addresses_answer_in_the_container_at_once_and_routes_lead_to_the_link() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    c1.sh("ip link set lo up");
    for address in ["10.1.0.2", "fd01::2"] {
        c1.ping(address).unwrap();
    }
    assert!(c1.sh("ip -6 route show default").starts_with("default via fd01::1 dev eth0"));
    for key in ["ipv4/conf/eth0/arp_notify", "ipv6/conf/eth0/ndisc_notify"] {
        assert_eq!(c1.sysctl(key), "1", "{key}");
    }
    attached.check().silent();
    attached.del();
    assert_eq!(c1.links(), [""; 0]);
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn name_servers_of_the_configuration_go_before_those_of_the_delegate() {
    let lan = Lan::enter();
    let resolv_conf = lan.sandbox.dir().join("resolv.conf");
    std::fs::write(&resolv_conf, "nameserver 10.1.0.53\n").unwrap();
    let mut conf = network(&lan, json!({}));
    conf["ipam"]["resolvConf"] = json!(resolv_conf);
    let of = |conf: &Value, name| lan.attach(conf, name).1.result["dns"].clone();
    assert_eq!(of(&conf, "c1"), json!({ "nameservers": ["10.1.0.53"] }));
    conf["dns"] = json!({ "search": ["example.org"] });
    assert_eq!(of(&conf, "c2"), json!({ "search": ["example.org"] }));
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn loss_is_named_and_changes_of_later_plugins_are_accepted() {
    let lan = Lan::enter();
    for (script, words) in [
        ("ip link set eth0 down", "\"eth0\" in /run/netns/c1: it is down"),
        ("ip link del eth0", "\"eth0\" in /run/netns/c1: it has gone"),
        ("ip link del eth0; ip link add eth0 type bridge", "it is bridge, not dummy"),
        ("ip link set eth0 address 02:00:00:00:00:77", "its address is 02:00:00:00:00:77, not "),
        ("ip addr del 10.1.0.2/24 dev eth0", "address 10.1.0.2/24 has gone"),
        ("ip route del 10.9.0.0/16", "route to 10.9.0.0/16 has gone"),
    ] {
        // A link that is down has no routes: those would be missed first.
        let routes = if script.contains("down") { json!([]) } else { json!([{ "dst": "10.9.0.0/16" }]) };
        let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.2/24" }], "routes": routes });
        let (c1, attached) = lan.attach(&network(&lan, json!({ "ipam": ipam })), "c1");
        c1.sh("ip link set eth0 mtu 1300; ip addr add 10.1.0.99/24 dev eth0; ip route add 192.168.0.0/16 dev eth0");
        attached.check().silent();
        c1.sh(script);
        let said = attached.complaint();
        assert!(said.contains(words), "{script}: {said}");
        attached.del();
        c1.remove();
    }
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn everything_goes_whatever_del_is_not_told() {
    let lan = Lan::enter();
    lan.goes_with_every_del(&network(&lan, json!({})), &[json!({ "cniVersion": "0.3.1" })]);
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn renamed_link_goes_and_those_of_others_stay() {
    let lan = Lan::enter();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    let other = Attached::new(eth0(&lan, &c1, json!({ "name": "other" })).ifname("eth1"));
    c1.sh("ip link set eth0 down; ip link set eth0 name lan0; ip link add eth0 type dummy; ip link set eth0 alias x");
    attached.del();
    assert_eq!(c1.links(), ["eth1", "eth0"]);
    other.check().silent();
    // Whatever has no alias may be the reference's; another hardware address may be tuning's.
    c1.sh("ip link set eth0 alias ''");
    attached.del();
    assert_eq!(c1.links(), ["eth1"]);
}

#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn failing_add_leaves_nothing() {
    let lan = Lan::enter();
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip link add eth0 type bridge");
    let msg = lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, json!({})), 101);
    assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
    c1.sh("ip link del eth0");
    lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, json!({ "ipam": { "type": "no-such-plugin" } })), 7);
    lan.gives_everything_back(&network(&lan, json!({})), &c1);
    let before = [lan.snapshot(), c1.snapshot().without(&[" lo"])];
    assert!(!eth0(&lan, &c1, json!({})).call("ADD").stdout(Stdout::Full).run().status.success());
    assert_same(&before[0], &lan.snapshot());
    assert_same(&before[1], &c1.snapshot().without(&[" lo"]));
}

/// At every tenth request to the kernel, or its answer: `conformance crash` does it at each system call.
#[test]
#[ignore = "needs dummy links: scripts/vm-test"]
fn what_is_killed_anywhere_is_completed_by_del() {
    if require(Facility::Script("strace -o /dev/null true")) {
        let lan = Lan::enter();
        lan.survives_kills(&network(&lan, json!({})), "dummy", &["sendto", "recvfrom"], 10);
    }
}
