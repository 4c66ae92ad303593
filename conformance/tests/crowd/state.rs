//! What attached containers have on the host: whether it is all there, each thing once and its owner's, and nothing else.

use crate::network::{FIRST_PORT, Member, NETWORK, Network};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;
use testkit::eventually;

/// Longer than any packet takes on a busy machine.
const LONG: Duration = Duration::from_secs(3);
/// Longer than the kernel keeps neighbours when it has too many.
const UNTIL_FORGOTTEN: Duration = Duration::from_secs(20);

/// Demands of the containers of these numbers, which are all that are attached, what every container has.
#[track_caller]
pub fn demand_whole(network: &Network, attached: &[usize]) {
    demand_addresses(network, attached);
    demand_ports_of_the_bridge(network, attached);
}

/// No address twice, and each has one lease, which is its container's.
#[track_caller]
fn demand_addresses(network: &Network, attached: &[usize]) {
    let mut expected = BTreeMap::new();
    for member in attached.iter().map(|number| &network.members[*number]) {
        for address in member.addresses() {
            let lease = format!("{}\r\neth0", member.netns.name());
            let other = expected.insert(address.clone(), lease.clone());
            assert_eq!(other, None, "{address} is that of {lease:?} too");
        }
    }
    assert_eq!(expected.len(), 2 * attached.len());
    let files = fs::read_dir(network.leases()).unwrap().map(|file| file.unwrap());
    let leases: BTreeMap<String, String> = files
        .map(|file| (file.file_name().into_string().unwrap(), file.path()))
        .filter(|(name, _)| name.parse::<std::net::IpAddr>().is_ok())
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect();
    same(&expected.into_iter().collect(), &leases.into_iter().collect());
}

/// The link of each is a port of the bridge, tagged with its owner; the bridge has no other one.
#[track_caller]
fn demand_ports_of_the_bridge(network: &Network, attached: &[usize]) {
    let expected = attached.iter().map(|number| &network.members[*number]);
    let expected = expected.map(|member| (member.port(), owner(member))).collect();
    let links = network.sandbox.json("ip -j -d link show master br0");
    let port = |link: &Value| {
        let alias = link["ifalias"].as_str().unwrap_or_default();
        (link["ifname"].as_str().unwrap().to_owned(), named(alias))
    };
    same(&expected, &links.as_array().unwrap().iter().map(port).collect());
}

/// What `nf_tables` has for each container by its tag; nothing is anybody else's.
#[track_caller]
pub fn demand_elements(network: &Network, attached: &[usize]) {
    let mut expected = BTreeSet::new();
    for number in attached {
        let member = &network.members[*number];
        let port = FIRST_PORT + number;
        for (family, address) in ["4", "6"].iter().zip(member.addresses()) {
            for element in [
                format!("ports{family} tcp . {port} : {address} . 80"),
                format!("snat_ports{family} {address} . tcp . {port}"),
                format!("firewall_addresses{family} {address}"),
            ] {
                expected.insert((element, owner(member)));
            }
        }
    }
    same(&expected, &elements(network));
}

/// The tagged elements of our table, but for the owners' records, which have hashes as keys.
fn elements(network: &Network) -> BTreeSet<(String, String)> {
    let listed = network.sandbox.json("nft -j list table inet mooring");
    let mut elements = BTreeSet::new();
    let objects = listed["nftables"].as_array().unwrap().iter();
    for set in objects.filter_map(|object| object.get("set").or_else(|| object.get("map"))) {
        let name = set["name"].as_str().unwrap();
        for element in set["elem"].as_array().into_iter().flatten() {
            let (key, data) = if element.is_array() { (&element[0], Some(&element[1])) } else { (element, None) };
            let Some(comment) = key["elem"]["comment"].as_str().filter(|comment| comment.contains(", net: ")) else {
                continue;
            };
            let data = data.map(|data| format!(" : {}", joined(data))).unwrap_or_default();
            if !name.ends_with("_owners") {
                elements.insert((format!("{name} {}{data}", joined(&key["elem"]["val"])), named(comment)));
            }
        }
    }
    elements
}

/// A key as `nft` writes it.
fn joined(value: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value["concat"].as_array() {
        Some(parts) => parts.iter().map(text).collect::<Vec<_>>().join(" . "),
        None => text(value),
    }
}

/// What a tag says behind its hashes.
fn named(tag: &str) -> String {
    tag.split_once(", ").map_or(tag, |(_, owner)| owner).to_owned()
}

fn owner(member: &Member) -> String {
    format!("net: {NETWORK}, if: eth0, id: {}", member.netns.name())
}

/// The container answers at its published port, and has a way to the gateway.
///
/// All namespaces of a machine share one table of 1,024 IPv6 neighbours (`net.ipv6.neigh.default.gc_thresh3`, which a node of
/// that size has to raise) and one for IPv4. When many containers have come at once these are full, until the kernel drops
/// what has been quiet for five seconds.
#[track_caller]
pub fn demand_packets(network: &Network, number: usize) {
    let member = &network.members[number];
    let server = member.netns.listen_tcp("[::]:80");
    for host in ["203.0.113.1", "[2001:db8:ffff::1]"] {
        let at = format!("{host}:{}", FIRST_PORT + number);
        let connect =
            || network.outside.connect_tcp(at.as_str(), LONG).map_err(|error| format!("connect to {at}: {error}"));
        assert_eq!(eventually(UNTIL_FORGOTTEN, connect).server, member.netns.name(), "{at}");
    }
    drop(server);
    eventually(UNTIL_FORGOTTEN, || member.netns.ping("10.88.0.1"));
}

/// Demands that two sets are one; shows only what one of them lacks.
#[track_caller]
fn same(expected: &BTreeSet<(String, String)>, found: &BTreeSet<(String, String)>) {
    let missing: Vec<_> = expected.difference(found).collect();
    let surplus: Vec<_> = found.difference(expected).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing: {missing:#?}\ntoo much: {surplus:#?}");
}
