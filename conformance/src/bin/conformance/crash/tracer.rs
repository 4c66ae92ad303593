//! Runs a program and does exactly one thing to it, at exactly one of its system calls.
//!
//! Calls are counted in one order over the program, its threads and all processes that it starts, by [`ptrace`]. That is what
//! strace's `inject=...:when=N` cannot do: it counts in each process and thread by itself, so that a plugin and its delegate
//! are hit at two points that have nothing to do with each other, and several faults meet in one run.
//!
//! Threads run in parallel, so the order of their calls, and even their number, changes a little from run to run. A sweep
//! goes on until several runs in a row end before their points.
//!
//! [`ptrace`]: https://man7.org/linux/man-pages/man2/ptrace.2.html

mod calls;
mod registers;
mod start;
#[cfg(test)]
mod tests;
mod tree;
mod watchdog;

pub use calls::Class;
pub use nix::errno::Errno;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::{self, Display};
use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;
use tree::Tree;
use watchdog::Living;

/// A program to run.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// Its environment, all of it. (A shell that starts it may add `PWD`.)
    pub env: BTreeMap<OsString, OsString>,
    /// Its input.
    pub stdin: Vec<u8>,
    /// Everything is killed after this time.
    pub limit: Duration,
}

/// What is done to a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every process is killed before the call is executed: what a crash of the machine or of a cgroup does.
    Kill,
    /// The program is killed, and the processes that it started go on: what a runtime's time limit does.
    KillPlugin,
    /// The call is not executed and returns an error.
    Error(Errno),
}

/// A fault, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Injection {
    /// What happens.
    pub fault: Fault,
    /// At which of the calls that [count](Fault::counts) for it, from 1.
    pub point: usize,
}

/// One system call, as it is entered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The file name of the program that makes it.
    pub program: Arc<str>,
    /// It is made by the program that was started, and not by one that this started.
    pub own: bool,
    /// Number and first argument, where this machine can tell.
    pub request: Option<registers::Request>,
}

/// How a traced run ended.
#[derive(Debug)]
pub struct Traced {
    /// How the program ended.
    pub status: ExitStatus,
    /// What was printed, by the processes that it started too.
    pub stdout: Vec<u8>,
    /// What was logged.
    pub stderr: Vec<u8>,
    /// The system calls after the program's start, in order: all of them, or those before and at the point.
    pub calls: Vec<Call>,
    /// The call at the point, if it came to that.
    pub hit: Option<Call>,
    /// It was killed at the limit of time.
    pub timed_out: bool,
}

/// Runs a program to its end, and to the end of all processes that it started, on the calling thread's host.
///
/// # Errors
/// It cannot be started or traced. How it ends, whatever the way, is not an error.
pub fn trace(program: &Program, injection: Option<Injection>) -> io::Result<Traced> {
    if let Some(Injection { fault: Fault::Error(_), .. }) = injection
        && !registers::CAN_FAIL
    {
        let message =
            format!("errors of system calls cannot be injected on this architecture, {}", std::env::consts::ARCH);
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    // A thread that traces hears of every child of its own: none of them may be somebody else's.
    thread::scope(|scope| {
        let tracer = scope.spawn(|| trace_here(program, injection));
        tracer.join().unwrap_or_else(|panic| resume_unwind(panic))
    })
}

fn trace_here(program: &Program, injection: Option<Injection>) -> io::Result<Traced> {
    let living = Living::default();
    let (running, done) = channel::<()>();
    thread::scope(|scope| {
        let started = start::start(program)?;
        let watched = &living;
        let watch = scope.spawn(move || watched.watch(&done, program.limit));
        let finished = Tree::new(started.pid, injection, &living).follow();
        drop(running);
        let timed_out = watch.join().unwrap_or(true);
        let (stdout, stderr) = started.output();
        let finished = finished.map_err(|e| {
            io::Error::new(e.kind(), format!("{}: {e}: {}", program.path.display(), String::from_utf8_lossy(&stderr)))
        })?;
        let tree::Finished { status, calls, hit } = finished;
        Ok(Traced { status, stdout, stderr, calls, hit, timed_out })
    })
}

impl Fault {
    /// Whether this call is a point for the fault: any for a kill, one that can fail for an error.
    pub fn counts(self, call: &Call) -> bool {
        match self {
            Self::Kill | Self::KillPlugin => true,
            Self::Error(_) => call.class() != Class::Other,
        }
    }
}

impl Traced {
    /// Whether the program itself had asked for its input, before the point if there was one.
    ///
    /// What comes before is its loader's and its language's: no plugin can answer for that.
    pub fn asked_for_input(&self) -> bool {
        let before = self.calls.len() - usize::from(self.hit.is_some());
        self.calls.iter().take(before).any(|call| call.own && call.is("read", 0))
    }
}

impl Call {
    /// What it is about.
    pub fn class(&self) -> Class {
        self.known().map_or(Class::Other, |(_, class)| class)
    }

    /// Whether it is the program itself that writes to its stdout.
    pub fn prints(&self) -> bool {
        self.own && (self.is("write", 1) || self.is("writev", 1))
    }

    fn is(&self, name: &str, first: u64) -> bool {
        self.known().is_some_and(|(known, _)| known == name)
            && self.request.is_some_and(|request| request.first == first)
    }

    fn known(&self) -> Option<(&'static str, Class)> {
        calls::find(self.request?.number)
    }
}

/// `sendto (socket) of host-local`.
impl Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.known(), self.request) {
            (Some((name, Class::Socket)), _) => write!(f, "{name} (socket)")?,
            (Some((name, Class::File)), _) => write!(f, "{name} (file)")?,
            (Some((name, Class::Other)), _) => write!(f, "{name}")?,
            (None, Some(request)) => write!(f, "number {}", request.number)?,
            (None, None) => write!(f, "a system call")?,
        }
        write!(f, " of {}", self.program)
    }
}
