//! What the suite contains: `list` and `explain`.

use crate::case::{Needs, VERSIONS};
use crate::cases;
use crate::requirement::{self, Level, Requirement};
use std::fmt::Write as _;

/// One line per case.
pub fn cases() -> String {
    let mut text = String::new();
    let entries = cases::all();
    let width = entries.iter().map(|entry| entry.id.len()).max().unwrap_or(0);
    for entry in &entries {
        let case = entry.case;
        let _ = writeln!(
            text,
            "{:width$}  {:12} {:6} {:10} {}",
            entry.id,
            case.requirements,
            name(case.level()),
            for_whom(case.needs),
            case.title
        );
    }
    let _ = writeln!(text, "\n{} cases", entries.len());
    text
}

/// The requirements that no case tests, with the reason.
pub fn uncovered() -> String {
    let mut text = String::new();
    let open: Vec<_> = requirement::all().filter_map(|r| r.untested.map(|reason| (r, reason))).collect();
    for (requirement, reason) in &open {
        let _ = writeln!(text, "{}\n    not tested: {reason}\n", headed(requirement));
    }
    let _ = writeln!(text, "{} of {} requirements have no case", open.len(), requirement::all().count());
    text
}

/// All that is known of a case.
pub fn explain(id: &str) -> Result<String, String> {
    let entry = cases::find(id).or_else(|| VERSIONS.iter().find_map(|version| in_version(id, version)));
    let entry = entry.ok_or_else(|| format!("no case {id:?}; `conformance list` shows them"))?;
    let case = entry.case;
    let mut text = format!("{}\n    {}\n", entry.id, case.title);
    if let Some(version) = entry.version {
        let _ = writeln!(text, "    in version {version}");
    }
    let _ = writeln!(text, "    {}\n", in_words(case.needs));
    for requirement in case.requirements() {
        let _ = writeln!(text, "requirement {}", headed(requirement));
    }
    Ok(text)
}

/// A case that runs for each version, called without one.
fn in_version(id: &str, version: &str) -> Option<cases::Entry> {
    cases::find(&format!("v{}::{id}", version.replace('.', "_")))
}

fn headed(requirement: &Requirement) -> String {
    let Requirement { number, level, actors, since, until, text, .. } = requirement;
    let since = since.map_or(String::new(), |version| format!(", since {version}"));
    let until = until.map_or(String::new(), |version| format!(", until {version}"));
    format!("{number} [{}, for {actors}{since}{until}]\n    {text}", name(*level))
}

/// The level as the specification writes it.
pub fn name(level: Level) -> &'static str {
    match level {
        Level::Must => "MUST",
        Level::Should => "SHOULD",
        Level::Ref => "REF",
    }
}

fn in_words(needs: Needs) -> &'static str {
    match needs {
        Needs::Nothing => "for any plugin; needs no configuration",
        Needs::Config => "for any plugin; needs a configuration that works (--config, unless the suite knows one)",
        Needs::Interface => "for plugins that create CNI_IFNAME; needs a configuration that works",
        Needs::Chained => "for plugins that follow another in a list; needs a configuration that works",
        Needs::Ipam => "for plugins that hand out addresses; needs a configuration that works",
        Needs::Delegating => {
            "for plugins that have a delegate for addresses; needs a configuration that works, with \"ipam\""
        }
    }
}

fn for_whom(needs: Needs) -> &'static str {
    match needs {
        Needs::Nothing => "any",
        Needs::Config => "configured",
        Needs::Interface => "interface",
        Needs::Chained => "chained",
        Needs::Ipam => "ipam",
        Needs::Delegating => "delegating",
    }
}
