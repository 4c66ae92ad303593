//! A host with containers that have an interface, and what tests ask about them again and again.

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox, Snapshot, TestNs};

/// The name of the first `ifb` of the container `c1` on the network `net`, which is the reference's.
pub const IFB: &str = "bwp623e1c388032";

pub struct Stage {
    pub sandbox: Sandbox,
}

impl Stage {
    pub fn new() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    /// A container with an `eth0` whose other end is `v-NAME`, both up.
    pub fn container(&self, name: &str) -> TestNs {
        let container = self.sandbox.netns(name);
        self.interface(&container, "eth0", &format!("v-{name}"));
        container
    }

    /// One more interface of a container, with the name of the host's end.
    pub fn interface(&self, container: &TestNs, ifname: &str, host: &str) {
        let netns = container.name();
        self.sandbox
            .sh(&format!("ip link add {host} type veth peer name {ifname} netns {netns}; ip link set {host} up"));
        container.sh(&format!("ip link set {ifname} up"));
    }

    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[])
    }

    /// The qdiscs of a link that somebody has put there, as `tc` tells them.
    pub fn qdiscs(&self, link: &str) -> Vec<String> {
        let told = self.sandbox.sh(&format!("tc qdisc show dev {link}"));
        told.lines().filter(|line| !line.contains(" noqueue ")).map(|line| line.trim().to_owned()).collect()
    }

    /// The filters of what a link receives.
    pub fn filters(&self, link: &str) -> String {
        self.sandbox.sh(&format!("tc filter show dev {link} ingress"))
    }

    /// The names of the host's `ifb` links, sorted.
    pub fn ifbs(&self) -> Vec<String> {
        let links = self.sandbox.json("ip -j link show type ifb");
        let mut names: Vec<_> = links.as_array().unwrap().iter().map(|link| text(&link["ifname"])).collect();
        names.sort();
        names
    }

    /// A link of the host, as `ip` tells it; null if there is none.
    pub fn link(&self, name: &str) -> Value {
        let links = self.sandbox.json("ip -j -d addr show");
        links.as_array().unwrap().iter().find(|link| link["ifname"] == name).cloned().unwrap_or_default()
    }
}

/// Attaches a container's `eth0` with these keys.
pub fn attach(container: &TestNs, keys: Value) -> Attachment {
    attach_at("1.1.0", container, keys)
}

/// The same in another version.
pub fn attach_at(version: &str, container: &TestNs, keys: Value) -> Attachment {
    let mut conf = json!({ "cniVersion": version, "name": "net", "type": "bandwidth" });
    for (key, value) in keys.as_object().unwrap() {
        conf[key] = value.clone();
    }
    Attachment::new(conf, container).with_prev(&prev(version, container, "eth0", &format!("v-{}", container.name())))
}

/// Attaches an interface made by [`Stage::interface`].
pub fn attach_second(container: &TestNs, ifname: &str, host: &str, keys: Value) -> Attachment {
    attach(container, keys).ifname(ifname).with_prev(&prev("1.1.0", container, ifname, host))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The result of the plugin before: a bridge, the host's end, the container's interface.
pub fn prev(version: &str, container: &TestNs, ifname: &str, host: &str) -> Value {
    let mut prev = json!({ "cniVersion": version,
        "interfaces": [
            { "name": "br0", "mac": "02:00:00:00:00:01" },
            { "name": host, "mac": "02:00:00:00:00:02" },
            { "name": ifname, "mac": "02:00:00:00:00:03", "sandbox": container.path() }
        ],
        "ips": [{ "interface": 2, "address": "10.1.0.2/24" }] });
    if version < "1.0.0" {
        prev["ips"][0]["version"] = "4".into();
        prev["dns"] = json!({});
    }
    prev
}

/// 20 Mbit/s to the container and 40 from it.
pub fn both() -> Value {
    json!({ "ingressRate": 20_000_000, "ingressBurst": 1_600_000, "egressRate": 40_000_000, "egressBurst": 800_000 })
}

/// What goes to the container alone.
pub fn ingress() -> Value {
    json!({ "ingressRate": 20_000_000, "ingressBurst": 1_600_000 })
}

/// What the container sends alone.
pub fn egress() -> Value {
    json!({ "egressRate": 40_000_000, "egressBurst": 800_000 })
}
