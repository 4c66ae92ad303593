//! `ipMasq`: who sees which address, and how little is written.

use nft::Nft;
use serde_json::json;
use testkit::TestNs;

use crate::stage::{LONG, Stage, attach};

/// The address that a server of `at` sees when `from` asks it, over TCP and UDP.
#[track_caller]
pub fn seen(from: &TestNs, at: &TestNs, ip: &str) -> String {
    let ip = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
    let (tcp, udp) = (at.listen_tcp(format!("{ip}:0")), at.listen_udp(format!("{ip}:0")));
    let by_tcp = from.connect_tcp(tcp.address(), LONG).unwrap().peer.ip();
    let by_udp = from.ask_udp(udp.address(), LONG).unwrap().peer.ip();
    assert_eq!(by_tcp, by_udp);
    by_tcp.to_string()
}

pub const OUTSIDE: [&str; 2] = ["203.0.113.2", "2001:db8:ffff::2"];
pub const HOST: [&str; 2] = ["203.0.113.1", "2001:db8:ffff::1"];

#[test]
fn outside_sees_the_host_and_neighbours_see_each_other() {
    let stage = Stage::new();
    let [c1, c2, c3] = ["c1", "c2", "c3"].map(|name| stage.sandbox.netns(name));
    let outside = stage.outside();
    let conf = stage.dual(json!({ "ipMasq": true }));
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    let ipam = stage.ipam(&["10.3.0.0/24", "fd03::/64"]);
    let three = attach(&stage.dual(json!({ "name": "third", "bridge": "br3", "ipam": ipam })), &c3);
    for family in [0, 1] {
        assert_eq!(seen(&c1, &outside, OUTSIDE[family]), HOST[family]);
        assert_eq!(seen(&c1, &c2, &two.ip(family)), one.ip(family));
        assert_eq!(seen(&c1, stage.sandbox.host(), ["10.1.0.1", "fd01::1"][family]), one.ip(family));
        let of_the_third_bridge = ["10.3.0.1", "fd03::1"][family];
        assert_eq!(seen(&c1, &c3, &three.ip(family)), of_the_third_bridge, "another network is outside");
        assert_eq!(seen(&outside, &c1, &one.ip(family)), OUTSIDE[family]);
        assert_eq!(seen(&c3, &outside, OUTSIDE[family]), three.ip(family), "its network is not masqueraded");
    }
}

#[test]
fn bridged_packets_keep_their_addresses_where_the_firewall_sees_them() {
    let stage = Stage::new();
    let sysctl = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if !stage.sandbox.try_sh(&format!("echo 1 > {sysctl}")).status.success() {
        return;
    }
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "ipMasq": true }));
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    assert_eq!(seen(&c1, &c2, &two.ip(0)), one.ip(0));
}

#[test]
fn second_container_writes_nothing() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.dual(json!({ "ipMasq": true }));
    attach(&conf, &c1);
    // Every write to the ruleset increases it.
    let generation = || Nft::open().unwrap().generation().unwrap();
    let before = generation();
    let two = attach(&conf, &c2);
    two.check().silent();
    two.del();
    assert_eq!(generation(), before);
}

#[test]
fn elements_go_with_the_last_attachment_and_come_back() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let outside = stage.outside();
    let conf = stage.dual(json!({ "ipMasq": true }));
    attach(&conf, &c1).del();
    let empty = stage.ruleset();
    assert!(!empty.contains("10.1.0.0"), "{empty}");
    let one = attach(&conf, &c1);
    let two = attach(&conf, &c2);
    let full = stage.ruleset();
    for part in ["10.1.0.0/24", "fd01::/64", "behind br0"] {
        assert!(full.contains(part), "{part}: {full}");
    }
    one.del();
    assert_eq!(stage.ruleset(), full);
    two.del();
    assert_eq!(stage.ruleset(), empty);
    let again = attach(&conf, &c1);
    assert_eq!(seen(&c1, &outside, OUTSIDE[0]), HOST[0]);
    again.del();
}

#[test]
fn flushed_ruleset_is_healed_by_the_next_add() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let outside = stage.outside();
    let conf = stage.dual(json!({ "ipMasq": true, "macspoofchk": true }));
    let one = attach(&conf, &c1);
    stage.sandbox.sh("nft flush ruleset");
    assert!(one.check_failure().contains("masquerade"));
    let two = attach(&conf, &c2);
    for container in [&c1, &c2] {
        assert_eq!(seen(container, &outside, OUTSIDE[0]), HOST[0]);
    }
    two.check().silent();
    one.del();
    two.del();
}

#[test]
fn ruleset_can_be_saved_and_restored() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.dual(json!({ "ipMasq": true, "macspoofchk": true })), &c1);
    let saved = stage.sandbox.dir().join("saved.nft");
    stage.sandbox.sh(&format!("nft list ruleset > {0}; nft flush ruleset; nft -f {0}", saved.display()));
    attached.check().silent();
    attached.del();
    let ruleset = stage.ruleset();
    assert!(!ruleset.contains("10.1.0.0") && !ruleset.contains(&attached.port()), "{ruleset}");
}

#[test]
fn overlapping_subnets_of_two_bridges_are_both_masqueraded() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let outside = stage.outside();
    let network = |name: &str, subnet: &str| {
        let ipam = stage.ipam(&[subnet]);
        stage.network(json!({ "name": name, "bridge": name, "ipMasq": true, "isDefaultGateway": true, "ipam": ipam }))
    };
    let wide = attach(&network("wide", "10.0.0.0/8"), &c1);
    let narrow = attach(&network("narrow", "10.77.0.0/16"), &c2);
    for container in [&c1, &c2] {
        assert_eq!(seen(container, &outside, OUTSIDE[0]), HOST[0]);
    }
    wide.check().silent();
    narrow.check().silent();
    wide.del();
    assert_eq!(seen(&c2, &outside, OUTSIDE[0]), HOST[0]);
    narrow.check().silent();
    narrow.del();
    assert!(!stage.ruleset().contains("10."), "{}", stage.ruleset());
}

#[test]
fn bridge_with_a_dot_in_its_name_is_not_taken_for_a_vlan() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let network = |bridge: &str, subnet: &str| {
        stage.network(json!({ "name": bridge, "bridge": bridge, "ipMasq": true, "ipam": stage.ipam(&[subnet]) }))
    };
    let plain = attach(&network("br", "10.1.0.0/24"), &c1);
    let dotted = attach(&network("br.1", "10.2.0.0/24"), &c2);
    plain.del();
    dotted.check().silent();
    dotted.attachment.gc(&[("c2", "eth0")]).silent();
    dotted.check().silent();
    dotted.del();
    assert!(!stage.ruleset().contains("10.2"), "{}", stage.ruleset());
}
