//! What a case may demand of a call's outcome.

use crate::case::{Call, Failure, Stop, Verdict};
use serde_json::{Deserializer, Value};
use std::sync::{Mutex, PoisonError};
use testkit::{Output, Snapshot, Stdout};

/// The call that was judged last: what a look at the machine shows is its doing. A worker runs one case at a time.
static LAST: Mutex<Option<Call>> = Mutex::new(None);

/// Demands that stop the case, with the call, when they are not met.
pub trait Demands {
    /// Exit status 0 and one JSON object on stdout, as of ADD and VERSION; the object.
    fn result(&self) -> Result<Value, Stop>;

    /// Exit status 0 and nothing on stdout, as of CHECK, DEL, GC and STATUS.
    fn silence(&self) -> Verdict;

    /// Exit by itself with a status other than 0, and one error object on stdout; the object.
    fn error(&self) -> Result<Value, Stop>;

    /// The same, with this code.
    fn error_code(&self, code: u64) -> Result<Value, Stop>;

    /// That something holds; `expected` says what, as a sentence about the plugin.
    fn demand(&self, holds: bool, expected: &str) -> Verdict;

    /// That nothing was found; `found` tells what is wrong, if anything is.
    fn demand_none(&self, found: impl Into<String>, expected: &str) -> Verdict;

    /// The call, failed.
    fn failed(&self, expected: &str) -> Stop;
}

impl Demands for Output {
    fn result(&self) -> Result<Value, Stop> {
        remember(self);
        self.demand(self.status.success(), "exit status 0")?;
        let document = only_document(self, "one JSON object on stdout")?;
        self.demand(document.is_object(), "one JSON object on stdout")?;
        Ok(document)
    }

    fn silence(&self) -> Verdict {
        remember(self);
        self.demand(self.status.success(), "exit status 0")?;
        self.demand(self.stdout.trim().is_empty(), "nothing on stdout")
    }

    fn error(&self) -> Result<Value, Stop> {
        remember(self);
        self.demand(self.status.code().is_some(), "an exit by itself, not by a signal")?;
        self.demand(!self.status.success(), "an exit status other than 0")?;
        let error = only_document(self, "one error object on stdout")?;
        self.demand(error["code"].is_u64(), "an error object with an unsigned number as `code`")?;
        self.demand(error["msg"].as_str().is_some_and(|msg| !msg.is_empty()), "an error object with text as `msg`")?;
        Ok(error)
    }

    fn error_code(&self, code: u64) -> Result<Value, Stop> {
        let error = self.error()?;
        self.demand(error["code"] == code, &format!("an error object with code {code}"))?;
        Ok(error)
    }

    fn demand(&self, holds: bool, expected: &str) -> Verdict {
        if holds { Ok(()) } else { Err(self.failed(expected)) }
    }

    fn demand_none(&self, found: impl Into<String>, expected: &str) -> Verdict {
        let found = found.into();
        if found.is_empty() {
            return Ok(());
        }
        let failure = Failure { expected: expected.to_owned(), found, call: Some(call(self)) };
        Err(Stop::Fail(Box::new(failure)))
    }

    fn failed(&self, expected: &str) -> Stop {
        let failure = Failure { expected: expected.to_owned(), found: String::new(), call: Some(call(self)) };
        Stop::Fail(Box::new(failure))
    }
}

/// Demands something that shows on the machine, or in several calls.
pub fn demand(holds: bool, expected: &str, found: impl Into<String>) -> Verdict {
    if holds {
        return Ok(());
    }
    let last = LAST.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Err(Stop::Fail(Box::new(Failure { expected: expected.to_owned(), found: found.into(), call: last })))
}

/// Demands that nothing changed between two snapshots.
pub fn same(before: &Snapshot, after: &Snapshot, expected: &str) -> Verdict {
    let difference = before.diff(after);
    demand(difference.is_empty(), expected, difference)
}

/// Demands that a GC that keeps nobody has left nothing of what came `since` a plugin had been used. What it shares between attachments, such
/// as a bridge, it may keep for the next or not; what was there `first`, before it was used at all, has to be there still.
pub fn collected(first: &Snapshot, since: &Snapshot, after: &Snapshot, expected: &str) -> Verdict {
    let difference = not_collected(first, since, after);
    demand(difference.is_empty(), expected, difference)
}

/// What speaks against that.
pub fn not_collected(first: &Snapshot, since: &Snapshot, after: &Snapshot) -> String {
    let has = |snapshot: &Snapshot, line: &String| snapshot.lines().contains(line);
    let left = after.lines().iter().filter(|line| !has(since, line)).map(|line| format!("+ {line}\n"));
    let stayed = first.lines().iter().filter(|line| has(since, line));
    let lost = stayed.filter(|line| !has(after, line)).map(|line| format!("- {line}\n"));
    left.chain(lost).collect::<Vec<_>>().concat()
}

fn only_document(output: &Output, expected: &str) -> Result<Value, Stop> {
    let documents: Result<Vec<Value>, _> = Deserializer::from_str(&output.stdout).into_iter().collect();
    match documents.as_deref() {
        Ok([document]) => Ok(document.clone()),
        _ => Err(output.failed(expected)),
    }
}

fn remember(output: &Output) {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(call(output));
}

fn call(output: &Output) -> Call {
    let Output { status, stdout, stderr, invocation } = output;
    Call {
        command: invocation.command.clone(),
        environment: invocation.environment.clone(),
        inherits: invocation.inherits,
        stdin: invocation.stdin.clone(),
        stdout_to: elsewhere(invocation.stdout).map(str::to_owned),
        status: status.to_string(),
        stdout: stdout.clone(),
        stderr: stderr.clone(),
    }
}

/// As one would write it behind the command.
fn elsewhere(stdout: Stdout) -> Option<&'static str> {
    match stdout {
        Stdout::Captured => None,
        Stdout::Closed => Some(">&-"),
        Stdout::Full => Some(">/dev/full"),
        Stdout::BrokenPipe => Some("| true"),
    }
}
