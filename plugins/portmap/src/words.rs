//! Rules in the words of `nft`: the one case in which a program is started, for conditions that are not our own.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use cni::{Code, Error, Result};

/// Hands `rules` to `nft`, which adds all of them or none.
pub fn add(rules: &str) -> Result<()> {
    if rules.is_empty() {
        return Ok(());
    }
    let failed = |error: std::io::Error| {
        Error::new(Code::Io, format!("run nft for \"conditionsV4\" and \"conditionsV6\": {error}"))
            .details("conditions other than source, destination and interfaces need the program nft")
    };
    #[expect(clippy::disallowed_methods, reason = "conditions may be whatever nft understands")]
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let written = nft.stdin.take().map_or(Ok(()), |mut stdin| stdin.write_all(rules.as_bytes()));
    let output = nft.wait_with_output().map_err(failed)?;
    if output.status.success() {
        return written.map_err(failed);
    }
    // It may have ended without reading all: what it says is the reason.
    Err(Error::invalid("\"conditionsV4\" or \"conditionsV6\": nft does not accept the conditions")
        .details(String::from_utf8_lossy(&output.stderr).trim()))
}
