//! What went wrong, with which program, and what it said.

use std::fmt;

/// The result of everything that runs a program.
pub type Result<T> = std::result::Result<T, Error>;

/// A program that could not be started, or that failed.
///
/// Reads as *verb object place: cause*: `run iptables-restore of table "nat": exit status: 1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was done: `run iptables-restore of table "nat"`.
    pub doing: String,
    /// Why it failed: `exit status: 1`, `not found in PATH`.
    pub cause: String,
    /// What the program said, and the line of the batch that it named.
    pub details: String,
    /// There is no such program on this host.
    pub is_missing: bool,
}

impl Error {
    pub(crate) fn new(doing: impl Into<String>, cause: impl ToString) -> Self {
        Self { doing: doing.into(), cause: cause.to_string(), details: String::new(), is_missing: false }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.doing, self.cause)
    }
}

impl std::error::Error for Error {}
