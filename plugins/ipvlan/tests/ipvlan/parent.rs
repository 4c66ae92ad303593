//! The link that containers' links are on: by name, by the default route, in the container; one that cannot be it.

use serde_json::json;
use testkit::{Attached, Attachment, Lan};

use crate::stage::{network, text};

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn without_a_name_it_is_where_the_default_route_leads() {
    let lan = Lan::enter();
    lan.sandbox.sh("ip addr add 10.1.0.250/24 dev uplink0; ip route add default via 10.1.0.1");
    let (c1, attached) = lan.attach(&network(&lan, json!({ "master": null })), "c1");
    c1.ping("10.1.0.1").unwrap();
    lan.sandbox.sh("ip route del default");
    attached.check().silent();
    attached.del();
    let lease = lan.leases().join("net/10.1.0.2");
    assert!(!lease.exists());
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn it_may_be_in_the_container() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip link set uplink0 netns c1");
    c1.sh("ip link set uplink0 up; ip addr add 10.1.0.250/24 dev uplink0; ip route add default via 10.1.0.1");
    for keys in [json!({ "linkInContainer": true }), json!({ "linkInContainer": true, "master": null })] {
        let attached = Attached::new(Attachment::new(network(&lan, keys), &c1));
        assert_eq!(c1.link("eth0")["link"], "uplink0");
        c1.ping("10.1.0.1").unwrap();
        attached.check().silent();
        attached.attachment.status().silent();
        attached.del();
        assert!(!c1.try_sh("ip link show eth0").status.success());
    }
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn it_may_be_an_ipvlan_link() {
    let lan = Lan::enter();
    let (c1, outer) = lan.attach(&network(&lan, json!({})), "c1");
    let conf = network(&lan, json!({ "master": "eth0", "linkInContainer": true }));
    let inner = Attached::new(Attachment::new(conf, &c1).ifname("net1"));
    for attached in [&inner, &outer] {
        attached.check().silent();
        lan.outside.ping(attached.ip(0)).unwrap();
    }
    inner.del();
    outer.check().silent();
}

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn one_that_others_use_otherwise_is_refused_with_the_reason() {
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    lan.sandbox.sh("ip link add link uplink0 name mv0 type macvlan mode bridge");
    let error = Attachment::new(network(&lan, json!({})), &c1).add().failure_code(100);
    assert!(text(&error["msg"]).starts_with("create ipvlan on \"uplink0\": Device or resource busy"), "{error}");
    assert_eq!(error["details"], "its frames go to a bridge, a bond or links of another kind");
}
