//! Jobs for several threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does all jobs from 0 on, as many at a time as there are workers; a panic in one is the test's.
pub fn work(workers: usize, jobs: usize, job: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    match next.fetch_add(1, Ordering::Relaxed) {
                        number if number < jobs => job(number),
                        _ => break,
                    }
                }
            });
        }
    });
}
