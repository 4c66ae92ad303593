//! A host with containers that have an interface, and what tests ask about them again and again.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox, Snapshot, TestNs};

/// The hardware address that `eth0` begins with.
pub const MAC: &str = "02:00:00:00:00:aa";

pub struct Stage {
    pub sandbox: Sandbox,
}

impl Stage {
    pub fn new() -> Self {
        Self { sandbox: Sandbox::enter() }
    }

    /// A container with an `eth0` that is up and has an address of each family.
    pub fn container(&self, name: &str) -> TestNs {
        let container = self.sandbox.netns(name);
        self.sandbox.sh(&format!("ip link add v-{name} type veth peer name eth0 address {MAC} netns {name}"));
        self.sandbox.sh(&format!("ip link set v-{name} up"));
        container.sh("ip link set lo up; ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0");
        container.sh("ip addr add fd00::2/64 dev eth0 nodad");
        container
    }

    /// Attaches a container's `eth0` with these keys.
    pub fn attach(&self, container: &TestNs, keys: Value) -> Attachment {
        self.attach_at("1.1.0", container, keys)
    }

    /// The same in another version.
    pub fn attach_at(&self, version: &str, container: &TestNs, keys: Value) -> Attachment {
        let mut conf = json!({ "cniVersion": version, "name": "net", "type": "tuning", "dataDir": self.data_dir() });
        for (key, value) in keys.as_object().unwrap() {
            conf[key] = value.clone();
        }
        Attachment::new(conf, container).with_prev(&prev(version, container))
    }

    /// Where what was there before is written down.
    pub fn data_dir(&self) -> PathBuf {
        self.sandbox.dir().join("tuning")
    }

    /// The names of the files there.
    pub fn files(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.data_dir()) else { return Vec::new() };
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// What a file there says.
    pub fn file(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.data_dir().join(name)).unwrap()).unwrap()
    }

    /// The host and its files.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.data_dir()])
    }

    /// Makes the administrator's list of sysctls.
    pub fn allow(&self, list: &str) {
        self.sandbox.sh("mkdir -p /run/etc/upper /run/etc/work
            mount -t overlay overlay -o lowerdir=/etc,upperdir=/run/etc/upper,workdir=/run/etc/work /etc
            mkdir -p /etc/cni/tuning");
        fs::write("/etc/cni/tuning/allowlist.conf", list).unwrap();
    }
}

/// The result of the plugin before: the host's end, `eth0`, and an `eth0` of somebody else.
pub fn prev(version: &str, container: &TestNs) -> Value {
    if version < "0.3.0" {
        return json!({ "cniVersion": version, "ip4": { "ip": "10.1.0.2/24" }, "ip6": { "ip": "fd00::2/64" }, "dns": {} });
    }
    let mut prev = json!({ "cniVersion": version,
        "interfaces": [
            { "name": format!("v-{}", container.name()), "mac": "02:00:00:00:00:bb" },
            { "name": "eth0", "mac": MAC, "sandbox": container.path() },
            { "name": "eth0", "mac": "02:00:00:00:00:cc" },
            { "name": "eth0", "mac": "02:00:00:00:00:dd", "sandbox": "/run/netns/other" }
        ],
        "ips": [{ "interface": 1, "address": "10.1.0.2/24" }, { "interface": 1, "address": "fd00::2/64" }] });
    if version < "1.0.0" {
        prev["ips"][0]["version"] = "4".into();
        prev["ips"][1]["version"] = "6".into();
        prev["dns"] = json!({});
    }
    prev
}

/// Every key.
pub fn everything() -> Value {
    json!({ "mac": "02:00:00:00:00:01", "promisc": true, "mtu": 1400, "allmulti": true, "txQLen": 77,
        "sysctl": { "net.ipv4.conf.IFNAME.proxy_arp": "1", "net.ipv4.ip_local_reserved_ports": "8080" } })
}

/// A link's settings by the names of the keys.
pub fn settings(container: &TestNs, link: &str) -> Value {
    let link = &container.json(&format!("ip -j link show dev {link}"))[0];
    let has = |flag: &str| link["flags"].as_array().unwrap().contains(&flag.into());
    json!({ "mac": link["address"], "promisc": has("PROMISC"), "mtu": link["mtu"], "allmulti": has("ALLMULTI"),
        "txQLen": link["txqlen"].as_u64().unwrap_or(0) })
}

/// What `eth0` begins with.
pub fn untouched() -> Value {
    json!({ "mac": MAC, "promisc": false, "mtu": 1500, "allmulti": false, "txQLen": 1000 })
}

/// [`untouched`] but for some.
pub fn untouched_but(keys: &Value) -> Value {
    let mut settings = untouched();
    for (key, value) in keys.as_object().unwrap() {
        settings[key] = value.clone();
    }
    settings
}

/// A sysctl of a container.
pub fn sysctl(container: &TestNs, path: &str) -> String {
    container.sh(&format!("cat /proc/sys/net/{path}")).trim().to_owned()
}

/// What a container has of all that [`everything`] changes.
pub fn state(container: &TestNs) -> (Value, [String; 2]) {
    let sysctls = ["ipv4/conf/eth0/proxy_arp", "ipv4/ip_local_reserved_ports"].map(|path| sysctl(container, path));
    (settings(container, "eth0"), sysctls)
}
