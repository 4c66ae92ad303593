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

use crate::{
    call::timed,
    series::{Parameter, Series, Topic},
    setup::{Contender, Setup},
};

/// The topic.
static LEASES: Topic = Topic {
    name: "leases",
    title: "host-local alone",
    parameter: Some(Parameter { name: "leases", width: 1 }),
    charted: &["ADD", "DEL"],
};

/// How many leases there are before.
const NUMBERS: [u32; 4] = [0, 1_000, 10_000, 60_000];

/// A round makes as many calls of a kind as it was told, or as many as begin within this time.
const TIME: Duration = Duration::from_secs(6);

/// The addresses of 10.88.0.0/16 that may be handed out.
const POOL: u32 = 65_533;

/// What is measured of one contender.
struct Ledger<'a> {
    dir: &'a Path,
    /// The first call in a directory that it has not seen.
    first: Series,
    add: Series,
    del: Series,
    again: Series,
    unknown: Series,
}

/// Measures all contenders in turn at each number of leases, as often as there are rounds.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let mut ledgers: Vec<Ledger> = setup.contenders.iter().map(ledger).collect();
    for _ in 0..setup.rounds {
        for leases in NUMBERS.into_iter().filter(|leases| *leases <= setup.leases) {
            for ledger in &mut ledgers {
                ledger.measure(leases, setup.calls);
            }
        }
    }
    ledgers.into_iter().flat_map(|one| [one.first, one.add, one.del, one.again, one.unknown]).collect()
}

fn ledger(contender: &Contender) -> Ledger<'_> {
    let calls = ["first DEL", "ADD", "DEL", "DEL again", "DEL of unknown"];
    let [first, add, del, again, unknown] = calls.map(|call| Series::new(&LEASES, &contender.name, call));
    Ledger { dir: &contender.dir, first, add, del, again, unknown }
}

impl Ledger<'_> {
    fn measure(&mut self, leases: u32, calls: u32) {
        let data = Data::with(leases);
        let call = |command: &str, id: String| {
            let plugin = Plugin::new(self.dir.join("host-local")).command(command).container(&id).ifname("eth0");
            timed(&plugin.netns("/run/netns/bench").stdin(data.conf()))
        };
        self.first.record(leases, call("DEL", "unknown".into()));
        let added = repeat(calls, |n| drop(self.add.record(leases, call("ADD", format!("c{n}")))));
        let deleted = repeat(added, |n| drop(self.del.record(leases, call("DEL", format!("c{n}")))));
        repeat(deleted, |n| drop(self.again.record(leases, call("DEL", format!("c{n}")))));
        repeat(calls, |n| drop(self.unknown.record(leases, call("DEL", format!("unknown{n}")))));
    }
}

/// Makes so many calls, or as many as begin within the time: how many it were.
fn repeat(calls: u32, mut call: impl FnMut(u32)) -> u32 {
    let begun = Instant::now();
    let mut made = 0;
    while made < calls && begun.elapsed() < TIME {
        call(made);
        made += 1;
    }
    made
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
        let ipam = json!({"type": "host-local", "dataDir": self.0.to_string_lossy(), "subnet": "10.88.0.0/16"});
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
