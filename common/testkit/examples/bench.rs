//! What `scripts/bench` runs: attachments one after the other, ours and another directory's plugins in turn.
//!
//! ```text
//! bench NAME=DIR... [--containers N] [--rounds N]
//! ```
#![allow(
    clippy::panic,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a measuring program reports by panics and on stdout"
)]

use std::{
    env, thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{Chain, Plugin, Sandbox};

/// One directory of plugins, and what was measured of it.
struct Contender {
    name: String,
    dir: String,
    version: Vec<Duration>,
    add: Vec<Duration>,
    del: Vec<Duration>,
}

fn main() {
    let (mut contenders, mut containers, mut rounds) = (Vec::new(), 100, 2);
    let mut args = env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number behind the option");
        match arg.as_str() {
            "--containers" => containers = number(),
            "--rounds" => rounds = number(),
            _ => contenders.push(contender(&arg)),
        }
    }
    for _ in 0..rounds {
        for contender in &mut contenders {
            // Each in a host of its own, which ends with the thread.
            thread::scope(|scope| scope.spawn(|| measure(contender, containers)).join()).expect("a measurement");
        }
    }
    report(&mut contenders, containers);
}

fn contender(arg: &str) -> Contender {
    let (name, dir) = arg.split_once('=').unwrap_or_else(|| panic!("{arg}: not NAME=DIR"));
    let [version, add, del] = [Vec::new(), Vec::new(), Vec::new()];
    Contender { name: name.into(), dir: dir.into(), version, add, del }
}

/// The configuration that every host has: a gateway, masquerading, one published port.
fn list(sandbox: &Sandbox, port: usize) -> Value {
    let ipam = json!({"type": "host-local", "dataDir": sandbox.dir().join("leases"), "subnet": "10.88.0.0/16",
        "routes": [{"dst": "0.0.0.0/0"}]});
    json!({"cniVersion": "1.0.0", "name": "bench", "plugins": [
        {"type": "bridge", "bridge": "bench0", "isGateway": true, "ipMasq": true, "ipam": ipam},
        {"type": "portmap", "runtimeConfig": {"portMappings": [
            {"hostPort": 20000 + port, "containerPort": 80, "protocol": "tcp"}]}}
    ]})
}

fn measure(contender: &mut Contender, containers: usize) {
    let sandbox = Sandbox::enter();
    for _ in 0..20 {
        let call = Plugin::new(format!("{}/bridge", contender.dir)).command("VERSION");
        contender.version.push(timed(|| drop(call.run().success())));
    }
    let mut attached = Vec::new();
    for number in 0..containers {
        let netns = sandbox.netns(&format!("c{number}"));
        let chain = Chain::new(&list(&sandbox, number), &netns).each(|plugin| plugin.bin_dir(&contender.dir));
        let mut result = Value::Null;
        contender.add.push(timed(|| result = chain.add()));
        attached.push((chain, result, netns));
    }
    for (chain, result, netns) in attached {
        contender.del.push(timed(|| chain.del(Some(&result))));
        netns.remove();
    }
}

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

fn report(contenders: &mut [Contender], containers: usize) {
    println!(
        "bridge (gateway, ipMasq) + host-local + portmap (1 port), {containers} containers one after the other, in ms"
    );
    println!(
        "{:<12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}",
        "", "VERSION", "ADD p50", "p99", "last 10", "DEL p50", "p99", "last 10"
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
        println!("{:<12} {}", contender.name, cells.join(" "));
    }
}

fn median(times: &[Duration]) -> Duration {
    percentile(times, 50)
}

fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted[(sorted.len() * percent / 100).min(sorted.len() - 1)]
}
