//! What one call of a plugin did, and what a test may demand of it.

use crate::invocation::Invocation;
use crate::process::Finished;
use serde_json::{Deserializer, Value};
use std::fmt::{self, Display};
use std::process::ExitStatus;

/// The outcome of [`Plugin::run`](crate::Plugin::run). Every failed demand panics with the whole call.
#[derive(Debug)]
#[must_use = "a call proves nothing until its outcome is looked at"]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed; empty when stdout was not captured.
    pub stdout: String,
    /// What it logged.
    pub stderr: String,
    /// The call itself.
    pub invocation: Invocation,
}

impl Output {
    pub(crate) fn new(invocation: Invocation, done: &Finished) -> Self {
        Self {
            status: done.status,
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
            invocation,
        }
    }

    /// The JSON on stdout: exactly one document.
    #[track_caller]
    pub fn json(&self) -> Value {
        let documents: Result<Vec<Value>, _> = Deserializer::from_str(&self.stdout).into_iter().collect();
        match documents.as_deref() {
            Ok([document]) => document.clone(),
            Ok(documents) => panic!("{} JSON documents on stdout instead of one\n{self}", documents.len()),
            Err(e) => panic!("no JSON on stdout: {e}\n{self}"),
        }
    }

    /// Demands exit status 0 and returns the one document, as ADD and VERSION print it.
    #[track_caller]
    pub fn success(&self) -> Value {
        assert!(self.status.success(), "failed, but should succeed\n{self}");
        self.json()
    }

    /// Demands exit status 0 and an empty stdout, as DEL, CHECK, GC and STATUS leave it.
    #[track_caller]
    pub fn silent(&self) {
        assert!(self.status.success(), "failed, but should succeed\n{self}");
        assert!(self.stdout.is_empty(), "succeeded, but printed something\n{self}");
    }

    /// Demands an exit with a status other than 0 and one error object, with `code` and `msg`; returns that.
    #[track_caller]
    pub fn failure(&self) -> Value {
        let status = self.status.code().unwrap_or_else(|| panic!("killed, but should fail by itself\n{self}"));
        assert!(status != 0, "succeeded, but should fail\n{self}");
        let error = self.json();
        assert!(error["code"].as_u64().is_some_and(|code| code > 0), "an error without a code\n{self}");
        assert!(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "an error without a msg\n{self}");
        error
    }

    /// The same, and demands this code.
    #[track_caller]
    pub fn failure_code(&self, code: u64) -> Value {
        let error = self.failure();
        assert!(error["code"] == code, "failed, but not with code {code}\n{self}");
        error
    }
}

impl Display for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, stdout, stderr, invocation } = self;
        write!(f, "{invocation}\n{status}\nstdout:\n{stdout}\nstderr:\n{stderr}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;

    const ERROR: &str = r#"{"cniVersion":"1.1.0","code":7,"msg":"bad"}"#;

    fn output(status: i32, stdout: &str) -> Output {
        Output {
            status: ExitStatus::from_raw(status << 8),
            stdout: stdout.to_owned(),
            stderr: String::new(),
            invocation: Invocation::of("p"),
        }
    }

    #[test]
    fn one_error_object_is_a_failure() {
        assert_eq!(output(1, ERROR).failure_code(7)["msg"], "bad");
    }

    #[test]
    #[should_panic(expected = "2 JSON documents")]
    fn two_error_objects_are_not_a_failure() {
        output(1, &format!("{ERROR}\n{ERROR}\n")).failure();
    }

    #[test]
    #[should_panic(expected = "no JSON on stdout")]
    fn text_after_the_error_is_not_a_failure() {
        output(1, &format!("{ERROR} oops")).failure();
    }

    #[test]
    #[should_panic(expected = "0 JSON documents")]
    fn silence_is_not_a_failure() {
        output(1, "").failure();
    }

    #[test]
    #[should_panic(expected = "without a msg")]
    fn an_error_needs_a_message() {
        output(1, r#"{"code":7}"#).failure();
    }

    #[test]
    #[should_panic(expected = "not with code 4")]
    fn another_code_is_not_the_one_demanded() {
        output(1, ERROR).failure_code(4);
    }

    #[test]
    #[should_panic(expected = "succeeded, but should fail")]
    fn an_error_object_with_status_0_is_not_a_failure() {
        output(0, ERROR).failure();
    }

    #[test]
    #[should_panic(expected = "failed, but should succeed")]
    fn a_result_with_status_1_is_not_a_success() {
        output(1, "{}").success();
    }

    #[test]
    #[should_panic(expected = "printed something")]
    fn silence_means_not_a_byte() {
        output(0, "{}").silent();
    }

    #[test]
    #[should_panic(expected = "killed, but should fail by itself")]
    fn a_crash_is_not_a_failure() {
        Output { status: ExitStatus::from_raw(11), ..output(0, ERROR) }.failure();
    }
}
