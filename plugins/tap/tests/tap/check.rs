//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::json;
use testkit::{Attached, Lan, TestNs};

use crate::stage::{eth0, host, text};

/// A port of a bridge of the container, with addresses.
fn container(lan: &Lan, name: &str) -> TestNs {
    let container = lan.sandbox.netns(name);
    container.sh("ip link add br0 type bridge; ip link set br0 up; ip link add br1 type bridge");
    container
}

/// A tap as another would have made it, in the place of ours: with its name, addresses and the bridge.
fn replaced_by(how: &str) -> String {
    format!(
        "mac=$(ip -o link show eth0 | sed 's/.*ether //; s/ .*//'); ip link del eth0; ip tuntap add dev eth0 {how}
         ip link set eth0 address $mac master br0; ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0
         ip addr add fd01::2/64 dev eth0 nodad; ip route add default via 10.1.0.1; ip -6 route add default via fd01::1"
    )
}

#[test]
fn loss_is_named() {
    let Some(lan) = host() else { return };
    for (number, (script, words)) in [
        ("ip link del eth0".to_owned(), "\"eth0\" in /run/netns/c: it has gone"),
        ("ip link del eth0; ip link add eth0 type bridge".into(), "it is bridge, not tap"),
        ("ip link del eth0; ip tuntap add dev eth0 mode tun".into(), "it is tun, not tap"),
        (replaced_by("mode tap"), "its owner is unset, not 0"),
        (replaced_by("mode tap user root group root"), "its group is 0, not unset"),
        (replaced_by("mode tap user root multi_queue"), "it has several queues, not one queue"),
        ("ip link set eth0 nomaster".into(), "it is not a port of bridge \"br0\""),
        ("ip link set eth0 master br1".into(), "it is not a port of bridge \"br0\""),
        ("ip link del br0".into(), "find \"bridge\" \"br0\" in the container: there is no link of that name"),
        ("ip link set eth0 address 02:00:00:00:00:77".into(), "its address is 02:00:00:00:00:77, not "),
        ("ip addr del 10.1.0.2/24 dev eth0".into(), "address 10.1.0.2/24 has gone"),
        ("ip addr del fd01::2/64 dev eth0".into(), "address fd01::2/64 has gone"),
        ("ip -6 route del default".into(), "route to ::/0 has gone"),
    ]
    .into_iter()
    .enumerate()
    {
        let container = container(&lan, &format!("c{number}"));
        let keys = json!({ "name": format!("net{number}"), "bridge": "br0", "owner": 0 });
        let attached = Attached::new(eth0(&lan, &container, keys));
        attached.check().silent();
        container.sh(&script);
        let said = attached.complaint().replace(&format!("/run/netns/c{number}"), "/run/netns/c");
        assert!(said.contains(words), "{script}: {said}");
    }
}

#[test]
fn tap_that_is_replaced_by_an_equal_one_is_as_good() {
    let Some(lan) = host() else { return };
    let c1 = container(&lan, "c1");
    let attached = Attached::new(eth0(&lan, &c1, json!({ "bridge": "br0", "owner": 0 })));
    c1.sh(&replaced_by("mode tap user root"));
    attached.check().silent();
}

#[test]
fn changes_of_later_plugins_are_accepted() {
    let Some(lan) = host() else { return };
    let c1 = container(&lan, "c1");
    // One that asks for no bridge may be put on one.
    let attached = Attached::new(eth0(&lan, &c1, json!({ "mtu": 1400 })));
    c1.sh("ip link set eth0 mtu 1300 promisc on; ip link set eth0 master br1; ip addr add 10.1.0.99/24 dev eth0
        echo 0 > /proc/sys/net/ipv4/conf/eth0/arp_notify; ip route add 192.168.0.0/16 via 10.1.0.1");
    attached.check().silent();
}

#[test]
fn previous_result_and_lease_are_required() {
    let Some(lan) = host() else { return };
    let c1 = container(&lan, "c1");
    let attached = Attached::new(eth0(&lan, &c1, json!({})));
    let error = attached.attachment.check().failure_code(7);
    assert_eq!(text(&error["msg"]), "required prevResult missing");
    lan.sandbox.sh(&format!("rm {}/net/10.1.0.2", lan.leases().display()));
    attached.check().failure();
}
