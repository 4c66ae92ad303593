//! A host where many ports are published.

use std::{
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use testkit::{Plugin, Sandbox, TestNs};

use crate::call::timed;

/// The first port of the host that is published; 10,000 are free from here on.
pub const FIRST: usize = 20_000;
/// How many ports each container has of those that are there before.
const PORTS_PER_CONTAINER: usize = 100;

/// A host with one container on a bridge, at 10.88.0.2, and portmap of one contender.
pub struct Host {
    pub sandbox: Sandbox,
    pub container: TestNs,
    dir: PathBuf,
}

impl Host {
    pub fn new(dir: &Path) -> Self {
        let sandbox = Sandbox::enter();
        let container = sandbox.netns("container");
        sandbox.sh("ip link add bench0 type bridge; ip addr add 10.88.0.1/16 dev bench0; ip link set bench0 up
             ip link add port0 type veth peer name eth0 netns container; ip link set port0 master bench0 up
             echo 1 > /proc/sys/net/ipv4/ip_forward");
        container.sh("ip link set lo up; ip addr add 10.88.0.2/16 dev eth0; ip link set eth0 up
             ip route add default via 10.88.0.1");
        Self { sandbox, container, dir: dir.to_owned() }
    }

    /// portmap for an attachment of the container: even ports of the host are TCP's, odd ones UDP's, and all lead to port 80.
    pub fn call(&self, command: &str, id: &str, ports: Range<usize>) -> Plugin {
        let plugin = Plugin::new(self.dir.join("portmap")).command(command).container(id).ifname("eth0");
        plugin.netns(self.container.path()).stdin(self.conf(ports))
    }

    fn conf(&self, ports: Range<usize>) -> Value {
        let mapping = |port: usize| {
            let protocol = if port.is_multiple_of(2) { "tcp" } else { "udp" };
            json!({ "hostPort": port, "containerPort": 80, "protocol": protocol })
        };
        let mappings: Vec<Value> = ports.map(mapping).collect();
        let prev = json!({ "cniVersion": "1.0.0",
            "interfaces": [{ "name": "bench0" }, { "name": "port0" }, { "name": "eth0", "sandbox": self.container.path().to_string_lossy() }],
            "ips": [{ "interface": 2, "address": "10.88.0.2/16", "gateway": "10.88.0.1" }] });
        json!({ "cniVersion": "1.0.0", "name": "bench", "type": "portmap", "prevResult": prev,
            "runtimeConfig": { "portMappings": mappings } })
    }

    /// Whether the plugin has published something by iptables.
    pub fn has_chains(&self) -> bool {
        self.sandbox.sh("iptables-save -t nat 2>/dev/null || true").contains("-j CNI-DN-")
    }

    /// Publishes so many ports from [`FIRST`] on, for containers with up to [`PORTS_PER_CONTAINER`] each, which all have
    /// the address of the one that is there.
    ///
    /// Chains of iptables are as its own ADD of one container makes them: that of 10,000 ports would take hours. They are
    /// saved, and restored for each further container with a chain of its own and the next ports.
    pub fn publish(&self, number: usize) {
        let mut containers = (0..number)
            .step_by(PORTS_PER_CONTAINER)
            .map(|from| (format!("o{from:05}"), FIRST + from..FIRST + number.min(from + PORTS_PER_CONTAINER)));
        let Some((first, ports)) = containers.next() else { return };
        succeed(&self.call("ADD", &first, ports));
        if !self.has_chains() {
            return containers.for_each(|(id, ports)| succeed(&self.call("ADD", &id, ports)));
        }
        let saved = self.sandbox.sh("iptables-save -t nat");
        let script = self.sandbox.dir().join("restore");
        // More at once is more than a socket may send without the rights of the machine's root.
        for (id, ports) in containers {
            let copied = copy(&saved, &first, &id, ports.start);
            fs::write(&script, format!("*nat\n{copied}COMMIT\n")).expect("a file of the sandbox");
            self.sandbox.sh(&format!("iptables-restore --noflush < {}", script.display()));
        }
    }
}

/// Runs a call that has to succeed, since what is measured builds on it.
pub fn succeed(call: &Plugin) {
    if let (_, Err(said)) = timed(call) {
        panic!("{said}");
    }
}

/// What iptables has for the container `first`, as it would be for another whose ports begin at `from`.
fn copy(saved: &str, first: &str, id: &str, from: usize) -> String {
    let chain = saved.lines().find_map(|line| line.strip_prefix(":CNI-DN-")).and_then(|rest| rest.split(' ').next());
    let chain = format!("CNI-DN-{}", chain.expect("a chain of the container"));
    let mut copied = format!(":CNI-DN-{id:0>21} - [0:0]\n");
    for rule in saved.lines().filter(|line| line.starts_with("-A ") && line.contains(&chain)) {
        let rule = rule.replace(&chain, &format!("CNI-DN-{id:0>21}")).replace(first, id);
        let words: Vec<String> = rule.split(' ').map(|word| moved(word, from)).collect();
        copied.extend([words.join(" "), "\n".to_owned()]);
    }
    copied
}

/// A word of a rule: ports that begin at [`FIRST`] begin at `from`.
fn moved(word: &str, from: usize) -> String {
    let port = |text: &str| text.parse::<usize>().ok().filter(|port| *port >= FIRST).map(|port| port - FIRST + from);
    let parts: Option<Vec<String>> = word.split(',').map(|part| port(part).map(|port| port.to_string())).collect();
    parts.map_or_else(|| word.to_owned(), |parts| parts.join(","))
}
