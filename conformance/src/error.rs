//! What can go wrong between a user's request and a plugin's answer.

use crate::{failure::Failure, version::Command};
use std::{fmt, io, path::Path};

/// A result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation did not succeed. `Display` is one sentence for each cause.
#[derive(Debug)]
pub enum Error {
    /// The request, a configuration or the cache does not allow it. No plugin was run for it.
    Refused(String),
    /// A file or directory could not be used.
    Io {
        /// What was tried, verb and object: `read /etc/cni/net.d`.
        doing: String,
        /// The system's answer.
        cause: io::Error,
    },
    /// A plugin failed.
    Plugin {
        /// The `type` of the plugin.
        plugin: String,
        /// The name of the network.
        network: String,
        /// The command it was run with.
        command: Command,
        /// What it answered, or how it ended.
        failure: Failure,
    },
    /// Several things failed in an operation that goes on after a failure (GC, cleaning up).
    Several(Vec<Error>),
    /// An ADD failed, and so did the DEL that was to clean up after it.
    NotCleanedUp {
        /// Why the ADD failed.
        cause: Box<Error>,
        /// What failed in the DEL.
        left: Box<Error>,
    },
}

impl Error {
    /// A refusal with this sentence.
    pub fn refused(sentence: impl Into<String>) -> Self {
        Self::Refused(sentence.into())
    }

    /// The failure of `verb` on a file or directory.
    pub fn io(verb: &str, path: &Path, cause: io::Error) -> Self {
        Self::Io { doing: format!("{verb} {}", path.display()), cause }
    }

    /// The same error with the object in front that it is about: a file, a plugin, a network.
    #[must_use]
    pub fn about(self, object: impl fmt::Display) -> Self {
        match self {
            Self::Refused(sentence) => Self::Refused(format!("{object}: {sentence}")),
            other => other,
        }
    }

    /// The `code` of the error object that a plugin answered, if that is what went wrong (for example 50 from STATUS).
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Plugin { failure: Failure::Answered(object), .. } => Some(object.code),
            Self::NotCleanedUp { cause, .. } => cause.code(),
            Self::Several(errors) => errors.iter().find_map(Self::code),
            Self::Plugin { .. } | Self::Refused(_) | Self::Io { .. } => None,
        }
    }

    /// `Ok` without errors, the error itself when it is one, [`Error::Several`] otherwise.
    pub fn join(mut errors: Vec<Self>) -> Result<()> {
        match (errors.pop(), errors.is_empty()) {
            (None, _) => Ok(()),
            (Some(only), true) => Err(only),
            (Some(last), false) => {
                errors.push(last);
                Err(Self::Several(errors))
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(sentence) => f.write_str(sentence),
            Self::Io { doing, cause } => write!(f, "{doing}: {cause}"),
            Self::Plugin { plugin, network, command, failure } => {
                write!(f, "{command} of plugin {plugin:?} in network {network:?}: {failure}")
            }
            Self::Several(errors) => {
                let sentences: Vec<_> = errors.iter().map(ToString::to_string).collect();
                f.write_str(&sentences.join("; "))
            }
            Self::NotCleanedUp { cause, left } => write!(f, "{cause}; then clean up: {left}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { cause, .. } => Some(cause),
            Self::NotCleanedUp { cause, .. } => Some(cause),
            Self::Refused(_) | Self::Plugin { .. } | Self::Several(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_errors_join_to_success() {
        assert!(Error::join(Vec::new()).is_ok());
    }

    #[test]
    fn one_error_stays_itself() {
        let joined = Error::join(vec![Error::refused("a")]).unwrap_err();
        assert!(matches!(joined, Error::Refused(sentence) if sentence == "a"));
    }

    #[test]
    fn several_errors_are_told_in_order() {
        let joined = Error::join(vec![Error::refused("a"), Error::refused("b"), Error::refused("c")]).unwrap_err();
        assert_eq!(joined.to_string(), "a; b; c");
    }
}
