//! rtnetlink against the real kernel, judged by what iproute2 says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::path::Path;

use net::{
    Address, BridgeSpec, Errno, Link, LinkChange, Mac, Netns, Nexthop, PortChange, Route, Rtnl, VethEnd, VethSpec,
    here, sysctl,
};
use testkit::{Sandbox, TestNs};

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

fn bridge(host: &mut Rtnl) -> Link {
    let spec = BridgeSpec { name: "br0".into(), mac: Mac([2, 0, 0, 0, 0, 1]), mtu: Some(1400), vlan_filtering: false };
    host.add_bridge(&spec).unwrap();
    let bridge = host.link("br0").unwrap().unwrap();
    host.set_link(&bridge, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    bridge
}

fn end(name: &str, last: u8) -> VethEnd {
    VethEnd { name: name.into(), mac: Mac([2, 0, 0, 0, 1, last]) }
}

fn pair(host: &mut Rtnl, bridge: &Link, container: &TestNs) -> Link {
    let netns = Netns::open(container.path()).unwrap();
    let spec = VethSpec {
        near: end("veth0", 1),
        far: end("eth0", 2),
        mtu: Some(1300),
        master: Some(bridge.index),
        netns: Some(&netns),
    };
    host.add_veth(&spec).unwrap();
    host.link("veth0").unwrap().unwrap()
}

#[test]
fn bridge_and_pair_are_made_as_asked() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let mut host = host();
    let bridge = bridge(&mut host);
    let port = pair(&mut host, &bridge, &container);
    assert!(bridge.is_kind("bridge") && port.is_kind("veth") && port.up && port.peer_elsewhere);
    assert_eq!((port.master, port.mtu), (Some(bridge.index), 1300));

    let told = sandbox.json("ip -j -d link show dev veth0");
    assert_eq!((&told[0]["master"], &told[0]["address"]), (&"br0".into(), &"02:00:00:00:01:01".into()));
    let inside = container.json("ip -j link show dev eth0");
    assert_eq!((&inside[0]["mtu"], &inside[0]["address"]), (&1300.into(), &"02:00:00:00:01:02".into()));
    assert!(!inside[0]["flags"].to_string().contains("UP"), "the far end waits for its settings");
}

#[test]
fn taken_names_are_refused_and_name_the_link() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let mut host = host();
    let bridge = bridge(&mut host);
    let again =
        host.add_bridge(&BridgeSpec { name: "br0".into(), mac: Mac::random(), mtu: None, vlan_filtering: false });
    let error = again.unwrap_err();
    assert!(error.is_exists());
    assert_eq!(error.to_string(), "create bridge \"br0\": File exists (EEXIST)");

    pair(&mut host, &bridge, &container);
    let netns = Netns::open(container.path()).unwrap();
    let taken = VethSpec { near: end("veth1", 3), far: end("eth0", 4), mtu: None, master: None, netns: Some(&netns) };
    let before = sandbox.snapshot(&[]);
    let error = host.add_veth(&taken).unwrap_err();
    assert!(error.is_exists() && error.to_string().contains("\"eth0\" in /run/netns/c1"), "{error}");
    testkit::assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn links_that_are_not_there_are_none_and_deleting_them_succeeds() {
    let _sandbox = Sandbox::enter();
    let mut host = host();
    assert_eq!(host.link("absent").unwrap(), None);
    assert_eq!(host.link_at(net::LinkIndex(4711)).unwrap(), None);
    host.del_link(net::LinkIndex(4711)).unwrap();
}

#[test]
fn changes_of_links_and_ports_are_seen_by_others() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let mut host = host();
    let bridge = bridge(&mut host);
    let port = pair(&mut host, &bridge, &container);
    host.set_link(&port, &LinkChange { alias: Some("whose".into()), ..LinkChange::default() }).unwrap();
    host.set_link(&bridge, &LinkChange { promisc: Some(true), ..LinkChange::default() }).unwrap();
    host.set_port(&port, PortChange { hairpin: Some(true), isolated: Some(true) }).unwrap();

    let told = sandbox.json("ip -j -d link show dev veth0");
    assert_eq!(told[0]["ifalias"], "whose");
    let data = &told[0]["linkinfo"]["info_slave_data"];
    assert_eq!((&data["hairpin"], &data["isolated"]), (&true.into(), &true.into()));
    let port = host.link("veth0").unwrap().unwrap();
    assert_eq!(port.alias.as_deref(), Some("whose"));
    assert!(port.port.is_some_and(|port| port.hairpin && port.isolated));
    assert!(host.link("br0").unwrap().unwrap().promisc);

    host.set_port(&port, PortChange { hairpin: Some(false), isolated: None }).unwrap();
    let port = host.link("veth0").unwrap().unwrap().port.unwrap();
    assert!(!port.hairpin && port.isolated);
}

#[test]
fn settings_of_links_are_changed_one_by_one() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    sandbox.sh("ip link add veth0 type veth peer name eth0");
    let before = host.link("veth0").unwrap().unwrap();
    let changes = [
        LinkChange { mac: Some(Mac([2, 0, 0, 0, 0, 9])), ..LinkChange::default() },
        LinkChange { mtu: Some(1300), ..LinkChange::default() },
        LinkChange { tx_queue_len: Some(77), ..LinkChange::default() },
        LinkChange { allmulti: Some(true), ..LinkChange::default() },
        LinkChange { promisc: Some(true), ..LinkChange::default() },
    ];
    for change in &changes {
        host.set_link(&before, change).unwrap();
    }
    let after = host.link("veth0").unwrap().unwrap();
    let expected = net::Link {
        mac: Some(Mac([2, 0, 0, 0, 0, 9])),
        hardware: vec![2, 0, 0, 0, 0, 9],
        mtu: 1300,
        tx_queue_len: 77,
        allmulti: true,
        promisc: true,
        ..before.clone()
    };
    assert_eq!(after, expected);
    let told = &sandbox.json("ip -j link show dev veth0")[0];
    let flags = told["flags"].to_string();
    assert!(flags.contains("ALLMULTI") && flags.contains("PROMISC"), "{told}");
    assert_eq!((&told["mtu"], &told["txqlen"]), (&1300.into(), &77.into()));
    host.set_link(&before, &LinkChange { allmulti: Some(false), ..LinkChange::default() }).unwrap();
    let after = host.link("veth0").unwrap().unwrap();
    assert!(!after.allmulti && after.promisc, "only what is asked for");
}

#[test]
fn ports_are_searched_until_one_is_found() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    sandbox.sh("for n in $(seq 300); do echo \"link add p$n type veth peer name q$n\nlink set p$n master br0\"; done | ip -batch -");
    let mut seen = 0;
    let found = self::host().find_port(bridge.index, |_| {
        seen += 1;
        seen == 3
    });
    assert!(found.unwrap().is_some_and(|port| port.name.starts_with('p')));
    assert_eq!(seen, 3);
    assert_eq!(self::host().find_port(bridge.index, |port| port.name.starts_with('q')).unwrap(), None);
    assert_eq!(host.links().unwrap().len(), 602, "lo and br0 too");
}

#[test]
fn addresses_are_added_listed_and_removed() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    let v4 = Address::new("10.1.2.3/24".parse().unwrap());
    let v6 = Address { no_dad: true, ..Address::new("fd00::3/64".parse().unwrap()) };
    for address in [&v4, &v6] {
        host.add_address(&bridge, address).unwrap();
        assert!(host.add_address(&bridge, address).unwrap_err().is_exists());
    }
    let listed = host.addresses(&bridge).unwrap();
    assert!(listed.contains(&v4) && listed.contains(&v6), "{listed:?}");
    assert!(listed.iter().all(|address| !address.tentative || address.is_link_local_v6()));
    assert!(sandbox.sh("ip address show dev br0").contains("brd 10.1.2.255"));
    let lo = host.link("lo").unwrap().unwrap();
    assert!(!host.addresses(&lo).unwrap().contains(&v4), "of one link only");
    for address in [&v4, &v6] {
        host.del_address(&bridge, address).unwrap();
        host.del_address(&bridge, address).unwrap();
        assert!(!host.addresses(&bridge).unwrap().contains(address));
    }
}

#[test]
fn address_can_do_without_a_route_to_its_prefix() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    for ip in ["10.1.2.3/24", "fd00::3/64"] {
        let address = Address { no_dad: true, no_prefix_route: true, ..Address::new(ip.parse().unwrap()) };
        host.add_address(&bridge, &address).unwrap();
        assert!(host.addresses(&bridge).unwrap().iter().any(|seen| seen.ip == address.ip && seen.no_prefix_route));
    }
    assert_eq!(sandbox.sh("ip route; ip -6 route show fd00::/64"), "");
}

#[test]
fn routes_have_every_attribute() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    host.add_address(&bridge, &Address::new("10.1.2.3/24".parse().unwrap())).unwrap();
    let route = Route {
        metric: Some(100),
        table: 1000,
        scope: Some(0),
        src: Some("10.1.2.3".parse().unwrap()),
        mtu: Some(1350),
        advmss: Some(1310),
        ..Route::new("192.0.2.0/24".parse().unwrap(), Some("10.1.2.1".parse().unwrap()), bridge.index)
    };
    host.add_route(&route).unwrap();
    assert!(host.add_route(&route).unwrap_err().is_exists());
    let told = sandbox.sh("ip route show table 1000");
    for word in ["192.0.2.0/24 via 10.1.2.1 dev br0", "metric 100", "src 10.1.2.3", "mtu 1350", "advmss 1310"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert!(host.routes().unwrap().contains(&route));
    for _ in 0..2 {
        host.del_route(&route).unwrap();
        assert!(!host.routes().unwrap().contains(&route));
    }
}

#[test]
fn route_to_tells_link_gateway_and_whether_it_is_here() {
    let _sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    host.add_address(&bridge, &Address::new("10.1.2.3/24".parse().unwrap())).unwrap();
    let to = |host: &mut Rtnl, ip: &str| host.route_to(ip.parse().unwrap()).unwrap();
    let near = Nexthop { link: bridge.index, local: false, gateway: false };
    assert_eq!(to(&mut host, "10.1.2.9"), Some(near));
    assert!(to(&mut host, "10.1.2.3").is_some_and(|hop| hop.local));
    assert_eq!(to(&mut host, "192.0.2.1"), None);
    let everything = Route::new("0.0.0.0/0".parse().unwrap(), Some("10.1.2.1".parse().unwrap()), bridge.index);
    host.add_route(&everything).unwrap();
    assert_eq!(to(&mut host, "192.0.2.1"), Some(Nexthop { gateway: true, ..near }));
}

#[test]
fn refusals_carry_the_kernels_explanation() {
    let _sandbox = Sandbox::enter();
    let mut host = host();
    let bridge = bridge(&mut host);
    let nowhere = Route::new("192.0.2.0/24".parse().unwrap(), Some("198.51.100.1".parse().unwrap()), bridge.index);
    let error = host.add_route(&nowhere).unwrap_err();
    assert_eq!(error.to_string(), "add route to 192.0.2.0/24 via 198.51.100.1: Network is unreachable (ENETUNREACH)");
    assert_eq!(error.extack.as_deref(), Some("Nexthop has invalid gateway"));
}

#[test]
fn namespaces_are_told_from_files() {
    let sandbox = Sandbox::enter();
    let file = sandbox.dir().join("plain");
    std::fs::write(&file, "").unwrap();
    assert_eq!(Netns::open(&file).unwrap_err().errno, Errno::EINVAL);
    let fifo = sandbox.dir().join("fifo");
    sandbox.sh(&format!("mkfifo {}", fifo.display()));
    for other in [fifo.as_path(), Path::new("/proc/version")] {
        assert_eq!(Netns::open(other).unwrap_err().errno, Errno::EINVAL, "{}", other.display());
    }
    assert!(Netns::open(Path::new("/run/netns/absent")).unwrap_err().is_not_found());
}

#[test]
fn namespaces_differ_by_their_inode() {
    let sandbox = Sandbox::enter();
    let [c1, c2] = ["c1", "c2"].map(|name| sandbox.netns(name));
    let inode = |container: &TestNs| Netns::open(container.path()).unwrap().inode().unwrap();
    assert_eq!(inode(&c1), inode(&c1));
    assert_ne!(inode(&c1), inode(&c2));
}

#[test]
fn sysctls_are_set_to_nothing_too() {
    let _sandbox = Sandbox::enter();
    let key = "net/ipv4/ip_local_reserved_ports";
    sysctl::set(&here(), key, "8080,9000-9010").unwrap();
    assert_eq!(sysctl::get(&here(), key).unwrap(), "8080,9000-9010");
    sysctl::set(&here(), key, "").unwrap();
    assert_eq!(sysctl::get(&here(), key).unwrap(), "");
}

#[test]
fn work_inside_a_namespace_stays_there() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let netns = Netns::open(container.path()).unwrap();
    let key = "net/ipv4/ip_forward";
    let inside = netns.enter(|inside| {
        sysctl::ensure(inside, key, "1").unwrap();
        sysctl::get(inside, key).unwrap()
    });
    assert_eq!((inside.unwrap().as_str(), sysctl::get(&here(), key).unwrap().as_str()), ("1", "0"));
    let mut rtnl = netns.rtnl().unwrap();
    let lo = rtnl.link("lo").unwrap().unwrap();
    rtnl.set_link(&lo, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    assert!(container.sh("ip link show lo").contains("UP"));
    let missing = sysctl::set(&here(), "net/ipv4/conf/absent/arp_notify", "1").unwrap_err();
    assert!(
        missing.to_string().starts_with("set sysctl net/ipv4/conf/absent/arp_notify to 1: No such file"),
        "{missing}"
    );
}
