//! The machine, the host on it that a contender gets for itself, and the network that it attaches containers to.

use std::{fs, ops::Range, panic, path::Path, thread, time::Duration};

use serde_json::{Value, json};
use testkit::{Chain, Sandbox, TestNs};

/// The kernel takes namespaces down behind the back of who has removed them: what comes next must not run beside that.
const REST: Duration = Duration::from_secs(1);

/// The version of the kernel.
pub fn kernel() -> String {
    fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()
}

/// How many processors there are.
pub fn cpus() -> usize {
    thread::available_parallelism().map_or(0, usize::from)
}

/// Runs `measure` on a host of its own, which ends with it.
pub fn on_own_host<T: Send>(measure: impl FnOnce(&Sandbox) -> T + Send) -> T {
    let done = thread::scope(|scope| scope.spawn(|| measure(&Sandbox::enter())).join());
    thread::sleep(REST);
    done.unwrap_or_else(|panic| panic::resume_unwind(panic))
}

/// Namespaces of containers.
pub fn containers(sandbox: &Sandbox, numbers: Range<u32>) -> Vec<TestNs> {
    numbers.map(|number| sandbox.netns(&format!("c{number}"))).collect()
}

/// What containers are attached to.
#[derive(Clone, Copy, Debug)]
pub enum Network<'a> {
    /// A bridge with gateway and masquerading, and one published port; by whatever means is the plugins' default.
    Plain,
    /// The same with a pair for each container in the bridge's place.
    Ptp,
    /// The bridge with firewall and tuning, told by which backend.
    Chain(&'a str),
}

impl Network<'_> {
    /// The attachments of containers by the plugins in `dir`.
    pub fn chains(self, sandbox: &Sandbox, dir: &Path, containers: &[TestNs]) -> Vec<Chain> {
        let chain = |(netns, port): (&TestNs, u16)| {
            let list = json!({"cniVersion": "1.0.0", "name": "bench", "plugins": self.plugins(sandbox, port)});
            Chain::new(&list, netns).each(|plugin| plugin.bin_dir(dir))
        };
        containers.iter().zip(20_000..).map(chain).collect()
    }

    fn plugins(self, sandbox: &Sandbox, port: u16) -> Vec<Value> {
        let ipam = json!({"type": "host-local", "dataDir": sandbox.dir().join("leases").to_string_lossy(), "subnet": "10.88.0.0/16",
            "routes": [{"dst": "0.0.0.0/0"}]});
        let ports = json!([{"hostPort": port, "containerPort": 80, "protocol": "tcp"}]);
        let mut bridge = json!({"type": "bridge", "bridge": "bench0", "isGateway": true, "ipMasq": true, "ipam": ipam});
        let mut portmap = json!({"type": "portmap", "runtimeConfig": {"portMappings": ports}});
        let backend = match self {
            Self::Plain => return vec![bridge, portmap],
            Self::Ptp => return vec![json!({"type": "ptp", "ipMasq": true, "ipam": ipam}), portmap],
            Self::Chain(backend) => backend,
        };
        bridge["ipMasqBackend"] = json!(backend);
        portmap["backend"] = json!(backend);
        let firewall = json!({"type": "firewall", "backend": backend});
        let tuning = json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1400});
        vec![bridge, portmap, firewall, tuning]
    }
}
