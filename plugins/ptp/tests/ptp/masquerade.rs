//! `ipMasq` by `nf_tables`: who sees which address, and whose elements they are.

use nft::Nft;
use serde_json::json;
use testkit::Attachment;

use crate::stage::{Attached, HOST, OUTSIDE, Stage, seen};

#[test]
fn outside_sees_the_host_and_the_own_network_sees_the_container() {
    let stage = Stage::new();
    let outside = stage.outside();
    let conf = stage.masquerading();
    let (c1, one) = stage.attach(&conf, "c1");
    let (c2, two) = stage.attach(&conf, "c2");
    let other = stage.network(json!({ "name": "other", "ipam": stage.ipam(["10.3.0.0/24", "fd03::/64"]) }));
    let (c3, three) = stage.attach(&other, "c3");
    for family in [0, 1] {
        assert_eq!(seen(&c1, &outside, OUTSIDE[family]), HOST[family]);
        assert_eq!(seen(&c1, &c2, &two.ip(family)), one.ip(family));
        assert_eq!(seen(&c1, stage.host(), ["10.1.0.1", "fd01::1"][family]), one.ip(family));
        assert_eq!(seen(&c1, stage.host(), HOST[family]), one.ip(family));
        assert_eq!(seen(&outside, &c1, &one.ip(family)), OUTSIDE[family]);
        // Another network is outside: it sees an address of the host, whichever.
        assert_ne!(seen(&c1, &c3, &three.ip(family)), one.ip(family));
        assert_eq!(seen(&c3, &outside, OUTSIDE[family]), three.ip(family), "its network is not masqueraded");
    }
}

#[test]
fn subnet_ends_where_its_prefix_does() {
    let stage = Stage::new();
    let outside = stage.outside();
    outside.sh("ip addr add 10.1.127.9/32 dev lo; ip addr add 10.1.128.9/32 dev lo
        ip addr add fd01:0:0:fff0::9/128 dev lo nodad; ip addr add fd01:0:1::9/128 dev lo nodad");
    let conf = stage.network(json!({ "ipMasq": true, "ipam": stage.ipam(["10.1.0.0/17", "fd01::/48"]) }));
    let (c1, one) = stage.attach(&conf, "c1");
    for (family, within, beyond) in [(0, "10.1.127.9", "10.1.128.9"), (1, "fd01:0:0:fff0::9", "fd01:0:1::9")] {
        assert_eq!(seen(&c1, &outside, within), one.ip(family));
        assert_eq!(seen(&c1, &outside, beyond), HOST[family]);
    }
}

/// No router of groups is at hand: the host itself sends from the container's address, which masquerading does not tell apart.
#[test]
fn groups_are_sent_to_from_the_container() {
    let stage = Stage::new();
    stage.outside();
    let (_c1, one) = stage.attach(&stage.masquerading(), "c1");
    let from = one.ip(0);
    stage.sandbox.sh(&format!(
        "nft add table ip probe; nft add counter ip probe own; nft add counter ip probe hosts
         nft add chain ip probe sent '{{ type filter hook postrouting priority 300; }}'
         nft add rule ip probe sent ip daddr 224.0.5.5 ip saddr {from} counter name own
         nft add rule ip probe sent ip daddr 203.0.113.2 ip saddr {} counter name hosts
         ip addr add {from}/32 dev lo; ip route add 224.0.0.0/4 dev uplink0
         for to in 224.0.5.5 203.0.113.2; do ping -n -q -c 1 -W 0.1 -I {from} $to || true; done",
        HOST[0]
    ));
    for counter in ["own", "hosts"] {
        let listed = stage.sandbox.json(&format!("nft -j list counter ip probe {counter}"));
        assert_eq!(listed["nftables"][1]["counter"]["packets"], 1, "{counter}");
    }
}

#[test]
fn elements_are_the_attachments_and_go_with_it() {
    let stage = Stage::new();
    let conf = stage.masquerading();
    let empty = stage.warm_snapshot(&conf);
    let (_, one) = stage.attach(&conf, "c1");
    let alone = stage.snapshot();
    let (_, two) = stage.attach(&conf, "c2");
    let ruleset = stage.ruleset();
    let tag = "net: net, if: eth0, id: c2";
    for element in [format!("{} . 10.1.0.0", two.ip(0)), format!("{} . fd01::", two.ip(1))] {
        let line = ruleset.lines().find(|line| line.contains(&element)).unwrap_or_else(|| panic!("{ruleset}"));
        assert!(line.contains(tag), "{line}");
    }
    two.del();
    testkit::assert_same(&alone, &stage.snapshot());
    one.del();
    testkit::assert_same(&empty, &stage.snapshot());
}

#[test]
fn who_does_not_masquerade_writes_nothing() {
    let stage = Stage::new();
    let (_, one) = stage.attach(&stage.network(json!({})), "c1");
    one.check().silent();
    one.del();
    assert_eq!(stage.ruleset(), "");
}

#[test]
fn one_transaction_each() {
    let stage = Stage::new();
    let conf = stage.masquerading();
    stage.warm_snapshot(&conf);
    // Every write to the ruleset increases it.
    let generation = || format!("{:?}", Nft::open().unwrap().generation().unwrap());
    let number = |text: String| text.trim_matches(|c: char| !c.is_ascii_digit()).parse::<u32>().unwrap();
    let before = number(generation());
    let (_, one) = stage.attach(&conf, "c1");
    assert_eq!(number(generation()), before + 1);
    one.check().silent();
    one.del();
    assert_eq!(number(generation()), before + 2);
}

#[test]
fn flushed_ruleset_is_healed_by_the_next_add() {
    let stage = Stage::new();
    let outside = stage.outside();
    let conf = stage.masquerading();
    let (_, one) = stage.attach(&conf, "c1");
    stage.sandbox.sh("nft flush ruleset");
    assert!(one.complaint().contains("masquerade"));
    let (c2, two) = stage.attach(&conf, "c2");
    assert_eq!(seen(&c2, &outside, OUTSIDE[0]), HOST[0]);
    two.check().silent();
    one.del();
    two.del();
}

#[test]
fn bridge_beside_it_is_masqueraded_as_well() {
    let stage = Stage::new();
    let outside = stage.outside();
    let mut bridge = stage.network(json!({ "name": "bridged", "type": "bridge", "bridge": "br0", "isGateway": true,
        "ipMasq": true, "ipam": stage.ipam(["10.4.0.0/24", "fd04::/64"]) }));
    bridge["ipam"]["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }]);
    let (c1, one) = stage.attach(&stage.masquerading(), "c1");
    let c2 = stage.sandbox.netns("c2");
    let two = Attached::new(Attachment::new(bridge, &c2));
    for family in [0, 1] {
        for container in [&c1, &c2] {
            assert_eq!(seen(container, &outside, OUTSIDE[family]), HOST[family]);
        }
    }
    one.attachment.gc(&[("c1", "eth0")]).silent();
    two.check().silent();
    one.del();
    two.check().silent();
    assert_eq!(seen(&c2, &outside, OUTSIDE[1]), HOST[1]);
    let (c3, three) = stage.attach(&stage.masquerading(), "c3");
    two.del();
    three.check().silent();
    assert_eq!(seen(&c3, &outside, OUTSIDE[0]), HOST[0]);
}
