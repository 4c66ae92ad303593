//! What was measured: the one form that tables, charts, the JSON file and the targets are made from.

use std::{collections::BTreeMap, time::Duration};

/// What the numbers of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Durations.
    Milliseconds,
    /// Sizes of files.
    Bytes,
    /// Calls that succeed in a second.
    PerSecond,
}

impl Unit {
    /// As a table has it, and, with `_` between words, as the end of a JSON key.
    pub fn name(self) -> &'static str {
        match self {
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
            Self::PerSecond => "per second",
        }
    }

    /// How many times better `own` is than `other`. Below 1 it is worse.
    pub fn times_better(self, own: f64, other: f64) -> f64 {
        match self {
            Self::Milliseconds | Self::Bytes => other / own,
            Self::PerSecond => own / other,
        }
    }
}

/// What a table and a chart show.
#[derive(Debug)]
pub struct Topic {
    /// The name in JSON and of the chart's file.
    pub name: &'static str,
    /// What is done, in a line.
    pub title: &'static str,
    /// What varies, if something does.
    pub parameter: Option<Parameter>,
    /// The calls that the chart has a panel for; none if there is no chart.
    pub charted: &'static [&'static str],
}

/// What varies in a topic.
#[derive(Debug)]
pub struct Parameter {
    /// What is counted.
    pub name: &'static str,
    /// How many values make one point of a chart: 1 where each value is a condition of its own, more where the number
    /// grows while it is measured.
    pub width: u32,
}

/// One contender's numbers of one call.
#[derive(Debug)]
pub struct Series {
    /// What it belongs to.
    pub topic: &'static Topic,
    /// Whose it is.
    pub contender: String,
    /// What was called.
    pub call: String,
    /// What the numbers are.
    pub unit: Unit,
    /// The parameter's value and the number, in the order in which they were measured.
    samples: Vec<(u32, f64)>,
    /// What the calls said that failed. They are no samples.
    pub failures: Vec<String>,
}

impl Series {
    /// Durations, none so far.
    pub fn new(topic: &'static Topic, contender: &str, call: &str) -> Self {
        Self {
            topic,
            contender: contender.to_owned(),
            call: call.to_owned(),
            unit: Unit::Milliseconds,
            samples: Vec::new(),
            failures: Vec::new(),
        }
    }

    /// The same for other numbers.
    pub fn of(self, unit: Unit) -> Self {
        Self { unit, ..self }
    }

    /// Adds a number that was measured with the parameter at `at`.
    pub fn push(&mut self, at: u32, number: f64) {
        self.samples.push((at, number));
    }

    /// Adds a duration.
    pub fn push_time(&mut self, at: u32, took: Duration) {
        self.push(at, took.as_secs_f64() * 1e3);
    }

    /// Adds a call: its duration if it succeeded, what it said if it did not. Returns what it gave.
    pub fn record<T>(&mut self, at: u32, (took, outcome): (Duration, Result<T, String>)) -> Option<T> {
        match outcome {
            Ok(given) => {
                self.push_time(at, took);
                Some(given)
            }
            Err(said) => {
                self.failures.push(said);
                None
            }
        }
    }

    /// All numbers; `None` if there is none.
    pub fn all(&self) -> Option<Numbers> {
        Numbers::of(self.samples.iter().map(|(_, number)| *number))
    }

    /// The numbers with the parameter at exactly `at`.
    pub fn at(&self, at: u32) -> Option<Numbers> {
        Numbers::of(self.samples.iter().filter(|sample| sample.0 == at).map(|(_, number)| *number))
    }

    /// How far the parameter went.
    pub fn highest(&self) -> Option<u32> {
        self.samples.iter().map(|(at, _)| *at).max()
    }

    /// The numbers by the parameter, in groups as wide as the topic has them; each with its first value.
    pub fn groups(&self) -> Vec<(u32, Numbers)> {
        let width = self.topic.parameter.as_ref().map_or(1, |parameter| parameter.width);
        let mut groups: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for (at, number) in &self.samples {
            groups.entry(at / width * width).or_default().push(*number);
        }
        groups.into_iter().filter_map(|(from, numbers)| Some((from, Numbers::of(numbers)?))).collect()
    }
}

/// One or more numbers, from the smallest to the largest.
#[derive(Debug, PartialEq)]
pub struct Numbers(Vec<f64>);

impl Numbers {
    fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = numbers.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Some(Self(sorted)).filter(|numbers| !numbers.0.is_empty())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest that so many of a hundred do not exceed (nearest rank).
    pub fn percentile(&self, percent: usize) -> f64 {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// The 50th percentile.
    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The arithmetic mean.
    pub fn mean(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "no run makes 2^52 calls")]
        let count = self.0.len() as f64;
        self.0.iter().sum::<f64>() / count
    }
}

/// The series of one call in one topic, in the order in which they came.
pub fn of_call<'a>(series: &'a [Series], topic: &str, call: &str) -> Vec<&'a Series> {
    series.iter().filter(|one| one.topic.name == topic && one.call == call).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOPIC: Topic =
        Topic { name: "test", title: "", parameter: Some(Parameter { name: "containers", width: 10 }), charted: &[] };

    fn series(samples: impl IntoIterator<Item = (u32, f64)>) -> Series {
        let mut series = Series::new(&TOPIC, "one", "ADD");
        samples.into_iter().for_each(|(at, number)| series.push(at, number));
        series
    }

    #[track_caller]
    fn assert_close(number: f64, expected: f64) {
        assert!((number - expected).abs() < 1e-9, "{number} instead of {expected}");
    }

    #[test]
    fn percentiles_are_nearest_ranks() {
        let hundred = Numbers::of((1..=100).rev().map(f64::from)).unwrap();
        for (percent, expected) in [(0, 1.0), (1, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)] {
            assert_close(hundred.percentile(percent), expected);
        }
        let three = Numbers::of([30.0, 10.0, 20.0]).unwrap();
        assert_close(three.median(), 20.0);
        assert_close(three.percentile(99), 30.0);
        assert_close(three.mean(), 20.0);
        assert_eq!(Numbers::of([]), None);
    }

    #[test]
    fn groups_are_as_wide_as_the_topic_says_and_rounds_fall_together() {
        let round = || (0..20).map(|at| (at, f64::from(at)));
        let groups: Vec<_> = series(round().chain(round())).groups();
        let seen: Vec<_> = groups.iter().map(|(from, numbers)| (*from, numbers.count(), numbers.median())).collect();
        assert_eq!(seen, [(0, 20, 4.0), (10, 20, 14.0)]);
    }

    #[test]
    fn failed_call_is_no_sample() {
        let mut series = series([]);
        assert_eq!(series.record(0, (Duration::from_millis(3), Ok(7))), Some(7));
        assert_eq!(series.record::<u32>(1, (Duration::from_secs(9), Err("no".into()))), None);
        assert_eq!(series.all(), Numbers::of([3.0]));
        assert_eq!(series.failures, ["no"]);
    }

    #[test]
    fn less_time_and_more_calls_are_better() {
        assert_close(Unit::Milliseconds.times_better(2.0, 30.0), 15.0);
        assert_close(Unit::PerSecond.times_better(30.0, 2.0), 15.0);
    }
}
