//! A host with a bridge, a server on it, the daemon, and what tests ask about them again and again.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Plugin, Sandbox, TestNs, eventually, require};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(20);

/// A process that ends with its test.
pub struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts it in the calling thread's namespaces; what it prints goes to a file.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = fs::File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file).process_group(0);
        Self { child: command.spawn().unwrap(), log: log.to_owned() }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Demands that it says something before long.
    #[track_caller]
    pub fn await_log(&self, text: &str) {
        eventually(LONG, || if self.log().contains(text) { Ok(()) } else { Err(self.log()) });
    }

    /// `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, and waits until it has ended by itself; whether it says that it succeeded.
    pub fn end(mut self, sandbox: &Sandbox, signal: &str) -> bool {
        sandbox.sh(&format!("kill -{signal} {}", self.pid()));
        let status = eventually(LONG, || self.child.try_wait().unwrap().ok_or("it still runs"));
        status.success()
    }

    /// How it has ended, if it has.
    pub fn ended(&mut self) -> Option<bool> {
        self.child.try_wait().unwrap().map(|status| status.success())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A private host with the bridge `br0`, and a server beside it that has `eth0` on that bridge.
pub struct Stage {
    pub sandbox: Sandbox,
    pub server: TestNs,
}

impl Stage {
    /// None, with a line that says so, where there is no dnsmasq.
    pub fn new() -> Option<Self> {
        if !require(Facility::Program("dnsmasq")) {
            return None;
        }
        let sandbox = Sandbox::enter();
        let server = sandbox.netns("server");
        sandbox.sh("ip link add br0 type bridge; ip link set br0 up
            ip link add server0 type veth peer name eth0 netns server; ip link set server0 up master br0");
        server.sh("ip link set lo up; ip link set eth0 up; ip addr add 10.1.0.1/24 dev eth0
            ip addr add 2001:db8::1/64 dev eth0 nodad; ip addr add fe80::1/64 dev eth0 nodad");
        Some(Self { sandbox, server })
    }

    /// A file of this test.
    pub fn file(&self, name: &str) -> PathBuf {
        self.sandbox.dir().join(name)
    }

    /// dnsmasq on the server: 10.1.0.10 to .19 for two minutes, which is the shortest that it gives, and what `options` say.
    pub fn dnsmasq(&self, options: &[&str]) -> Running {
        self.dnsmasq_with(&[&["--dhcp-range=10.1.0.10,10.1.0.19,255.255.255.0,2m"], options].concat())
    }

    /// dnsmasq with these options alone.
    pub fn dnsmasq_with(&self, options: &[&str]) -> Running {
        let leases = self.file("dnsmasq.leases");
        let mut command = Command::new("dnsmasq");
        command
            .args(["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--port=0"])
            .args(["--interface=eth0", "--no-ping", "--log-dhcp"])
            .args(["--pid-file=", "--dhcp-authoritative"])
            .arg(format!("--dhcp-leasefile={}", leases.display()))
            .args(options);
        let log = self.file("dnsmasq.log");
        fs::write(&log, "").unwrap();
        let server = self.server.run(|| Running::start(command, &log));
        server.await_log("started");
        server
    }

    /// Our daemon, once it answers.
    pub fn daemon(&self) -> Running {
        self.daemon_with(&["-timeout", "2s", "-resendmax", "1s", "-resendtimeout", "20s"])
    }

    /// The same with these flags.
    pub fn daemon_with(&self, flags: &[&str]) -> Running {
        let daemon = self.start_daemon(flags);
        self.await_daemon(&daemon);
        daemon
    }

    pub fn await_daemon(&self, daemon: &Running) {
        eventually(LONG, || {
            let status = Attachment::new(self.network(json!({})), &self.server).call("STATUS").run();
            if status.status.success() { Ok(()) } else { Err(format!("{status}\n{}", daemon.log())) }
        });
    }

    /// Starts it and does not wait.
    pub fn start_daemon(&self, flags: &[&str]) -> Running {
        let mut command = Command::new(Plugin::bin_dir().join("dhcp"));
        command.arg("daemon").args(flags).args(["-socketpath", &self.socket().display().to_string()]);
        command.env("MOORING_LOG", "debug");
        Running::start(command, &self.file("daemon.log"))
    }

    pub fn socket(&self) -> PathBuf {
        self.file("run/dhcp.sock")
    }

    /// The daemon's records.
    pub fn records(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.file("run/dhcp.sock.leases")).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| !path.ends_with("lock")).collect();
        paths.sort();
        paths
    }

    /// The network `net` on the bridge, with these keys of `ipam` beside the socket.
    pub fn network(&self, ipam: Value) -> Value {
        let mut conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "br0" });
        conf["ipam"] = json!({ "type": "dhcp", "daemonSocketPath": self.socket() });
        ipam.as_object().unwrap().iter().for_each(|(key, value)| conf["ipam"][key] = value.clone());
        conf
    }

    /// Demands that dnsmasq has that many leases before long.
    #[track_caller]
    pub fn await_given(&self, n: usize) {
        eventually(LONG, || match self.given() {
            given if given.len() == n => Ok(()),
            given => Err(given),
        });
    }

    /// The leases in dnsmasq's file: address and what the client is called.
    pub fn given(&self) -> Vec<String> {
        let text = fs::read_to_string(self.file("dnsmasq.leases")).unwrap_or_default();
        let fields = |line: &str| line.split_whitespace().nth(2).map(str::to_owned);
        text.lines().filter(|line| !line.starts_with("duid")).filter_map(fields).collect()
    }
}

/// The container's addresses of that family, with prefix lengths, but for what the kernel makes.
pub fn addresses(container: &TestNs, family: u8) -> Vec<String> {
    let links = container.json(&format!("ip -j -{family} addr show dev eth0 scope global"));
    let info = links[0]["addr_info"].as_array().cloned().unwrap_or_default();
    // Those of another scope are empty objects.
    let info = info.iter().filter(|ip| !ip["local"].is_null());
    info.map(|ip| format!("{}/{}", ip["local"].as_str().unwrap(), ip["prefixlen"])).collect()
}

/// The addresses that a result tells.
pub fn told(result: &Value) -> Vec<String> {
    let ips = result["ips"].as_array().cloned().unwrap_or_default();
    ips.iter().map(|ip| ip["address"].as_str().unwrap().to_owned()).collect()
}

impl Stage {
    /// A container with an interface of somebody's that is up on the bridge, and its attachment by `dhcp` alone.
    pub fn bare(&self, name: &str) -> (TestNs, Attachment) {
        let container = self.sandbox.netns(name);
        self.sandbox.sh(&format!(
            "ip link add v{name} type veth peer name eth0 netns {name}; ip link set v{name} up master br0"
        ));
        container.sh("ip link set eth0 up");
        let attachment = Attachment::new(self.network(json!({})), &container).with_key("type", "dhcp".into());
        (container, attachment)
    }

    /// Makes the only record older: as if that many seconds had passed while no daemon ran.
    pub fn age(&self, seconds: u64) {
        let path = &self.records()[0];
        let mut record: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        for family in ["v4", "v6"] {
            if let Some(since) = record[family]["lease"]["times"]["since"].as_u64() {
                record[family]["lease"]["times"]["since"] = since.saturating_sub(seconds * 1000).into();
            }
        }
        fs::write(path, record.to_string()).unwrap();
    }
}

/// Demands of a container's addresses that they become these before long.
#[track_caller]
pub fn await_addresses(container: &TestNs, family: u8, wanted: &[&str]) {
    eventually(LONG, || {
        let present = addresses(container, family);
        if present == wanted { Ok(()) } else { Err(present) }
    });
}

/// Where `scripts/test` unpacks the package isc-dhcp-server. Installed it would be a service of the machine.
const DHCPD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/test-tools/isc-dhcp-server/usr/sbin/dhcpd");

/// ISC's server, which delegates prefixes and gives leases of seconds; none, with a line that says so, where it is not.
pub fn dhcpd() -> Option<&'static str> {
    ["dhcpd", DHCPD]
        .into_iter()
        .find(|program| {
            Path::new(program).exists() || {
                let found =
                    Command::new("sh").args(["-c", &format!("command -v {program}")]).stdout(Stdio::null()).status();
                found.is_ok_and(|status| status.success())
            }
        })
        .or_else(|| require(Facility::Program(DHCPD)).then_some(DHCPD))
}

impl Stage {
    /// ISC's server for a family, `-4` or `-6`, with this configuration.
    pub fn isc(&self, program: &str, family: &str, conf: &str) -> Running {
        let file = |end: &str| self.file(&format!("isc{family}.{end}"));
        fs::write(file("conf"), conf).unwrap();
        if !file("leases").exists() {
            fs::write(file("leases"), "").unwrap();
        }
        let mut command = Command::new(program);
        command
            .args([family, "-f", "-d", "--no-pid", "-cf"])
            .arg(file("conf"))
            .arg("-lf")
            .arg(file("leases"))
            .arg("eth0");
        let log = file("log");
        fs::write(&log, "").unwrap();
        let server = self.server.run(|| Running::start(command, &log));
        server.await_log("Server starting service");
        server
    }
}
