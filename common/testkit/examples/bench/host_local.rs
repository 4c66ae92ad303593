//! host-local alone, in directories with more and more leases.

use std::{
    env, fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    process,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::Plugin;

use crate::{median, percentile, run};

/// How many leases there are before.
const LEASES: [u32; 4] = [0, 1_000, 10_000, 60_000];

/// A cell of the table takes so many calls, or as many as begin within the time.
const CALLS: usize = 200;
const TIME: Duration = Duration::from_secs(8);

/// The addresses of 10.88.0.0/16 that may be handed out.
const POOL: u32 = 65_533;

/// What is measured of one contender at one number of leases.
struct Row {
    /// The first call in a directory that it has not seen.
    first: Duration,
    add: Vec<Duration>,
    del: Vec<Duration>,
    again: Vec<Duration>,
    unknown: Vec<Duration>,
}

/// Measures each contender, a name and a directory of plugins, and prints a table for each number of leases. The last one is
/// what the others are compared with.
pub fn compare(contenders: &[(String, String)]) {
    println!("host-local alone, at most {CALLS} calls a cell; ms, median and 99th percentile\n");
    println!(
        "{:<26} {:>8} {:>16} {:>16} {:>16} {:>16} {:>8}",
        "leases", "first", "ADD", "DEL", "DEL again", "DEL of unknown", "ADD x"
    );
    let mut empty = Vec::new();
    for leases in LEASES {
        let rows: Vec<Row> = contenders.iter().map(|(_, dir)| measure(dir, leases)).collect();
        let slowest = rows.last().map(|row| median(&row.add)).unwrap_or_default();
        for ((name, _), row) in contenders.iter().zip(&rows) {
            let cells: Vec<String> = [&row.add, &row.del, &row.again, &row.unknown].map(|times| cell(times)).into();
            let times = slowest.as_secs_f64() / median(&row.add).as_secs_f64();
            let label = format!("{leases:>6} {name}");
            println!("{label:<26} {:>8.1} {} {times:>8.1}", millis(row.first), cells.join(" "));
        }
        if leases == 0 {
            empty = rows;
        } else if leases == LEASES[LEASES.len() - 1] {
            grown(contenders, &empty, &rows);
        }
    }
}

/// How much longer calls take than without leases.
fn grown(contenders: &[(String, String)], empty: &[Row], full: &[Row]) {
    println!();
    for ((name, _), (empty, full)) in contenders.iter().zip(empty.iter().zip(full)) {
        let factor = |of: fn(&Row) -> &Vec<Duration>| median(of(full)).as_secs_f64() / median(of(empty)).as_secs_f64();
        let (add, del, unknown) = (factor(|row| &row.add), factor(|row| &row.del), factor(|row| &row.unknown));
        println!("{name}: ADD x {add:.2}, DEL x {del:.2}, DEL of unknown x {unknown:.2} of the time without leases");
    }
}

fn cell(times: &[Duration]) -> String {
    format!("{:>8.2} {:>7.2}", millis(median(times)), millis(percentile(times, 99)))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn measure(bin_dir: &str, leases: u32) -> Row {
    let data = Data::with(leases);
    let call = |command: &str, id: &str| {
        let plugin = Plugin::new(format!("{bin_dir}/host-local")).command(command).container(id).ifname("eth0");
        run(&plugin.netns("/run/netns/bench").stdin(data.conf())).0
    };
    let first = call("DEL", "unknown");
    let add = repeated(CALLS, |n| call("ADD", &format!("c{n}")));
    let del = repeated(add.len(), |n| call("DEL", &format!("c{n}")));
    let again = repeated(del.len(), |n| call("DEL", &format!("c{n}")));
    let unknown = repeated(CALLS, |n| call("DEL", &format!("unknown{n}")));
    Row { first, add, del, again, unknown }
}

fn repeated(calls: usize, call: impl Fn(usize) -> Duration) -> Vec<Duration> {
    let begun = Instant::now();
    (0..calls).take_while(|_| begun.elapsed() < TIME).map(call).collect()
}

/// A data directory, on the file system of temporary files.
struct Data(PathBuf);

impl Data {
    /// With leases of others, evenly over the pool: at 60,000 every gap is a single address.
    fn with(leases: u32) -> Self {
        let data = Self(env::temp_dir().join(format!("bench-host-local-{}", process::id())));
        let dir = data.0.join("bench");
        fs::create_dir_all(&dir).expect("a directory for leases");
        for n in 0..leases {
            let place = u64::from(n) * u64::from(POOL) / u64::from(leases);
            let ip = Ipv4Addr::from_bits(0x0a58_0002 + u32::try_from(place).expect("a place in the pool"));
            write(&dir, &ip.to_string(), &format!("{n:064x}\r\neth0"));
        }
        data
    }

    fn conf(&self) -> Value {
        let ipam = json!({"type": "host-local", "dataDir": self.0, "subnet": "10.88.0.0/16"});
        json!({"cniVersion": "1.0.0", "name": "bench", "type": "ptp", "ipam": ipam})
    }
}

impl Drop for Data {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn write(dir: &Path, name: &str, content: &str) {
    fs::write(dir.join(name), content).expect("a lease");
}
