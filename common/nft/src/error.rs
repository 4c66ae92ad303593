//! What went wrong, with what, and the kernel's reason.

use std::fmt;

use nix::errno::Errno;

/// The result of everything that talks to the kernel.
pub type Result<T> = std::result::Result<T, Error>;

/// A refused or failed operation.
///
/// Reads as *verb object place: cause*, in the words of `nft(8)`:
/// `add element inet mooring dnat4 { tcp . 80 }: File exists (EEXIST)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was attempted: `add element`.
    pub op: &'static str,
    /// The thing it was attempted on: `inet mooring dnat4 { tcp . 80 }`.
    pub object: String,
    /// Why it failed.
    pub errno: Errno,
    /// The explanation in the kernel's extended acknowledgement (`NLMSGERR_ATTR_MSG`), or ours where the request was
    /// refused before it was sent.
    pub extack: Option<String>,
}

impl Error {
    pub(crate) fn new(op: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        Self { op, object: object.into(), errno, extack: None }
    }

    /// A request that cannot be sent, with the reason.
    pub(crate) fn invalid(op: &'static str, object: impl Into<String>, why: impl Into<String>) -> Self {
        Self { extack: Some(why.into()), ..Self::new(op, object, Errno::EINVAL) }
    }

    /// An exclusive addition found the object in place (EEXIST).
    pub fn is_exists(&self) -> bool {
        self.errno == Errno::EEXIST
    }

    /// The object, or what contains it, is not there (ENOENT).
    pub fn is_not_found(&self) -> bool {
        self.errno == Errno::ENOENT
    }

    /// The ruleset changed since the generation that guards the batch (ERESTART): nothing was applied, read again.
    pub fn is_restart(&self) -> bool {
        self.errno == Errno::ERESTART
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {} ({:?})", self.op, self.object, self.errno.desc(), self.errno)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_names_verb_object_and_cause() {
        let error = Error::new("add element", "inet t m { tcp . 80 }", Errno::EEXIST);
        assert_eq!(error.to_string(), "add element inet t m { tcp . 80 }: File exists (EEXIST)");
        assert!(error.is_exists() && !error.is_not_found() && !error.is_restart());
    }
}
