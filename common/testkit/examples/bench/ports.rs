//! portmap alone: containers with more and more published ports, and a container with one while others have many.

use std::{
    ops::Range,
    path::Path,
    time::{Duration, Instant},
};

use testkit::Plugin;

use crate::{
    call::{Timed, timed},
    host::on_own_host,
    published::{FIRST, Host, succeed},
    series::{Parameter, Series, Topic},
    setup::{Contender, Setup},
    turns::in_turn,
};

/// One container's own ports.
static PORTS: Topic = Topic {
    name: "ports",
    title: "portmap alone, a container with many ports",
    parameter: Some(Parameter { name: "ports", width: 1 }),
    charted: &["ADD", "DEL"],
};

/// One port, beside those of others.
static BESIDE: Topic = Topic {
    name: "ports-of-others",
    title: "portmap alone, a container with one port where others have many",
    parameter: Some(Parameter { name: "others' ports", width: 1 }),
    charted: &["ADD", "DEL"],
};

/// How many ports a container has.
const OWN: [u32; 5] = [1, 10, 100, 1_000, 10_000];
/// How many others have.
const OTHERS: [u32; 3] = [0, 1_000, 10_000];
/// The one port beside them.
const ONE: usize = 9_000;

/// A number of own ports takes so many pairs of calls in a round, or as many as begin within the time.
const PAIRS: usize = 20;
const TIME: Duration = Duration::from_secs(3);

/// Measures all contenders in turn with each number of own ports; then each beside others' ports, whose numbers take turns.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let pairs = |topic| setup.contenders.iter().map(move |contender| Pair::new(topic, contender));
    let (mut own, mut beside): (Vec<Pair>, Vec<Pair>) = (pairs(&PORTS).collect(), pairs(&BESIDE).collect());
    for number in OWN.into_iter().filter(|number| *number <= setup.ports) {
        for pair in &mut own {
            on_own_host(|_| pair.measure_own(number, setup.ports_by_programs));
        }
    }
    let others: Vec<u32> = OTHERS.into_iter().filter(|number| *number <= setup.ports).collect();
    for pair in &mut beside {
        pair.measure_beside(&others, setup.calls);
    }
    own.into_iter().chain(beside).flat_map(|pair| [pair.add, pair.del]).collect()
}

/// One contender's ADDs and DELs.
struct Pair<'a> {
    dir: &'a Path,
    add: Series,
    del: Series,
}

impl<'a> Pair<'a> {
    fn new(topic: &'static Topic, contender: &'a Contender) -> Self {
        let [add, del] = ["ADD", "DEL"].map(|call| Series::new(topic, &contender.name, call));
        Self { dir: &contender.dir, add, del }
    }

    /// Nothing where that takes too many programs.
    fn measure_own(&mut self, number: u32, by_programs: u32) {
        let host = Host::new(self.dir);
        // Chains and sets are there from now on.
        succeed(&host.call("ADD", "first", ONE..ONE + 1));
        let starts_programs = host.has_chains();
        succeed(&host.call("DEL", "first", ONE..ONE + 1));
        if starts_programs && number > by_programs {
            return;
        }
        let last = FIRST + usize::try_from(number).expect("a number of ports");
        let calls = Calls::on(host, FIRST..last);
        let begun = Instant::now();
        for _ in (0..PAIRS).take_while(|n| *n == 0 || begun.elapsed() < TIME) {
            self.record(number, calls.run());
        }
    }

    fn measure_beside(&mut self, others: &[u32], rounds: u32) {
        let rounds = usize::try_from(rounds).expect("a number of rounds");
        let measured = in_turn(rounds, others, |others| {
            let host = Host::new(self.dir);
            host.publish(usize::try_from(others).expect("a number of ports"));
            let calls = Calls::on(host, ONE..ONE + 1);
            move || [calls.run()]
        });
        for (number, [pairs]) in others.iter().zip(measured) {
            for pair in pairs {
                self.record(*number, pair);
            }
        }
    }

    fn record(&mut self, number: u32, [add, del]: [Timed<Vec<u8>>; 2]) {
        self.add.record(number, add);
        self.del.record(number, del);
    }
}

/// The calls of one attachment.
struct Calls {
    add: Plugin,
    del: Plugin,
    /// It lives as long as what is measured on it.
    _host: Host,
}

impl Calls {
    fn on(host: Host, ports: Range<usize>) -> Self {
        let call = |command| host.call(command, "own", ports.clone());
        Self { add: call("ADD"), del: call("DEL"), _host: host }
    }

    fn run(&self) -> [Timed<Vec<u8>>; 2] {
        [timed(&self.add), timed(&self.del)]
    }
}
