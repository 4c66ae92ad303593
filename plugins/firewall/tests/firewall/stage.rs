//! A host between containers and a host outside, whose firewall drops what nobody lets through.

use std::{path::PathBuf, time::Duration};

use serde_json::{Value, json};
use testkit::{Attachment, Chain, Facility, Output, Plugin, Sandbox, Snapshot, TestNs, require};

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(5);
/// How long to wait for a packet that must not arrive.
pub const SHORT: Duration = Duration::from_millis(300);

/// Who lets the traffic through in a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    Nftables,
    /// iptables on `nf_tables`.
    IptablesNft,
    IptablesLegacy,
}

impl By {
    pub const ALL: [Self; 3] = [Self::Nftables, Self::IptablesNft, Self::IptablesLegacy];
    pub const IPTABLES: [Self; 2] = [Self::IptablesNft, Self::IptablesLegacy];

    /// As the configuration names it.
    pub fn backend(self) -> &'static str {
        if self == Self::Nftables { "nftables" } else { "iptables" }
    }

    /// The program that stands behind `iptables` then.
    fn multi(self) -> &'static str {
        if self == Self::IptablesLegacy { "/usr/sbin/xtables-legacy-multi" } else { "/usr/sbin/xtables-nft-multi" }
    }
}

/// A private host with an uplink: 203.0.113.1 and `2001:db8:ffff::1`, the host outside is .2 and `::2`.
pub struct Stage {
    pub sandbox: Sandbox,
    pub outside: TestNs,
    pub by: By,
}

/// A container that a chain has attached.
pub struct Pod {
    pub netns: TestNs,
    pub chain: Chain,
    pub result: Value,
}

impl Stage {
    pub fn new(by: By) -> Self {
        let sandbox = Sandbox::enter();
        // The host may use its link-local address towards the outside before that is probed.
        let accept_dad = "/proc/sys/net/ipv6/conf/default/accept_dad";
        sandbox.sh(&format!("echo 0 > {accept_dad}"));
        let outside = sandbox.outside("outside");
        sandbox.sh(&format!("echo 1 > {accept_dad}"));
        let stage = Self { sandbox, outside, by };
        stage.install();
        stage
    }

    /// One stage after the other, on a thread of its own, for each of these.
    #[track_caller]
    pub fn each(by: &[By], test: impl Fn(&Self) + Sync) {
        for by in by {
            if *by == By::IptablesLegacy && !require(Facility::Program("iptables-legacy")) {
                continue;
            }
            let name = std::thread::current().name().unwrap_or("test").to_owned();
            let run = || {
                let stage = Self::new(*by);
                test(&stage);
            };
            std::thread::scope(|scope| {
                let stage = std::thread::Builder::new().name(format!("{name}, {by:?}")).spawn_scoped(scope, run);
                stage.unwrap().join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            });
        }
    }

    /// The directory of the variant's programs, first in the plugin's PATH.
    fn programs(&self) -> PathBuf {
        self.sandbox.dir().join("programs")
    }

    fn install(&self) {
        let (dir, multi) = (self.programs().display().to_string(), self.by.multi());
        self.sandbox.sh(&format!(
            "mkdir {dir}; for name in iptables ip6tables; do for what in '' -save -restore; do
                ln -s {multi} {dir}/$name$what; done; done"
        ));
    }

    /// The variant's programs, in a script.
    pub fn iptables(&self, script: &str) -> String {
        self.sandbox.sh(&format!("PATH={}:$PATH; {script}", self.programs().display()))
    }

    /// What the table `filter` holds, of IPv4 and of IPv6; without comments and counters.
    pub fn filter(&self, family: &str) -> Vec<String> {
        let saved = self.iptables(&format!("{family}-save -t filter"));
        let lines = saved.lines().filter(|line| line.starts_with('-') || line.starts_with(':'));
        lines.map(|line| line.split(" [").next().unwrap().to_owned()).collect()
    }

    /// Has the host drop what it forwards, as Docker does.
    pub fn drop_forwarded(&self) {
        self.iptables("iptables -P FORWARD DROP; ip6tables -P FORWARD DROP");
    }

    /// A call with the variant's programs in front.
    pub fn on(&self, plugin: Plugin) -> Plugin {
        let path = std::env::var("PATH").unwrap_or_default();
        plugin.env("PATH", format!("{}:{path}:/usr/sbin:/sbin", self.programs().display()))
    }

    /// Network 1 is `net1` on the bridge `br1` with 10.1.0.0/24 and `fd01::/64`, and so on. `keys` are firewall's.
    pub fn network(&self, number: u8, keys: Value) -> Value {
        let dir = self.sandbox.dir().join("leases");
        let ranges =
            json!([[{ "subnet": format!("10.{number}.0.0/24") }], [{ "subnet": format!("fd0{number}::/64") }]]);
        let mut firewall = json!({ "type": "firewall", "backend": self.by.backend() });
        for (key, value) in keys.as_object().unwrap() {
            firewall[key] = value.clone();
        }
        json!({ "cniVersion": "1.1.0", "name": format!("net{number}"), "plugins": [
            { "type": "bridge", "bridge": format!("br{number}"), "isDefaultGateway": true,
              "ipam": { "type": "host-local", "dataDir": dir, "ranges": ranges } },
            firewall,
        ]})
    }

    /// Network 1 with nothing said.
    pub fn plain(&self) -> Value {
        self.network(1, json!({}))
    }

    /// A container that `bridge` has attached and firewall has not.
    #[track_caller]
    pub fn bridged(&self, name: &str, list: &Value) -> Pod {
        let netns = self.sandbox.netns(name);
        let chain = Chain::new(list, &netns);
        let result = chain.plugins()[0].add().success();
        Pod { netns, chain, result }
    }

    /// A container that both have attached.
    #[track_caller]
    pub fn run(&self, name: &str, list: &Value) -> Pod {
        let attached = self.bridged(name, list);
        attached.add(self).success();
        attached
    }

    /// What is on the host, and the leases; without what host-local remembers of the last one, and its index.
    pub fn snapshot(&self) -> Snapshot {
        self.sandbox.snapshot(&[&self.sandbox.dir().join("leases")]).without(&["last_reserved_ip", ".index: "])
    }

    /// The elements of our tables that contain `text`.
    pub fn elements(&self, text: &str) -> Vec<String> {
        let mut lines = self.sandbox.host().snapshot().lines().to_vec();
        lines.retain(|line| line.starts_with("nft element ") && line.contains(text));
        lines
    }
}

impl Pod {
    /// The attachment of `firewall`, with the result of `bridge` as `prevResult`.
    pub fn firewall(&self) -> Attachment {
        self.chain.plugins()[1].with_prev(&self.result)
    }

    /// The same without.
    pub fn bare(&self) -> Attachment {
        self.chain.plugins()[1].clone()
    }

    #[track_caller]
    pub fn add(&self, stage: &Stage) -> Output {
        stage.on(self.firewall().call("ADD")).run()
    }

    #[track_caller]
    pub fn check(&self, stage: &Stage) -> Output {
        stage.on(self.firewall().call("CHECK")).run()
    }

    /// DEL of `firewall`, as runtimes call it that cache results.
    #[track_caller]
    pub fn del(&self, stage: &Stage) {
        stage.on(self.firewall().call("DEL")).run().silent();
    }

    /// DEL of both.
    #[track_caller]
    pub fn stop(self, stage: &Stage) {
        self.del(stage);
        self.chain.plugins()[0].with_prev(&self.result).del().silent();
    }

    /// The container's address: IPv4 is the first, IPv6 the second.
    pub fn ip(&self, index: usize) -> String {
        let address = self.result["ips"][index]["address"].as_str().unwrap();
        address.split('/').next().unwrap().to_owned()
    }
}

/// Demands that `from` gets answers from both addresses of the host outside.
#[track_caller]
pub fn gets_out(from: &TestNs, outside: &TestNs) {
    assert_eq!(reaches(from, outside, LONG), [true; 2], "from {}", from.name());
}

/// Demands that it gets none.
#[track_caller]
pub fn stays_in(from: &TestNs, outside: &TestNs) {
    assert_eq!(reaches(from, outside, SHORT), [false; 2], "from {}", from.name());
}

fn reaches(from: &TestNs, outside: &TestNs, limit: Duration) -> [bool; 2] {
    ["203.0.113.2:0", "[2001:db8:ffff::2]:0"].map(|at| {
        let server = outside.listen_tcp(at);
        from.connect_tcp(server.address(), limit).is_ok()
    })
}

/// Demands that `from` reaches the container there, at both its addresses.
#[track_caller]
pub fn meets(from: &TestNs, to: &Pod) {
    assert_eq!(met(from, to, LONG), [true; 2], "{} -> {}", from.name(), to.netns.name());
}

/// Demands that it does not.
#[track_caller]
pub fn misses(from: &TestNs, to: &Pod) {
    assert_eq!(met(from, to, SHORT), [false; 2], "{} -> {}", from.name(), to.netns.name());
}

fn met(from: &TestNs, to: &Pod, limit: Duration) -> [bool; 2] {
    [0, 1].map(|index| {
        let ip = to.ip(index);
        let server = to.netns.listen_tcp(if ip.contains(':') { format!("[{ip}]:0") } else { format!("{ip}:0") });
        from.connect_tcp(server.address(), limit).is_ok()
    })
}

/// The number that every change of the ruleset increases.
pub fn generation(stage: &Stage) -> nft::Generation {
    stage.sandbox.host().run(|| nft::Nft::open().and_then(|mut nft| nft.generation()).unwrap())
}
