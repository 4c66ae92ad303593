//! The verdicts of a run, and how they are told.

pub mod json;
pub mod junit;
pub mod matrix;
pub mod text;

use crate::case::Failure;
use crate::cases::Entry;
use crate::expected::{self, Expected};
use crate::requirement::Level;
use crate::subject::Subject;
use crate::worker::Outcome;
use std::collections::BTreeSet;
use std::time::Duration;

/// All verdicts of a run.
#[derive(Debug)]
pub struct Report {
    /// Plugin by plugin.
    pub plugins: Vec<Verdicts>,
    /// How long it took.
    pub time: Duration,
}

/// The verdicts on one plugin.
#[derive(Debug)]
pub struct Verdicts {
    /// The plugin.
    pub subject: Subject,
    /// Each case and how it ended.
    pub cases: Vec<(Entry, Outcome)>,
}

/// How many cases of one level passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed, or could not be carried out.
    pub failed: usize,
}

impl Report {
    /// The report of these verdicts.
    pub fn new(plugins: Vec<Verdicts>, time: Duration) -> Self {
        Self { plugins, time }
    }

    /// No MUST failed, and every configuration that was given works.
    pub fn passes(&self) -> bool {
        self.plugins.iter().all(|plugin| plugin.tally(Level::Must).failed == 0 && plugin.subject.facts.are_whole())
    }

    /// Exactly these cases failed, of those that were run, and every configuration that was given works.
    pub fn fails_as(&self, expected: &Expected) -> bool {
        self.surprises(expected).is_empty() && self.plugins.iter().all(|plugin| plugin.subject.facts.are_whole())
    }

    /// Plugin, case and what it did: failed without being expected to, or the other way round.
    pub fn surprises(&self, expected: &Expected) -> BTreeSet<(String, String, &'static str)> {
        let mut surprises = BTreeSet::new();
        for plugin in &self.plugins {
            for (entry, outcome) in &plugin.cases {
                let key = (plugin.subject.name.clone(), entry.id.clone());
                let what = match (outcome.failure().is_some(), expected.get(&key)) {
                    (true, None) => "fails, but is not expected to",
                    (false, Some(reason)) if !expected::may_pass(reason) => "is expected to fail, but does not",
                    _ => continue,
                };
                surprises.insert((key.0, key.1, what));
            }
        }
        surprises
    }
}

impl Verdicts {
    /// The cases of this level that were run.
    pub fn tally(&self, level: Level) -> Tally {
        let mut tally = Tally::default();
        for (_, outcome) in self.cases.iter().filter(|(entry, _)| entry.case.level() == level) {
            match outcome {
                Outcome::Pass => tally.passed += 1,
                Outcome::Fail(_) | Outcome::Error(_) => tally.failed += 1,
                Outcome::Skip { .. } => {}
            }
        }
        tally
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = (&Entry, &Failure)> {
        self.cases.iter().filter_map(|(entry, outcome)| Some((entry, outcome.failure()?)))
    }

    /// How many cases have nothing to say of this plugin.
    pub fn skipped(&self) -> usize {
        self.cases.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Skip { .. })).count()
    }
}

impl Outcome {
    /// What went wrong.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Fail(failure) | Self::Error(failure) => Some(failure),
            Self::Pass | Self::Skip { .. } => None,
        }
    }
}
