//! The kernel floor: what an attachment takes if all else took no time. See `common/attach/examples/floor.rs`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use testkit::{Plugin, Sandbox, TestNs};

use crate::{
    call::{output, timed},
    containers::{PLAIN, STEPS},
    host::containers,
    series::Series,
};

/// The name of the floor among contenders.
pub const FLOOR: &str = "kernel floor";

/// A chain starts as many processes, be it for ADD or DEL: bridge, its host-local, portmap.
const PROCESSES: u32 = 3;

/// The floor's program, and what was measured of it.
pub struct Floor {
    program: PathBuf,
    start: Series,
    steps: Vec<Series>,
    /// ADD and DEL: the netlink calls, and the starts of as many processes as a chain has.
    calls: [Series; 2],
}

impl Floor {
    /// Nothing measured so far.
    pub fn new(program: &Path) -> Self {
        let start = Series::new(&STEPS, FLOOR, "start of a process");
        let calls = ["ADD", "DEL"].map(|call| Series::new(&PLAIN, FLOOR, call));
        Self { program: program.to_owned(), start, steps: Vec::new(), calls }
    }

    /// Attaches and detaches so many containers, and starts the processes for as many.
    pub fn measure(&mut self, sandbox: &Sandbox, number: u32) {
        let starts: Vec<Duration> = (0..number).map(|at| self.start_processes(at)).collect();
        let namespaces = containers(sandbox, 0..number);
        let printed = output(&self.program, namespaces.iter().map(TestNs::path));
        let (adds, dels): (Vec<_>, Vec<_>) = printed.lines().map(Steps::read).partition(|steps| steps.call == "ADD");
        let adds = adds.iter().zip(0..);
        let dels = dels.iter().zip((0..number).rev());
        for ((steps, at), starts) in adds.zip(&starts).chain(dels.zip(&starts)) {
            self.record(at, steps, *starts);
        }
    }

    /// As many as a chain needs: the time of all.
    fn start_processes(&mut self, at: u32) -> Duration {
        let process = Plugin::new(&self.program);
        let starts = (0..PROCESSES).map(|_| {
            let (took, outcome) = timed(&process);
            self.start.record(at, (took, outcome));
            took
        });
        starts.sum()
    }

    fn record(&mut self, at: u32, steps: &Steps, starts: Duration) {
        let [add, del] = &mut self.calls;
        let whole = if steps.call == add.call { add } else { del };
        whole.push(at, steps.sum + starts.as_secs_f64() * 1e3);
        for (step, took) in &steps.each {
            let call = format!("{}: {step}", steps.call);
            let known = self.steps.iter().position(|series| series.call == call);
            let place = known.unwrap_or_else(|| {
                self.steps.push(Series::new(&STEPS, FLOOR, &call));
                self.steps.len() - 1
            });
            self.steps[place].push(at, *took);
        }
    }

    /// What stands beside the contenders, and what it consists of.
    pub fn series(self) -> (Vec<Series>, Vec<Series>) {
        (self.calls.into(), [self.start].into_iter().chain(self.steps).collect())
    }
}

/// A line of the floor's program, in milliseconds.
#[derive(Debug, PartialEq)]
struct Steps<'a> {
    call: &'a str,
    sum: f64,
    each: Vec<(&'a str, f64)>,
}

impl<'a> Steps<'a> {
    fn read(line: &'a str) -> Self {
        let words: Vec<&str> = line.split(' ').collect();
        let Some((call, pairs)) = words.split_first() else { panic!("an empty line of the floor") };
        let pair = |pair: &[&'a str]| (pair[0], pair[1].parse().unwrap_or_else(|e| panic!("floor: {line}: {e}")));
        let mut pairs = pairs.chunks_exact(2).map(pair);
        let Some(("sum", sum)) = pairs.next() else { panic!("floor: {line}: no sum") };
        Self { call, sum, each: pairs.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_a_call_a_sum_and_steps() {
        let steps = Steps::read("ADD sum 0.8 link 0.5 up 0.3");
        assert_eq!(steps, Steps { call: "ADD", sum: 0.8, each: vec![("link", 0.5), ("up", 0.3)] });
    }

    #[test]
    fn whole_call_is_its_steps_and_the_starts() {
        let mut floor = Floor::new(Path::new("floor"));
        floor.record(4, &Steps::read("DEL sum 30 elements 12 link 18"), Duration::from_micros(1500));
        let (calls, steps) = floor.series();
        assert_eq!(calls[1].at(4).map(|numbers| numbers.median()), Some(31.5));
        assert!(calls[0].all().is_none());
        let names: Vec<_> = steps.iter().map(|series| series.call.as_str()).collect();
        assert_eq!(names, ["start of a process", "DEL: elements", "DEL: link"]);
    }
}
