//! One network with all its containers.

use crate::workers::work;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Mutex;
use testkit::{Chain, Sandbox, Snapshot, TestNs};

/// The name in the configuration.
pub const NETWORK: &str = "crowd";
/// Containers' ports 80 are published from here on.
pub const FIRST_PORT: usize = 20000;

/// What every plugin of a chain is told about who changes the firewall.
#[derive(Clone, Copy, Debug)]
pub struct Backends {
    pub masquerade: &'static str,
    pub portmap: &'static str,
    pub firewall: &'static str,
}

impl Backends {
    pub const fn all(backend: &'static str) -> Self {
        Self { masquerade: backend, portmap: backend, firewall: backend }
    }
}

/// A container of the network, and what its last ADD has said.
pub struct Member {
    pub netns: TestNs,
    chain: Chain,
    result: Mutex<Value>,
}

impl Member {
    /// ADD by the whole chain.
    #[track_caller]
    pub fn attach(&self) {
        *self.result.lock().unwrap() = self.chain.add();
    }

    /// DEL by the whole chain.
    #[track_caller]
    pub fn detach(&self) {
        self.chain.del(Some(&self.result()));
    }

    #[track_caller]
    pub fn check(&self) {
        self.chain.check(&self.result());
    }

    pub fn result(&self) -> Value {
        self.result.lock().unwrap().clone()
    }

    /// Its addresses, IPv4 first, without the length of the prefix.
    pub fn addresses(&self) -> Vec<String> {
        let result = self.result();
        let ips = result["ips"].as_array().unwrap();
        ips.iter().map(|ip| ip["address"].as_str().unwrap().split('/').next().unwrap().to_owned()).collect()
    }

    /// The name of its link on the host.
    pub fn port(&self) -> String {
        self.result()["interfaces"][1]["name"].as_str().unwrap().to_owned()
    }

    /// GC by the whole chain, for the network.
    #[track_caller]
    pub fn gc(&self, valid: &[(&str, &str)]) {
        self.chain.gc(valid);
    }
}

/// A private host with a bridge, on which a first container has come and gone: what stays for good is there.
pub struct Network {
    pub sandbox: Sandbox,
    pub outside: TestNs,
    pub members: Vec<Member>,
}

impl Network {
    /// With containers that are attached to nothing yet; `backends` tells by its number what each one's chain uses.
    pub fn new(sandbox: Sandbox, containers: usize, backends: impl Fn(usize) -> Backends) -> Self {
        let outside = sandbox.outside("outside");
        let made = Mutex::new(Vec::new());
        work(4, containers, |number| {
            let netns = sandbox.netns(&format!("c{number}"));
            made.lock().unwrap().push((number, netns));
        });
        let mut made = made.into_inner().unwrap();
        made.sort_by_key(|(number, _)| *number);
        let leases = sandbox.dir().join("leases");
        let member = |(number, netns): (usize, TestNs)| Member {
            chain: Chain::new(&list(&leases, number, backends(number)), &netns),
            netns,
            result: Mutex::new(Value::Null),
        };
        let network = Self { members: made.into_iter().map(member).collect(), sandbox, outside };
        for member in network.members.iter().take(3) {
            member.attach();
            member.detach();
        }
        network
    }

    /// Where the leases are.
    pub fn leases(&self) -> PathBuf {
        self.sandbox.dir().join("leases").join(NETWORK)
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.leases()]).without(&["last_reserved_ip", ".index: "])
    }
}

fn list(leases: &std::path::Path, number: usize, backends: Backends) -> Value {
    let ports = json!([{ "hostPort": FIRST_PORT + number, "containerPort": 80, "protocol": "tcp" }]);
    json!({ "cniVersion": "1.1.0", "name": NETWORK, "plugins": [
        { "type": "bridge", "bridge": "br0", "isGateway": true, "isDefaultGateway": true,
          "ipMasq": true, "ipMasqBackend": backends.masquerade,
          "ipam": { "type": "host-local", "dataDir": leases,
                    "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "fd88::/64" }]] } },
        { "type": "portmap", "backend": backends.portmap, "runtimeConfig": { "portMappings": ports } },
        { "type": "firewall", "backend": backends.firewall },
    ]})
}
