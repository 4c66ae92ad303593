//! The error object that a plugin prints (spec: section 2, "Error").

use std::fmt;

/// A number that tells a runtime what kind of failure it was.
///
/// 1 to 99 belong to the specification; from 100 on they are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// 1: the configuration's version is not supported, or does not allow the command.
    IncompatibleVersion,
    /// 2: a field of the configuration is not supported.
    UnsupportedField,
    /// 3: the container is unknown.
    UnknownContainer,
    /// 4: an environment variable is missing or invalid.
    InvalidEnvironment,
    /// 5: input or output failed.
    Io,
    /// 6: content could not be decoded.
    Decode,
    /// 7: the network configuration was decoded but is invalid.
    InvalidConfig,
    /// 8: `CNI_NETNS` is the plugin's own network namespace (the Go skeleton's number).
    SameNetns,
    /// 11: try again later.
    TryAgain,
    /// 50: the plugin cannot serve ADD now.
    NotReady,
    /// 51: the plugin cannot serve ADD now and existing containers may be affected.
    LimitedConnectivity,
    /// 100: the kernel refused an operation.
    Kernel,
    /// 101: a name, address or port is taken by somebody else.
    InUse,
    /// 102: no address is left.
    Exhausted,
    /// 103: CHECK found something missing or different.
    CheckFailed,
    /// 999: anything else (the Go skeleton's number for untyped errors).
    Internal,
    /// A delegate's own number, passed on.
    Other(u32),
}

impl Code {
    /// The number as it is printed.
    pub const fn number(self) -> u32 {
        match self {
            Self::IncompatibleVersion => 1,
            Self::UnsupportedField => 2,
            Self::UnknownContainer => 3,
            Self::InvalidEnvironment => 4,
            Self::Io => 5,
            Self::Decode => 6,
            Self::InvalidConfig => 7,
            Self::SameNetns => 8,
            Self::TryAgain => 11,
            Self::NotReady => 50,
            Self::LimitedConnectivity => 51,
            Self::Kernel => 100,
            Self::InUse => 101,
            Self::Exhausted => 102,
            Self::CheckFailed => 103,
            Self::Internal => 999,
            Self::Other(number) => number,
        }
    }
}

/// Why a command failed.
///
/// `msg` is one line, lower case, without a full stop: *verb object place: cause*. `details` holds what only an expert
/// needs, such as the kernel's extended acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The kind of failure.
    pub code: Code,
    /// The failure in one line.
    pub msg: String,
    /// More about it, or empty.
    pub details: String,
}

/// A result with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error without details.
    pub fn new(code: Code, msg: impl Into<String>) -> Self {
        Self { code, msg: msg.into(), details: String::new() }
    }

    /// Code 7: a key of the configuration has a value that is not allowed.
    pub fn invalid(msg: impl Into<String>) -> Self {
        Self::new(Code::InvalidConfig, msg)
    }

    /// The same error with details.
    #[must_use]
    pub fn details(mut self, details: impl Into<String>) -> Self {
        self.details = details.into();
        self
    }

    /// The same error, its message behind `context: `.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.msg = format!("{context}: {}", self.msg);
        self
    }

    /// One error that tells of all of `errors`; `None` if there are none. The first one's code is taken.
    pub fn join(errors: impl IntoIterator<Item = Self>) -> Option<Self> {
        errors.into_iter().reduce(|mut all, next| {
            all.msg = format!("{}; {}", all.msg, next.msg);
            if !next.details.is_empty() {
                let gap = if all.details.is_empty() { "" } else { "; " };
                all.details = format!("{}{gap}{}", all.details, next.details);
            }
            all
        })
    }

    /// `Ok` if no step failed, else all their errors as one: DEL and GC go on after a failure.
    pub fn collect(steps: impl IntoIterator<Item = Result<()>>) -> Result<()> {
        Self::join(steps.into_iter().filter_map(Result::err)).map_or(Ok(()), Err)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, " ({})", self.details)?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_errors_keep_every_message_and_the_first_code() {
        let all = Error::join([
            Error::new(Code::Kernel, "delete link \"a\": EBUSY"),
            Error::invalid("bad").details("key x"),
            Error::new(Code::Io, "worse").details("disk"),
        ])
        .unwrap();
        assert_eq!(all.code, Code::Kernel);
        assert_eq!(all.msg, "delete link \"a\": EBUSY; bad; worse");
        assert_eq!(all.details, "key x; disk");
        assert_eq!(Error::join([]), None);
        assert_eq!(Error::collect([Ok(()), Ok(())]), Ok(()));
    }
}
