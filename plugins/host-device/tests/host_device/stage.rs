//! A host with devices, and what tests ask about it again and again.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use testkit::{Attachment, Sandbox, Snapshot, TestNs, eventually};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(10);

/// Devices of this host are ends of veth pairs, whose other ends have the same name in [`beyond`](Self::beyond).
pub struct Stage {
    pub sandbox: Sandbox,
    pub beyond: TestNs,
}

impl Stage {
    pub fn new() -> Self {
        let sandbox = Sandbox::enter();
        let beyond = sandbox.netns("beyond");
        Self { sandbox, beyond }
    }

    /// A host with a device `d0`, which is up and has an alias.
    pub fn with_device() -> Self {
        let stage = Self::new();
        stage.device("d0");
        stage.sandbox.sh("ip link set d0 up alias 'to rack 7'");
        stage
    }

    /// Makes a device, which is down.
    pub fn device(&self, name: &str) {
        self.sandbox.sh(&format!(
            "ip link add {name} type veth peer name {name} netns beyond; ip -n beyond link set {name} up"
        ));
    }

    /// Where host-local keeps its leases.
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases")
    }

    /// An `ipam` that hands out addresses of both families.
    pub fn ipam(&self) -> Value {
        json!({ "type": "host-local", "dataDir": self.leases(), "ranges": [[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "fd01::/64" }]],
            "routes": [{ "dst": "0.0.0.0/0" }] })
    }

    /// The network `net` with the device `d0` and addresses, unless `keys` say otherwise (`null` removes one).
    pub fn network(&self, keys: Value) -> Value {
        let mut conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "host-device", "device": "d0" });
        conf["ipam"] = self.ipam();
        for (key, value) in keys.as_object().unwrap() {
            match value {
                Value::Null => drop(conf.as_object_mut().unwrap().shift_remove(key)),
                value => conf[key] = value.clone(),
            }
        }
        conf
    }

    /// The attachment of a container's `eth0` to that network.
    pub fn attach(&self, container: &TestNs, keys: Value) -> Attachment {
        Attachment::new(self.network(keys), container)
    }

    /// What the kernel holds on the host.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[])
    }

    /// The names of the host's links.
    pub fn links(&self) -> Vec<String> {
        links(self.sandbox.host())
    }

    /// The addresses that are leased.
    pub fn leased(&self) -> Vec<String> {
        let found = self.sandbox.sh(&format!("cd {} 2>/dev/null && ls net || true", self.leases().display()));
        found
            .lines()
            .filter(|name| name.starts_with(|c: char| c.is_ascii_hexdigit()) && !name.starts_with("last"))
            .map(str::to_owned)
            .collect()
    }

    /// Waits until no address of the host's is probed for other owners any more.
    pub fn settle(&self) {
        eventually(LONG, || match self.sandbox.sh("ip -6 addr show tentative") {
            text if text.is_empty() => Ok(()),
            text => Err(text),
        });
    }

    /// Gives the host a sysfs that begins empty, and runs a script in its root.
    pub fn sysfs(&self, script: &str) {
        self.sandbox.sh(&format!(
            "mount -t tmpfs tmpfs /sys; cd /sys; mkdir -p bus/pci/devices bus/pci/drivers bus/auxiliary/devices
            {script}"
        ));
    }
}

/// The names of a namespace's links but `lo`.
pub fn links(ns: &TestNs) -> Vec<String> {
    let links = ns.json("ip -j link");
    links.as_array().unwrap().iter().map(|link| text(&link["ifname"])).filter(|name| name != "lo").collect()
}

/// A link as `ip -d` shows it.
#[track_caller]
pub fn link(ns: &TestNs, name: &str) -> Value {
    ns.json(&format!("ip -j -d link show {name}"))[0].clone()
}

/// Whether a link is up.
#[track_caller]
pub fn is_up(ns: &TestNs, name: &str) -> bool {
    link(ns, name)["flags"].as_array().unwrap().contains(&"UP".into())
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
