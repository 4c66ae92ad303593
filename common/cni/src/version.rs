//! Versions of the specification, and the commands that each allows.

use std::fmt;

/// A released version of the CNI specification. Later ones compare greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are the versions")]
pub enum Version {
    V0_1_0,
    V0_2_0,
    V0_3_0,
    V0_3_1,
    V0_4_0,
    V1_0_0,
    V1_1_0,
}

/// What `CNI_COMMAND` asks for (spec: section 2, "CNI operations").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the specification's")]
pub enum Command {
    Add,
    Del,
    Check,
    Gc,
    Status,
    Version,
}

impl Version {
    /// Every version, oldest first.
    pub const ALL: [Self; 7] =
        [Self::V0_1_0, Self::V0_2_0, Self::V0_3_0, Self::V0_3_1, Self::V0_4_0, Self::V1_0_0, Self::V1_1_0];

    /// What a configuration without `cniVersion` means (libcni, skel).
    pub const UNSTATED: Self = Self::V0_1_0;

    /// The newest version.
    pub const NEWEST: Self = Self::V1_1_0;

    /// The version as it is written, for example `1.1.0`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V0_1_0 => "0.1.0",
            Self::V0_2_0 => "0.2.0",
            Self::V0_3_0 => "0.3.0",
            Self::V0_3_1 => "0.3.1",
            Self::V0_4_0 => "0.4.0",
            Self::V1_0_0 => "1.0.0",
            Self::V1_1_0 => "1.1.0",
        }
    }

    /// The version of exactly this spelling: `1.0` is not `1.0.0`. The empty string is [`Version::UNSTATED`].
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::UNSTATED);
        }
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether a configuration of this version may be used with `command`.
    pub fn allows(self, command: Command) -> bool {
        self >= command.since()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Command {
    /// The command of exactly this spelling; `CNI_COMMAND` is upper case.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ADD" => Self::Add,
            "DEL" => Self::Del,
            "CHECK" => Self::Check,
            "GC" => Self::Gc,
            "STATUS" => Self::Status,
            "VERSION" => Self::Version,
            _ => return None,
        })
    }

    /// The command as it is written in `CNI_COMMAND`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
            Self::Check => "CHECK",
            Self::Gc => "GC",
            Self::Status => "STATUS",
            Self::Version => "VERSION",
        }
    }

    /// The first version of the specification that has the command.
    pub const fn since(self) -> Version {
        match self {
            Self::Add | Self::Del | Self::Version => Version::V0_1_0,
            Self::Check => Version::V0_4_0,
            Self::Gc | Self::Status => Version::V1_1_0,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The three numbers of a version that may be unknown to us, missing ones as 0 (libcni's comparison).
///
/// `None` for what is not one to three numbers with dots between them.
pub(crate) fn numbers(text: &str) -> Option<[u64; 3]> {
    let text = if text.is_empty() { Version::UNSTATED.as_str() } else { text };
    let mut parts = [0; 3];
    let mut given = text.split('.');
    for slot in &mut parts {
        let Some(part) = given.next() else { break };
        *slot = part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit()))?;
    }
    given.next().is_none().then_some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_is_exact() {
        assert_eq!(Version::parse("1.0.0"), Some(Version::V1_0_0));
        assert_eq!(Version::parse(""), Some(Version::V0_1_0));
        for junk in ["1.0", "v1.0.0", "1.0.0 ", "99.0.0", "1.0.0-rc1"] {
            assert_eq!(Version::parse(junk), None, "{junk}");
        }
    }

    #[test]
    fn commands_begin_with_their_version() {
        assert!(!Version::V0_3_1.allows(Command::Check));
        assert!(Version::V0_4_0.allows(Command::Check));
        assert!(!Version::V1_0_0.allows(Command::Gc));
        assert!(Version::V1_1_0.allows(Command::Status));
        assert_eq!(Command::parse("add"), None);
    }

    #[test]
    fn numbers_compare_as_numbers() {
        assert_eq!(numbers("1.0"), Some([1, 0, 0]));
        assert!(numbers("0.10.0") > numbers("0.4.0"));
        for junk in ["1.0.0.0", "1..0", "a", "1.-1", "+1"] {
            assert_eq!(numbers(junk), None, "{junk}");
        }
    }
}
