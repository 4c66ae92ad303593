//! DEL: whatever it is not told, and whatever has gone, it removes what is the attachment's, and nothing else.

use serde_json::json;
use testkit::{Attached, Lan};

use crate::stage::{eth0, network, tagged};

/// With the reference that is an error, and the lease stays.
#[test]
fn lease_goes_where_the_master_or_the_namespace_has_gone() {
    for keys in [json!({}), json!({ "linkInContainer": true })] {
        for script in ["ip link del uplink0", "umount -l /run/netns/c1", "umount /run/netns/c1; rm /run/netns/c1", ":"]
        {
            let lan = Lan::enter();
            let attachment = lan.leased(&network(&lan, keys.clone()));
            lan.sandbox.sh(script);
            lan.gives_lease_back(&attachment, if script == ":" { "" } else { "/run/netns/c1" });
        }
    }
}

#[test]
fn lease_goes_with_a_configuration_that_an_add_would_refuse() {
    for (key, value) in [("master", json!(null)), ("vlanId", json!(9999)), ("mtu", json!(-5))] {
        let lan = Lan::enter();
        let attachment = lan.leased(&network(&lan, json!({})));
        lan.gives_lease_back(&attachment.with_key(key, value), "/run/netns/c1");
    }
}

#[test]
fn links_of_other_kinds_stay() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    c1.sh("ip link add eth0 type bridge");
    eth0(&lan, &c1, json!({})).del().silent();
    assert_eq!(c1.links(), ["eth0"]);
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn everything_goes_whatever_del_is_not_told() {
    let lan = tagged();
    lan.goes_with_every_del(
        &network(&lan, json!({})),
        &[
            json!({ "master": "gone0", "vlanId": 200, "cniVersion": "0.3.1" }),
            json!({ "master": null, "mtu": -1, "vlanId": -1, "linkInContainer": true }),
        ],
    );
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn everything_goes_after_the_master() {
    let lan = tagged();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    // With it goes what is on it.
    lan.sandbox.sh("ip link del uplink0");
    attached.del();
    assert!(!lan.leases().join("net/10.1.0.2").exists() && c1.links().is_empty());
}

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn renamed_link_goes_and_those_of_others_stay() {
    let lan = tagged();
    let (c1, attached) = lan.attach(&network(&lan, json!({})), "c1");
    let other = Attached::new(eth0(&lan, &c1, json!({ "name": "other", "vlanId": 200 })).ifname("eth1"));
    c1.sh("ip link set eth0 down; ip link set eth0 name lan0; ip link add link lan0 name eth0 type vlan id 7
        ip link set eth0 alias somebody");
    attached.del();
    // The kernel takes with it what is on it.
    assert_eq!(c1.links(), ["eth1"]);
    other.check().silent();
}
