//! A host with networks that publish ports, a host outside, and what tests ask about them again and again.

use std::{
    fmt::Display,
    io,
    net::{SocketAddr, ToSocketAddrs},
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{Attachment, Chain, Reply, Sandbox, Server, Snapshot, TestNs};

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(5);
/// How long to wait for a packet that must not arrive.
pub const SHORT: Duration = Duration::from_millis(300);

/// A private host with an uplink: 203.0.113.1 and `2001:db8:ffff::1`, the host outside is .2 and `::2`.
pub struct Stage {
    pub sandbox: Sandbox,
    pub outside: TestNs,
}

/// A container whose port 80 answers on TCP and UDP.
pub struct Web {
    pub netns: TestNs,
    pub chain: Chain,
    pub result: Value,
    _servers: [Server; 2],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proto {
    Tcp,
    Udp,
}

impl Stage {
    pub fn new() -> Self {
        let sandbox = Sandbox::enter();
        let outside = sandbox.outside("outside");
        Self { sandbox, outside }
    }

    pub fn host(&self) -> &TestNs {
        self.sandbox.host()
    }

    /// Network 1 is `net1` on the bridge `br1` with 10.1.0.0/24 and `fd01::/64`, and so on. `keys` are portmap's.
    pub fn network(&self, number: u8, keys: Value) -> Value {
        let dir = self.sandbox.dir().join("leases");
        let ranges =
            json!([[{ "subnet": format!("10.{number}.0.0/24") }], [{ "subnet": format!("fd0{number}::/64") }]]);
        let mut portmap = json!({ "type": "portmap", "capabilities": { "portMappings": true } });
        for (key, value) in keys.as_object().unwrap() {
            portmap[key] = value.clone();
        }
        json!({ "cniVersion": "1.1.0", "name": format!("net{number}"), "plugins": [
            { "type": "bridge", "bridge": format!("br{number}"), "isDefaultGateway": true,
              "ipam": { "type": "host-local", "dataDir": dir, "ranges": ranges } },
            portmap,
        ]})
    }

    /// Network 1 with these port mappings.
    pub fn publishing(&self, mappings: Value) -> Value {
        self.network(1, json!({ "runtimeConfig": { "portMappings": mappings } }))
    }

    /// Attaches a new container.
    #[track_caller]
    pub fn run(&self, name: &str, list: &Value) -> Web {
        let netns = self.sandbox.netns(name);
        let chain = Chain::new(list, &netns);
        let result = chain.add();
        let servers = [netns.listen_tcp("[::]:80"), netns.listen_udp("[::]:80")];
        Web { netns, chain, result, _servers: servers }
    }

    /// A container that is not to be asked anything: nothing listens in it.
    #[track_caller]
    pub fn chain(&self, name: &str, list: &Value) -> Chain {
        Chain::new(list, &self.sandbox.netns(name))
    }

    /// A container that `bridge` has attached and portmap has not; the result so far.
    #[track_caller]
    pub fn bridged(&self, name: &str, list: &Value) -> (Chain, Value) {
        let chain = self.chain(name, list);
        let result = chain.plugins()[0].add().success();
        (chain, result)
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.sandbox.dir().join("leases")]).without(&["last_reserved_ip", ".index: "])
    }

    /// The snapshot of a host on which such an attachment has been and gone, which leaves bridges and base chains.
    pub fn warm_snapshot(&self, list: &Value) -> Snapshot {
        let chain = self.chain("warm-up", list);
        let result = chain.add();
        chain.del(Some(&result));
        self.snapshot()
    }

    /// The number that every change of the ruleset increases.
    pub fn generation(&self) -> nft::Generation {
        self.host().run(|| nft::Nft::open().and_then(|mut nft| nft.generation()).unwrap())
    }

    /// The elements of our table whose set, key or owner contains `text`.
    pub fn elements(&self, text: &str) -> Vec<String> {
        let mut lines = self.sandbox.host().snapshot().lines().to_vec();
        lines.retain(|line| line.starts_with("nft element inet mooring") && line.contains(text));
        lines
    }
}

impl Web {
    /// Whether it answers `from` at port 8080 of the host.
    pub fn answers(&self, from: &TestNs) -> bool {
        Proto::Tcp
            .ask_within(from, "203.0.113.1:8080".to_owned(), SHORT)
            .is_ok_and(|reply| reply.server == self.netns.name())
    }

    /// Detaches it as runtimes do that cache results.
    #[track_caller]
    pub fn stop(self) {
        self.chain.del(Some(&self.result));
    }

    /// The last plugin's attachment, portmap.
    pub fn portmap(&self) -> &Attachment {
        &self.chain.plugins()[1]
    }

    /// The container's address: IPv4 is the first, IPv6 the second.
    pub fn ip(&self, index: usize) -> String {
        ip(&self.result, index)
    }
}

impl Proto {
    pub const BOTH: [Self; 2] = [Self::Tcp, Self::Udp];

    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// Asks who answers there, as long as it takes.
    #[track_caller]
    pub fn ask(self, from: &TestNs, to: impl ToSocketAddrs + Display) -> Reply {
        self.ask_within(from, to.to_string(), LONG)
            .unwrap_or_else(|error| panic!("{} from {} to {to}: {error}", self.name(), from.name()))
    }

    /// Demands that nobody answers.
    #[track_caller]
    pub fn ask_in_vain(self, from: &TestNs, to: impl ToSocketAddrs + Display) {
        if let Ok(reply) = self.ask_within(from, to.to_string(), SHORT) {
            panic!("{} from {} to {to} was answered: {reply:?}", self.name(), from.name());
        }
    }

    fn ask_within(self, from: &TestNs, to: String, limit: Duration) -> io::Result<Reply> {
        match self {
            Self::Tcp => from.connect_tcp(to, limit),
            Self::Udp => from.ask_udp(to, limit),
        }
    }
}

/// A port mapping for all addresses of the host.
pub fn mapping(host_port: u16, container_port: u16, protocol: &str) -> Value {
    json!({ "hostPort": host_port, "containerPort": container_port, "protocol": protocol })
}

/// Port 8080 of the host to port 80, on TCP and UDP.
pub fn web() -> Value {
    json!([mapping(8080, 80, "tcp"), mapping(8080, 80, "udp")])
}

/// The same at one address of the host.
pub fn web_at(address: &str) -> Value {
    let mut mappings = web();
    for mapping in mappings.as_array_mut().unwrap() {
        mapping["hostIP"] = json!(address);
    }
    mappings
}

/// The address that a result gives the container, without its prefix.
pub fn ip(result: &Value, index: usize) -> String {
    let address = result["ips"][index]["address"].as_str().unwrap_or_else(|| panic!("no such address: {result}"));
    address.split('/').next().unwrap().to_owned()
}

/// The host of a socket address as text.
pub fn host_of(address: SocketAddr) -> String {
    address.ip().to_string()
}
