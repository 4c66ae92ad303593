//! The plugin before: a result for a chained plugin, and what it says made true in the kernel.

use crate::layout;
use crate::profile::{Places, fill};
use serde_json::{Value, json};
use testkit::{Sandbox, TestNs};

/// What a plugin that creates interfaces would have made of container `{i}`, in the newest layout, with placeholders.
pub fn standard() -> Value {
    json!({
        "interfaces": [
            { "name": "nbr{i}", "mac": "02:00:0a:ca:{ii}:01" },
            { "name": "eth0", "mac": "02:00:0a:ca:{ii}:02", "mtu": 1500, "sandbox": "{netns}" }
        ],
        "ips": [
            { "interface": 1, "address": "10.202.{i}.2/24", "gateway": "10.202.{i}.1" },
            { "interface": 1, "address": "fd00:ca:{i}::2/64", "gateway": "fd00:ca:{i}::1" }
        ],
        "routes": [{ "dst": "0.0.0.0/0", "gw": "10.202.{i}.1" }, { "dst": "::/0", "gw": "fd00:ca:{i}::1" }],
        "dns": { "nameservers": ["10.202.{i}.1"], "search": ["conformance.test"] }
    })
}

/// The same of another interface of the container than `eth0`.
pub fn renamed(mut prev: Value, ifname: &str) -> Value {
    for link in prev["interfaces"].as_array_mut().into_iter().flatten() {
        if link["name"] == "eth0" {
            link["name"] = ifname.into();
        }
    }
    prev
}

/// `prev` for one container, in the layout of `version`.
pub fn result(prev: &Value, places: &Places, version: &str) -> Value {
    layout::convert(&fill(prev, places), version)
}

/// Makes the links, addresses and routes that the result (in the newest layout) tells of.
///
/// Each interface in the container is one end of a veth; the other end is the host interface of the same rank, if any. The
/// host's end gets the gateways' addresses.
pub fn realize(result: &Value, sandbox: &Sandbox, ns: &TestNs) {
    let interfaces = items(&result["interfaces"]);
    let (inside, host): (Vec<_>, Vec<_>) =
        interfaces.iter().partition(|link| link["sandbox"].as_str().is_some_and(|path| !path.is_empty()));
    ns.sh("ip link set lo up");
    for (rank, link) in inside.iter().enumerate() {
        let name = text(&link["name"]);
        let fallback = format!("peer-{}", ns.name());
        let peer = host.get(rank).map_or(fallback, |link| text(&link["name"]));
        sandbox.sh(&format!(
            "ip link add {peer} type veth peer name {name} netns {netns}; ip link set {peer} up",
            netns = ns.name()
        ));
        ns.sh(&format!("ip link set {name} up"));
        set_mac(&text(&link["mac"]), |mac| drop(ns.sh(&format!("ip link set {name} address {mac}"))));
        if let Some(link) = host.get(rank) {
            set_mac(&text(&link["mac"]), |mac| drop(sandbox.sh(&format!("ip link set {peer} address {mac}"))));
        }
        addresses(result, &interfaces, &name, (sandbox, &peer), ns);
    }
    for route in items(&result["routes"]) {
        let via = text(&route["gw"]);
        let via = if via.is_empty() { String::new() } else { format!("via {via}") };
        ns.sh(&format!("ip route replace {} {via} || ip -6 route replace {0} {via}", text(&route["dst"])));
    }
}

fn addresses(result: &Value, interfaces: &[Value], name: &str, (sandbox, peer): (&Sandbox, &str), ns: &TestNs) {
    let here = |ip: &&Value| {
        let index = ip["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| interfaces.get(index)).is_none_or(|link| link["name"] == name)
    };
    for ip in items(&result["ips"]).iter().filter(here) {
        let (address, gateway) = (text(&ip["address"]), text(&ip["gateway"]));
        let nodad = if address.contains(':') { "nodad" } else { "" };
        ns.sh(&format!("ip addr add {address} dev {name} {nodad}"));
        if let (false, Some((_, length))) = (gateway.is_empty(), address.split_once('/')) {
            sandbox.sh(&format!("ip addr add {gateway}/{length} dev {peer} {nodad}"));
        }
    }
}

fn set_mac(mac: &str, set: impl Fn(&str)) {
    if !mac.is_empty() {
        set(mac);
    }
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
