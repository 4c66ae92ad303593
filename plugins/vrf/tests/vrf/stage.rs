//! Containers with interfaces, a host at the other end of each, and what tests ask about them again and again.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox, TestNs, eventually};

pub struct Stage {
    pub sandbox: Sandbox,
}

impl Stage {
    pub fn new() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    /// A container with an `eth0` that its default routes lead to.
    pub fn container(&self, name: &str) -> TestNs {
        let ns = self.sandbox.netns(name);
        ns.sh("ip link set lo up");
        self.link(&ns, "eth0", 0);
        ns.sh("ip route add default via 10.0.0.1; ip -6 route add default via fd00::1");
        ns
    }

    /// An interface of a container in network `n`, whose other end is .1 in a namespace of its own and has `198.51.100.n` behind
    /// itself. The interface has routes there, by which packets without it would go to `eth0`.
    pub fn link(&self, ns: &TestNs, ifname: &str, n: usize) -> TestNs {
        let name = format!("{ifname}-{}", ns.name());
        let there = self.sandbox.netns(&name);
        ns.sh(&format!(
            "ip link add {ifname} address 02:00:00:00:0{n}:02 type veth peer name eth0 netns {name}; ip link set {ifname} up
             ip addr add 10.{n}.0.2/24 dev {ifname}; ip addr add fd0{n}::2/64 dev {ifname} nodad"
        ));
        there.sh(&format!(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.{n}.0.1/24 dev eth0; ip addr add fd0{n}::1/64 dev eth0 nodad
             ip addr add 198.51.100.{n}/32 dev lo; ip addr add 2001:db8::{n}/128 dev lo nodad"
        ));
        await_ipv6(ns, ifname, n);
        ns.sh(&format!(
            "ip route add 198.51.100.{n} via 10.{n}.0.1 dev {ifname} metric 7 mtu 1400
             ip -6 route add 2001:db8::{n} via fd0{n}::1 dev {ifname}"
        ));
        there
    }
}

/// Waits until an interface can be used for IPv6.
fn await_ipv6(ns: &TestNs, ifname: &str, n: usize) {
    eventually(Duration::from_secs(5), || {
        let tentative = ns.sh(&format!("ip -6 addr show dev {ifname} tentative"));
        let ready = ns.try_sh(&format!("ip -6 route get fd0{n}::1 oif {ifname}"));
        if tentative.is_empty() && ready.status.success() { Ok(()) } else { Err(tentative + &ready.stderr) }
    });
}

/// Attaches an interface of a container, with the address of network `n`.
pub fn attach(ns: &TestNs, ifname: &str, n: usize, keys: Value) -> Attachment {
    attach_at("1.1.0", ns, ifname, n, keys)
}

/// The same in another version.
pub fn attach_at(version: &str, ns: &TestNs, ifname: &str, n: usize, keys: Value) -> Attachment {
    let mut conf = json!({ "cniVersion": version, "name": "net", "type": "vrf" });
    for (key, value) in keys.as_object().unwrap() {
        conf[key] = value.clone();
    }
    Attachment::new(conf, ns).ifname(ifname).with_prev(&prev(version, ns, ifname, n))
}

/// The result of the plugin before.
pub fn prev(version: &str, ns: &TestNs, ifname: &str, n: usize) -> Value {
    let mut prev = json!({ "cniVersion": version,
        "interfaces": [{ "name": ifname, "mac": format!("02:00:00:00:0{n}:02"), "sandbox": ns.path() }],
        "ips": [{ "interface": 0, "address": format!("10.{n}.0.2/24"), "gateway": format!("10.{n}.0.1") },
            { "interface": 0, "address": format!("fd0{n}::2/64"), "gateway": format!("fd0{n}::1") }],
        "routes": [{ "dst": format!("198.51.100.{n}/32"), "gw": format!("10.{n}.0.1"), "mtu": 1400, "priority": 7 },
            { "dst": format!("2001:db8::{n}/128"), "gw": format!("fd0{n}::1") }] });
    if version < "1.0.0" {
        prev["ips"][0]["version"] = "4".into();
        prev["ips"][1]["version"] = "6".into();
        prev["dns"] = json!({});
        for key in ["mtu", "priority"] {
            prev["routes"][0].as_object_mut().unwrap().remove(key);
        }
    }
    prev
}

/// The interface's master, or none.
pub fn master(ns: &TestNs, ifname: &str) -> Option<String> {
    ns.json(&format!("ip -j link show dev {ifname}"))[0]["master"].as_str().map(str::to_owned)
}

/// The names of the VRFs with their tables, in the order in which they were made.
pub fn vrfs(ns: &TestNs) -> Vec<(String, u64)> {
    let listed = ns.sh("ip -j -d link show type vrf");
    let listed: Value = serde_json::from_str(if listed.trim().is_empty() { "[]" } else { &listed }).unwrap();
    let named = listed.as_array().unwrap().iter().filter(|link| link["ifname"].is_string());
    named
        .map(|link| {
            (link["ifname"].as_str().unwrap().to_owned(), link["linkinfo"]["info_data"]["table"].as_u64().unwrap())
        })
        .collect()
}

/// The unicast routes of a table by an interface, those of IPv4 first, without what `ip` always tells of them.
pub fn table(ns: &TestNs, table: &str, ifname: &str) -> Vec<String> {
    let listed = ns.sh(&format!(
        "ip -4 route show table {table} type unicast dev {ifname} 2>/dev/null || true
         ip -6 route show table {table} type unicast dev {ifname} 2>/dev/null || true"
    ));
    listed.lines().map(|line| line.trim().replace(" proto kernel", "").replace(" pref medium", "")).collect()
}

/// Demands that the host behind an interface is reached by its VRF, with packets of both families.
pub fn assert_reached(ns: &TestNs, vrf: &str, n: usize) {
    for address in [format!("198.51.100.{n}"), format!("2001:db8::{n}"), format!("10.{n}.0.1"), format!("fd0{n}::1")] {
        eventually(Duration::from_secs(10), || {
            let ran = ns.try_sh(&format!("ping -c 1 -W 1 -I {vrf} {address}"));
            if ran.status.success() { Ok(()) } else { Err(format!("{address}: {}{}", ran.stdout, ran.stderr)) }
        });
    }
}
