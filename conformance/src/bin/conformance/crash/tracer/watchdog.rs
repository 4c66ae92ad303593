//! The limit of time: the tracer itself waits for processes and for nothing else.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is started while the others are being killed has to be killed again.
const AGAIN: Duration = Duration::from_millis(10);

/// The processes and threads that are traced and have not been seen to end.
#[derive(Debug, Default)]
pub struct Living(Mutex<BTreeSet<Pid>>);

impl Living {
    /// One more.
    pub fn add(&self, pid: Pid) {
        self.lock().insert(pid);
    }

    /// One less.
    pub fn remove(&self, pid: Pid) {
        self.lock().remove(&pid);
    }

    /// Kills all of them.
    pub fn kill(&self) {
        for pid in self.lock().iter() {
            // A thread's ID kills its process as well. One that is gone is as good.
            let _ = kill(*pid, Signal::SIGKILL);
        }
    }

    /// Kills all of them at the limit, unless `done` is closed before. Whether it came to that.
    pub fn watch(&self, done: &Receiver<()>, limit: Duration) -> bool {
        let mut wait = limit;
        let mut timed_out = false;
        while done.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
            timed_out = true;
            wait = AGAIN;
            self.kill();
        }
        timed_out
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<Pid>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
