//! How a plugin failed, read from what it left behind (spec: section 2, "CNI protocol", and section 5, "Error").

use crate::{process::Finished, version::Command};
use serde::Deserialize;
use std::{fmt, io, process::ExitStatus};

/// How much of an answer that is not understood is shown, in characters.
const SHOWN: usize = 300;

/// Why a call of a plugin did not succeed.
#[derive(Debug)]
pub enum Failure {
    /// It could not be started.
    NotStarted(io::Error),
    /// It ran longer than allowed and was killed.
    TimedOut,
    /// It answered with an error object.
    Answered(ErrorObject),
    /// It failed without an error object: what it wrote to stderr, which may be empty.
    Silent {
        /// How it ended.
        status: ExitStatus,
        /// Its stderr, trimmed.
        stderr: String,
    },
    /// It failed and its stdout is not one error object.
    NoErrorObject {
        /// How it ended.
        status: ExitStatus,
        /// Its stdout, cut.
        stdout: String,
    },
    /// It succeeded, but its answer is not what the command asks for: a sentence about the answer.
    WrongAnswer(String),
}

/// The error object of the specification. Plugins of the Go library leave `cniVersion` out, so it is not asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct ErrorObject {
    /// Up to 99 defined by the specification (for example 11: try again later), above the plugin's own.
    pub code: u64,
    /// A short sentence.
    pub msg: String,
    /// More about it; often empty.
    #[serde(default)]
    pub details: String,
}

impl Failure {
    /// The failure that `finished` is, if it is one.
    ///
    /// An ADD that exits with 0 and prints an error object has failed: taken for a result it would be an empty success.
    pub fn of(command: Command, finished: &Finished) -> Option<Self> {
        let answer = serde_json::from_slice::<ErrorObject>(&finished.stdout).ok();
        if finished.timed_out {
            return Some(Self::TimedOut);
        }
        if finished.status.success() {
            return answer.filter(|_| command == Command::Add).map(Self::Answered);
        }
        let status = finished.status;
        Some(match answer {
            Some(object) => Self::Answered(object),
            None if finished.stdout.trim_ascii().is_empty() => Self::Silent { status, stderr: shown(&finished.stderr) },
            None => Self::NoErrorObject { status, stdout: shown(&finished.stdout) },
        })
    }

    /// Whether the plugin's stderr is already part of this.
    pub fn tells_stderr(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(cause) => write!(f, "cannot be started: {cause}"),
            Self::TimedOut => f.write_str("killed, it ran longer than the timeout"),
            Self::Answered(object) => write!(f, "{object}"),
            Self::Silent { status, stderr } if stderr.is_empty() => write!(f, "failed without a word: {status}"),
            Self::Silent { status, stderr } => write!(f, "failed without an error object: {status}: {stderr}"),
            Self::NoErrorObject { status, stdout } => {
                write!(f, "its stdout is not one error object: {status}: {stdout}")
            }
            Self::WrongAnswer(sentence) => f.write_str(sentence),
        }
    }
}

impl fmt::Display for ErrorObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.msg)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details)?;
        }
        write!(f, " (code {})", self.code)
    }
}

fn shown(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let text = text.trim();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or(text)),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    fn read(command: Command, code: i32, stdout: &str, stderr: &str) -> Option<String> {
        let finished = Finished {
            status: ExitStatus::from_raw(code << 8),
            stdout: stdout.into(),
            stderr: stderr.into(),
            timed_out: false,
        };
        Failure::of(command, &finished).map(|failure| failure.to_string())
    }

    #[test]
    fn error_object_is_told_with_details_and_code() {
        let object = r#"{"cniVersion":"1.1.0","code":11,"msg":"busy","details":"lock held"}"#;
        assert_eq!(read(Command::Add, 1, object, "log").as_deref(), Some("busy; lock held (code 11)"));
        assert_eq!(read(Command::Del, 1, r#"{"code":999,"msg":"x"}"#, "").as_deref(), Some("x (code 999)"));
    }

    #[test]
    fn nothing_at_all_is_told_by_exit_status() {
        assert_eq!(read(Command::Add, 3, "", " ").as_deref(), Some("failed without a word: exit status: 3"));
    }

    #[test]
    fn without_stdout_stderr_is_the_message() {
        let told = read(Command::Add, 2, "\n", "panic: x\n");
        assert_eq!(told.as_deref(), Some("failed without an error object: exit status: 2: panic: x"));
    }

    #[test]
    fn stdout_that_is_not_one_error_object_is_shown() {
        for stdout in ["oops", r#"{"code":1,"msg":"a"}{"code":1,"msg":"a"}"#, r#"{"ips":[]}"#] {
            let told = read(Command::Add, 1, stdout, "log").unwrap();
            assert_eq!(told, format!("its stdout is not one error object: exit status: 1: {stdout}"));
        }
    }

    #[test]
    fn error_object_from_add_with_exit_0_is_a_failure() {
        let object = r#"{"code":7,"msg":"bad"}"#;
        assert_eq!(read(Command::Add, 0, object, "").as_deref(), Some("bad (code 7)"));
        assert_eq!(read(Command::Del, 0, object, ""), None);
    }

    #[test]
    fn result_with_exit_0_is_no_failure() {
        assert_eq!(read(Command::Add, 0, r#"{"ips":[]}"#, "log"), None);
    }

    #[test]
    fn kill_at_the_limit_is_told_as_such() {
        let finished = Finished { status: ExitStatus::from_raw(9), stdout: vec![], stderr: vec![], timed_out: true };
        assert!(matches!(Failure::of(Command::Del, &finished), Some(Failure::TimedOut)));
    }

    #[test]
    fn long_answer_is_cut() {
        let told = read(Command::Add, 1, &"\u{e4}".repeat(1000), "").unwrap();
        assert!(told.ends_with("\u{e4}...") && told.chars().count() < SHOWN + 100);
    }
}
