//! Homes whose user comes in the very moment in which they go.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use attach::{FamilySets, HomeSets, Section};
use ipnetwork::IpNetwork;
use net::{Link, LinkIndex, Rtnl, here};
use nft::{Chain, Family, KeyType, Nft, Table};
use testkit::Sandbox;

fn table() -> Table {
    Table::new(Family::Inet, "homes")
}

fn v4() -> FamilySets {
    FamilySets::new("home", "4", KeyType::Ipv4Addr, true)
}

fn homes(needed_by: fn(&Link) -> bool) -> HomeSets {
    let v6 = FamilySets::new("home", "6", KeyType::Ipv6Addr, true);
    let sets = v4().sets().chain(v6.sets()).collect();
    let section = Section { table: table(), sets, chains: vec![(Chain::regular("user"), Vec::new())] };
    HomeSets { section, v4: v4(), v6, needed_by }
}

fn elements() -> usize {
    Nft::open().unwrap().elements(&table(), &v4().links).unwrap().len()
}

/// A port of an attachment that comes when the elements have just gone, having seen them still.
fn comes_when_they_go(_: &Link) -> bool {
    elements() == 0
}

/// A bridge with one port, and homes behind it.
fn stage(sandbox: &Sandbox, needed_by: fn(&Link) -> bool) -> (HomeSets, Vec<IpNetwork>) {
    sandbox.sh("ip link add br0 type bridge; ip link add port0 type veth; ip link set port0 master br0");
    let (homes, subnets) = (homes(needed_by), vec!["10.1.0.2/24".parse().unwrap()]);
    homes.ensure(&mut Nft::open().unwrap(), &subnets, "br0").unwrap();
    assert_eq!(elements(), 1);
    (homes, subnets)
}

#[test]
fn homes_that_are_needed_again_are_put_back() {
    let sandbox = Sandbox::enter();
    let (homes, subnets) = stage(&sandbox, comes_when_they_go);
    let mut nft = Nft::open().unwrap();
    homes.release_unused(&mut nft, "br0", &[]).unwrap();
    assert!(homes.covers(&mut nft, &subnets, "br0").unwrap());
    homes.release_garbage(&mut nft).unwrap();
    assert!(homes.covers(&mut nft, &subnets, "br0").unwrap());
}

#[test]
fn going_ports_need_nothing() {
    let sandbox = Sandbox::enter();
    let (homes, _) = stage(&sandbox, |_| true);
    let mut nft = Nft::open().unwrap();
    homes.release_unused(&mut nft, "br0", &[LinkIndex(9999)]).unwrap();
    assert_eq!(elements(), 1);
    let port = Rtnl::open(&here()).unwrap().link("port0").unwrap().unwrap().index;
    homes.release_unused(&mut nft, "br0", &[port]).unwrap();
    assert_eq!(elements(), 0);
}

#[test]
fn half_of_the_sets_is_completed() {
    let sandbox = Sandbox::enter();
    let (homes, subnets) = stage(&sandbox, |_| true);
    for set in ["home_links4", "home_subnets4"] {
        let whole = sandbox.sh("nft list ruleset");
        sandbox.sh(&format!("nft flush set inet homes {set}"));
        let mut nft = Nft::open().unwrap();
        assert!(!homes.covers(&mut nft, &subnets, "br0").unwrap(), "{set}");
        homes.ensure(&mut nft, &subnets, "br0").unwrap();
        assert_eq!(sandbox.sh("nft list ruleset"), whole, "{set}");
    }
}
