//! Containers attached one after the other, and then detached.

use std::path::Path;

use testkit::{Plugin, Sandbox};

use crate::{
    call::{attach, detach, timed},
    floor::Floor,
    host::{Network, containers, on_own_host},
    series::{Parameter, Series, Topic},
    setup::{Contender, Setup},
};

/// How much of a time is the program's start.
const VERSIONS: u32 = 20;

const ATTACHED: Parameter = Parameter { name: "other containers attached", width: 10 };

/// Where the kernel floor stands beside the contenders.
pub static PLAIN: Topic = Topic {
    name: "containers",
    title: "bridge (gateway, ipMasq) + host-local + portmap (1 port), one container after the other",
    parameter: Some(ATTACHED),
    charted: &["ADD", "DEL"],
};

static PTP: Topic = Topic {
    name: "containers-ptp",
    title: "ptp (ipMasq) + host-local + portmap (1 port), one container after the other",
    parameter: Some(ATTACHED),
    charted: &[],
};

static CHAIN: Topic = Topic {
    name: "containers-chain",
    title: "bridge + host-local + portmap (1 port) + firewall + tuning (1 sysctl, MTU), each with the backend",
    parameter: Some(ATTACHED),
    charted: &["ADD", "DEL"],
};

/// What the floor consists of.
pub static STEPS: Topic =
    Topic { name: "floor", title: "the kernel floor, step by step", parameter: Some(ATTACHED), charted: &[] };

/// A contender on one of the networks, and what was measured of it.
struct Entry<'a> {
    dir: &'a Path,
    network: Network<'a>,
    version: Series,
    add: Series,
    del: Series,
}

/// Measures all contenders in turn, as often as there are rounds.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let mut floor = Floor::new(&setup.floor);
    let mut entries: Vec<Entry> = setup.contenders.iter().map(|one| entry(one, Network::Plain)).collect();
    entries.extend(setup.contenders.iter().map(|one| entry(one, Network::Ptp)));
    entries.extend(setup.contenders.iter().enumerate().flat_map(|(place, one)| {
        // Ours comes first. Iptables is what all have.
        let backends: &[&str] = if place == 0 { &["nftables", "iptables"] } else { &["iptables"] };
        backends.iter().map(|backend| entry(one, Network::Chain(backend)))
    }));
    for _ in 0..setup.rounds {
        on_own_host(|sandbox| floor.measure(sandbox, setup.containers));
        for entry in &mut entries {
            on_own_host(|sandbox| entry.measure(sandbox, setup.containers));
        }
    }
    let (floor, steps) = floor.series();
    let measured = entries.into_iter().flat_map(|entry| [entry.add, entry.del, entry.version]);
    floor.into_iter().chain(measured).chain(steps).collect()
}

fn entry<'a>(contender: &'a Contender, network: Network<'a>) -> Entry<'a> {
    let (topic, name) = match network {
        Network::Plain => (&PLAIN, contender.name.clone()),
        Network::Ptp => (&PTP, contender.name.clone()),
        Network::Chain(backend) => (&CHAIN, format!("{}, {backend}", contender.name)),
    };
    let [version, add, del] = ["VERSION", "ADD", "DEL"].map(|call| Series::new(topic, &name, call));
    Entry { dir: &contender.dir, network, version, add, del }
}

impl Entry<'_> {
    fn measure(&mut self, sandbox: &Sandbox, number: u32) {
        for _ in 0..VERSIONS {
            self.version.record(0, timed(&Plugin::new(self.dir.join("bridge")).command("VERSION")));
        }
        let namespaces = containers(sandbox, 0..number);
        let chains = self.network.chains(sandbox, self.dir, &namespaces);
        let results: Vec<_> = chains.iter().zip(0..).map(|(chain, at)| self.add.record(at, attach(chain))).collect();
        for ((chain, result), before) in chains.iter().zip(&results).zip((0..number).rev()) {
            if let Some(result) = result {
                self.del.record(before, detach(chain, result));
            }
        }
    }
}
