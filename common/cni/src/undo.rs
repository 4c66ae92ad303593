//! The undo log of an ADD.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::Result;

type Step = Box<dyn FnOnce() -> Result<()> + Send>;

/// What a failed ADD has to take back, newest first.
///
/// A step is pushed beside its effect: behind an effect that happens whole or not at all (one netlink message), and
/// *before* one that can fail half way (a delegate). Steps own what they need.
///
/// Clones are handles to the same log: the panic hook has one, in whatever thread it runs.
#[derive(Default, Clone)]
pub struct Undo {
    steps: Arc<Mutex<Vec<(String, Step)>>>,
}

impl Undo {
    /// Remembers how to take back `what`.
    pub fn push(&mut self, what: impl Into<String>, step: impl FnOnce() -> Result<()> + Send + 'static) {
        self.steps().push((what.into(), Box::new(step)));
    }

    /// Runs every step, newest first, whether or not others fail; a failure is only logged, because the caller has to
    /// hear why the ADD failed.
    pub fn unwind(&mut self) {
        loop {
            let Some((what, step)) = self.steps().pop() else { return };
            if let Err(error) = step() {
                log::warn!("undo {what}: {error}");
            }
        }
    }

    /// Drops every step: the ADD is done.
    pub fn forget(&mut self) {
        self.steps().clear();
    }

    fn steps(&self) -> MutexGuard<'_, Vec<(String, Step)>> {
        self.steps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps().iter().map(|(what, _)| what)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    fn log_into(log: &Arc<Mutex<Vec<u8>>>, step: u8, result: Result<()>) -> impl FnOnce() -> Result<()> + 'static {
        let log = Arc::clone(log);
        move || {
            log.lock().unwrap().push(step);
            result
        }
    }

    #[test]
    fn unwinding_runs_every_step_newest_first_in_spite_of_failures() {
        let log = Arc::default();
        let mut undo = Undo::default();
        undo.push("one", log_into(&log, 1, Ok(())));
        undo.push("two", log_into(&log, 2, Err(Error::invalid("no"))));
        undo.push("three", log_into(&log, 3, Ok(())));
        undo.unwind();
        undo.unwind();
        assert_eq!(*log.lock().unwrap(), [3, 2, 1]);
    }

    #[test]
    fn forgetting_runs_nothing() {
        let log = Arc::default();
        let mut undo = Undo::default();
        undo.push("one", log_into(&log, 1, Ok(())));
        undo.forget();
        undo.unwind();
        assert!(log.lock().unwrap().is_empty());
    }
}
