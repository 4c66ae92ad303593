//! What a test needs and a machine may lack.

use crate::namespace::shell;
use nix::sched::{CloneFlags, unshare};
use std::env;
use std::fmt::{self, Display};
use std::fs::OpenOptions;
use std::io::{Write, stderr};
use std::thread;

/// Something that a test cannot do without, to be asked for with [`require`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facility<'a> {
    /// A program on `PATH`.
    Program(&'a str),
    /// A kind of link, as `ip link add` takes it after `type`: `"bridge vlan_filtering 1"`, `"macvlan mode bridge"`.
    Link(&'a str),
    /// A device that can be opened for reading and writing: `/dev/net/tun`.
    Device(&'a str),
    /// A shell script that has to succeed in an empty network namespace.
    Script(&'a str),
}

/// Whether the test can go on. Where the facility is missing, a line on stderr names the test that was skipped.
///
/// ```no_run
/// # use testkit::{Facility, require};
/// # fn test() {
/// if !require(Facility::Link("bridge vlan_filtering 1")) {
///     return;
/// }
/// # }
/// ```
///
/// # Panics
///
/// In CI (`CI=true`), where nothing may be missing.
#[must_use]
#[track_caller]
pub fn require(facility: Facility<'_>) -> bool {
    if facility.is_there() {
        return true;
    }
    let in_ci = env::var_os("CI").is_some_and(|ci| ci == "true");
    let notice = skip(facility, in_ci);
    // Not eprintln: the harness would keep that to itself, the test having passed.
    let _ = writeln!(stderr(), "{notice}");
    false
}

/// What to say about a test that goes without.
#[track_caller]
fn skip(facility: Facility<'_>, in_ci: bool) -> String {
    assert!(!in_ci, "CI lacks {facility}");
    format!("SKIPPED {}: needs {facility}", thread::current().name().unwrap_or("a test"))
}

impl Facility<'_> {
    /// Whether this machine has it.
    #[must_use]
    pub fn is_there(self) -> bool {
        match self {
            Self::Program(name) => shell(&format!("command -v {name}")).status.success(),
            // Some kinds are refused without a parent, others with one.
            Self::Link(kind) => succeeds_in_empty_netns(&format!(
                "ip link add probe0 type {kind} && exit; ip link add parent0 type veth; ip link add link parent0 name probe0 type {kind}"
            )),
            Self::Device(path) => OpenOptions::new().read(true).write(true).open(path).is_ok(),
            Self::Script(script) => succeeds_in_empty_netns(script),
        }
    }
}

fn succeeds_in_empty_netns(script: &str) -> bool {
    thread::scope(|scope| {
        let inside = scope.spawn(|| unshare(CloneFlags::CLONE_NEWNET).is_ok() && shell(script).status.success());
        inside.join().unwrap_or(false)
    })
}

impl Display for Facility<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(name) => write!(f, "the program {name}"),
            Self::Link(kind) => write!(f, "links of type {kind}"),
            Self::Device(path) => write!(f, "the device {path}"),
            Self::Script(script) => write!(f, "a kernel that can do: {script}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_found() {
        assert!(Facility::Program("sh").is_there());
        assert!(Facility::Device("/dev/null").is_there());
        assert!(Facility::Link("bridge").is_there());
        assert!(Facility::Script("ip link set lo up").is_there());
    }

    #[test]
    fn what_is_not_there_is_missed() {
        assert!(!Facility::Program("no-such-program").is_there());
        assert!(!Facility::Device("/dev/no-such-device").is_there());
        assert!(!Facility::Link("no-such-kind").is_there());
        assert!(!Facility::Script("exit 1").is_there());
    }

    #[test]
    fn a_missing_facility_skips_by_name_at_home() {
        let notice = skip(Facility::Program("no-such-program"), false);
        let name = "facility::tests::a_missing_facility_skips_by_name_at_home";
        assert_eq!(notice, format!("SKIPPED {name}: needs the program no-such-program"));
    }

    #[test]
    #[should_panic(expected = "CI lacks the program no-such-program")]
    fn a_missing_facility_fails_in_ci() {
        skip(Facility::Program("no-such-program"), true);
    }
}
