//! All cases, by family: the file is the first part of the id.

mod add;
mod args;
mod capabilities;
mod chain;
mod check;
mod clients;
mod config;
mod decoding;
mod del;
mod delegation;
mod environment;
mod gate;
mod gc;
mod identifier;
mod ipam;
mod kill;
mod layout;
mod netns;
mod output;
mod parallel;
mod required;
mod skeleton;
mod status;
mod stdin;
mod version;

use crate::case::{Case, Run, VERSIONS, Verdict};
use crate::stage::Stage;

/// The families, in the order in which they are told.
const FAMILIES: &[&[Case]] = &[
    version::CASES,
    environment::CASES,
    required::CASES,
    identifier::CASES,
    netns::CASES,
    stdin::CASES,
    output::CASES,
    gate::CASES,
    skeleton::CASES,
    add::CASES,
    add::refusals::CASES,
    del::CASES,
    del::gone::CASES,
    del::changed::CASES,
    del::others::CASES,
    check::CASES,
    check::tolerance::CASES,
    parallel::CASES,
    kill::CASES,
    layout::fields::CASES,
    layout::life::CASES,
    layout::kernel::CASES,
    layout::convert::CASES,
    chain::kept::CASES,
    chain::odd::CASES,
    chain::versions::CASES,
    chain::unchained::CASES,
    config::CASES,
    decoding::keys::CASES,
    decoding::values::CASES,
    args::CASES,
    capabilities::CASES,
    capabilities::ports::CASES,
    delegation::find::CASES,
    delegation::handover::CASES,
    delegation::forward::CASES,
    delegation::answer::CASES,
    delegation::streams::CASES,
    delegation::failure::CASES,
    delegation::missing::CASES,
    delegation::rollback::CASES,
    ipam::result::CASES,
    ipam::CASES,
    gc::CASES,
    gc::list::CASES,
    gc::delegating::CASES,
    status::CASES,
    clients::CASES,
    clients::answers::CASES,
    clients::containerd::CASES,
    clients::nerdctl::CASES,
    clients::podman::CASES,
];

/// A case as it is run and reported: once, or in one version.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: `del::twice`, `v0_4_0::layout`.
    pub id: String,
    /// The case.
    pub case: &'static Case,
    /// The version that it exercises.
    pub version: Option<&'static str>,
}

/// All entries, in the order of the report.
pub fn all() -> Vec<Entry> {
    FAMILIES.iter().copied().flatten().flat_map(entries).collect()
}

/// The entry of this name.
pub fn find(id: &str) -> Option<Entry> {
    all().into_iter().find(|entry| entry.id == id)
}

/// The versions from this one on.
pub fn since(version: &str) -> impl Iterator<Item = &'static str> {
    let from = VERSIONS.iter().position(|known| *known == version).unwrap_or(0);
    VERSIONS.into_iter().skip(from)
}

fn entries(case: &'static Case) -> Vec<Entry> {
    match case.run {
        Run::Once(_) => vec![Entry { id: case.id.to_owned(), case, version: None }],
        Run::EachVersion { since: first, .. } => {
            let named = |version: &'static str| Entry {
                id: format!("v{}::{}", version.replace('.', "_"), case.id),
                case,
                version: Some(version),
            };
            since(first).map(named).collect()
        }
    }
}

impl Entry {
    /// Runs it on this stage.
    pub fn run(&self, stage: &Stage) -> Verdict {
        match (self.case.run, self.version) {
            (Run::EachVersion { run, .. }, Some(version)) => run(stage, version),
            (Run::Once(run), _) => run(stage),
            (Run::EachVersion { since, run }, None) => run(stage, since),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::requirement;
    use std::collections::BTreeSet;

    #[test]
    fn ids_are_unique() {
        let entries = all();
        let ids: BTreeSet<_> = entries.iter().map(|entry| &entry.id).collect();
        assert_eq!(ids.len(), entries.len());
    }

    #[test]
    fn each_case_tests_requirements_that_there_are() {
        let entries = all();
        let numbers = entries.iter().flat_map(|entry| entry.case.numbers().map(|number| (&entry.id, number)));
        let lost: Vec<_> = numbers.filter(|(_, number)| requirement::find(number).is_none()).collect();
        assert!(lost.is_empty(), "{lost:?}");
    }

    #[test]
    fn each_requirement_has_a_case_or_a_reason() {
        let tested: BTreeSet<_> = all().iter().flat_map(|entry| entry.case.numbers()).collect();
        let open = requirement::all().filter(|r| tested.contains(r.number) == r.untested.is_some());
        assert_eq!(open.map(|r| r.number).collect::<Vec<_>>(), Vec::<&str>::new());
    }
}
