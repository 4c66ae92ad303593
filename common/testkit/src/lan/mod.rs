//! A host with a link to a network that others are on: for plugins that put containers there.

mod life;

use crate::attachment::Attachment;
use crate::namespace::TestNs;
use crate::output::Output;
use crate::sandbox::Sandbox;
use crate::snapshot::Snapshot;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A sandbox whose link [`Lan::LINK`] leads to another host, `outside`, which has 10.1.0.1/24 and `fd01::1/64` there. The sandbox
/// itself has no address in that network.
#[derive(Debug)]
pub struct Lan {
    /// The host.
    pub sandbox: Sandbox,
    /// The other host; its link is `eth0`.
    pub outside: TestNs,
}

/// An attachment that has been made.
#[derive(Clone, Debug)]
pub struct Attached {
    /// The calls for it.
    pub attachment: Attachment,
    /// What ADD has printed.
    pub result: Value,
}

impl Lan {
    /// The host's link to it.
    pub const LINK: &str = "uplink0";

    /// Moves the calling thread to such a host.
    #[track_caller]
    pub fn enter() -> Self {
        let sandbox = Sandbox::enter();
        let outside = sandbox.netns("outside");
        sandbox.sh(&format!("ip link add {0} type veth peer name eth0 netns outside; ip link set {0} up", Self::LINK));
        outside.sh("ip link set lo up; ip link set eth0 up
            ip addr add 10.1.0.1/24 dev eth0; ip addr add fd01::1/64 dev eth0 nodad");
        Self { sandbox, outside }
    }

    /// The network `net` of a plugin on [`Self::LINK`], its `master`, in the newest version. host-local hands out addresses of
    /// both families from .2 on, with routes by way of `outside`. `keys` replace others; `null` removes one.
    pub fn network(&self, plugin: &str, keys: Value) -> Value {
        let mut conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": plugin, "master": Self::LINK,
            "ipam": { "type": "host-local", "dataDir": self.leases(),
                "ranges": [[{ "subnet": "10.1.0.0/24" }], [{ "subnet": "fd01::/64" }]],
                "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] } });
        for (key, value) in keys.as_object().into_iter().flatten() {
            conf[key] = value.clone();
        }
        conf.as_object_mut().into_iter().for_each(|keys| keys.retain(|_, value| !value.is_null()));
        conf
    }

    /// Where host-local keeps the leases of [`Self::network`].
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases")
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    #[track_caller]
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.leases()]).without(&["last_reserved_ip", ".index: "])
    }

    /// Attaches `eth0` of a new container.
    #[track_caller]
    pub fn attach(&self, conf: &Value, container: &str) -> (TestNs, Attached) {
        let container = self.sandbox.netns(container);
        let attached = Attached::new(Attachment::new(conf.clone(), &container));
        (container, attached)
    }
}

impl Attached {
    /// Calls ADD, which has to succeed.
    #[track_caller]
    pub fn new(attachment: Attachment) -> Self {
        let result = attachment.add().success();
        Self { attachment, result }
    }

    /// CHECK with the result as `prevResult`.
    #[track_caller]
    pub fn check(&self) -> Output {
        self.attachment.with_prev(&self.result).check()
    }

    /// CHECK, which has to fail because the attachment is not as it was; what it says.
    #[track_caller]
    pub fn complaint(&self) -> String {
        self.check().failure_code(103)["msg"].as_str().unwrap_or_default().to_owned()
    }

    /// DEL, which has to succeed.
    #[track_caller]
    pub fn del(&self) {
        self.attachment.with_prev(&self.result).del().silent();
    }

    /// The address of this place in the result, without its prefix.
    #[track_caller]
    pub fn ip(&self, place: usize) -> String {
        let address = self.result["ips"][place]["address"].as_str().and_then(|text| text.split('/').next());
        address.unwrap_or_else(|| panic!("no address {place} in {}", self.result)).to_owned()
    }
}
