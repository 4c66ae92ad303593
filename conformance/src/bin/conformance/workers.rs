//! Processes that do jobs, several at a time.

use crate::worker::{self, Job, Outcome};
use serde::de::DeserializeOwned;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Has a process of its own do a job.
pub fn work<T: DeserializeOwned>(job: &Job) -> Result<T, String> {
    let text = serde_json::to_vec(job).map_err(|e| e.to_string())?;
    let own = std::env::current_exe().map_err(|e| format!("find the own program: {e}"))?;
    #[expect(clippy::disallowed_methods, reason = "a worker is this very program")]
    let mut command = Command::new(own);
    command.arg(worker::COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("start a worker: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(|e| format!("hand a job to a worker: {e}"))?;
    }
    let done = child.wait_with_output().map_err(|e| format!("wait for a worker: {e}"))?;
    serde_json::from_slice(&done.stdout).map_err(|_| {
        // Whatever the job was, this is what a worker says that cannot do it.
        if let Ok(Outcome::Error(failure)) = serde_json::from_slice(&done.stdout) {
            return failure.to_string();
        }
        let [stdout, stderr] = [&done.stdout, &done.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        format!("{}: {stdout}{stderr}", done.status)
    })
}

/// Applies `task` to all items, `jobs` at a time; the results in order.
pub fn in_parallel<T: Sync, R: Send>(jobs: usize, items: &[T], task: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, item)) = take(items, &next) {
                    let result = task(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}
