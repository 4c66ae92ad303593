//! What we want to reach, beside what this run has measured of it.

use std::fmt;

use crate::{
    REFERENCE,
    floor::FLOOR,
    series::{Numbers, Series, of_call},
    size::SUM,
};

/// One aim and one measurement.
#[derive(Debug)]
pub struct Target {
    /// What is compared.
    pub what: String,
    /// How far it shall go.
    pub wanted: Bound,
    /// How far it goes.
    pub measured: f64,
}

/// A limit to keep.
#[derive(Clone, Copy, Debug)]
pub enum Bound {
    /// No less.
    AtLeast(f64),
    /// No more.
    AtMost(f64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(limit) => write!(f, "at least {limit}"),
            Self::AtMost(limit) => write!(f, "at most {limit}"),
        }
    }
}

impl Target {
    /// Whether the limit is kept.
    pub fn is_met(&self) -> bool {
        match self.wanted {
            Bound::AtLeast(limit) => self.measured >= limit,
            Bound::AtMost(limit) => self.measured <= limit,
        }
    }
}

/// The targets that were measured: `ours` against the reference.
pub fn of(ours: &str, series: &[Series]) -> Vec<Target> {
    let run = Run { ours, series };
    [run.containers(), run.leases(), run.workers(), run.ports(), run.size()].into_iter().flatten().collect()
}

/// A line each.
pub fn report(targets: &[Target]) -> String {
    let line = |target: &Target| {
        let verdict = if target.is_met() { "met" } else { "MISSED" };
        let wanted = target.wanted.to_string();
        format!("{:<78} {wanted:<14} {:>8.2}  {verdict}\n", target.what, target.measured)
    };
    format!("targets, medians unless they say otherwise\n{}", targets.iter().map(line).collect::<String>())
}

struct Run<'a> {
    ours: &'a str,
    series: &'a [Series],
}

/// What is taken of some numbers.
type Of = fn(&Numbers) -> f64;

const MEDIAN: Of = Numbers::median;
const P99: Of = |numbers| numbers.percentile(99);

impl Run<'_> {
    fn containers(&self) -> Vec<Target> {
        let attached =
            self.find(self.ours, "containers", "ADD").and_then(Series::highest).map_or(0, |others| others + 1);
        let what = |call| format!("{call} of bridge + host-local + portmap, {attached} containers: times faster");
        let floors = || Some(1.0 / self.all("containers", "ADD", MEDIAN, FLOOR)?);
        let targets = [
            target(what("ADD"), Bound::AtLeast(15.0), self.all("containers", "ADD", MEDIAN, REFERENCE)),
            target("the same ADD: times the kernel floor with starts of processes", Bound::AtMost(2.5), floors()),
            target(what("DEL"), Bound::AtLeast(6.0), self.all("containers", "DEL", MEDIAN, REFERENCE)),
        ];
        targets.into_iter().flatten().collect()
    }

    fn leases(&self) -> Vec<Target> {
        let (few, many) = (0, 60_000);
        let median = |at| self.find(self.ours, "leases", "ADD")?.at(at).map(|numbers| numbers.median());
        let grown = || Some(median(many)? / median(few)?);
        let faster = self.at("leases", "ADD", many, REFERENCE);
        let targets = [
            target("ADD of host-local, 60,000 leases: times faster", Bound::AtLeast(150.0), faster),
            target("the same ADD: times that without leases", Bound::AtMost(1.3), grown()),
        ];
        targets.into_iter().flatten().collect()
    }

    fn workers(&self) -> Vec<Target> {
        let workers = self.find(self.ours, "workers", "ADD").and_then(Series::highest).unwrap_or(0);
        let targets = [
            target(
                format!("ADDs a second, {workers} workers: times as many"),
                Bound::AtLeast(20.0),
                self.all("workers", "ADDs", MEDIAN, REFERENCE),
            ),
            target(
                "the same ADDs: times faster at 99 %",
                Bound::AtLeast(20.0),
                self.all("workers", "ADD", P99, REFERENCE),
            ),
        ];
        targets.into_iter().flatten().collect()
    }

    fn ports(&self) -> Vec<Target> {
        let faster = self.at("ports", "ADD", 1_000, REFERENCE);
        let median = |at| self.find(self.ours, "data-path", "connection")?.at(at).map(|numbers| numbers.median());
        let grown = || Some(median(10_000)? / median(10)?);
        let targets = [
            target("ADD of portmap, 1,000 ports: times faster than iptables chains", Bound::AtLeast(100.0), faster),
            target("new connection, 10,000 ports published: times that with 10", Bound::AtMost(1.1), grown()),
        ];
        targets.into_iter().flatten().collect()
    }

    fn size(&self) -> Vec<Target> {
        let part = self.all("size", SUM, MEDIAN, REFERENCE).map(|smaller| 1.0 / smaller);
        target("size on disk: part of the same plugins of the reference", Bound::AtMost(0.25), part)
            .into_iter()
            .collect()
    }

    /// How many times better ours is than `other`, by all numbers.
    fn all(&self, topic: &str, call: &str, of: Of, other: &str) -> Option<f64> {
        let (own, other) = (self.find(self.ours, topic, call)?, self.find(other, topic, call)?);
        Some(own.unit.times_better(of(&own.all()?), of(&other.all()?)))
    }

    /// The same by medians with the parameter at `at`.
    fn at(&self, topic: &str, call: &str, at: u32, other: &str) -> Option<f64> {
        let (own, other) = (self.find(self.ours, topic, call)?, self.find(other, topic, call)?);
        Some(own.unit.times_better(own.at(at)?.median(), other.at(at)?.median()))
    }

    fn find(&self, contender: &str, topic: &str, call: &str) -> Option<&Series> {
        of_call(self.series, topic, call).into_iter().find(|one| one.contender == contender)
    }
}

/// Nothing if it was not measured.
fn target(what: impl Into<String>, wanted: Bound, measured: Option<f64>) -> Option<Target> {
    Some(Target { what: what.into(), wanted, measured: measured? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::series::{Parameter, Topic, Unit};

    static TOPICS: [Topic; 4] = [
        topic("containers", Some(Parameter { name: "containers", width: 10 })),
        topic("leases", Some(Parameter { name: "leases", width: 1 })),
        topic("workers", Some(Parameter { name: "workers", width: 1 })),
        topic("size", None),
    ];

    const fn topic(name: &'static str, parameter: Option<Parameter>) -> Topic {
        Topic { name, title: "", parameter, charted: &[] }
    }

    fn series(topic: usize, contender: &str, call: &str, samples: &[(u32, f64)]) -> Series {
        let mut series = Series::new(&TOPICS[topic], contender, call);
        for (at, number) in samples {
            series.push(*at, *number);
        }
        series
    }

    fn measured(series: &[Series]) -> Vec<(bool, u32)> {
        let rounded = |target: &Target| format!("{:.0}", target.measured * 10.0).parse().unwrap();
        of("mooring", series).iter().map(|target| (target.is_met(), rounded(target))).collect()
    }

    #[test]
    fn nothing_measured_is_no_target() {
        assert!(of("mooring", &[]).is_empty());
    }

    #[test]
    fn containers_are_compared_with_the_reference_and_the_floor() {
        let add = |contender, took| series(0, contender, "ADD", &[(0, took), (99, took)]);
        let run = [add("mooring", 5.0), add(FLOOR, 2.0), add(REFERENCE, 90.0)];
        assert_eq!(measured(&run), [(true, 180), (true, 25)]);
        assert!(of("mooring", &run)[0].what.contains("100 containers"), "{:?}", of("mooring", &run)[0]);
        let slow = [add("mooring", 9.0), add(FLOOR, 2.0), add(REFERENCE, 90.0)];
        assert_eq!(measured(&slow), [(false, 100), (false, 45)]);
    }

    #[test]
    fn growth_is_that_of_our_own() {
        let ours = series(1, "mooring", "ADD", &[(0, 2.0), (60_000, 3.0)]);
        let run = [ours, series(1, REFERENCE, "ADD", &[(0, 4.0), (60_000, 600.0)])];
        assert_eq!(measured(&run), [(true, 2000), (false, 15)]);
    }

    #[test]
    fn rates_are_better_when_they_are_higher_and_sizes_when_they_are_lower() {
        let rate = |contender, rate| series(2, contender, "ADDs", &[(16, rate)]).of(Unit::PerSecond);
        assert_eq!(measured(&[rate("mooring", 210.0), rate(REFERENCE, 10.0)]), [(true, 210)]);
        let size = |contender, bytes| series(3, contender, SUM, &[(0, bytes)]).of(Unit::Bytes);
        assert_eq!(measured(&[size("mooring", 2e6), size(REFERENCE, 1e7)]), [(true, 2)]);
    }
}
