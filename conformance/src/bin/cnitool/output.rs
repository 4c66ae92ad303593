//! What cnitool prints: results to stdout, everything else to stderr.

use conformance::{Entry, Error, Observer, Result};
use serde::Serialize;
use std::io::{self, Write};

/// Prints text to stdout.
///
/// # Errors
/// Nobody reads it.
pub fn text(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()).map_err(unwritable)
}

/// Prints a document to stdout as the Go cnitool prints a result, indented by four spaces, and ends the line.
///
/// # Errors
/// As [`text`].
pub fn json(document: &impl Serialize) -> Result<()> {
    let narrow = serde_json::to_string_pretty(document).map_err(|cause| unwritable(io::Error::other(cause)))?;
    // Indented by two; a line of JSON begins with nothing else that is blank.
    let wide = |line: &str| format!("{:indent$}{line}\n", "", indent = line.len() - line.trim_start_matches(' ').len());
    text(&narrow.lines().map(wide).collect::<String>())
}

/// Prints why cnitool fails, each cause on a line.
pub fn failure(error: &Error) {
    tell("", error);
}

fn tell(prefix: &str, error: &Error) {
    match error {
        Error::Several(errors) => errors.iter().for_each(|error| tell(prefix, error)),
        Error::NotCleanedUp { cause, left } => {
            tell(prefix, cause);
            tell("clean up: ", left);
        }
        one => eprintln!("cnitool: {prefix}{one}"),
    }
}

fn unwritable(cause: io::Error) -> Error {
    Error::Io { doing: "write stdout".into(), cause }
}

/// Lets the user see what goes on.
#[derive(Debug)]
pub struct Terminal;

impl Observer for Terminal {
    fn warning(&self, sentence: &str) {
        eprintln!("cnitool: warning: {sentence}");
    }

    fn plugin_stderr(&self, _plugin_type: &str, text: &[u8]) {
        // Nobody is left to tell when stderr is closed.
        let _ = io::stderr().write_all(text);
    }

    fn collecting(&self, stale: &Entry) {
        // The removal matters, not the line about it.
        let _ = text(&format!("remove {}/{} from {}\n", stale.container_id, stale.ifname, stale.network));
    }
}
