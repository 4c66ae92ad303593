//! Homes in the kernel: shared by the ports of a bridge, and gone with the last of them.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use attach::{Owner, masquerade};
use cni::Attachment;
use ipnetwork::IpNetwork;
use net::{LinkIndex, Rtnl, here};
use nft::Nft;
use testkit::Sandbox;

fn subnets(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn index(name: &str) -> LinkIndex {
    Rtnl::open(&here()).unwrap().link(name).unwrap().unwrap().index
}

/// A port of `bridge` that is an attachment's by its tag.
fn port(sandbox: &Sandbox, bridge: &str, name: &str) -> LinkIndex {
    let attachment = Attachment { container_id: name.into(), ifname: "eth0".into() };
    let tag = Owner::new("net", &attachment).tag();
    sandbox.sh(&format!("ip link add {name} type veth; ip link set {name} master {bridge} alias '{tag}'"));
    index(name)
}

fn nft() -> Nft {
    Nft::open().unwrap()
}

fn ruleset(sandbox: &Sandbox) -> String {
    sandbox.sh("nft list table inet mooring")
}

#[test]
fn homes_stay_while_a_port_of_an_attachment_stays() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 type bridge; ip link add uplink type veth; ip link set uplink master br0");
    let ports = [port(&sandbox, "br0", "p0"), port(&sandbox, "br0", "p1")];
    let homes = subnets(&["10.1.0.2/24", "fd01::2/64"]);
    masquerade::ensure(&mut nft(), &homes, "br0").unwrap();
    let full = ruleset(&sandbox);
    masquerade::release_unused("br0", &[ports[0]]).unwrap();
    masquerade::release_garbage().unwrap();
    assert_eq!(ruleset(&sandbox), full);
    // The uplink is nobody's attachment.
    masquerade::release_unused("br0", &ports).unwrap();
    assert!(!masquerade::is_ensured(&homes, "br0").unwrap());
    assert!(!ruleset(&sandbox).contains("10.1.0.0"));
}

#[test]
fn vlan_interface_is_used_by_the_ports_of_its_bridge() {
    let sandbox = Sandbox::enter();
    sandbox
        .sh("ip link add br0 type bridge; ip link add br0.100 type veth peer name inner; ip link set inner master br0");
    let only = port(&sandbox, "br0", "p0");
    let homes = subnets(&["10.1.0.2/24"]);
    masquerade::ensure(&mut nft(), &homes, "br0.100").unwrap();
    masquerade::release_garbage().unwrap();
    assert!(masquerade::is_ensured(&homes, "br0.100").unwrap());
    masquerade::release_unused("br0", &[only]).unwrap();
    assert!(!masquerade::is_ensured(&homes, "br0.100").unwrap());
}

#[test]
fn link_that_is_not_there_has_no_homes() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add br0 type bridge; ip link add br1 type bridge");
    port(&sandbox, "br0", "p0");
    masquerade::ensure(&mut nft(), &subnets(&["10.1.0.2/24"]), "br0").unwrap();
    masquerade::ensure(&mut nft(), &subnets(&["10.2.0.2/24"]), "br1").unwrap();
    masquerade::ensure(&mut nft(), &subnets(&["10.3.0.2/24"]), "br2").unwrap();
    masquerade::release_garbage().unwrap();
    let left = ruleset(&sandbox);
    assert!(left.contains("10.1.0.0/24") && !left.contains("10.2.0.0") && !left.contains("10.3.0.0"), "{left}");
}

#[test]
fn homes_without_their_chain_are_not_ensured() {
    let sandbox = Sandbox::enter();
    let homes = subnets(&["10.1.0.2/24"]);
    masquerade::ensure(&mut nft(), &homes, "br0").unwrap();
    assert!(masquerade::is_ensured(&homes, "br0").unwrap());
    sandbox.sh("nft delete chain inet mooring masquerading");
    assert!(!masquerade::is_ensured(&homes, "br0").unwrap());
}
