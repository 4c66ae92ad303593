//! The report for programs.

use super::{Report, Verdicts};
use crate::catalogue::name;
use crate::requirement::Level;
use serde_json::{Value, json};

/// One object: plugins, their facts, all cases with verdict and failure.
pub fn render(report: &Report) -> String {
    let plugins: Vec<_> = report.plugins.iter().map(plugin).collect();
    let document = json!({ "seconds": report.time.as_secs_f64(), "passed": report.passes(), "plugins": plugins });
    format!("{document:#}\n")
}

fn plugin(plugin: &Verdicts) -> Value {
    let count = |level| {
        let tally = plugin.tally(level);
        json!({ "passed": tally.passed, "failed": tally.failed })
    };
    let cases = plugin.cases.iter().map(|(entry, outcome)| {
        let mut case = json!({
            "id": entry.id, "requirements": entry.case.numbers().collect::<Vec<_>>(), "level": name(entry.case.level()), "title": entry.case.title
        });
        let verdict = serde_json::to_value(outcome).unwrap_or_default();
        for (key, value) in verdict.as_object().into_iter().flatten() {
            case[key] = value.clone();
        }
        case
    });
    json!({
        "name": plugin.subject.name,
        "facts": plugin.subject.facts,
        "must": count(Level::Must),
        "should": count(Level::Should),
        "ref": count(Level::Ref),
        "notApplicable": plugin.skipped(),
        "cases": cases.collect::<Vec<_>>()
    })
}
