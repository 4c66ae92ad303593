//! A process of its own for each case: a host of its own, and a case that hangs or breaks takes nothing with it.
#![allow(clippy::panic, reason = "what the machine lacks is reported by panics, as the testkit does")]

use crate::case::{Failure, Stop};
use crate::cases;
use crate::probe;
use crate::stage::Stage;
use crate::subject::Subject;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getgid, getuid};
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::{self, Read, Write};
use std::panic::{self, PanicHookInfo};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;
use testkit::Sandbox;

/// The word on the command line that makes a process a worker.
pub const COMMAND: &str = "worker";

/// No case takes that long; a call that hangs is ended by its own limit before.
const LIMIT: Duration = Duration::from_mins(3);

/// What a worker is to do, as JSON on its stdin.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Job {
    /// Only enter a host of its own and look at it, to see whether the machine has what that needs.
    Enter,
    /// Find out what kind of plugin it is.
    Probe(Subject),
    /// Run the case of this id.
    Case(Subject, String),
}

/// How a case ended, as a worker tells it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Outcome {
    /// As expected.
    Pass,
    /// Otherwise.
    Fail(Box<Failure>),
    /// The case itself could not be carried out, or a call did not end.
    Error(Box<Failure>),
    /// Nothing to say.
    Skip {
        /// Why.
        reason: String,
    },
}

impl From<Stop> for Outcome {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Fail(failure) => Self::Fail(failure),
            Stop::Skip { reason } => Self::Skip { reason },
        }
    }
}

impl Outcome {
    /// A case that could not be carried out.
    pub fn error(expected: &str, found: impl Into<String>) -> Self {
        Self::Error(Box::new(Failure { expected: expected.to_owned(), found: found.into(), call: None }))
    }
}

/// The worker as a program.
pub fn main() -> ExitCode {
    panic::set_hook(Box::new(report_panic));
    let mut text = String::new();
    let job = io::stdin().read_to_string(&mut text).map_err(|e| e.to_string());
    let job = job.and_then(|_| serde_json::from_str(&text).map_err(|e| e.to_string()));
    if let Err(e) = isolate() {
        return tell(&Outcome::error("a network namespace and mounts of its own", e));
    }
    // Panics are reported by the hook, which names this thread's job.
    thread::spawn(|| {
        thread::sleep(LIMIT);
        panic!("the case does not end");
    });
    match job {
        Ok(Job::Enter) => {
            Sandbox::enter().snapshot(&[]);
            tell(&Outcome::Pass)
        }
        Ok(Job::Probe(subject)) => tell(&probe::facts(subject)),
        Ok(Job::Case(subject, id)) => tell(&run(subject, &id)),
        Err(e) => tell(&Outcome::error("a job", e)),
    }
}

fn run(subject: Subject, id: &str) -> Outcome {
    match cases::find(id) {
        Some(entry) => entry.run(&Stage::enter(subject)).map_or_else(Outcome::from, |()| Outcome::Pass),
        None => Outcome::error("a case of this suite", id),
    }
}

/// The only thing that a worker prints.
fn tell(answer: &impl Serialize) -> ExitCode {
    match serde_json::to_string(answer).map(|text| io::stdout().write_all(text.as_bytes())) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// A panic of the testkit says that a call did not end, or that the machine lacks something.
#[expect(clippy::exit, reason = "nothing can be said after the one answer, on whatever thread")]
fn report_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    tell(&Outcome::error("a case that can be carried out, with calls that end", format!("{message}\nat {place}")));
    std::process::exit(0);
}

/// Moves the process, while it has one thread, out of the machine's network.
pub fn isolate() -> Result<(), String> {
    let own = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if unshare(own).is_ok() {
        return Ok(());
    }
    let (uid, gid) = (getuid(), getgid());
    unshare(own | CloneFlags::CLONE_NEWUSER).map_err(|e| format!("unshare user, network and mounts: {e}"))?;
    let write = |name: &str, text: String| {
        let path = format!("/proc/self/{name}");
        fs::write(&path, text).map_err(|e| format!("write {path}: {e}"))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("0 {uid} 1"))?;
    write("gid_map", format!("0 {gid} 1"))
}
