//! DEL: whatever it is not told, it removes what is the attachment's, and nothing else.

use serde_json::json;
use testkit::{Attachment, assert_same};

use crate::stage::{Attached, Stage, link};

/// Everything has gone after `del`, whatever has happened to the attachment before.
fn cleans_up(del: impl FnOnce(&Stage, Attached)) {
    let stage = Stage::new();
    let conf = stage.masquerading();
    let before = stage.warm_snapshot(&conf);
    let (_c1, attached) = stage.attach(&conf, "c1");
    del(&stage, attached);
    assert_same(&before, &stage.snapshot());
}

#[test]
fn everything_goes_with_or_without_the_previous_result_and_again() {
    cleans_up(|_, attached| attached.del());
    cleans_up(|_, attached| {
        attached.attachment.del().silent();
        attached.attachment.del().silent();
        attached.del();
    });
}

#[test]
fn everything_goes_without_a_netns() {
    for netns in ["", "/run/netns/never-was", "/run", "/proc/self/ns/uts"] {
        cleans_up(|_, attached| attached.attachment.netns(netns).del().silent());
    }
    cleans_up(|stage, attached| attached.attachment.netns(stage.host().path()).del().silent());
}

#[test]
fn everything_goes_after_the_netns_or_the_link() {
    let stage = Stage::new();
    let conf = stage.masquerading();
    let before = stage.warm_snapshot(&conf);
    let forget: [fn(&Attached); 3] = [
        |attached| attached.del(),
        |attached| attached.attachment.del().silent(),
        |attached| attached.attachment.clone().netns("").del().silent(),
    ];
    for (n, del) in forget.iter().enumerate() {
        let (c1, attached) = stage.attach(&conf, &format!("gone{n}"));
        c1.remove();
        del(&attached);
        assert_same(&before, &stage.snapshot());
        let (c1, attached) = stage.attach(&conf, &format!("unlinked{n}"));
        c1.sh("ip link del eth0");
        del(&attached);
        assert_same(&before, &stage.snapshot());
    }
    // What is left of a namespace that was unmounted and not removed.
    let (_c2, attached) = stage.attach(&conf, "c2");
    stage.sandbox.sh("umount -l /run/netns/c2");
    attached.del();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn everything_goes_with_a_previous_result_that_is_junk() {
    let other = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "eth0", "sandbox": "/run/netns/c1" }],
        "ips": [{ "interface": 0, "address": "10.1.0.77/24" }, { "interface": 0, "address": "10.1.0.77/24" }] });
    for junk in [json!("junk"), json!({ "cniVersion": "7.7.7" }), json!({ "ips": 3 }), json!([]), json!({}), other] {
        cleans_up(|stage, attached| {
            // Without its link nothing else tells of the addresses.
            stage.sandbox.sh(&format!("ip link del {}", attached.near()));
            attached.attachment.with_prev(&junk).del().silent();
        });
    }
}

#[test]
fn everything_goes_with_a_configuration_that_has_changed() {
    cleans_up(|_, attached| {
        let changed = attached.attachment.with_key("ipMasq", json!(false)).with_key("cniVersion", json!("0.3.1"));
        changed.with_key("mtu", json!(-1)).with_key("ipMasqBackend", json!("x")).del().silent();
    });
}

#[test]
fn lease_is_the_delegates_and_nothing_else_needs_it() {
    cleans_up(|stage, attached| {
        attached.attachment.with_key("ipam", json!({})).del().silent();
        assert_eq!(stage.ends(), [""; 0]);
        attached.attachment.del().silent();
    });
}

#[test]
fn everything_goes_after_sets_that_were_emptied_and_links_that_lost_their_tag() {
    for set in ["masquerade_owners", "masquerade_within4_24", "masquerade_within6_64"] {
        cleans_up(|stage, attached| {
            stage.sandbox.sh(&format!("nft flush set inet mooring {set}"));
            attached.complaint();
            attached.del();
        });
    }
    cleans_up(|stage, attached| {
        stage.sandbox.sh(&format!("ip link set {} alias ''", attached.near()));
        attached.attachment.netns("").del().silent();
    });
}

#[test]
fn nothing_happens_before_any_add() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = Attachment::new(stage.masquerading(), &c1);
    attachment.del().silent();
    attachment.container(&"c".repeat(500)).del().silent();
    assert_same(&before, &stage.snapshot().without(&["/leases"]));
    assert_eq!(stage.ruleset(), "");
}

#[test]
fn address_of_a_later_owner_stays_masqueraded() {
    let stage = Stage::new();
    let fixed = json!({ "type": "static", "addresses": [{ "address": "10.1.0.5/24", "gateway": "10.1.0.1" }] });
    let conf = stage.network(json!({ "ipMasq": true, "ipam": fixed }));
    let (gone, early) = stage.attach(&conf, "c1");
    gone.remove();
    let (_c2, late) = stage.attach(&conf, "c2");
    early.del();
    late.check().silent();
    late.del();
    assert!(!stage.ruleset().contains("10.1.0.5"), "{}", stage.ruleset());
}

#[test]
fn interfaces_of_others_stay() {
    let stage = Stage::new();
    let other = stage.network(json!({ "name": "other", "ipam": stage.ipam(["10.2.0.0/24", "fd02::/64"]) }));
    let (c1, owner) = stage.attach(&other, "c1");
    let ours = Attachment::new(stage.network(json!({})), &c1);
    ours.add().failure_code(101);
    ours.del().silent();
    owner.check().silent();
    // The owner's tag was cut off by a crash: the link's name is the owner's still.
    stage.sandbox.sh(&format!("ip link set {} alias ''", owner.near()));
    ours.del().silent();
    owner.check().silent();
    owner.del();
    // A port of a bridge, a pair without an address at the host's end, and what is no pair at all.
    for script in [
        "ip link add vethforeign type veth peer name eth0 netns c1; ip link set vethforeign master spare",
        "ip link add vethforeign type veth peer name eth0 netns c1; ip addr add 10.9.0.1/24 dev vethforeign",
        "ip link add vethforeign type veth peer name eth0 netns c1",
    ] {
        stage.sandbox.sh(script);
        ours.del().silent();
        assert_eq!(link(&c1, "eth0")["ifname"], "eth0", "{script}");
        stage.sandbox.sh("ip link del vethforeign");
    }
    c1.sh("ip link add eth0 type bridge");
    ours.del().silent();
    assert_eq!(link(&c1, "eth0")["ifname"], "eth0");
}
