//! Containers with two interfaces, a host at the other end of each, and what tests ask about them again and again.

use std::{io, time::Duration};

use serde_json::{Value, json};
use testkit::{Attachment, Reply, Sandbox, TestNs, eventually};

/// The hardware address of `net1`.
pub const MAC: &str = "02:00:00:00:01:02";

pub struct Stage {
    pub sandbox: Sandbox,
}

/// A container: `eth0` leads to `left`, where its default routes go, `net1` to `right`. Either is .1 on its link and has an address
/// behind itself, `192.0.2.1` and `2001:db8::1` on the left, `198.51.100.1` and `2001:db8:1::1` on the right.
pub struct Place {
    pub ns: TestNs,
    pub right: TestNs,
}

impl Stage {
    pub fn new() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    /// A container as two plugins would leave it; `net1` has default routes behind those of `eth0`, and one more of each family.
    pub fn place(&self, name: &str) -> Place {
        let place = self.bare(name);
        place.ns.sh("ip route add default via 10.1.0.1 dev net1 metric 5 mtu 1400
             ip route add 10.9.0.0/16 via 10.1.0.1 dev net1
             ip -6 route add default via fd01::1 dev net1 metric 1029
             ip -6 route add fd09::/64 via fd01::1 dev net1");
        place
    }

    /// A container whose `net1` has addresses and no other routes than the kernel's.
    pub fn bare(&self, name: &str) -> Place {
        let [left, right] = ["left", "right"].map(|side| self.sandbox.netns(&format!("{side}-{name}")));
        let ns = self.sandbox.netns(name);
        ns.sh("ip link set lo up");
        for (n, ifname, there) in [(0, "eth0", &left), (1, "net1", &right)] {
            ns.sh(&format!("ip link add {ifname} address 02:00:00:00:0{n}:02 type veth peer name eth0 netns {}
                ip link set {ifname} up; ip addr add 10.{n}.0.2/24 dev {ifname}; ip addr add fd0{n}::2/64 dev {ifname} nodad",
                there.path().file_name().unwrap().display()));
            let (v4, v6) = [("192.0.2.1", "2001:db8::1"), ("198.51.100.1", "2001:db8:1::1")][n];
            there.sh(&format!(
                "ip link set lo up; ip link set eth0 up; ip addr add 10.{n}.0.1/24 dev eth0; ip addr add fd0{n}::1/64 dev eth0 nodad
                 ip addr add {v4}/32 dev lo; ip addr add {v6}/128 dev lo nodad"
            ));
        }
        ns.sh("ip route add default via 10.0.0.1 dev eth0");
        eventually(Duration::from_secs(5), || {
            let done = ns.try_sh("ip -6 route add default via fd00::1 dev eth0");
            let ready = ns.try_sh("ip -6 route get fd01::1 from fd01::2 oif net1");
            if done.stderr.contains("exists") && ready.status.success() { Ok(()) } else { Err(done.stderr) }
        });
        Place { ns, right }
    }

    /// Attaches a container's `net1` with these keys.
    #[expect(clippy::unused_self, reason = "only a stage makes places")]
    pub fn attach(&self, place: &Place, keys: Value) -> Attachment {
        attach_at("1.1.0", place, keys)
    }
}

/// The same in another version.
pub fn attach_at(version: &str, place: &Place, keys: Value) -> Attachment {
    let mut conf = json!({ "cniVersion": version, "name": "net", "type": "sbr" });
    for (key, value) in keys.as_object().unwrap() {
        conf[key] = value.clone();
    }
    Attachment::new(conf, &place.ns).ifname("net1").with_prev(&prev(version, &place.ns))
}

/// The result of the plugins before: `eth0` and `net1`, and a `net1` of another container.
pub fn prev(version: &str, container: &TestNs) -> Value {
    if version < "0.3.0" {
        return json!({ "cniVersion": version, "dns": {}, "ip4": { "ip": "10.1.0.2/24", "gateway": "10.1.0.1" },
            "ip6": { "ip": "fd01::2/64", "gateway": "fd01::1" } });
    }
    let mut prev = json!({ "cniVersion": version,
        "interfaces": [
            { "name": "eth0", "mac": "02:00:00:00:00:02", "sandbox": container.path() },
            { "name": "net1", "mac": MAC, "sandbox": container.path() },
            { "name": "net1", "mac": "02:00:00:00:00:dd" }
        ],
        "ips": [
            { "interface": 0, "address": "10.0.0.2/24", "gateway": "10.0.0.1" },
            { "interface": 1, "address": "10.1.0.2/24", "gateway": "10.1.0.1" },
            { "interface": 1, "address": "fd01::2/64", "gateway": "fd01::1" },
            { "interface": 2, "address": "10.1.0.77/24" }
        ] });
    if version < "1.0.0" {
        for ip in prev["ips"].as_array_mut().unwrap() {
            ip["version"] = if ip["address"].as_str().unwrap().contains(':') { "6" } else { "4" }.into();
        }
        prev["dns"] = json!({});
    }
    prev
}

/// The rules of both families that are not the kernel's: `from 10.1.0.2 lookup 100`, sorted.
pub fn rules(container: &TestNs) -> Vec<String> {
    let listed = container.sh("ip rule; ip -6 rule");
    let mut rules: Vec<_> = listed
        .lines()
        .filter_map(|line| {
            line.split_once(":\t").map(|(_, rule)| rule.trim().replace(" proto 77", "").replace(" proto 78", ""))
        })
        .filter(|rule| !["local", "main", "default"].iter().any(|table| *rule == format!("from all lookup {table}")))
        .collect();
    rules.sort();
    rules
}

/// The routes of a table by `net1`, those of IPv4 first, without what `ip` always tells of them.
pub fn table(container: &TestNs, table: &str) -> Vec<String> {
    let listed = container.sh(&format!(
        "ip -4 route show table {table} dev net1 2>/dev/null || true; ip -6 route show table {table} dev net1 2>/dev/null || true"
    ));
    listed.lines().map(|line| line.trim().replace(" proto kernel", "").replace(" pref medium", "")).collect()
}

/// All rules and routes, sorted, but for those of addresses, which the kernel makes when it gets to it.
pub fn state(container: &TestNs) -> Vec<String> {
    let listed = container.sh("ip -4 rule; ip -6 rule; ip -4 -d route show table all; ip -6 -d route show table all");
    let mut lines: Vec<_> =
        listed.lines().filter(|line| !line.contains("table local")).map(|line| line.trim().to_owned()).collect();
    lines.sort();
    lines
}

/// Which interface a packet from `source` to `dst` leaves by.
pub fn leaves_by(container: &TestNs, dst: &str, source: &str) -> String {
    let route = &container.json(&format!("ip -j route get {dst} from {source}"))[0];
    route["dev"].as_str().unwrap().to_owned()
}

/// Demands that hosts behind `net1` reach its addresses, and get their answers.
pub fn assert_reached_from_the_right(place: &Place) {
    for (address, source) in [("10.1.0.2:80", "198.51.100.1"), ("[fd01::2]:80", "2001:db8:1::1")] {
        let reply = ask_from_the_right(place, address, source, Duration::from_secs(5)).unwrap();
        assert_eq!(reply.peer.ip().to_string(), source);
    }
}

/// Demands that they do not: answers go elsewhere.
pub fn assert_not_reached_from_the_right(place: &Place) {
    ask_from_the_right(place, "10.1.0.2:80", "198.51.100.1", Duration::from_millis(300)).unwrap_err();
}

fn ask_from_the_right(place: &Place, address: &str, source: &str, limit: Duration) -> io::Result<Reply> {
    let server = place.ns.listen_tcp(address);
    let (family, to) = if address.starts_with('[') { ("6", "fd01::2") } else { ("4", "10.1.0.2") };
    place.right.sh(&format!("ip -{family} route replace {to} dev eth0 src {source}"));
    place.right.connect_tcp(server.address(), limit)
}
