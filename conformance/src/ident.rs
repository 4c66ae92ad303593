//! The identifiers of the specification, and the rules for their characters.

use crate::error::{Error, Result};

/// Refuses a network name that is not a letter or digit followed by letters, digits, `_`, `.` or `-` (spec: section 1).
pub fn check_network_name(name: &str) -> Result<()> {
    check_identifier("network name", name)
}

/// Refuses a container ID that is not a letter or digit followed by letters, digits, `_`, `.` or `-` (spec: section 2).
pub fn check_container_id(id: &str) -> Result<()> {
    check_identifier("container ID", id)
}

/// Refuses what the kernel would not take as the name of an interface (`dev_valid_name` in net/core/dev.c).
pub fn check_ifname(name: &str) -> Result<()> {
    let allowed = "allowed are 1 to 15 bytes without /, : and white space, except . and ..";
    let fits = (1..=15).contains(&name.len())
        && !matches!(name, "." | "..")
        && !name.chars().any(|c| matches!(c, '/' | ':') || c.is_whitespace());
    if fits { Ok(()) } else { Err(Error::refused(format!("interface name is {name:?}, {allowed}"))) }
}

/// Refuses a plugin `type` that is not a plain file name (spec: section 1, "type").
pub fn check_plugin_type(name: &str) -> Result<()> {
    let fits = !name.is_empty() && !matches!(name, "." | "..") && !name.contains(['/', '\\', '\0']);
    if fits {
        Ok(())
    } else {
        Err(Error::refused(format!("type is {name:?}, allowed is a file name without / and \\")))
    }
}

fn check_identifier(what: &str, text: &str) -> Result<()> {
    let mut bytes = text.bytes();
    let fits = bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if fits {
        return Ok(());
    }
    let allowed = "allowed are letters, digits, _ . -, the first a letter or digit";
    Err(Error::refused(format!("{what} is {text:?}, {allowed}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifier_outside_the_rule_is_refused() {
        for good in ["a", "0", "A-b_c.d", "cnitool-77383ca0b1c9"] {
            assert!(check_network_name(good).is_ok() && check_container_id(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", ".a", "..", "a/b", "../a", "a b", "a\n", "\u{e4}"] {
            assert!(check_network_name(bad).is_err() && check_container_id(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn refusal_names_object_value_and_rule() {
        let error = check_network_name("a/b").unwrap_err().to_string();
        assert_eq!(error, "network name is \"a/b\", allowed are letters, digits, _ . -, the first a letter or digit");
    }

    #[test]
    fn ifname_the_kernel_refuses_is_refused() {
        for good in ["lo", "eth0", "a.b", "...", "abcdefghijklmno", "\u{e9}"] {
            assert!(check_ifname(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\u{a0}b", "abcdefghijklmnop"] {
            assert!(check_ifname(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn plugin_type_with_separator_is_refused() {
        assert!(check_plugin_type("host-local").is_ok());
        for bad in ["", ".", "..", "/bin/sh", "a/b", "a\\b"] {
            assert!(check_plugin_type(bad).is_err(), "{bad:?}");
        }
    }
}
