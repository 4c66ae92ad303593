//! The administrator's list of sysctls that configurations may set.

use std::{io::ErrorKind, path::Path};

use cni::{Code, Error, Result};
use regex_lite::Regex;

use crate::{
    file::{self, Links},
    sysctl::Sysctl,
};

/// Where the reference has it, too.
const PATH: &str = "/etc/cni/tuning/allowlist.conf";

/// Patterns, one of which a key has to match somewhere.
#[derive(Debug)]
pub struct AllowList(Vec<Regex>);

impl AllowList {
    /// The host's list; without one everything is allowed.
    pub fn read() -> Result<Option<Self>> {
        match file::read(Path::new(PATH), Links::Follow) {
            Ok(content) => Self::parse(&String::from_utf8_lossy(&content)).map(Some),
            // A link that leads nowhere was meant to be a list.
            Err(error) if error.kind() == ErrorKind::NotFound && !Path::new(PATH).is_symlink() => Ok(None),
            Err(error) => Err(Error::new(Code::Io, format!("read allow-list {PATH}: {error}"))),
        }
    }

    /// One regular expression a line; empty lines and those that begin with `#` are left out.
    fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().map(str::trim).zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
        let patterns = lines.map(|(line, number)| {
            Regex::new(line).map_err(|why| {
                Error::invalid(format!("allow-list {PATH} line {number} {line:?}: must be a regular expression"))
                    .details(why.to_string())
            })
        });
        patterns.collect::<Result<_>>().map(Self)
    }

    /// Fails if a sysctl is not allowed.
    pub fn check(&self, sysctls: &[Sysctl]) -> Result<()> {
        let is_refused = |sysctl: &&Sysctl| !self.0.iter().any(|pattern| pattern.is_match(&sysctl.key));
        let Some(refused) = sysctls.iter().find(is_refused) else { return Ok(()) };
        let patterns: Vec<_> = self.0.iter().map(Regex::as_str).collect();
        Err(Error::invalid(format!(
            "\"sysctl\" \"{}\" is not allowed: must match one of {patterns:?} in {PATH}",
            refused.key
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(list: &str, key: &str) -> bool {
        AllowList::parse(list).unwrap().check(&[Sysctl::new(key, "1", "eth0").unwrap()]).is_ok()
    }

    #[test]
    fn a_key_has_to_match_one_line_somewhere() {
        let list = "\n  ^net.ipv4.conf.IFNAME.[a-z_]*$ \r\n\t\nsomax\n";
        for key in ["net.ipv4.conf.IFNAME.arp_notify", "net.core.somaxconn"] {
            assert!(allows(list, key), "{key}");
        }
        for key in ["net.ipv4.conf.eth0.arp_notify", "net.ipv4.conf.IFNAME.arp_notify9", "net.ipv4.ip_forward"] {
            assert!(!allows(list, key), "{key}");
        }
    }

    #[test]
    fn a_list_of_nothing_allows_nothing_and_comments_are_no_patterns() {
        for list in ["", "\n \n", "# net.core.somaxconn or net"] {
            assert!(!allows(list, "net.core.somaxconn"), "{list:?}");
        }
    }

    #[test]
    fn lines_that_are_no_patterns_are_named() {
        let error = AllowList::parse("net\n\n  net(\n").unwrap_err();
        assert!(error.msg.contains("line 3 \"net(\""), "{error}");
        assert!(!error.details.is_empty());
    }

    #[test]
    fn refusals_name_the_key_and_what_is_allowed() {
        let list = AllowList::parse("^net.core").unwrap();
        let error = list.check(&[Sysctl::new("net.ipv4.ip_forward", "1", "eth0").unwrap()]).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        assert!(
            error.msg.contains("\"net.ipv4.ip_forward\" is not allowed") && error.msg.contains("^net.core"),
            "{error}"
        );
    }
}
