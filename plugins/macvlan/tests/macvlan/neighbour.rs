//! Addresses that can be used at once, and neighbours that notice a new owner of an address.

use serde_json::json;
use testkit::{Attached, Attachment, Lan, TestNs};

use crate::stage::{LONG, network, text};

#[test]
fn ipv6_is_usable_at_once_in_both_directions() {
    let lan = Lan::enter();
    lan.is_usable_at_once(&network(&lan, json!({})));
}

/// An owner of 10.1.0.50 and `fd01::50`.
fn owner(lan: &Lan, container: &TestNs, mode: &str) -> Attached {
    let conf = network(lan, json!({ "mode": mode }));
    Attached::new(Attachment::new(conf, container).args("IgnoreUnknown=1;IP=10.1.0.50,fd01::50"))
}

#[test]
fn neighbours_notice_a_new_owner_of_an_address() {
    for mode in ["bridge", "private", "vepa"] {
        let lan = Lan::enter();
        let [old, new] = ["old", "new"].map(|name| lan.sandbox.netns(name));
        let (peer, _) = lan.attach(&network(&lan, json!({})), "peer");
        let first = owner(&lan, &old, mode);
        let was = text(&old.link("eth0")["address"]);
        let watchers = if mode == "bridge" { vec![&lan.outside, &peer] } else { vec![&lan.outside] };
        for ns in &watchers {
            // They are so sure that they would not ask again for an hour.
            ns.sh(&format!(
                "for v in ipv4 ipv6; do echo 3600000 > /proc/sys/net/$v/neigh/eth0/base_reachable_time_ms; done
                ip neigh replace 10.1.0.50 lladdr {was} dev eth0 nud reachable
                ip neigh replace fd01::50 lladdr {was} dev eth0 nud reachable"
            ));
        }
        first.del();
        owner(&lan, &new, mode);
        let is = text(&new.link("eth0")["address"]);
        for ns in &watchers {
            for ip in ["10.1.0.50", "fd01::50"] {
                // Broadcasts to other links of the master go through a worker of the kernel.
                testkit::eventually(LONG, || {
                    let known = text(&ns.json(&format!("ip -j neigh show {ip} dev eth0"))[0]["lladdr"]);
                    if known == is { Ok(()) } else { Err(format!("{mode}: {ip} is at {known} for {}", ns.name())) }
                });
                ns.ping(ip).unwrap();
            }
        }
    }
}
