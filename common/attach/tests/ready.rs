//! When a port, or an address, can be used.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::time::Duration;

use attach::ready;
use ipnetwork::IpNetwork;
use net::{Address, LinkChange, LinkIndex, Rtnl, here};
use testkit::Sandbox;

/// Longer than any of it takes on a busy machine.
const LONG: Duration = Duration::from_secs(10);

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

fn index(name: &str) -> LinkIndex {
    host().link(name).unwrap().unwrap().index
}

/// Brings a link up without the time that a program takes to start.
fn bring_up(name: &str) {
    let mut host = host();
    let link = host.link(name).unwrap().unwrap();
    host.set_link(&link, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
}

#[test]
fn port_forwards_once_the_bridge_has_a_carrier_too() {
    let sandbox = Sandbox::enter();
    for n in 0..20 {
        sandbox.sh(&format!("ip link add br{n} up type bridge; ip link add p{n} type veth peer name c{n}"));
        sandbox.sh(&format!("ip link set p{n} master br{n} up"));
        bring_up(&format!("c{n}"));
        ready::await_forwarding(&mut host(), index(&format!("p{n}")), LONG).unwrap();
        assert!(host().link(&format!("br{n}")).unwrap().unwrap().operational);
    }
}

#[test]
fn port_that_spanning_tree_holds_back_is_not_waited_for() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 up type bridge stp_state 1; ip link add p0 type veth peer name c0");
    sandbox.sh("ip link set p0 master br0 up; ip link set c0 up");
    ready::await_forwarding(&mut host(), index("p0"), LONG).unwrap();
    assert!(!host().link("br0").unwrap().unwrap().operational);
}

#[test]
fn what_a_port_lacks_is_named() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 type bridge; ip link add p0 type veth peer name c0; ip link set p0 master br0 up");
    let lack = |port| ready::await_forwarding(&mut host(), port, Duration::ZERO).unwrap_err().msg;
    assert_eq!(lack(index("p0")), "wait for bridge port \"p0\": the link has no carrier");
    assert_eq!(lack(LinkIndex(9999)), "wait for bridge port 9999: the link has gone");
}

#[test]
fn address_is_local_once_it_has_been_waited_for() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 up type bridge");
    let mut host = host();
    let bridge = host.link("br0").unwrap().unwrap();
    for n in 1..50 {
        let address: IpNetwork = format!("fd01::{n}/64").parse().unwrap();
        host.add_address(&bridge, &Address { no_dad: true, ..Address::new(address) }).unwrap();
        ready::await_local(&mut host, address.ip()).unwrap();
        assert_eq!(host.route_to(address.ip()).unwrap().map(|hop| hop.local), Some(true), "{address}");
    }
    for not_waited_for in ["10.0.0.1", "fe80::1"] {
        ready::await_local(&mut host, not_waited_for.parse().unwrap()).unwrap();
    }
}

#[test]
fn neighbours_are_heard_once_groups_have_a_route() {
    let sandbox = Sandbox::enter();
    let mut host = host();
    for n in 0..20 {
        sandbox.sh(&format!("ip link add a{n} type veth peer name b{n}; ip link set b{n} up"));
        bring_up(&format!("a{n}"));
        let link = host.link(&format!("a{n}")).unwrap().unwrap();
        ready::await_groups(&mut host, &link).unwrap();
        assert!(host.has_route_by(link.index, "ff02::1".parse().unwrap()).unwrap());
    }
}
