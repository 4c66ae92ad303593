//! Sysctls as a configuration names them.

use cni::{Error, Result};

/// What stands for the name of the container's interface in a key, which may itself contain a `.`.
const PLACEHOLDER: &str = "IFNAME";

/// A sysctl and its value: one that is wanted, or one that was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sysctl {
    /// The key as it was written.
    pub key: String,
    /// Where it is below `/proc/sys`.
    pub path: String,
    /// Its value.
    pub value: String,
}

impl Sysctl {
    /// A sysctl of the network namespace whose interface is `ifname`. The key has `.` or `/` between its parts.
    ///
    /// # Errors
    /// Code 7 if the key leads anywhere but below `/proc/sys/net`.
    pub fn new(key: &str, value: &str, ifname: &str) -> Result<Self> {
        let template = key.replace('.', "/");
        let has_gap = template.split('/').any(str::is_empty);
        if has_gap || !template.starts_with("net/") || key.contains('\0') {
            return Err(Error::invalid(format!(
                "\"sysctl\" {key:?}: must be a key of the network namespace, like net.ipv4.conf.IFNAME.arp_notify"
            )));
        }
        let path = template.replacen(PLACEHOLDER, ifname, 1);
        Ok(Self { key: key.to_owned(), path, value: value.to_owned() })
    }

    /// Whether it is the interface's own, not the whole namespace's.
    pub fn is_of(&self, ifname: &str) -> bool {
        self.key.contains(PLACEHOLDER) || self.path.split('/').any(|part| part == ifname)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_paths_and_names_of_interfaces_keep_their_dots() {
        for (key, path) in [
            ("net.core.somaxconn", "net/core/somaxconn"),
            ("net/ipv4/ip_forward", "net/ipv4/ip_forward"),
            ("net.ipv4.conf.IFNAME.arp_notify", "net/ipv4/conf/a.b/arp_notify"),
            ("net.ipv4/conf.IFNAME/IFNAME", "net/ipv4/conf/a.b/IFNAME"),
        ] {
            assert_eq!(Sysctl::new(key, "1", "a.b").unwrap().path, path, "{key}");
        }
    }

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        for key in [
            "",
            "net",
            "net.",
            "net/",
            "kernel.hostname",
            "kernel/../net/x",
            "/net/ipv4/x",
            ".net.x",
            "net..x",
            "net.x.",
            "net/../kernel/hostname",
            "net//x",
            "network.x",
            "NET.x",
            "net.x\0",
            "../net/x",
        ] {
            let error = Sysctl::new(key, "1", "eth0").unwrap_err();
            assert!(error.msg.contains(&format!("{key:?}")), "{error}");
        }
    }

    #[test]
    fn sysctls_of_the_interface_are_told_from_those_of_the_namespace() {
        let is_of = |key| Sysctl::new(key, "1", "eth0").unwrap().is_of("eth0");
        assert!(is_of("net.ipv4.conf.IFNAME.arp_notify") && is_of("net.ipv4.conf.eth0.arp_notify"));
        assert!(!is_of("net.ipv4.conf.all.arp_notify"));
    }
}
