//! Versions of the specification, the commands that each allows, and the choice between those that a list offers.

use crate::error::{Error, Result};
use std::fmt;

/// A released version of the CNI specification. Later ones compare greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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

    /// What a configuration without `cniVersion` means (libcni, and every plugin built on it).
    pub const UNSTATED: Self = Self::V0_1_0;

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

    /// The version of exactly this spelling: plugins compare versions as text, so `1.0` is not `1.0.0`.
    ///
    /// The empty string is [`Version::UNSTATED`].
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::UNSTATED);
        }
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    /// Whether a list of this version may be used with `command`.
    pub fn allows(self, command: Command) -> bool {
        self >= command.since()
    }

    /// The highest known version among `cniVersion` and the entries of `cniVersions` (spec: section 1, "Version considerations").
    ///
    /// Versions that were released after this program are passed over, since the other side offers them beside older ones.
    ///
    /// # Errors
    /// An entry of `cniVersions` that is no version at all; nothing that is known.
    pub fn negotiate(cni_version: &str, cni_versions: &[String]) -> Result<Self> {
        if let Some(junk) = cni_versions.iter().find(|text| !is_dotted_numbers(text)) {
            return Err(Error::refused(format!("cniVersions has {junk:?}, allowed are versions like \"1.0.0\"")));
        }
        let offered = cni_versions.iter().filter(|text| !text.is_empty()).map(String::as_str);
        offered.chain([cni_version]).filter_map(Self::parse).max().ok_or_else(|| {
            let known: Vec<_> = Self::ALL.iter().map(|version| version.as_str()).collect();
            Error::refused(format!("cniVersion is {cni_version:?}, allowed are {}", known.join(", ")))
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Command {
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
            Self::Add | Self::Del => Version::V0_1_0,
            Self::Version => Version::V0_2_0,
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

/// One to three decimal numbers with dots between them, the only form that libcni reads.
fn is_dotted_numbers(text: &str) -> bool {
    let parts: Vec<_> = text.split('.').collect();
    parts.len() <= 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiate(cni_version: &str, cni_versions: &[&str]) -> std::result::Result<Version, String> {
        let offered: Vec<_> = cni_versions.iter().map(ToString::to_string).collect();
        Version::negotiate(cni_version, &offered).map_err(|e| e.to_string())
    }

    #[test]
    fn several_versions_highest_is_picked() {
        assert_eq!(negotiate("0.4.0", &["1.0.0", "0.3.1"]), Ok(Version::V1_0_0));
        assert_eq!(negotiate("1.1.0", &["1.0.0"]), Ok(Version::V1_1_0));
    }

    #[test]
    fn no_version_is_0_1_0() {
        assert_eq!(negotiate("", &[]), Ok(Version::V0_1_0));
    }

    #[test]
    fn version_of_the_future_is_passed_over() {
        assert_eq!(negotiate("9.0.0", &["9.1.0", "1.0.0"]), Ok(Version::V1_0_0));
    }

    #[test]
    fn only_unknown_versions_are_refused() {
        let error = negotiate("1.0", &[]).unwrap_err();
        assert_eq!(error, "cniVersion is \"1.0\", allowed are 0.1.0, 0.2.0, 0.3.0, 0.3.1, 0.4.0, 1.0.0, 1.1.0");
    }

    #[test]
    fn junk_among_the_versions_is_refused() {
        for junk in ["", "1..0", "1.0.0.0", "v1.0.0", "1.0.0-rc1"] {
            assert!(negotiate("1.0.0", &[junk]).unwrap_err().contains("cniVersions"), "{junk}");
        }
    }

    #[test]
    fn commands_begin_with_their_version() {
        assert!(!Version::V0_3_1.allows(Command::Check));
        assert!(Version::V0_4_0.allows(Command::Check));
        assert!(!Version::V1_0_0.allows(Command::Gc));
        assert!(Version::V1_1_0.allows(Command::Status));
    }
}
