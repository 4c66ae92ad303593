//! All processes of a run: their stops, in the order in which they come.

use super::watchdog::Living;
use super::{Call, Errno, Fault, Injection, registers};
use nix::libc;
use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::sync::Arc;

/// The program and everything that it started.
#[derive(Debug)]
pub struct Tree<'a> {
    root: Pid,
    injection: Option<Injection>,
    phase: Phase,
    tracees: BTreeMap<Pid, Tracee>,
    living: &'a Living,
    status: Option<ExitStatus>,
    calls: Vec<Call>,
    /// How many of the calls count for the fault.
    counted: usize,
    hit: Option<Call>,
}

/// What has become of the run.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub calls: Vec<Call>,
    pub hit: Option<Call>,
}

/// How far the run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The shell has not become the program yet.
    Starting,
    /// Each system call stops its process on entry and on exit.
    Counting,
    /// The fault has happened: what is left runs to its end.
    Letting,
    /// The fault has happened: what is still found is killed.
    Killing,
}

/// A process, or a thread of one.
#[derive(Debug)]
struct Tracee {
    program: Arc<str>,
    process: Pid,
    place: Place,
}

/// Where a tracee is. The kernel's stops on entry and on exit look the same, and take turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Outside of any system call: the next stop is an entry.
    Outside,
    /// Inside of one: the next stop is an exit.
    Inside,
    /// Inside of one that is not executed and returns this.
    Failing(Errno),
}

impl<'a> Tree<'a> {
    /// The tree of a shell that is about to become the program.
    pub fn new(root: Pid, injection: Option<Injection>, living: &'a Living) -> Self {
        living.add(root);
        let tracees = BTreeMap::from([(root, Tracee::find(root))]);
        let (calls, hit, status) = (Vec::new(), None, None);
        Self { root, injection, phase: Phase::Starting, tracees, living, status, calls, counted: 0, hit }
    }

    /// Follows all processes to their end.
    pub fn follow(mut self) -> io::Result<Finished> {
        loop {
            match waitpid(None, Some(WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD)) {
                Ok(stop) => self.handle(stop).inspect_err(|_| self.living.kill())?,
                Err(Errno::EINTR) => {}
                Err(Errno::ECHILD) => return self.finish(),
                Err(Errno::EINVAL) => {
                    self.living.kill();
                    return Err(io::Error::other("stopped by a real-time signal, which cannot be handed on"));
                }
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn finish(self) -> io::Result<Finished> {
        let status = self.status.ok_or_else(|| io::Error::other("its end was not seen"))?;
        if self.phase == Phase::Starting {
            return Err(io::Error::other(format!("not started: {status}")));
        }
        Ok(Finished { status, calls: self.calls, hit: self.hit })
    }

    fn handle(&mut self, stop: WaitStatus) -> io::Result<()> {
        let handled = match stop {
            WaitStatus::Exited(pid, code) => {
                self.ended(pid, code << 8);
                Ok(())
            }
            WaitStatus::Signaled(pid, signal, _) => {
                self.ended(pid, signal as i32);
                Ok(())
            }
            WaitStatus::PtraceSyscall(pid) => self.crossed(pid),
            WaitStatus::PtraceEvent(pid, _, libc::PTRACE_EVENT_EXEC) => self.became(pid),
            // A new process, or one that somebody stopped. The latter goes on: a plugin has no reason to stay stopped.
            WaitStatus::PtraceEvent(pid, _, _) => {
                self.know(pid);
                self.resume(pid, None)
            }
            WaitStatus::Stopped(pid, signal) => self.resume(pid, Some(signal)),
            WaitStatus::Continued(_) | WaitStatus::StillAlive => Ok(()),
        };
        match handled {
            // Killed while it was stopped: its end comes next.
            Err(Errno::ESRCH) => Ok(()),
            other => Ok(other?),
        }
    }

    fn ended(&mut self, pid: Pid, raw: i32) {
        self.living.remove(pid);
        self.tracees.remove(&pid);
        if pid == self.root {
            self.status = Some(ExitStatus::from_raw(raw));
        }
    }

    fn know(&mut self, pid: Pid) -> &mut Tracee {
        self.tracees.entry(pid).or_insert_with(|| {
            self.living.add(pid);
            Tracee::find(pid)
        })
    }

    /// A thread that executes a program takes the place of its process's first thread, and the others are gone.
    fn became(&mut self, pid: Pid) -> nix::Result<()> {
        let former = i32::try_from(ptrace::getevent(pid)?).map_or(pid, Pid::from_raw);
        if former != pid {
            self.living.remove(former);
            self.tracees.remove(&former);
        }
        *self.know(pid) = Tracee { place: Place::Inside, ..Tracee::find(pid) };
        if self.phase == Phase::Starting {
            self.phase = Phase::Counting;
        }
        self.resume(pid, None)
    }

    /// A system call is entered or left.
    fn crossed(&mut self, pid: Pid) -> nix::Result<()> {
        match self.know(pid).place {
            Place::Outside => {
                self.know(pid).place = Place::Inside;
                if self.phase == Phase::Counting {
                    self.entered(pid)?;
                }
            }
            Place::Inside => self.know(pid).place = Place::Outside,
            Place::Failing(errno) => {
                registers::fail(pid, errno)?;
                self.know(pid).place = Place::Outside;
            }
        }
        self.resume(pid, None)
    }

    /// Counts a call, and does what is to be done there.
    fn entered(&mut self, pid: Pid) -> nix::Result<()> {
        let request = registers::request(pid)?;
        let root = self.root;
        let tracee = self.know(pid);
        let call = Call { program: Arc::clone(&tracee.program), own: tracee.process == root, request };
        self.calls.push(call.clone());
        let Some(injection) = self.injection.filter(|injection| injection.fault.counts(&call)) else {
            return Ok(());
        };
        self.counted += 1;
        if self.counted < injection.point {
            return Ok(());
        }
        self.hit = Some(call);
        self.inject(pid, injection.fault)
    }

    fn inject(&mut self, pid: Pid, fault: Fault) -> nix::Result<()> {
        self.phase = Phase::Letting;
        match fault {
            Fault::Kill => {
                self.phase = Phase::Killing;
                self.living.kill();
                Ok(())
            }
            Fault::KillPlugin => kill(self.root, Signal::SIGKILL),
            Fault::Error(errno) => {
                registers::skip(pid)?;
                self.know(pid).place = Place::Failing(errno);
                Ok(())
            }
        }
    }

    fn resume(&mut self, pid: Pid, signal: Option<Signal>) -> nix::Result<()> {
        let failing = matches!(self.know(pid).place, Place::Failing(_));
        match self.phase {
            Phase::Killing => kill(pid, Signal::SIGKILL),
            Phase::Counting => ptrace::syscall(pid, signal),
            Phase::Letting if failing => ptrace::syscall(pid, signal),
            Phase::Starting | Phase::Letting => ptrace::cont(pid, signal),
        }
    }
}

impl Tracee {
    /// Nobody else knows of a process that is just being born: it is what `/proc` says.
    fn find(pid: Pid) -> Self {
        let program = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let program = program.file_name().map_or_else(|| pid.to_string(), |name| name.to_string_lossy().into_owned());
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let process = status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok());
        Self { program: program.into(), process: process.map_or(pid, Pid::from_raw), place: Place::Outside }
    }
}
