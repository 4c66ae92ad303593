//! What `scripts/bench` runs: attachments one after the other, ours and other directories' plugins in turn.
//!
//! ```text
//! bench NAME=DIR[:BACKEND]... [--containers N] [--rounds N]
//! bench --host-local NAME=DIR...
//! bench ports NAME=DIR... [--most N] [--by-programs N] [--calls N]
//! bench data-path NAME=DIR... [--most N] [--rounds N]
//! ```
//!
//! BACKEND is what a directory's plugins change the firewall by when they are told to: `iptables` or `nftables`. The same
//! directory may be given with both.
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring program reports by panics and on stdout"
)]

mod data_path;
mod host_local;
mod ports;

use std::{
    env,
    io::Write,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{Chain, Plugin, Sandbox};

/// What containers are attached to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Network {
    /// A bridge with published ports, and whatever the plugins do by default.
    Plain,
    /// All plugins of a node, told to use the contender's backend.
    Chain,
}

/// One directory of plugins, what it is told, and what was measured of it.
struct Contender {
    name: String,
    dir: String,
    backend: Option<String>,
    network: Network,
    version: Vec<Duration>,
    add: Vec<Duration>,
    del: Vec<Duration>,
}

fn main() {
    let (mut contenders, mut containers, mut rounds) = (Vec::new(), 100, 2);
    let mut only_host_local = false;
    let mut args = env::args().skip(1).peekable();
    if args.next_if_eq("ports").is_some() {
        return ports::main(args);
    }
    if args.next_if_eq("data-path").is_some() {
        return data_path::main(args);
    }
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number behind the option");
        match arg.as_str() {
            "--containers" => containers = number(),
            "--rounds" => rounds = number(),
            "--host-local" => only_host_local = true,
            _ => contenders.push(contender(&arg)),
        }
    }
    if only_host_local {
        let contenders: Vec<_> = contenders.into_iter().map(|one| (one.name, one.dir)).collect();
        return host_local::compare(&contenders);
    }
    for _ in 0..rounds {
        for contender in &mut contenders {
            // Each in a host of its own, which ends with the thread.
            thread::scope(|scope| scope.spawn(|| measure(contender, containers)).join()).expect("a measurement");
        }
    }
    println!("containers attached one after the other: {containers}, {rounds} times; all in ms\n");
    let (plain, chain): (Vec<_>, Vec<_>) = contenders.into_iter().partition(|one| one.network == Network::Plain);
    report("bridge (gateway, ipMasq) + host-local + portmap (1 port)", &plain);
    report("the same + firewall + tuning (1 sysctl, MTU), each with the backend", &chain);
}

fn contender(arg: &str) -> Contender {
    let (name, dir) = arg.split_once('=').unwrap_or_else(|| panic!("{arg}: not NAME=DIR or NAME=DIR:BACKEND"));
    let (dir, backend) = match dir.split_once(':') {
        Some((dir, backend)) => (dir, Some(backend.to_owned())),
        None => (dir, None),
    };
    let (name, network) = match &backend {
        Some(backend) => (format!("{name}, {backend}"), Network::Chain),
        None => (name.to_owned(), Network::Plain),
    };
    let [version, add, del] = [Vec::new(), Vec::new(), Vec::new()];
    Contender { name, dir: dir.into(), backend, network, version, add, del }
}

impl Contender {
    /// A gateway, masquerading, one published port; and the rest of the chain with a backend.
    fn list(&self, sandbox: &Sandbox, port: usize) -> Value {
        let ipam = json!({"type": "host-local", "dataDir": sandbox.dir().join("leases"), "subnet": "10.88.0.0/16",
            "routes": [{"dst": "0.0.0.0/0"}]});
        let ports = json!([{"hostPort": 20000 + port, "containerPort": 80, "protocol": "tcp"}]);
        let mut bridge = json!({"type": "bridge", "bridge": "bench0", "isGateway": true, "ipMasq": true, "ipam": ipam});
        let mut portmap = json!({"type": "portmap", "runtimeConfig": {"portMappings": ports}});
        let Some(backend) = &self.backend else { return list([bridge, portmap].into()) };
        bridge["ipMasqBackend"] = json!(backend);
        portmap["backend"] = json!(backend);
        let firewall = json!({"type": "firewall", "backend": backend});
        let tuning = json!({"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}, "mtu": 1400});
        list([bridge, portmap, firewall, tuning].into())
    }
}

fn list(plugins: Vec<Value>) -> Value {
    json!({"cniVersion": "1.0.0", "name": "bench", "plugins": plugins})
}

fn measure(contender: &mut Contender, containers: usize) {
    let sandbox = Sandbox::enter();
    for _ in 0..20 {
        let call = Plugin::new(format!("{}/bridge", contender.dir)).command("VERSION");
        contender.version.push(run(&call).0);
    }
    let mut attached = Vec::new();
    for number in 0..containers {
        let netns = sandbox.netns(&format!("c{number}"));
        let chain = Chain::new(&contender.list(&sandbox, number), &netns).each(|plugin| plugin.bin_dir(&contender.dir));
        let (mut result, mut took) = (Value::Null, Duration::ZERO);
        for plugin in chain.plugins() {
            let call = if result.is_null() { plugin.call("ADD") } else { plugin.with_prev(&result).call("ADD") };
            let (time, printed) = run(&call);
            took += time;
            result = serde_json::from_slice(&printed).expect("a result");
        }
        contender.add.push(took);
        attached.push((chain, result, netns));
    }
    for (chain, result, netns) in attached {
        contender
            .del
            .push(chain.plugins().iter().rev().map(|plugin| run(&plugin.with_prev(&result).call("DEL")).0).sum());
        netns.remove();
    }
}

/// From the start of the process to its end, and what it has printed. Without the time limits and threads that a test's calls have.
fn run(call: &Plugin) -> (Duration, Vec<u8>) {
    let start = Instant::now();
    #[expect(clippy::disallowed_methods, reason = "what is measured")]
    let mut command = Command::new(call.program());
    command.env_clear().envs(call.environment()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the plugin");
    child.stdin.take().expect("a pipe").write_all(call.input()).expect("a plugin that reads");
    let output = child.wait_with_output().expect("a process");
    let took = start.elapsed();
    assert!(output.status.success(), "{}: {}", call.program().display(), String::from_utf8_lossy(&output.stdout));
    (took, output.stdout)
}

/// One line a contender. The last one is what the others are compared with.
fn report(title: &str, contenders: &[Contender]) {
    let Some(slowest) = contenders.last().map(|last| median(&last.add)) else { return };
    println!("{title}");
    println!(
        "{:<20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "VERSION", "ADD p50", "p99", "last 10", "DEL p50", "p99", "last 10", "ADD x"
    );
    for contender in contenders {
        let last = |times: &[Duration]| median(&times[times.len().saturating_sub(10)..]);
        let row = [
            median(&contender.version),
            median(&contender.add),
            percentile(&contender.add, 99),
            last(&contender.add),
            median(&contender.del),
            percentile(&contender.del, 99),
            last(&contender.del),
        ];
        let cells: Vec<String> = row.iter().map(|time| format!("{:>8.2}", time.as_secs_f64() * 1e3)).collect();
        let times = slowest.as_secs_f64() / median(&contender.add).as_secs_f64();
        println!("{:<20} {} {times:>8.1}", contender.name, cells.join(" "));
    }
    println!();
}

fn median(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
