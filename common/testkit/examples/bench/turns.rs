//! Hosts that are all there at the same time and are measured in turn, so that what else the machine does meets all alike.

use std::{
    array, iter,
    sync::mpsc::{Receiver, Sender, channel},
    thread::{self, Scope},
    time::{Duration, Instant},
};

/// They have so many rounds as begin within the time.
const TURNS: Duration = Duration::from_mins(1);

/// Makes a host for each number, all at the same time, and measures on one after the other, at most `rounds` times. What
/// each measurement tells is put in order by host.
pub fn in_turn<const N: usize, T, M>(
    rounds: usize,
    numbers: &[u32],
    prepare: impl Fn(u32) -> M + Sync,
) -> Vec<[Vec<T>; N]>
where
    T: Send,
    M: FnMut() -> [T; N],
{
    thread::scope(|scope| {
        let prepare = &prepare;
        let hosts: Vec<_> = numbers.iter().map(|&number| worker(scope, move || prepare(number))).collect();
        let mut all: Vec<[Vec<T>; N]> =
            iter::repeat_with(|| array::from_fn(|_| Vec::new())).take(hosts.len()).collect();
        let begun = Instant::now();
        // The first round meets cold caches.
        for round in (0..=rounds).take_while(|round| *round < 2 || begun.elapsed() < TURNS) {
            for ((orders, answers), times) in hosts.iter().zip(&mut all) {
                orders.send(()).expect("a host that waits");
                let measured = answers.recv().expect("a measurement");
                if round > 0 {
                    times.iter_mut().zip(measured).for_each(|(times, time)| times.push(time));
                }
            }
        }
        all
    })
}

/// A thread that measures whenever it is told to.
fn worker<'scope, T: Send + 'scope, M: FnMut() -> T>(
    scope: &'scope Scope<'scope, '_>,
    prepare: impl FnOnce() -> M + Send + 'scope,
) -> (Sender<()>, Receiver<T>) {
    let ((orders, ordered), (answer, answers)) = (channel(), channel());
    scope.spawn(move || {
        let mut measure = prepare();
        for () in ordered {
            answer.send(measure()).expect("somebody who asks");
        }
    });
    (orders, answers)
}
