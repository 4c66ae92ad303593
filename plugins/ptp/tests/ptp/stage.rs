//! A host with a network of pairs, and what tests ask about it again and again.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use testkit::{Attachment, Output, Plugin, Sandbox, Snapshot, TestNs};

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(5);

/// Where the host outside and the host itself are, by family.
pub const OUTSIDE: [&str; 2] = ["203.0.113.2", "2001:db8:ffff::2"];
pub const HOST: [&str; 2] = ["203.0.113.1", "2001:db8:ffff::1"];

/// A private host.
pub struct Stage {
    pub sandbox: Sandbox,
}

impl Stage {
    pub fn new() -> Self {
        let stage = Self::bare();
        // Links of containers then have other numbers than their peers: the kernel sees a carrier later where they are the same.
        stage.sandbox.sh("ip link add spare type bridge");
        stage
    }

    pub fn bare() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    pub fn host(&self) -> &TestNs {
        self.sandbox.host()
    }

    /// Where host-local keeps its leases.
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases")
    }

    /// The network `net`: 10.1.0.0/24 and `fd01::/64` with default routes, unless `keys` say otherwise (`null` removes one).
    pub fn network(&self, keys: Value) -> Value {
        let mut conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "ptp" });
        conf["ipam"] = self.ipam(["10.1.0.0/24", "fd01::/64"]);
        for (key, value) in keys.as_object().unwrap() {
            conf[key] = value.clone();
        }
        conf.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        conf
    }

    /// An `ipam` that hands out an address of each of both subnets, and default routes.
    pub fn ipam(&self, [v4, v6]: [&str; 2]) -> Value {
        json!({ "type": "host-local", "dataDir": self.leases(), "ranges": [[{ "subnet": v4 }], [{ "subnet": v6 }]],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] })
    }

    /// A network that leaves something everywhere.
    pub fn masquerading(&self) -> Value {
        self.network(json!({ "ipMasq": true }))
    }

    /// Attaches `eth0` of a new container, which is returned too.
    #[track_caller]
    pub fn attach(&self, conf: &Value, name: &str) -> (TestNs, Attached) {
        let container = self.sandbox.netns(name);
        let attached = Attached::new(Attachment::new(conf.clone(), &container));
        (container, attached)
    }

    /// A host outside that IPv6 packets can be forwarded to at once: the host's link-local address there is not probed.
    pub fn outside(&self) -> TestNs {
        let dad = |value| self.sandbox.sh(&format!("echo {value} > /proc/sys/net/ipv6/conf/default/accept_dad"));
        dad(0);
        let outside = self.sandbox.outside("outside");
        dad(1);
        outside
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.leases()]).without(&["last_reserved_ip", ".index: "])
    }

    /// The snapshot of a host on which such an attachment has been and gone, which leaves chains and settings.
    pub fn warm_snapshot(&self, conf: &Value) -> Snapshot {
        self.attach(conf, "warm-up").1.del();
        self.snapshot()
    }

    pub fn ruleset(&self) -> String {
        self.sandbox.sh("nft list ruleset")
    }

    /// The links of the host that are pairs with a container.
    pub fn ends(&self) -> Vec<String> {
        let links = self.sandbox.json("ip -j link show type veth");
        links.as_array().unwrap().iter().map(|link| text(&link["ifname"])).filter(|name| name != "uplink0").collect()
    }

    /// Executable `name` in a directory of its own, which is returned, beside our real plugins.
    pub fn stub(&self, name: &str, script: &str) -> PathBuf {
        let (dir, ours) = (self.sandbox.dir().join("stubs"), Plugin::bin_dir());
        let (dir_text, ours) = (dir.display(), ours.display());
        self.sandbox.sh(&format!("mkdir -p {dir_text}; ln -sf {ours}/ptp {ours}/host-local {dir_text}/"));
        std::fs::write(dir.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        self.sandbox.sh(&format!("chmod +x {dir_text}/{name}"));
        dir
    }
}

/// An attachment that has been made.
pub struct Attached {
    pub attachment: Attachment,
    pub result: Value,
}

impl Attached {
    #[track_caller]
    pub fn new(attachment: Attachment) -> Self {
        let result = attachment.add().success();
        Self { attachment, result }
    }

    #[track_caller]
    pub fn check(&self) -> Output {
        self.attachment.with_prev(&self.result).check()
    }

    /// What CHECK says about an attachment that is not as it was.
    #[track_caller]
    pub fn complaint(&self) -> String {
        text(&self.check().failure_code(103)["msg"])
    }

    #[track_caller]
    pub fn del(&self) {
        self.attachment.with_prev(&self.result).del().silent();
    }

    /// The container's address of this family, without its prefix.
    pub fn ip(&self, family: usize) -> String {
        text(&self.result["ips"][family]["address"]).split('/').next().unwrap().to_owned()
    }

    /// The name of the host's end.
    pub fn near(&self) -> String {
        text(&self.result["interfaces"][0]["name"])
    }
}

/// The address that a server of `at` sees when `from` asks it, over TCP and UDP.
#[track_caller]
pub fn seen(from: &TestNs, at: &TestNs, ip: &str) -> String {
    let bind = if ip.contains(':') { format!("[{ip}]:0") } else { format!("{ip}:0") };
    let by_tcp = from.connect_tcp(at.listen_tcp(&bind).address(), LONG).unwrap().peer.ip();
    let by_udp = from.ask_udp(at.listen_udp(&bind).address(), LONG).unwrap().peer.ip();
    assert_eq!(by_tcp, by_udp);
    by_tcp.to_string()
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
    let with_prefix = |info: &Value| format!("{}/{}", text(&info["local"]), info["prefixlen"]);
    let all = links[0]["addr_info"].as_array().unwrap().iter().map(with_prefix);
    all.filter(|address| !address.starts_with("fe80:")).collect()
}

/// What `ip` prints, a line each, without surplus blanks.
#[track_caller]
pub fn lines(ns: &TestNs, what: &str) -> Vec<String> {
    ns.sh(&format!("ip {what}")).lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
