//! A case: one thing that a plugin has to do, and how to see whether it does.

use crate::requirement::{self, Level, Requirement};
use crate::stage::Stage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// The versions of the specification that cases exercise, oldest first.
pub const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"];

/// One test of the suite.
#[derive(Debug)]
pub struct Case {
    /// Its name, unique and stable: `del::twice`. Of one that runs once for each version, the part behind `v0_4_0::`.
    pub id: &'static str,
    /// The numbers of the requirements that it tests, with blanks between them. The first gives the case its level.
    pub requirements: &'static str,
    /// What kind of plugin, and what knowledge of it, the case needs.
    pub needs: Needs,
    /// What a passing plugin does, in one line.
    pub title: &'static str,
    /// How to find out.
    pub run: Run,
}

/// How a case is run.
#[derive(Clone, Copy, Debug)]
pub enum Run {
    /// Once, in the newest version that the plugin lists.
    Once(fn(&Stage) -> Verdict),
    /// Once for each version that the plugin lists, from `since` on.
    EachVersion {
        /// The first version.
        since: &'static str,
        /// The test, with the version.
        run: fn(&Stage, &'static str) -> Verdict,
    },
}

/// What a case needs of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing: any executable will do.
    Nothing,
    /// A working configuration.
    Config,
    /// That its ADD creates `CNI_IFNAME` in the container.
    Interface,
    /// That it works on what a plugin before it made.
    Chained,
    /// That it hands out addresses.
    Ipam,
    /// That it has an IPAM plugin do so.
    Delegating,
}

/// How a case ended: passed, or stopped.
pub type Verdict = Result<(), Stop>;

/// Why a case did not pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "verdict")]
pub enum Stop {
    /// The plugin did something else than expected.
    Fail(Box<Failure>),
    /// The case has nothing to say of this plugin: why.
    Skip {
        /// What is missing.
        reason: String,
    },
}

/// What was expected, and what came.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Failure {
    /// What a conforming plugin does.
    pub expected: String,
    /// What is there instead, if the call does not say it: a difference, a list.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub found: String,
    /// The call that showed it; of what was seen on the machine, the last one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<Call>,
}

/// One call of the plugin and its outcome.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The command line.
    pub command: String,
    /// Variables that were set or, null, removed.
    pub environment: BTreeMap<String, Option<String>>,
    /// Whether the rest of the environment was the suite's; otherwise there was none.
    pub inherits: bool,
    /// The input.
    pub stdin: String,
    /// Where the output led, if the suite did not read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdout_to: Option<String>,
    /// How it ended.
    pub status: String,
    /// What it printed.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
}

/// For where there is no room for the call.
impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}: {}", self.expected, self.found)
    }
}

impl Case {
    /// A case that runs once.
    pub const fn once(
        id: &'static str,
        requirements: &'static str,
        needs: Needs,
        title: &'static str,
        run: fn(&Stage) -> Verdict,
    ) -> Self {
        Self { id, requirements, needs, title, run: Run::Once(run) }
    }

    /// A case that runs for each version.
    pub const fn each_version(
        id: &'static str,
        requirements: &'static str,
        needs: Needs,
        title: &'static str,
        run: fn(&Stage, &'static str) -> Verdict,
    ) -> Self {
        Self { id, requirements, needs, title, run: Run::EachVersion { since: "0.1.0", run } }
    }

    /// The same, from this version on.
    pub const fn from(self, since: &'static str) -> Self {
        match self.run {
            Run::EachVersion { run, .. } => Self { run: Run::EachVersion { since, run }, ..self },
            Run::Once(_) => self,
        }
    }

    /// The numbers of the requirements that it tests.
    pub fn numbers(&self) -> impl Iterator<Item = &'static str> {
        self.requirements.split(' ')
    }

    /// The requirements that it tests.
    pub fn requirements(&self) -> impl Iterator<Item = &'static Requirement> {
        self.numbers().filter_map(requirement::find)
    }

    /// How binding it is: as its first requirement.
    pub fn level(&self) -> Level {
        self.requirements().next().map_or(Level::Ref, |requirement| requirement.level)
    }

    /// The first version of the specification in which it says something.
    pub fn since(&self) -> Option<&'static str> {
        self.requirements().next().and_then(|requirement| requirement.since)
    }
}

impl Stop {
    /// A failure, with what was found.
    pub fn with(self, found: String) -> Self {
        match self {
            Self::Fail(failure) => Self::Fail(Box::new(Failure { found, ..*failure })),
            skip @ Self::Skip { .. } => skip,
        }
    }

    /// A skip.
    pub fn skip(reason: impl Into<String>) -> Self {
        Self::Skip { reason: reason.into() }
    }
}
