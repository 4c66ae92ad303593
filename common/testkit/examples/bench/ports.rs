//! portmap alone: containers with more and more published ports, and a container with one while others have many.

use std::{
    array, fs, iter,
    ops::Range,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, Scope},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{Plugin, Sandbox, TestNs};

use crate::{median, percentile, run};

/// The first port of the host that is published; 10,000 are free from here on.
pub const FIRST: usize = 20_000;
/// What is measured beside others' ports.
const OWN: usize = 9_000;
/// How many ports each container has of those that are there before.
pub const PORTS_PER_CONTAINER: usize = 100;

/// A cell of the first table takes so many pairs of calls, or as many as begin within the time.
const CALLS: usize = 20;
const TIME: Duration = Duration::from_secs(3);

/// Hosts that take turns have so many rounds as begin within the time.
const TURNS: Duration = Duration::from_mins(1);

/// What was measured of one contender at one place of a series.
#[derive(Debug, Clone)]
pub struct Point {
    /// The contender's name.
    pub contender: String,
    /// What was measured.
    pub series: &'static str,
    /// How many ports there were.
    pub number: usize,
    /// How long it took each time.
    pub times: Vec<Duration>,
}

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Extent {
    /// How many ports one container publishes, in turn.
    pub own: Vec<usize>,
    /// The same limit for contenders that start programs for each port.
    pub own_by_programs: usize,
    /// How many ports of others are there.
    pub others: Vec<usize>,
    /// How often a container with one port comes and goes beside them.
    pub calls: usize,
}

impl Default for Extent {
    fn default() -> Self {
        Self {
            own: vec![1, 10, 100, 1_000, 10_000],
            own_by_programs: 1_000,
            others: vec![0, 1_000, 10_000],
            calls: 100,
        }
    }
}

impl Extent {
    /// Without larger numbers of ports.
    fn at_most(mut self, most: usize) -> Self {
        self.own.retain(|number| *number <= most);
        self.others.retain(|number| *number <= most);
        self
    }
}

/// `NAME=DIR...`, at most `--most N` ports, `--by-programs N` of contenders that start programs, `--calls N` beside others.
pub fn main(mut args: impl Iterator<Item = String>) {
    let (mut contenders, mut extent) = (Vec::new(), Extent::default());
    while let Some(arg) = args.next() {
        let mut number = || args.next().and_then(|n| n.parse().ok()).expect("a number behind the option");
        match arg.as_str() {
            "--most" => extent = extent.at_most(number()),
            "--by-programs" => extent.own_by_programs = number(),
            "--calls" => extent.calls = number(),
            _ => contenders.extend(arg.split_once('=').map(|(name, dir)| (name.to_owned(), dir.to_owned()))),
        }
    }
    compare(&contenders, &extent);
}

/// Measures each contender, a name and a directory of plugins, and prints a table. Each has a host of its own, with portmap
/// behind a bridge that the plugin does not make itself.
pub fn compare(contenders: &[(String, String)], extent: &Extent) -> Vec<Point> {
    println!(
        "portmap alone: ports of one container; one port of a container beside those of others, their numbers in turn\n"
    );
    let mut points = Vec::new();
    for (name, dir) in contenders {
        for &number in &extent.own {
            let [add, del] = alone(|| of_one(dir, number, extent.own_by_programs));
            points.extend([point(name, "ADD of own ports", number, add), point(name, "DEL of own ports", number, del)]);
        }
        points.extend(beside_others(name, dir, extent));
    }
    points.retain(|point| !point.times.is_empty());
    print(&points);
    points
}

/// One row a point; what it is compared with is the first of its series.
pub fn print(points: &[Point]) {
    println!(
        "{:<30} {:>6} {:<12} {:>10} {:>10} {:>10} {:>8} {:>6}",
        "", "ports", "", "p50", "p99", "per s", "x first", "times"
    );
    for point in points {
        let Point { contender, series, number, times } = point;
        let same = |other: &&Point| other.series == *series && other.contender == *contender;
        let first = points.iter().find(same).unwrap_or(point);
        let half = median(times);
        let factor = half.as_secs_f64() / median(&first.times).as_secs_f64();
        // A duration heeds no width.
        let [p50, p99] = [half, percentile(times, 99)].map(|time| format!("{time:.1?}"));
        let rate = 1.0 / half.as_secs_f64();
        println!(
            "{series:<30} {number:>6} {contender:<12} {p50:>10} {p99:>10} {rate:>10.1} {factor:>8.2} {:>6}",
            times.len()
        );
    }
}

/// A point of a series.
pub fn point(contender: &str, series: &'static str, number: usize, times: Vec<Duration>) -> Point {
    Point { contender: contender.to_owned(), series, number, times }
}

/// Runs `task` on a thread of its own, with which the host that it enters ends.
fn alone<T: Send>(task: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(task).join()).expect("a measurement")
}

/// ADD and DEL of one container with so many ports; nothing where that takes too many programs.
fn of_one(dir: &str, number: usize, by_programs: usize) -> [Vec<Duration>; 2] {
    let host = Host::new(dir);
    let (add, del) = (host.call("ADD", "c0", FIRST..FIRST + number), host.call("DEL", "c0", FIRST..FIRST + number));
    // Chains and sets are there from now on.
    let first = host.call("ADD", "first", OWN..OWN + 1);
    run(&first);
    let starts_programs = host.has_chains();
    run(&host.call("DEL", "first", OWN..OWN + 1));
    if starts_programs && number > by_programs {
        return [Vec::new(), Vec::new()];
    }
    let begun = Instant::now();
    let calls = (0..CALLS).take_while(|n| *n == 0 || begun.elapsed() < TIME);
    calls.map(|_| [run(&add).0, run(&del).0]).fold(Default::default(), |mut all: [Vec<Duration>; 2], pair| {
        all.iter_mut().zip(pair).for_each(|(times, time)| times.push(time));
        all
    })
}

/// ADD and DEL with one port, as two points for each number of others' ports.
fn beside_others(name: &str, dir: &str, extent: &Extent) -> Vec<Point> {
    let measured = in_turn(extent.calls, &extent.others, |others| {
        let beside = Beside::new(dir, others);
        move || beside.measure()
    });
    let mut points = Vec::new();
    for (&number, [add, del]) in extent.others.iter().zip(measured) {
        points.push(point(name, "ADD beside others' ports", number, add));
        points.push(point(name, "DEL beside others' ports", number, del));
    }
    points
}

/// A container with one port on a host where others have many.
struct Beside {
    add: Plugin,
    del: Plugin,
    _host: Host,
}

impl Beside {
    fn new(dir: &str, others: usize) -> Self {
        let host = Host::new(dir);
        host.publish(others);
        let call = |command| host.call(command, "own", OWN..OWN + 1);
        Self { add: call("ADD"), del: call("DEL"), _host: host }
    }

    fn measure(&self) -> [Duration; 2] {
        [run(&self.add).0, run(&self.del).0]
    }
}

/// Makes a host for each number, all at the same time, and measures on one after the other, at most `rounds` times. What
/// each measurement tells is put in order by host.
pub fn in_turn<const N: usize, T, M>(
    rounds: usize,
    numbers: &[usize],
    prepare: impl Fn(usize) -> M + Sync,
) -> Vec<[Vec<T>; N]>
where
    T: Send,
    M: FnMut() -> [T; N],
{
    thread::scope(|scope| {
        let prepare = &prepare;
        let hosts: Vec<_> = numbers.iter().map(|&number| worker(scope, move || prepare(number))).collect();
        let mut all: Vec<[Vec<T>; N]> =
            iter::repeat_with(|| array::from_fn(|_| Vec::new())).take(hosts.len()).collect();
        let begun = Instant::now();
        // The first round meets cold caches.
        for round in (0..=rounds).take_while(|round| *round < 2 || begun.elapsed() < TURNS) {
            for ((orders, answers), times) in hosts.iter().zip(&mut all) {
                orders.send(()).expect("a host that waits");
                let measured = answers.recv().expect("a measurement");
                if round > 0 {
                    times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
                }
            }
        }
        all
    })
}

/// A thread that measures whenever it is told to.
fn worker<'scope, T: Send + 'scope, M: FnMut() -> T>(
    scope: &'scope Scope<'scope, '_>,
    prepare: impl FnOnce() -> M + Send + 'scope,
) -> (Sender<()>, Receiver<T>) {
    let ((orders, ordered), (answer, answers)) = (channel(), channel());
    scope.spawn(move || {
        let mut measure = prepare();
        for () in ordered {
            answer.send(measure()).expect("somebody who asks");
        }
    });
    (orders, answers)
}

/// A host with one container on a bridge, at 10.88.0.2, and portmap of one contender.
pub struct Host {
    pub sandbox: Sandbox,
    pub container: TestNs,
    dir: String,
}

impl Host {
    pub fn new(dir: &str) -> Self {
        let sandbox = Sandbox::enter();
        let container = sandbox.netns("container");
        sandbox.sh("ip link add bench0 type bridge; ip addr add 10.88.0.1/16 dev bench0; ip link set bench0 up
             ip link add port0 type veth peer name eth0 netns container; ip link set port0 master bench0 up
             echo 1 > /proc/sys/net/ipv4/ip_forward");
        container.sh("ip link set lo up; ip addr add 10.88.0.2/16 dev eth0; ip link set eth0 up
             ip route add default via 10.88.0.1");
        Self { sandbox, container, dir: dir.to_owned() }
    }

    /// portmap for an attachment of the container: even ports of the host are TCP's, odd ones UDP's, and all lead to port 80.
    pub fn call(&self, command: &str, id: &str, ports: Range<usize>) -> Plugin {
        let plugin = Plugin::new(format!("{}/portmap", self.dir)).command(command).container(id).ifname("eth0");
        plugin.netns(self.container.path()).stdin(self.conf(ports))
    }

    fn conf(&self, ports: Range<usize>) -> Value {
        let mapping = |port: usize| {
            let protocol = if port.is_multiple_of(2) { "tcp" } else { "udp" };
            json!({ "hostPort": port, "containerPort": 80, "protocol": protocol })
        };
        let mappings: Vec<Value> = ports.map(mapping).collect();
        let prev = json!({ "cniVersion": "1.0.0",
            "interfaces": [{ "name": "bench0" }, { "name": "port0" }, { "name": "eth0", "sandbox": self.container.path() }],
            "ips": [{ "interface": 2, "address": "10.88.0.2/16", "gateway": "10.88.0.1" }] });
        json!({ "cniVersion": "1.0.0", "name": "bench", "type": "portmap", "prevResult": prev,
            "runtimeConfig": { "portMappings": mappings } })
    }

    /// Whether the plugin has published something by iptables.
    pub fn has_chains(&self) -> bool {
        self.sandbox.sh("iptables-save -t nat 2>/dev/null || true").contains("-j CNI-DN-")
    }

    /// Publishes so many ports from [`FIRST`] on, for containers with up to [`PORTS_PER_CONTAINER`] each, which all have
    /// the address of the one that is there.
    ///
    /// Chains of iptables are as its own ADD of one container makes them: that of 10,000 ports would take hours. They are
    /// saved, and restored for each further container with a chain of its own and the next ports.
    pub fn publish(&self, number: usize) {
        let mut containers = (0..number)
            .step_by(PORTS_PER_CONTAINER)
            .map(|from| (format!("o{from:05}"), FIRST + from..FIRST + number.min(from + PORTS_PER_CONTAINER)));
        let Some((first, ports)) = containers.next() else { return };
        run(&self.call("ADD", &first, ports));
        if !self.has_chains() {
            return containers.for_each(|(id, ports)| drop(run(&self.call("ADD", &id, ports))));
        }
        let saved = self.sandbox.sh("iptables-save -t nat");
        let script = self.sandbox.dir().join("restore");
        // More at once is more than a socket may send without the rights of the machine's root.
        for (id, ports) in containers {
            let copied = copy(&saved, &first, &id, ports.start);
            fs::write(&script, format!("*nat\n{copied}COMMIT\n")).expect("a file of the sandbox");
            self.sandbox.sh(&format!("iptables-restore --noflush < {}", script.display()));
        }
    }
}

/// What iptables has for the container `first`, as it would be for another whose ports begin at `from`.
fn copy(saved: &str, first: &str, id: &str, from: usize) -> String {
    let chain = saved.lines().find_map(|line| line.strip_prefix(":CNI-DN-")).and_then(|rest| rest.split(' ').next());
    let chain = format!("CNI-DN-{}", chain.expect("a chain of the container"));
    let mut copied = format!(":CNI-DN-{id:0>21} - [0:0]\n");
    for rule in saved.lines().filter(|line| line.starts_with("-A ") && line.contains(&chain)) {
        let rule = rule.replace(&chain, &format!("CNI-DN-{id:0>21}")).replace(first, id);
        let words: Vec<String> = rule.split(' ').map(|word| moved(word, from)).collect();
        copied.extend([words.join(" "), "\n".to_owned()]);
    }
    copied
}

/// A word of a rule: ports that begin at [`FIRST`] begin at `from`.
fn moved(word: &str, from: usize) -> String {
    let port = |text: &str| text.parse::<usize>().ok().filter(|port| *port >= FIRST).map(|port| port - FIRST + from);
    let parts: Option<Vec<String>> = word.split(',').map(|part| port(part).map(|port| port.to_string())).collect();
    parts.map_or_else(|| word.to_owned(), |parts| parts.join(","))
}
