//! What was asked of a plugin, as a failed test shows it.

use crate::plugin::Stdout;
use std::collections::BTreeMap;
use std::fmt::{self, Display};

/// The command, environment and input of one call.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The command line.
    pub command: String,
    /// Whether the variables of the test's own environment, `CNI_*` aside, are handed on.
    pub inherits: bool,
    /// The variables that were set, or removed (None).
    pub environment: BTreeMap<String, Option<String>>,
    /// The input, or what stood in its place.
    pub stdin: String,
    /// Where the output leads.
    pub stdout: Stdout,
}

impl Invocation {
    /// A call of this command with nothing else set.
    #[cfg(test)]
    pub(crate) fn of(command: &str) -> Self {
        Self {
            command: command.to_owned(),
            inherits: true,
            environment: BTreeMap::new(),
            stdin: String::new(),
            stdout: Stdout::Captured,
        }
    }
}

impl Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cleared = if self.inherits { "" } else { " (cleared)" };
        write!(f, "command: {}\nenvironment{cleared}:", self.command)?;
        for (name, value) in &self.environment {
            match value {
                Some(value) => write!(f, " {name}={value}")?,
                None => write!(f, " {name} (removed)")?,
            }
        }
        write!(f, "\nstdin: {}", self.stdin)?;
        if self.stdout != Stdout::Captured {
            write!(f, "\nstdout goes to: {:?}", self.stdout)?;
        }
        Ok(())
    }
}
