//! The identifiers of the specification and the rules for their characters.

use crate::{Code, Error, Result};

/// What one ADD makes: an interface of a container (spec: section 2, "Parameters").
///
/// Together with the network's name it is the key of everything that a plugin keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attachment {
    /// `CNI_CONTAINERID`.
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

/// Refuses a container ID that is not a letter or digit followed by letters, digits, `_`, `.` or `-`.
pub fn check_container_id(id: &str) -> Result<()> {
    if is_identifier(id) {
        return Ok(());
    }
    Err(Error::new(Code::InvalidEnvironment, "invalid characters in containerID").details(id))
}

/// Refuses a network name that is not a letter or digit followed by letters, digits, `_`, `.` or `-`.
pub fn check_network_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid("missing network name"));
    }
    if is_identifier(name) {
        return Ok(());
    }
    Err(Error::invalid("invalid characters found in network name").details(name))
}

/// Refuses an interface name that the kernel would: longer than 15 bytes, `.`, `..`, or with `/`, `:` or white space
/// (`dev_valid_name`, net/core/dev.c).
pub fn check_ifname(name: &str) -> Result<()> {
    let refuse = |msg: &str| Err(Error::new(Code::InvalidEnvironment, msg));
    if name.is_empty() {
        return refuse("interface name is empty");
    }
    if name.len() > 15 {
        return Err(Error::new(Code::InvalidEnvironment, "interface name is too long")
            .details(format!("interface name should be less than 16 characters, \"{name}\" has {}", name.len())));
    }
    if name == "." || name == ".." {
        return refuse("interface name is . or ..");
    }
    if name.chars().any(|c| c == '/' || c == ':' || c.is_whitespace()) {
        return refuse("interface name contains / or : or whitespace characters");
    }
    Ok(())
}

fn is_identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphanumeric())
        && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_follow_the_specification() {
        for good in ["a", "0", "A-b_c.d", "default-0123456789abcdef"] {
            assert_eq!(check_container_id(good), Ok(()), "{good}");
            assert_eq!(check_network_name(good), Ok(()), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "a/b", "a b", "a\n", "ä"] {
            assert_eq!(check_container_id(bad).unwrap_err().code, Code::InvalidEnvironment, "{bad:?}");
            assert_eq!(check_network_name(bad).unwrap_err().code, Code::InvalidConfig, "{bad:?}");
        }
    }

    #[test]
    fn ifnames_follow_the_kernel() {
        for good in ["lo", "eth0", "a.b", "...", "abcdefghijklmno", "é"] {
            assert_eq!(check_ifname(good), Ok(()), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a:b", "a b", "a\u{a0}b", "abcdefghijklmnop"] {
            assert_eq!(check_ifname(bad).unwrap_err().code, Code::InvalidEnvironment, "{bad:?}");
        }
    }
}
