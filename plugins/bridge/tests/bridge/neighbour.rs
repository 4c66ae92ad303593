//! Addresses that can be used at once, and neighbours that notice a new owner of an address.

use serde_json::json;
use testkit::{Attachment, TestNs};

use crate::stage::{Attached, LONG, Stage, attach, attach_as, text};

#[test]
fn ipv6_is_usable_at_once_in_both_directions() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let outside = stage.outside();
    let from_outside = outside.listen_tcp("[::]:80");
    let conf = stage.dual(json!({}));
    let one = attach(&conf, &c1);
    let web = c1.listen_tcp(format!("[{}]:80", one.ip(1)));
    // Nobody has spoken yet: the host has to find the container by itself.
    assert_eq!(outside.connect_tcp(web.address(), LONG).unwrap().server, "c1");
    let two = attach(&conf, &c2);
    assert_eq!(c2.connect_tcp(web.address(), LONG).unwrap().peer.ip().to_string(), two.ip(1));
    assert_eq!(stage.sandbox.host().connect_tcp(web.address(), LONG).unwrap().server, "c1");
    let uplink = format!("[2001:db8:ffff::2]:{}", from_outside.address().port());
    assert_eq!(c2.connect_tcp(uplink, LONG).unwrap().server, "outside");
    for container in [&c1, &c2] {
        assert_eq!(container.sh("ip -6 addr show dev eth0 tentative"), "");
    }
}

#[test]
fn ipv6_without_any_wait_is_not_tentative_when_add_returns() {
    let stage = Stage::new();
    for n in 0..5 {
        let container = stage.sandbox.netns(&format!("c{n}"));
        // Also where the container asks for detection on every interface.
        container.sh("echo 1 > /proc/sys/net/ipv6/conf/all/accept_dad");
        attach(&stage.dual(json!({})), &container);
        assert_eq!(container.sh("ip -6 addr show dev eth0 scope global tentative"), "");
        assert_eq!(stage.sandbox.sh("ip -6 addr show dev br0 tentative"), "");
    }
}

/// An owner of 10.1.0.50 and `fd01::50` with this hardware address.
fn owner(stage: &Stage, container: &TestNs, mac: &str) -> Attached {
    let conf = stage.dual(json!({ "runtimeConfig": { "mac": mac } }));
    attach_as(Attachment::new(conf, container).args("IgnoreUnknown=1;IP=10.1.0.50,fd01::50"))
}

/// The hardware address that `ns` knows for `ip` on `dev`.
fn known(ns: &TestNs, dev: &str, ip: &str) -> String {
    text(&ns.json(&format!("ip -j neigh show {ip} dev {dev}"))[0]["lladdr"])
}

#[test]
fn neighbours_notice_a_new_owner_of_an_address() {
    let stage = Stage::new();
    let [old, new, peer] = ["old", "new", "peer"].map(|name| stage.sandbox.netns(name));
    attach(&stage.dual(json!({})), &peer);
    let [was, is] = ["02:00:00:00:00:01", "02:00:00:00:00:02"];
    let first = owner(&stage, &old, was);
    for (ns, dev) in [(stage.sandbox.host(), "br0"), (&peer, "eth0")] {
        // They are so sure that they would not ask again for an hour.
        ns.sh(&format!(
            "for v in ipv4 ipv6; do echo 3600000 > /proc/sys/net/$v/neigh/{dev}/base_reachable_time_ms; done
            ip neigh replace 10.1.0.50 lladdr {was} dev {dev} nud reachable
            ip neigh replace fd01::50 lladdr {was} dev {dev} nud reachable"
        ));
        assert_eq!(known(ns, dev, "10.1.0.50"), was);
    }
    first.del();
    owner(&stage, &new, is);
    for (ns, dev) in [(stage.sandbox.host(), "br0"), (&peer, "eth0")] {
        for ip in ["10.1.0.50", "fd01::50"] {
            assert_eq!(known(ns, dev, ip), is, "{ip} in {}", ns.name());
            ns.ping(ip).unwrap();
        }
    }
}

#[test]
fn duplicates_are_detected_where_asked_for() {
    let stage = Stage::new();
    let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let conf = stage.network(json!({ "enabledad": true, "ipam": stage.ipam(&["fd01::/64"]) }));
    let good = attach(&conf, &c1);
    assert_eq!(c1.sh("ip -6 addr show dev eth0 scope global tentative"), "");
    good.check().silent();
    // A squatter has the next address.
    stage.sandbox.sh("ip link add tap0 type veth peer name eth0 netns c2; ip link set tap0 master br0 up");
    c2.sh("ip link set eth0 up; ip addr add fd01::3/64 dev eth0 nodad");
    let c3 = stage.sandbox.netns("c3");
    let before = stage.snapshot();
    let error = Attachment::new(conf, &c3).add().failure_code(101);
    let words = "use address fd01::3/64 on \"eth0\": duplicate address detection found another owner";
    assert_eq!(error["msg"], words);
    testkit::assert_same(&before, &stage.snapshot());
}
