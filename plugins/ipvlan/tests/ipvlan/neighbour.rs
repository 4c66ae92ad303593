//! Addresses that can be used at once, and neighbours that notice where an address has gone.

use serde_json::json;
use testkit::{Attached, Attachment, Lan, TestNs, eventually};

use crate::stage::{LONG, network, text};

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn ipv6_is_usable_at_once_in_both_directions() {
    let lan = Lan::enter();
    lan.is_usable_at_once(&network(&lan, json!({})));
}

/// An owner of 10.1.0.50 and `fd01::50` on a link of the host.
fn owner(lan: &Lan, container: &TestNs, master: &str) -> Attached {
    let conf = network(lan, json!({ "master": master }));
    Attached::new(Attachment::new(conf, container).args("IgnoreUnknown=1;IP=10.1.0.50,fd01::50"))
}

/// The hardware address is the master's, so that nothing changes for neighbours unless the address moves to another one.
#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn neighbours_notice_that_an_address_has_gone_to_another_master() {
    let lan = Lan::enter();
    lan.outside
        .sh("ip link add br0 type bridge; ip link set br0 up; ip addr flush dev eth0; ip link set eth0 master br0
        ip addr add 10.1.0.1/24 dev br0; ip addr add fd01::1/64 dev br0 nodad");
    lan.sandbox.sh("ip link add uplink1 type veth peer name eth1 netns outside; ip link set uplink1 up");
    lan.outside.sh("ip link set eth1 master br0 up");
    let [old, new] = ["old", "new"].map(|name| lan.sandbox.netns(name));
    let mac = |master: &str| text(&lan.sandbox.host().link(master)["address"]);
    let first = owner(&lan, &old, "uplink0");
    // It is so sure that it would not ask again for an hour, and the bridge is, too.
    lan.outside.sh(&format!(
        "for v in ipv4 ipv6; do echo 3600000 > /proc/sys/net/$v/neigh/br0/base_reachable_time_ms; done
        ip neigh replace 10.1.0.50 lladdr {was} dev br0 nud reachable
        ip neigh replace fd01::50 lladdr {was} dev br0 nud reachable",
        was = mac("uplink0")
    ));
    lan.outside.ping(first.ip(0)).unwrap();
    first.del();
    owner(&lan, &new, "uplink1");
    for ip in ["10.1.0.50", "fd01::50"] {
        // Broadcasts that come in or go out pass a worker of the kernel.
        eventually(LONG, || {
            let known = text(&lan.outside.json(&format!("ip -j neigh show {ip} dev br0"))[0]["lladdr"]);
            if known == mac("uplink1") { Ok(()) } else { Err(format!("{ip} is at {known}")) }
        });
        lan.outside.ping(ip).unwrap();
    }
}
