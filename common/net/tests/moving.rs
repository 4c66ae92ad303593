//! Links that move between network namespaces: what the kernel forgets of them, and whether it can be given back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use net::{LinkChange, Netns, Rtnl, here};
use testkit::{Sandbox, TestNs, assert_same};

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

fn own() -> Netns {
    Netns::open("/proc/thread-self/ns/net".as_ref()).unwrap()
}

fn change(name: &str, alias: &str) -> LinkChange {
    LinkChange { name: Some(name.into()), alias: Some(alias.into()), ..LinkChange::default() }
}

/// A host with a device that is up and has a carrier.
fn with_device() -> (Sandbox, TestNs) {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    sandbox.netns("beyond");
    sandbox.sh("ip link add d0 type veth peer name d0 netns beyond; ip -n beyond link set d0 up; ip link set d0 up");
    (sandbox, container)
}

#[test]
fn a_link_is_renamed_and_gets_its_alias_as_it_is_moved() {
    let (sandbox, container) = with_device();
    let mut host = host();
    // Both sides have both names already: neither is in the way.
    sandbox.sh("ip link add eth0 type veth peer name eth9");
    container.sh("ip link add d0 type veth peer name eth9");
    let d0 = host.link("d0").unwrap().unwrap();
    let netns = Netns::open(container.path()).unwrap();
    host.move_and_set_link(&d0, &netns, &change("eth0", "d0")).unwrap();
    let eth0 = netns.rtnl().unwrap().link("eth0").unwrap().unwrap();
    assert_eq!((eth0.alias.as_deref(), eth0.mac, eth0.up), (Some("d0"), d0.mac, false));
    netns.rtnl().unwrap().move_and_set_link(&eth0, &own(), &change("d0", "")).unwrap();
    assert_eq!(host.link("d0").unwrap().unwrap().alias, None);
}

/// What callers of `move_link` have to expect.
#[test]
fn a_taken_name_is_told_before_the_move_only_if_the_old_one_is_taken_too() {
    let (_sandbox, container) = with_device();
    let (mut host, netns) = (host(), Netns::open(container.path()).unwrap());
    container.sh("ip link add eth0 type veth peer name eth9");
    let d0 = host.link("d0").unwrap().unwrap();
    assert!(host.move_and_set_link(&d0, &netns, &change("eth0", "d0")).unwrap_err().is_exists());
    let moved = netns.rtnl().unwrap().link("d0").unwrap().unwrap();
    assert_eq!((moved.mac, moved.alias.as_deref()), (d0.mac, None));

    netns.rtnl().unwrap().move_link(&moved, &own(), "d0").unwrap();
    container.sh("ip link set eth9 name d0");
    let d0 = host.link("d0").unwrap().unwrap();
    assert!(host.move_and_set_link(&d0, &netns, &change("eth0", "d0")).unwrap_err().is_exists());
    assert_eq!(host.link("d0").unwrap().unwrap().index, d0.index);
}

#[test]
fn what_a_link_had_comes_back_with_it() {
    let (sandbox, container) = with_device();
    sandbox.sh("ip link add other type veth peer name o0; ip link set o0 up; ip link set other up
        ip addr add 10.2.0.1/24 dev other
        ip link set d0 txqueuelen 77 mtu 1400
        sysctl -qw net.ipv4.conf.d0.rp_filter=2 net.ipv6.conf.d0.accept_ra=0 net.ipv4.neigh.d0.retrans_time_ms=777
        ip link set d0 addrgenmode none
        ip addr add 10.1.0.1/24 brd + dev d0 label d0:one
        ip addr add 10.1.0.2/24 dev d0
        ip addr add 10.3.0.1 peer 10.3.0.9 dev d0 noprefixroute
        ip addr add 10.4.0.1/24 dev d0 valid_lft 4000 preferred_lft 3000
        ip addr add fd00::1/64 dev d0 nodad
        ip addr add fe80::1/64 dev d0 nodad
        ip route add default via 10.5.0.9 dev d0 onlink metric 5 mtu 1300
        ip route add 10.6.0.0/16 dev d0 src 10.1.0.2 proto 42
        ip route add 10.7.0.0/16 via 10.6.0.9 dev d0 table 5000
        ip route add 10.7.1.0/24 via 10.1.0.8; ip route append 10.7.1.0/24 via 10.1.0.9
        ip route add 10.8.0.0/16 nexthop via 10.1.0.9 dev d0 weight 3 nexthop via 10.2.0.9 dev other
        ip route add fd01::/64 via fd00::9
        ip route add fd02::/64 nexthop via fd00::8 nexthop via fd00::9
        ip route add local 10.99.0.0/16 dev d0");
    testkit::eventually(std::time::Duration::from_secs(5), || {
        let tentative = sandbox.sh("ip -6 addr show tentative");
        if tentative.is_empty() { Ok(()) } else { Err(tentative) }
    });
    // Its number is taken where it goes.
    container.sh("ip link add x0 type veth peer name x1");
    let before = sandbox.snapshot(&[]);
    assert!(before.to_string().contains("10.8.0.0/16") && before.to_string().contains("fd02::/64"), "{before}");

    let (mut host, netns) = (host(), Netns::open(container.path()).unwrap());
    let d0 = host.link("d0").unwrap().unwrap();
    let belongings = host.belongings(&here(), &d0).unwrap();
    host.move_and_set_link(&d0, &netns, &change("eth0", "d0")).unwrap();
    assert!(!sandbox.snapshot(&[]).to_string().contains("10.1.0"), "nothing is left");
    let eth0 = netns.rtnl().unwrap().link("eth0").unwrap().unwrap();
    assert_ne!(eth0.index, d0.index);
    netns.rtnl().unwrap().move_and_set_link(&eth0, &own(), &change("d0", "")).unwrap();
    let back = host.link("d0").unwrap().unwrap();
    for step in host.give_back(&here(), &back, &belongings) {
        step.unwrap();
    }
    assert_same(&before, &sandbox.snapshot(&[]));
    for step in host.give_back(&here(), &back, &belongings) {
        step.unwrap();
    }
    assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn links_that_went_elsewhere_are_seen() {
    let (sandbox, container) = with_device();
    let mut host = host();
    let named = |host: &mut Rtnl| {
        let links = host.links_elsewhere().unwrap();
        links.into_iter().filter(|link| link.alias.as_deref() == Some("d0")).map(|link| link.name).collect::<Vec<_>>()
    };
    assert!(named(&mut host).is_empty());
    let d0 = host.link("d0").unwrap().unwrap();
    host.move_and_set_link(&d0, &Netns::open(container.path()).unwrap(), &change("eth0", "d0")).unwrap();
    assert_eq!(named(&mut host), ["eth0"]);
    let lonely = sandbox.netns("lonely");
    assert!(lonely.run(|| Rtnl::open(&here()).unwrap().links_elsewhere().unwrap()).is_empty());
}
