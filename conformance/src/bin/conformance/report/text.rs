//! The report for people.

use super::{Report, Verdicts};
use crate::case::{Call, Failure};
use crate::cases::Entry;
use crate::catalogue::name;
use crate::expected::Expected;
use crate::requirement::Level;
use crate::worker::Outcome;
use std::fmt::Write as _;

/// Longer input and output is cut in the middle: nobody reads a megabyte.
const SHOWN: usize = 4000;

/// Failures first, a summary last; on demand, why cases are not applicable.
pub fn render(report: &Report, expected: Option<&Expected>, skipped: bool) -> String {
    let mut text = String::new();
    let known = |plugin: &Verdicts, entry: &Entry| {
        expected.and_then(|expected| expected.get(&(plugin.subject.name.clone(), entry.id.clone())))
    };
    for plugin in &report.plugins {
        for (entry, failure) in plugin.failures() {
            match known(plugin, entry) {
                Some(reason) => {
                    let _ = writeln!(text, "known {} {}: {reason}", plugin.subject.name, entry.id);
                }
                None => tell(&mut text, plugin, entry, failure),
            }
        }
    }
    for plugin in &report.plugins {
        if skipped {
            tell_skipped(&mut text, plugin);
        }
        summarize(&mut text, plugin);
    }
    if let Some(expected) = expected {
        for (plugin, case, what) in report.surprises(expected) {
            let _ = writeln!(text, "{plugin} {case} {what}");
        }
    }
    let cases: usize = report.plugins.iter().map(|plugin| plugin.cases.len() - plugin.skipped()).sum();
    let _ = writeln!(text, "{cases} cases in {:.1} s", report.time.as_secs_f64());
    text
}

fn tell(text: &mut String, plugin: &Verdicts, entry: &Entry, failure: &Failure) {
    let case = entry.case;
    let _ = writeln!(text, "FAIL {} {}: {}", plugin.subject.name, entry.id, case.title);
    for requirement in case.requirements() {
        line(text, "requirement", &format!("{} {} {}", requirement.number, name(requirement.level), requirement.text));
    }
    line(text, "expected", &failure.expected);
    line(text, "found", &failure.found);
    if let Some(call) = &failure.call {
        tell_call(text, call);
    }
    text.push('\n');
}

fn tell_skipped(text: &mut String, plugin: &Verdicts) {
    for (entry, outcome) in &plugin.cases {
        if let Outcome::Skip { reason } = outcome {
            let _ = writeln!(text, "not applicable {} {}: {reason}", plugin.subject.name, entry.id);
        }
    }
}

/// The call that showed a failure, so that it can be repeated.
pub fn tell_call(text: &mut String, call: &Call) {
    let command = [&call.command].into_iter().chain(&call.stdout_to).map(String::as_str).collect::<Vec<_>>();
    line(text, "command", &command.join(" "));
    let rest = if call.inherits { "" } else { "(nothing else)" };
    let set = call.environment.iter().map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => format!("{name} (removed)"),
    });
    line(text, "environment", set.chain([rest.to_owned()]).collect::<Vec<_>>().join(" ").trim_end());
    line(text, "stdin", or_empty(&call.stdin));
    line(text, "status", &call.status);
    if call.stdout_to.is_none() {
        line(text, "stdout", or_empty(&call.stdout));
    }
    line(text, "stderr", or_empty(&call.stderr));
}

fn or_empty(value: &str) -> &str {
    if value.trim().is_empty() { "(empty)" } else { value }
}

/// A name and what belongs to it, if there is anything.
pub fn line(text: &mut String, name: &str, value: &str) {
    if !value.is_empty() {
        let shown = shortened(value.trim_end()).replace('\n', "\n                 ");
        let _ = writeln!(text, "    {:12} {shown}", format!("{name}:"));
    }
}

fn shortened(value: &str) -> String {
    let length = value.chars().count();
    if length <= SHOWN {
        return value.to_owned();
    }
    let head: String = value.chars().take(SHOWN / 2).collect();
    let tail: String = value.chars().skip(length - SHOWN / 2).collect();
    format!("{head} ... {} characters ... {tail}", length - SHOWN)
}

fn summarize(text: &mut String, plugin: &Verdicts) {
    let subject = &plugin.subject;
    let kind = subject.facts.kind.map_or("protocol only".to_owned(), |kind| format!("{kind:?}").to_lowercase());
    let levels = [Level::Must, Level::Should, Level::Ref].map(|level| {
        let tally = plugin.tally(level);
        format!("{} {} of {}", name(level), tally.passed, tally.passed + tally.failed)
    });
    let _ = writeln!(text, "{:12} {kind:13} {}, {} not applicable", subject.name, levels.join(", "), plugin.skipped());
    if let Some(refusal) = &subject.facts.refusal {
        let _ = writeln!(text, "{:12} its configuration does not work: {refusal}", "");
    }
    if let Some(trouble) = &subject.facts.trouble {
        let _ =
            writeln!(text, "{:12} it could not be asked: {}", "", trouble.trim_end().replace('\n', "\n             "));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_in_the_middle() {
        let text = format!("a{}z", "é".repeat(2 * SHOWN));
        let short = shortened(&text);
        assert!(short.starts_with('a') && short.ends_with('z') && short.contains(&format!("{} characters", SHOWN + 2)));
        assert_eq!(shortened("short"), "short");
    }
}
