//! Rules in the words of `nft`: the one case in which a program is started, for conditions that are not our own.

use std::path::Path;

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
    let output = iptables::run_to_end(Path::new("nft"), &["-f", "-"], rules).map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Error::invalid("\"conditionsV4\" or \"conditionsV6\": nft does not accept the conditions")
        .details(String::from_utf8_lossy(&output.stderr).trim()))
}
