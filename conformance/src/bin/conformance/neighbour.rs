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
    let (mut here, mut there) = (Vec::new(), vec!["link set lo up".to_owned()]);
    for (rank, link) in inside.iter().enumerate() {
        let name = text(&link["name"]);
        let fallback = format!("peer-{}", ns.name());
        let peer = host.get(rank).map_or(fallback, |link| text(&link["name"]));
        here.push(format!("link add {peer} type veth peer name {name} netns {}", ns.name()));
        up(&mut here, &peer, host.get(rank).map_or(&Value::Null, |link| &link["mac"]));
        up(&mut there, &name, &link["mac"]);
        addresses(result, &interfaces, (&peer, &mut here), (&name, &mut there));
    }
    there.extend(items(&result["routes"]).iter().map(|route| {
        let via = text(&route["gw"]);
        format!("route replace {}{}", text(&route["dst"]), if via.is_empty() { via } else { format!(" via {via}") })
    }));
    batch(sandbox.host(), &here);
    batch(ns, &there);
}

fn up(commands: &mut Vec<String>, link: &str, mac: &Value) {
    let mac = text(mac);
    let address = if mac.is_empty() { mac } else { format!(" address {mac}") };
    commands.push(format!("link set {link}{address} up"));
}

/// The addresses of the container's link, and those of its gateways for the host's.
fn addresses(
    result: &Value,
    interfaces: &[Value],
    (peer, here): (&str, &mut Vec<String>),
    (name, there): (&str, &mut Vec<String>),
) {
    let is_own = |ip: &&Value| {
        let index = ip["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
        index.and_then(|index| interfaces.get(index)).is_none_or(|link| link["name"] == name)
    };
    for ip in items(&result["ips"]).iter().filter(is_own) {
        let (address, gateway) = (text(&ip["address"]), text(&ip["gateway"]));
        let nodad = if address.contains(':') { " nodad" } else { "" };
        there.push(format!("addr add {address} dev {name}{nodad}"));
        if let (false, Some((_, length))) = (gateway.is_empty(), address.split_once('/')) {
            here.push(format!("addr add {gateway}/{length} dev {peer}{nodad}"));
        }
    }
}

/// To start programs is most of what a stage takes: one for all.
fn batch(ns: &TestNs, commands: &[String]) {
    ns.sh(&format!("ip -batch - <<'COMMANDS'\n{}\nCOMMANDS", commands.join("\n")));
}

fn items(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
