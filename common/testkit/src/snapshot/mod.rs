//! What the kernel and the disk hold, as lines of text that can be compared.
//!
//! One line per object, and each line names its object, so that a difference can be read without its surroundings:
//!
//! ```text
//! link cni0 info_kind=bridge flags=UP,BROADCAST,MULTICAST mtu=1500 ...
//! addr cni0 10.1.0.1/24 scope=global
//! nft element inet mooring masquerade "10.1.0.0/24"
//! file /run/sandbox/net/10.1.0.2: c1
//! ```
//!
//! Left out is what changes by itself: counters, timers, handles, interface indexes, carriers and all that follows from them,
//! and IPv6 link-local addresses, which the kernel adds when it gets to it.

mod files;
mod kernel;
mod nft;

use crate::namespace::TestNs;
use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::Path;

/// The state of a namespace, and of some directories, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    lines: Vec<String>,
}

impl Snapshot {
    pub(crate) fn take(ns: &TestNs, dirs: &[&Path]) -> Self {
        let mut lines = ns.run(|| {
            let mut lines = kernel::lines();
            lines.extend(nft::lines());
            lines
        });
        lines.extend(dirs.iter().flat_map(|dir| files::lines(dir)));
        Self { lines }
    }

    /// The lines: `link`, `addr`, `route`, `rule`, `qdisc`, `vlan`, `sysctl`, `nft ...`, `iptables`, `dir`, `file`.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// The snapshot without the lines that contain one of these texts: what a test expects to change.
    #[must_use]
    pub fn without(&self, texts: &[&str]) -> Self {
        let kept = self.lines.iter().filter(|line| !texts.iter().any(|text| line.contains(text)));
        Self { lines: kept.cloned().collect() }
    }

    /// What has to be taken from (`-`) and added to (`+`) this snapshot to get the other one; empty when they are equal.
    pub fn diff(&self, other: &Self) -> String {
        let mut surplus: BTreeMap<&str, i64> = BTreeMap::new();
        self.lines.iter().for_each(|line| *surplus.entry(line).or_default() -= 1);
        other.lines.iter().for_each(|line| *surplus.entry(line).or_default() += 1);
        let changed: Vec<_> = surplus.iter().filter(|(_, n)| **n != 0).collect();
        if changed.is_empty() && self != other {
            return format!("- the same lines in another order:\n{self}+ are now:\n{other}");
        }
        let signed = changed.iter().map(|(line, n)| format!("{} {line}\n", if **n < 0 { '-' } else { '+' }));
        signed.collect::<Vec<_>>().concat()
    }
}

impl Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// Demands that nothing changed; panics with the difference.
#[track_caller]
pub fn assert_same(before: &Snapshot, after: &Snapshot) {
    let diff = before.diff(after);
    assert!(diff.is_empty(), "the host is not as it was before\n--- before\n+++ after\n{diff}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(lines: &[&str]) -> Snapshot {
        Snapshot { lines: lines.iter().map(ToString::to_string).collect() }
    }

    #[test]
    fn equal_snapshots_have_no_difference() {
        assert_same(&snapshot(&["a", "b"]), &snapshot(&["a", "b"]));
    }

    #[test]
    fn a_changed_object_shows_as_two_neighbouring_lines() {
        let diff = snapshot(&["addr x", "link eth0 mtu=1500"]).diff(&snapshot(&["addr x", "link eth0 mtu=1400"]));
        assert_eq!(diff, "+ link eth0 mtu=1400\n- link eth0 mtu=1500\n");
    }

    #[test]
    fn a_second_equal_rule_is_noticed() {
        assert_eq!(snapshot(&["rule"]).diff(&snapshot(&["rule", "rule"])), "+ rule\n");
    }

    #[test]
    #[should_panic(expected = "in another order")]
    fn another_order_is_a_difference() {
        assert_same(&snapshot(&["rule a", "rule b"]), &snapshot(&["rule b", "rule a"]));
    }

    #[test]
    fn expected_lines_can_be_left_out() {
        let after = snapshot(&["link cni0", "file /x/last_reserved_ip.0: 10.1.0.2"]);
        assert_same(&snapshot(&["link cni0"]), &after.without(&["last_reserved_ip"]));
    }
}
