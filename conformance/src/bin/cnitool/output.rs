//! What cnitool prints: results to stdout, everything else to stderr.

use conformance::{Entry, Error, Observer, Result};
use serde::Serialize;
use serde_json::ser::{PrettyFormatter, Serializer};
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
    let mut out = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut out, PrettyFormatter::with_indent(b"    "));
    document.serialize(&mut serializer).map_err(|cause| unwritable(cause.into()))?;
    out.push(b'\n');
    text(&String::from_utf8_lossy(&out))
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
