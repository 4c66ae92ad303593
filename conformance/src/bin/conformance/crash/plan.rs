//! What can be tried: operations, faults, points.
#![allow(clippy::doc_markdown, reason = "doc comments are the text of --help")]

use super::tracer::{Errno, Fault, Injection};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use std::fmt::{self, Display};

/// What error injection tries unless the command line says otherwise: memory, a socket's buffer, a disk that is broken or
/// full, a signal.
pub const ERRNOS: [Errno; 5] = [Errno::ENOMEM, Errno::ENOBUFS, Errno::EIO, Errno::ENOSPC, Errno::EINTR];

/// The call that the fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// ADD
    Add,
    /// DEL
    Del,
}

/// The call that has to clean up behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
pub enum Cleanup {
    /// DEL
    #[serde(rename = "DEL")]
    Del,
    /// DEL with an empty CNI_NETNS, as if the namespace were gone
    #[serde(rename = "DEL without netns")]
    DelWithoutNetns,
    /// GC without valid attachments, as if DEL never came
    #[serde(rename = "GC")]
    Gc,
}

/// A kind of faults, on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Kill the plugin and everything that it started
    Kill,
    /// Kill the plugin alone: its delegate runs on
    KillPlugin,
    /// Let a system call fail
    Error,
}

/// One operation with one fault, at each of its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// Where the fault happens.
    pub operation: Operation,
    /// What happens.
    #[serde(with = "name")]
    pub fault: Fault,
    /// What comes after.
    pub cleanup: Cleanup,
}

/// One point of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The sweep.
    pub sweep: Sweep,
    /// Which of the calls that count for the fault, from 1.
    pub point: usize,
}

impl Plan {
    /// What the tracer is to do.
    pub fn injection(self) -> Injection {
        Injection { fault: self.sweep.fault, point: self.point }
    }
}

impl Kind {
    /// The faults of this kind.
    pub fn faults(self, errnos: &[Errno]) -> Vec<Fault> {
        match self {
            Self::Kill => vec![Fault::Kill],
            Self::KillPlugin => vec![Fault::KillPlugin],
            Self::Error => errnos.iter().copied().map(Fault::Error).collect(),
        }
    }
}

/// An error by its name: `ENOMEM`.
pub fn errno(name: &str) -> Result<Errno, String> {
    let known = (1..=i32::from(u8::MAX)).map(Errno::from_raw).find(|errno| format!("{errno:?}") == name);
    known.filter(|errno| *errno != Errno::UnknownErrno).ok_or_else(|| "allowed is a name like ENOMEM".to_owned())
}

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "ADD",
            Self::Del => "DEL",
        })
    }
}

impl Display for Cleanup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Del => "DEL",
            Self::DelWithoutNetns => "DEL without netns",
            Self::Gc => "GC",
        })
    }
}

/// As a report names it: `ADD kill (DEL)`.
impl Display for Sweep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({})", self.operation, self.fault, self.cleanup)
    }
}

/// As a command line and a report name it: `kill`, `kill-plugin`, `ENOMEM`.
impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.pad("kill"),
            Self::KillPlugin => f.pad("kill-plugin"),
            Self::Error(errno) => f.pad(&format!("{errno:?}")),
        }
    }
}

/// A fault by its name, in JSON.
mod name {
    use super::{Fault, errno};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub fn serialize<S: Serializer>(fault: &Fault, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(fault)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Fault, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "kill" => Ok(Fault::Kill),
            "kill-plugin" => Ok(Fault::KillPlugin),
            name => errno(name).map(Fault::Error).map_err(D::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADD: Sweep = Sweep { operation: Operation::Add, fault: Fault::Kill, cleanup: Cleanup::Del };
    const DEL: Sweep = Sweep { operation: Operation::Del, fault: Fault::Error(Errno::EIO), cleanup: Cleanup::Gc };

    #[test]
    fn a_plan_reaches_a_worker_as_it_is() {
        for sweep in [ADD, DEL, Sweep { fault: Fault::KillPlugin, ..DEL }] {
            let plan = Plan { sweep, point: 7 };
            let text = serde_json::to_string(&plan).unwrap();
            assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan, "{text}");
        }
    }

    #[test]
    fn errors_are_known_by_name() {
        assert!(ERRNOS.iter().all(|known| errno(&format!("{known:?}")) == Ok(*known)));
        for junk in ["", "enomem", "UnknownErrno", "12"] {
            assert!(errno(junk).is_err(), "{junk}");
        }
    }
}
