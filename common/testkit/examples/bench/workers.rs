//! Many containers attached at once by some workers, and then detached: a node that starts, or is drained.

use std::{
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use testkit::Sandbox;

use crate::{
    call::{Timed, attach, detach},
    host::{Network, containers, on_own_host},
    series::{Parameter, Series, Topic, Unit},
    setup::{Contender, Setup},
};

/// The topic.
static WORKERS: Topic = Topic {
    name: "workers",
    title: "bridge (gateway, ipMasq) + host-local + portmap (1 port), many containers at once",
    parameter: Some(Parameter { name: "workers", width: 1 }),
    charted: &[],
};

/// One contender's times and rates.
struct Crowd<'a> {
    dir: &'a Path,
    add: Series,
    adds: Series,
    del: Series,
    dels: Series,
}

/// Measures all contenders in turn, as often as there are rounds.
pub fn measure(setup: &Setup) -> Vec<Series> {
    let mut crowds: Vec<Crowd> = setup.contenders.iter().map(crowd).collect();
    for _ in 0..setup.rounds {
        for crowd in &mut crowds {
            on_own_host(|sandbox| crowd.measure(sandbox, setup.workers, setup.crowd));
        }
    }
    crowds.into_iter().flat_map(|crowd| [crowd.adds, crowd.add, crowd.dels, crowd.del]).collect()
}

fn crowd(contender: &Contender) -> Crowd<'_> {
    let calls = ["ADD", "ADDs", "DEL", "DELs"];
    let [add, adds, del, dels] = calls.map(|call| Series::new(&WORKERS, &contender.name, call));
    Crowd { dir: &contender.dir, add, adds: adds.of(Unit::PerSecond), del, dels: dels.of(Unit::PerSecond) }
}

impl Crowd<'_> {
    fn measure(&mut self, sandbox: &Sandbox, workers: u32, number: u32) {
        let namespaces = containers(sandbox, 0..number);
        let chains = Network::Plain.chains(sandbox, self.dir, &namespaces);
        let (took, attached) = shared_out(workers, &chains, attach);
        let results: Vec<_> = attached.into_iter().map(|one| self.add.record(workers, one)).collect();
        let attached: Vec<_> =
            chains.iter().zip(results).filter_map(|(chain, result)| Some((chain, result?))).collect();
        self.adds.push(workers, rate(attached.len(), took));
        let (took, detached) = shared_out(workers, &attached, |(chain, result)| detach(chain, result));
        let gone = detached.into_iter().filter_map(|one| self.del.record(workers, one)).count();
        self.dels.push(workers, rate(gone, took));
    }
}

/// Every worker takes the next item when it has done one. The time of all, and what came of each, in the items' order.
fn shared_out<T: Sync, R: Send>(
    workers: u32,
    items: &[T],
    work: impl Fn(&T) -> Timed<R> + Sync,
) -> (Duration, Vec<Timed<R>>) {
    let next = AtomicUsize::new(0);
    let worker = || {
        let taken = std::iter::from_fn(|| {
            let place = next.fetch_add(1, Ordering::Relaxed);
            Some((place, work(items.get(place)?)))
        });
        taken.collect::<Vec<_>>()
    };
    let start = Instant::now();
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().expect("a worker")).collect()
    });
    let took = start.elapsed();
    done.sort_by_key(|(place, _)| *place);
    (took, done.into_iter().map(|(_, outcome)| outcome).collect())
}

fn rate(succeeded: usize, took: Duration) -> f64 {
    f64::from(u32::try_from(succeeded).expect("a number of containers")) / took.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_keeps_its_place() {
        let items: Vec<u32> = (0..100).collect();
        let (_, done) = shared_out(8, &items, |item| (Duration::ZERO, Ok::<_, String>(item * 2)));
        let done: Vec<u32> = done.into_iter().map(|(_, outcome)| outcome.unwrap()).collect();
        assert_eq!(done, items.iter().map(|item| item * 2).collect::<Vec<_>>());
    }
}
