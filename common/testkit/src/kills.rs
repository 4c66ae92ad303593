//! `kill -9` in the middle of a call.

use std::{collections::BTreeMap, fs, path::Path};

use crate::Plugin;

/// Where calls are killed, by strace: at their system calls of these names, and at those of what they start.
#[derive(Debug, Clone, Copy)]
pub struct Kills<'a> {
    /// Names of system calls that have an effect, or follow one.
    pub calls: &'a [&'a str],
    /// Every one of them is 1, every second 2.
    pub step: usize,
    /// A directory for strace's notes.
    pub dir: &'a Path,
}

/// What came of them.
#[derive(Debug, Clone, Copy)]
pub struct Killed {
    /// How often something was killed.
    pub kills: usize,
    /// How many calls succeeded nevertheless: it was a program that they had started.
    pub survived: usize,
}

impl Kills<'_> {
    /// Runs a call once for every `step`th of its system calls, killed there, the last ones first; `prepare` goes before, `verify`
    /// behind.
    pub fn sweep(&self, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) -> Killed {
        prepare();
        let counts = self.count(call());
        verify("nothing");
        let mut killed = Killed { kills: 0, survived: 0 };
        for (name, times) in counts {
            for n in (1..=times).rev().step_by(self.step) {
                prepare();
                let inject = format!("inject={name}:signal=KILL:when={n}");
                let run = traced(call(), &["-o", "/dev/null", "-e", &inject]).run();
                killed.kills += 1;
                killed.survived += usize::from(run.status.success());
                verify(&inject);
            }
        }
        killed
    }

    /// How often a call makes each of these system calls.
    fn count(&self, call: Plugin) -> BTreeMap<&str, usize> {
        let log = self.dir.join("strace");
        let trace = format!("trace={}", self.calls.join(","));
        let status = traced(call, &["-o", &log.to_string_lossy(), "-e", &trace]).run().status;
        assert!(status.success(), "without a kill: {status}");
        let log = fs::read_to_string(&log).unwrap_or_else(|error| panic!("{}: {error}", log.display()));
        let of = |name: &str| log.lines().filter(|line| line.contains(&format!(" {name}("))).count();
        self.calls.iter().map(|name| (*name, of(name))).filter(|(_, times)| *times > 0).collect()
    }
}

fn traced(call: Plugin, options: &[&str]) -> Plugin {
    call.under([["strace", "-f", "-qq"].as_slice(), options].concat())
}
