//! How many cases there are, and how each is told again.

use std::{
    env,
    hash::{BuildHasher, Hasher, RandomState},
};

use proptest::{
    prelude::*,
    test_runner::{Config, RngSeed, TestError, TestRunner},
};

use crate::stage::Stage;

/// How many, so that all targets take about a minute; of a subject whose calls start programs, fewer.
const CASES: u32 = 30;
const SLOW_CASES: u32 = 8;

/// How often, and for how many milliseconds, a smaller case is sought that fails too. One that hangs takes half a minute.
const SHRINKS: u32 = 300;
const SHRINK_TIME: u32 = 90_000;

/// Judges cases, `PROPTEST_CASES` or [`CASES`] of them. Panics with the smallest that fails, and with the seed of its target:
/// proptest's own memory of failures is a file among the sources, which tests do not write to.
pub fn judge_each<S: Strategy>(stage: &Stage, cases: &S, judge: impl Fn(S::Value)) {
    let asked = Config::default();
    let seed = match asked.rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => RandomState::new().build_hasher().finish(),
    };
    let number = if stage.is_slow() { SLOW_CASES } else { CASES };
    let config = Config {
        cases: if env::var_os("PROPTEST_CASES").is_some() { asked.cases } else { number },
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: SHRINKS,
        max_shrink_time: SHRINK_TIME,
        ..asked
    };
    let outcome = TestRunner::new(config).run(cases, |case| {
        judge(case);
        Ok(())
    });
    match outcome {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("gave up: {reason}"),
        Err(TestError::Fail(reason, case)) => {
            panic!("PROPTEST_RNG_SEED={seed} leads here again: {reason}\n{case:?}")
        }
    }
}
