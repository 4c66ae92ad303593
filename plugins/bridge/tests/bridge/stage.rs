//! A host with a network to attach to, and what tests ask about it again and again.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use testkit::{Attachment, Output, Sandbox, Snapshot, TestNs};

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(5);
/// How long to wait for a packet that must not arrive.
pub const SHORT: Duration = Duration::from_millis(300);

/// A private host whose networks are bridges.
pub struct Stage {
    pub sandbox: Sandbox,
}

impl Stage {
    pub fn new() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    /// Where host-local keeps its leases.
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases")
    }

    /// An `ipam` that hands out one address of each of `subnets`.
    pub fn ipam(&self, subnets: &[&str]) -> Value {
        let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
        json!({ "type": "host-local", "dataDir": self.leases(), "ranges": ranges })
    }

    /// The network `net` on the bridge `br0`: 10.1.0.0/24 with a gateway, unless `keys` say otherwise (`null` removes one).
    pub fn network(&self, keys: Value) -> Value {
        let mut conf =
            json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0", "isGateway": true });
        conf["ipam"] = self.ipam(&["10.1.0.0/24"]);
        for (key, value) in keys.as_object().unwrap() {
            match value {
                Value::Null => drop(conf.as_object_mut().unwrap().shift_remove(key)),
                value => conf[key] = value.clone(),
            }
        }
        conf
    }

    /// The same with an IPv6 subnet too, and default routes.
    pub fn dual(&self, keys: Value) -> Value {
        let mut conf = self.network(json!({ "isDefaultGateway": true }));
        conf["ipam"] = self.ipam(&["10.1.0.0/24", "fd01::/64"]);
        keys.as_object().unwrap().iter().for_each(|(key, value)| conf[key] = value.clone());
        conf
    }

    /// A host outside, as [`Sandbox::outside`] makes it, that IPv6 packets can be forwarded to at once: the host may use
    /// its link-local address there before it is probed.
    pub fn outside(&self) -> TestNs {
        let accept_dad = "/proc/sys/net/ipv6/conf/default/accept_dad";
        self.sandbox.sh(&format!("echo 0 > {accept_dad}"));
        let outside = self.sandbox.outside("outside");
        self.sandbox.sh(&format!("echo 1 > {accept_dad}"));
        outside
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.leases()]).without(&["last_reserved_ip", ".index: "])
    }

    /// The links of the host that are ports of the bridge.
    pub fn ports(&self, bridge: &str) -> Vec<String> {
        let links = self.sandbox.json(&format!("ip -j link show master {bridge}"));
        links.as_array().unwrap().iter().map(|link| text(&link["ifname"])).collect()
    }

    /// The ruleset as text; empty when there is none.
    pub fn ruleset(&self) -> String {
        self.sandbox.sh("nft list ruleset")
    }

    /// Executable `name` in a directory of its own, which is returned, beside our real plugins.
    pub fn stub(&self, name: &str, script: &str) -> PathBuf {
        let dir = self.sandbox.dir().join("stubs");
        let ours = testkit::Plugin::bin_dir();
        self.sandbox.sh(&format!(
            "mkdir -p {dir}; ln -sf {ours}/bridge {ours}/host-local {dir}/; cat > {dir}/{name} <<'SCRIPT'\n#!/bin/sh\n{script}\nSCRIPT\nchmod +x {dir}/{name}",
            dir = dir.display(),
            ours = ours.display(),
        ));
        dir
    }
}

/// An attachment that has been made.
pub struct Attached {
    pub attachment: Attachment,
    pub result: Value,
}

/// Attaches `eth0` of a container.
#[track_caller]
pub fn attach(conf: &Value, container: &TestNs) -> Attached {
    attach_as(Attachment::new(conf.clone(), container))
}

/// Attaches as `attachment` says.
#[track_caller]
pub fn attach_as(attachment: Attachment) -> Attached {
    let result = attachment.add().success();
    Attached { attachment, result }
}

impl Attached {
    /// CHECK with the result as `prevResult`.
    #[track_caller]
    pub fn check(&self) -> Output {
        self.attachment.with_prev(&self.result).check()
    }

    /// CHECK has to fail because of an attachment that is not as it was; what it says.
    #[track_caller]
    pub fn check_failure(&self) -> String {
        text(&self.check().failure_code(103)["msg"])
    }

    /// DEL, which has to succeed.
    #[track_caller]
    pub fn del(&self) {
        self.attachment.with_prev(&self.result).del().silent();
    }

    /// The container's address of this place in the result, without its prefix.
    pub fn ip(&self, index: usize) -> String {
        text(&self.result["ips"][index]["address"]).split('/').next().unwrap().to_owned()
    }

    /// The name of the link on the host.
    pub fn port(&self) -> String {
        text(&self.result["interfaces"][1]["name"])
    }

    /// The container's hardware address.
    pub fn mac(&self) -> String {
        text(&self.result["interfaces"][2]["mac"])
    }
}

/// A link as `ip -d` shows it.
#[track_caller]
pub fn link(ns: &TestNs, name: &str) -> Value {
    ns.json(&format!("ip -j -d link show {name}"))[0].clone()
}

/// The addresses of a link, but for IPv6 link-local ones.
#[track_caller]
pub fn addresses(ns: &TestNs, name: &str) -> Vec<String> {
    let links = ns.json(&format!("ip -j addr show {name}"));
    let infos = links[0]["addr_info"].as_array().unwrap().iter();
    let global = infos.filter(|info| !text(&info["local"]).starts_with("fe80:"));
    global.map(|info| format!("{}/{}", text(&info["local"]), info["prefixlen"])).collect()
}

/// The routes of `ip route show ...`, a line each.
#[track_caller]
pub fn routes(ns: &TestNs, what: &str) -> Vec<String> {
    let lines = ns.sh(&format!("ip {what}"));
    lines.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
