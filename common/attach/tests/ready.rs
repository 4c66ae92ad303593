//! When a port, or an address, can be used.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use std::time::Duration;

use attach::ready;
use net::{LinkIndex, Rtnl, here};
use testkit::Sandbox;

/// Longer than any of it takes on a busy machine.
const LONG: Duration = Duration::from_secs(10);

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

fn index(name: &str) -> LinkIndex {
    host().link(name).unwrap().unwrap().index
}

#[test]
fn port_forwards_once_the_bridge_has_a_carrier_too() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 up type bridge; ip link add p0 type veth peer name c0; ip link set p0 master br0 up");
    sandbox.sh("ip link set c0 up");
    ready::await_forwarding(&mut host(), index("p0"), LONG).unwrap();
    assert!(host().link("br0").unwrap().unwrap().operational);
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
    for n in 1..20 {
        let address = format!("fd01::{n}");
        sandbox.sh(&format!("ip addr add {address}/64 dev br0 nodad"));
        ready::await_local(&mut host(), address.parse().unwrap()).unwrap();
        assert!(sandbox.sh(&format!("ip route get {address}")).contains("local"));
    }
    for not_waited_for in ["10.0.0.1", "fe80::1"] {
        ready::await_local(&mut host(), not_waited_for.parse().unwrap()).unwrap();
    }
}
