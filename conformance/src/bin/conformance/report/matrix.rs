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

/// First how many cases passed, a line a plugin; then the cases that failed anywhere, and for which plugins.
fn render(reports: &[(String, Value)]) -> String {
    let columns = columns(reports);
    let mut text = String::from("| passed of applicable |");
    for column in &columns {
        text.extend(LEVELS.iter().map(|level| format!(" {} |", column.heading(&level.to_uppercase()))));
    }
    let _ = write!(text, "\n|---|{}\n", "---|".repeat(columns.len() * LEVELS.len()));
    for name in names(&columns) {
        let _ = write!(text, "| {name} |");
        for column in &columns {
            text.extend(LEVELS.iter().map(|level| format!(" {} |", column.tally(name, level))));
        }
        text.push('\n');
    }
    failures(&mut text, &columns);
    text
}

fn failures(text: &mut String, columns: &[Column]) {
    let failed = failed_cases(columns);
    if failed.is_empty() {
        return;
    }
    text.push_str("\n| case | level | what should hold |");
    text.extend(columns.iter().map(|column| format!(" {} |", column.heading("passed"))));
    let _ = write!(text, "\n|---|---|---|{}\n", "---|".repeat(columns.len()));
    for (id, case) in &failed {
        let word = |key: &str| case[key].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = write!(text, "| `{id}` | {} | {} |", word("level"), word("title"));
        text.extend(columns.iter().map(|column| format!(" {} |", column.verdict(id))));
        text.push('\n');
    }
}

/// Cases that fail in some column, in the order of the suite; reports may be of different choices of cases.
fn failed_cases<'a>(columns: &[Column<'a>]) -> Vec<(&'a str, &'a Value)> {
    let mut failed: HashMap<&str, &Value> = HashMap::new();
    for case in columns.iter().flat_map(|column| column.plugins.iter()).flat_map(|plugin| cases(plugin)) {
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

/// The reports of one title: one directory of plugins, of which parts may have run on different kernels.
struct Column<'a> {
    title: &'a str,
    plugins: Vec<&'a Value>,
}

fn columns(reports: &[(String, Value)]) -> Vec<Column<'_>> {
    let mut columns: Vec<Column<'_>> = Vec::new();
    for (title, report) in reports {
        let plugins = report["plugins"].as_array().into_iter().flatten();
        match columns.iter_mut().find(|column| column.title == title) {
            Some(column) => column.plugins.extend(plugins),
            None => columns.push(Column { title, plugins: plugins.collect() }),
        }
    }
    columns
}

/// Each plugin that some column has, in the order of the first that has it.
fn names<'a>(columns: &[Column<'a>]) -> Vec<&'a str> {
    let mut names = Vec::new();
    for plugin in columns.iter().flat_map(|column| &column.plugins) {
        let name = plugin["name"].as_str().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn cases(plugin: &Value) -> impl Iterator<Item = &Value> {
    plugin["cases"].as_array().into_iter().flatten()
}

impl Column<'_> {
    fn heading(&self, what: &str) -> String {
        format!("{} {what}", self.title).trim().to_owned()
    }

    fn tally(&self, name: &str, level: &str) -> String {
        let Some(plugin) = self.plugins.iter().find(|plugin| plugin["name"] == name) else { return String::new() };
        let number = |key: &str| plugin[level][key].as_u64().unwrap_or(0);
        format!("{} of {}", number("passed"), number("passed") + number("failed"))
    }

    /// Those for which the case failed, if there are any; nothing where it concerns no plugin.
    fn verdict(&self, id: &str) -> String {
        let mut applicable = false;
        let mut failed = Vec::new();
        for plugin in &self.plugins {
            match cases(plugin).find(|case| case["id"] == id).and_then(|case| case["verdict"].as_str()) {
                Some("pass") => applicable = true,
                Some("fail" | "error") => failed.push(plugin["name"].as_str().unwrap_or_default()),
                _ => {}
            }
        }
        match failed.as_slice() {
            [] if applicable => "yes".to_owned(),
            [] => String::new(),
            failed => format!("**no**: {}", failed.join(", ")),
        }
    }
}
