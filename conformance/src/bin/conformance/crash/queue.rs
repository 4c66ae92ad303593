//! Which points are still to be tried. Where a sweep ends is only found by trying.

use super::plan::{Plan, Sweep};
use std::collections::{BTreeMap, BTreeSet};

/// So many points behind the last one that was hit, and no run that came to them, are the end of a sweep. Runs differ in
/// length: after one that was short there may be another that is not.
const MISSES: usize = 5;

/// How many runs may end before a point that others go beyond.
pub const RUNS: usize = 3;

/// The points of all sweeps.
#[derive(Debug)]
pub struct Queue {
    sweeps: Vec<Progress>,
    every: usize,
}

/// How far a sweep is.
#[derive(Debug)]
struct Progress {
    sweep: Sweep,
    next: usize,
    /// The last point that was hit; 0 for none.
    last: usize,
    /// Points that were not hit yet, and how many runs ended before them.
    missed: BTreeMap<usize, usize>,
    /// Missed points that are being tried once more.
    again: BTreeSet<usize>,
    given_up: bool,
}

impl Queue {
    /// Each `every`th point of these sweeps, with an offset.
    pub fn new(sweeps: &[Sweep], every: usize, offset: usize) -> Self {
        let sweeps = sweeps.iter().map(|sweep| Progress::new(*sweep, offset + 1)).collect();
        Self { sweeps, every }
    }

    /// The next point. None while the rest depends on points that are being tried: who tries them has to ask again.
    pub fn take(&mut self) -> Option<Plan> {
        let every = self.every;
        self.sweeps.iter_mut().find_map(|progress| progress.take(every))
    }

    /// A run came to its point.
    pub fn hit(&mut self, plan: Plan) {
        if let Some(progress) = self.of(plan.sweep) {
            progress.last = progress.last.max(plan.point);
            progress.settle(plan.point);
        }
    }

    /// A run ended before its point.
    pub fn miss(&mut self, plan: Plan) {
        if let Some(progress) = self.of(plan.sweep) {
            progress.again.remove(&plan.point);
            *progress.missed.entry(plan.point).or_default() += 1;
        }
    }

    /// A point could not be tried.
    pub fn fail(&mut self, plan: Plan) {
        if let Some(progress) = self.of(plan.sweep) {
            progress.settle(plan.point);
        }
    }

    /// The rest of a sweep cannot be tried either.
    pub fn give_up(&mut self, sweep: Sweep) {
        if let Some(progress) = self.of(sweep) {
            progress.given_up = true;
        }
    }

    /// The points that no run came to, though one came to a later point.
    pub fn unreached(&self, sweep: Sweep) -> Vec<usize> {
        let progress = self.sweeps.iter().filter(|progress| progress.sweep == sweep);
        progress.flat_map(|progress| progress.missed.range(..progress.last)).map(|(point, _)| *point).collect()
    }

    fn of(&mut self, sweep: Sweep) -> Option<&mut Progress> {
        self.sweeps.iter_mut().find(|progress| progress.sweep == sweep)
    }
}

impl Progress {
    fn new(sweep: Sweep, first: usize) -> Self {
        Self { sweep, next: first, last: 0, missed: BTreeMap::new(), again: BTreeSet::new(), given_up: false }
    }

    fn take(&mut self, every: usize) -> Option<Plan> {
        if self.given_up {
            return None;
        }
        let point = match self.take_again() {
            Some(point) => point,
            None if self.has_ended() => return None,
            None => {
                self.next += every;
                self.next - every
            }
        };
        Some(Plan { sweep: self.sweep, point })
    }

    /// A point that one run ended before and another went beyond.
    fn take_again(&mut self) -> Option<usize> {
        let mut missed = self.missed.range(..self.last);
        let (point, _) = missed.find(|(point, runs)| **runs < RUNS && !self.again.contains(point))?;
        self.again.insert(*point);
        Some(*point)
    }

    /// True until a run that is still going on hits a point behind the misses.
    fn has_ended(&self) -> bool {
        self.missed.range(self.last..).count() >= MISSES
    }

    /// There is nothing more to find at a point.
    fn settle(&mut self, point: usize) {
        self.again.remove(&point);
        self.missed.remove(&point);
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Cleanup, Operation};
    use super::super::tracer::{Errno, Fault};
    use super::*;

    const ADD: Sweep = Sweep { operation: Operation::Add, fault: Fault::Kill, cleanup: Cleanup::Del };
    const DEL: Sweep = Sweep { operation: Operation::Del, fault: Fault::Error(Errno::EIO), cleanup: Cleanup::Gc };

    /// Tries all points, one after the other; `hits` tells whether a run comes to its point. The points in their order.
    fn tried(queue: &mut Queue, mut hits: impl FnMut(Plan) -> bool) -> Vec<usize> {
        let mut points = Vec::new();
        while let Some(plan) = queue.take() {
            points.push(plan.point);
            if hits(plan) { queue.hit(plan) } else { queue.miss(plan) }
        }
        points
    }

    #[test]
    fn a_sweep_goes_on_until_points_in_a_row_are_missed() {
        let mut queue = Queue::new(&[ADD, DEL], 10, 3);
        let points = tried(&mut queue, |plan| plan.sweep == ADD && plan.point < 20);
        assert_eq!(points, [[4, 14, 24, 34, 44, 54, 64].as_slice(), &[4, 14, 24, 34, 44]].concat());
        assert_eq!((queue.unreached(ADD), queue.unreached(DEL)), (vec![], vec![]));
    }

    #[test]
    fn a_run_that_is_short_ends_nothing() {
        let mut short = true;
        let mut queue = Queue::new(&[ADD], 1, 0);
        let points = tried(&mut queue, |plan| plan.point < 6 && !(plan.point == 3 && std::mem::take(&mut short)));
        assert_eq!(points, [1, 2, 3, 4, 3, 5, 6, 7, 8, 9, 10]);
        assert_eq!(queue.unreached(ADD), [0; 0]);
    }

    #[test]
    fn a_point_that_is_never_reached_is_told() {
        let mut queue = Queue::new(&[ADD], 1, 0);
        let points = tried(&mut queue, |plan| plan.point < 6 && plan.point != 3);
        assert_eq!(points.iter().filter(|point| **point == 3).count(), RUNS);
        assert_eq!(queue.unreached(ADD), [3]);
    }

    #[test]
    fn a_late_hit_goes_on_with_a_sweep_that_seemed_to_end() {
        let mut queue = Queue::new(&[ADD], 1, 0);
        let plans: Vec<_> = (0..=MISSES).map(|_| queue.take().unwrap()).collect();
        plans[..MISSES].iter().for_each(|plan| queue.miss(*plan));
        assert_eq!(queue.take(), None);
        queue.hit(plans[MISSES]);
        let again: Vec<_> = (0..=MISSES).map(|_| queue.take().unwrap().point).collect();
        assert_eq!(again, [1, 2, 3, 4, 5, 7], "each is with one worker at a time");
    }

    #[test]
    fn what_cannot_be_tried_is_not_tried_again() {
        let mut queue = Queue::new(&[ADD, DEL], 1, 0);
        let [first, second] = [queue.take().unwrap(), queue.take().unwrap()];
        queue.miss(first);
        queue.hit(second);
        assert_eq!(queue.take(), Some(first));
        queue.fail(first);
        assert_eq!((queue.take().unwrap().point, queue.unreached(ADD)), (3, vec![]));
        queue.give_up(ADD);
        assert_eq!(queue.take(), Some(Plan { sweep: DEL, point: 1 }));
    }
}
