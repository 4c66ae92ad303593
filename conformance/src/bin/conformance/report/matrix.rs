//! Verdicts side by side, as markdown tables.

use super::{Report, json};
use crate::cases::all;
use serde_json::Value;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

/// The levels, as they are named in a report for programs.
const LEVELS: [&str; 3] = ["must", "should", "ref"];

/// The table of one run.
pub fn one(report: &Report) -> String {
    let value = serde_json::from_str(&json::render(report)).unwrap_or_default();
    render(&[(String::new(), value)])
}

/// The table of several runs, each given as `TITLE=FILE`.
pub fn read(reports: &[String]) -> Result<String, String> {
    let read = |argument: &String| {
        let (title, path) = argument.split_once('=').ok_or_else(|| format!("{argument:?} should be TITLE=FILE"))?;
        let text = fs::read_to_string(path).map_err(|e| format!("read {path}: {e}"))?;
        let report = serde_json::from_str(&text).map_err(|e| format!("{path}: not a report in JSON: {e}"))?;
        Ok((title.to_owned(), report))
    };
    reports.iter().map(read).collect::<Result<Vec<_>, String>>().map(|reports| render(&reports))
}

/// First how many cases passed, then those that failed anywhere.
fn render(reports: &[(String, Value)]) -> String {
    let columns: Vec<(String, &Value)> = reports.iter().flat_map(|(title, report)| columns(title, report)).collect();
    let mut text = String::from("| passed of applicable |");
    text.extend(columns.iter().map(|(title, _)| format!(" {title} |")));
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(columns.len()));
    for level in LEVELS {
        let _ = write!(text, "| {} |", level.to_uppercase());
        for (_, plugin) in &columns {
            let (passed, failed) = (number(plugin, level, "passed"), number(plugin, level, "failed"));
            let _ = write!(text, " {passed} of {} |", passed + failed);
        }
        text.push('\n');
    }
    failures(&mut text, &columns);
    text
}

fn failures(text: &mut String, columns: &[(String, &Value)]) {
    let failed = failed_cases(columns);
    if failed.is_empty() {
        return;
    }
    text.push_str("\n| case | level | what should hold |");
    text.extend(columns.iter().map(|(title, _)| format!(" {title} |")));
    let _ = write!(text, "\n|---|---|---|{}\n", "---|".repeat(columns.len()));
    for (id, case) in &failed {
        let word = |key: &str| case[key].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = write!(text, "| `{id}` | {} | {} |", word("level"), word("title"));
        for (_, plugin) in columns {
            let _ = write!(text, " {} |", verdict(plugin, id));
        }
        text.push('\n');
    }
}

/// Cases that fail in some column, in the order of the suite; reports may be of different choices of cases.
fn failed_cases<'a>(columns: &[(String, &'a Value)]) -> Vec<(&'a str, &'a Value)> {
    let mut failed: HashMap<&str, &Value> = HashMap::new();
    for case in columns.iter().flat_map(|(_, plugin)| cases(plugin)) {
        if let (Some("fail" | "error"), Some(id)) = (case["verdict"].as_str(), case["id"].as_str()) {
            failed.entry(id).or_insert(case);
        }
    }
    let known = all().into_iter().filter_map(|entry| failed.remove_entry(entry.id.as_str()));
    let mut ordered: Vec<_> = known.collect();
    // Of a suite that has other cases.
    ordered.extend(failed);
    ordered
}

fn columns<'a>(title: &str, report: &'a Value) -> Vec<(String, &'a Value)> {
    let plugins = report["plugins"].as_array().into_iter().flatten();
    plugins
        .map(|plugin| (format!("{title} {}", plugin["name"].as_str().unwrap_or_default()).trim().to_owned(), plugin))
        .collect()
}

fn cases(plugin: &Value) -> impl Iterator<Item = &Value> {
    plugin["cases"].as_array().into_iter().flatten()
}

fn verdict(plugin: &Value, id: &str) -> &'static str {
    match cases(plugin).find(|case| case["id"] == id).and_then(|case| case["verdict"].as_str()) {
        Some("pass") => "yes",
        Some("fail" | "error") => "**no**",
        _ => "",
    }
}

fn number(plugin: &Value, level: &str, key: &str) -> u64 {
    plugin[level][key].as_u64().unwrap_or(0)
}
