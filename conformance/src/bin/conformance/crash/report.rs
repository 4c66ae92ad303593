//! How the sweeps are told.

use super::outcome::{Finding, Outcome, What};
use super::plan::Sweep;
use super::queue::RUNS;
use crate::report::text::{line, tell_call};
use crate::subject::Subject;
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

/// Points with the same finding that are named one by one.
const NAMED: usize = 8;

/// All sweeps of one plugin.
#[derive(Debug)]
pub struct Report {
    /// The plugin.
    pub subject: Subject,
    /// Sweep by sweep.
    pub rows: Vec<Row>,
    /// How long it took.
    pub time: Duration,
}

/// One sweep.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What was done.
    #[serde(flatten)]
    pub sweep: Sweep,
    /// How many points were tried.
    pub points: usize,
    /// Points that every run ended before, though there was one that came to a later point.
    #[serde(rename = "notReached")]
    pub not_reached: Vec<usize>,
    /// What was found, point by point.
    pub found: Vec<Found>,
}

/// What was found at one point.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The point.
    pub point: usize,
    /// The system call there.
    pub call: String,
    /// What should not be.
    pub findings: Vec<Finding>,
}

/// Findings of one cause.
#[derive(Debug)]
struct Group<'a> {
    example: &'a Finding,
    points: Vec<String>,
}

impl Row {
    /// A sweep that has not begun.
    pub fn new(sweep: Sweep) -> Self {
        Self { sweep, points: 0, not_reached: Vec::new(), found: Vec::new() }
    }

    /// Takes in how a point ended.
    pub fn note(&mut self, point: usize, outcome: Outcome) {
        self.points += usize::from(outcome.hit.is_some());
        if !outcome.is_clean() {
            let call = outcome.hit.unwrap_or_else(|| "no system call".to_owned());
            self.found.push(Found { point, call, findings: outcome.findings });
        }
    }

    /// At how many points something is wrong.
    pub fn found(&self) -> usize {
        self.found.len()
    }

    /// At how many points something of this kind is wrong.
    pub fn count(&self, what: What) -> usize {
        self.found.iter().filter(|found| found.findings.iter().any(|finding| finding.kind == what)).count()
    }
}

impl Report {
    /// Nothing was left anywhere, and there were points in every sweep.
    pub fn is_clean(&self) -> bool {
        !self.has_findings() && self.untried().is_none()
    }

    /// Something should not be.
    pub fn has_findings(&self) -> bool {
        self.rows.iter().any(|row| !row.found.is_empty())
    }

    /// A sweep without a point.
    pub fn untried(&self) -> Option<String> {
        let row = self.rows.iter().find(|row| row.points == 0)?;
        Some(format!("{} {}", self.subject.name, row.sweep))
    }

    fn points(&self) -> usize {
        self.rows.iter().map(|row| row.points).sum()
    }

    /// Findings with the same shape at the same operation, in the order in which they came.
    fn groups(&self) -> Vec<Group<'_>> {
        let mut groups: Vec<Group<'_>> = Vec::new();
        let mut known = BTreeMap::new();
        for row in &self.rows {
            for found in &row.found {
                let Sweep { operation, cleanup, .. } = row.sweep;
                let place = format!("{} {}: {}", row.sweep, found.point, found.call);
                for finding in &found.findings {
                    let key = (operation.to_string(), cleanup.to_string(), finding.kind, finding.shape());
                    let index = *known.entry(key).or_insert(groups.len());
                    match groups.get_mut(index) {
                        Some(group) => group.points.push(place.clone()),
                        None => groups.push(Group { example: finding, points: vec![place.clone()] }),
                    }
                }
            }
        }
        groups
    }
}

/// The report for people: findings first, a table last.
pub fn text(reports: &[Report]) -> String {
    let mut text = String::new();
    for report in reports {
        for group in report.groups() {
            tell(&mut text, &report.subject.name, &group);
        }
    }
    for report in reports {
        table(&mut text, report);
    }
    text
}

fn tell(text: &mut String, plugin: &str, Group { example, points }: &Group<'_>) {
    let _ = writeln!(text, "{} {plugin}: {} points", example.kind.to_string().to_uppercase(), points.len());
    line(text, "points", &named(points).join("\n"));
    line(text, "expected", &example.failure.expected);
    line(text, "found", &example.failure.found);
    if let Some(call) = &example.failure.call {
        tell_call(text, call);
    }
    text.push('\n');
}

/// The first of them.
fn named(points: &[String]) -> Vec<String> {
    let mut named = points.iter().take(NAMED).cloned().collect::<Vec<_>>();
    if points.len() > NAMED {
        named.push(format!("and {} more", points.len() - NAMED));
    }
    named
}

fn table(text: &mut String, report: &Report) {
    let _ = writeln!(
        text,
        "{:12} {:9} {:11} {:17} {:>6} {:>6} {:>9} {:>6} {:>6}",
        "plugin", "operation", "fault", "cleanup", "points", "left", "by itself", "answer", "broken"
    );
    for row in &report.rows {
        let Sweep { operation, fault, cleanup } = row.sweep;
        let _ = write!(text, "{:12} {operation:9} {fault:11} {cleanup:17} {:6}", report.subject.name, row.points);
        for (what, width) in [(What::Left, 6), (What::Itself, 9), (What::Answer, 6), (What::Broken, 6)] {
            let _ = write!(text, " {:width$}", row.count(what));
        }
        text.push('\n');
    }
    let _ = writeln!(text, "{} points in {:.1} s", report.points(), report.time.as_secs_f64());
    let places = |row: &Row| row.not_reached.iter().map(|point| format!("{} {point}", row.sweep)).collect::<Vec<_>>();
    let not_reached: Vec<_> = report.rows.iter().flat_map(places).collect();
    if !not_reached.is_empty() {
        let (count, names) = (not_reached.len(), named(&not_reached).join(", "));
        let _ = writeln!(text, "{count} points not reached, in up to {RUNS} runs each: {names}");
    }
}

/// The report for programs.
pub fn json(reports: &[Report]) -> String {
    let plugins = reports.iter().map(|report| {
        json!({
            "name": report.subject.name,
            "config": report.subject.config,
            "clean": report.is_clean(),
            "points": report.points(),
            "seconds": report.time.as_secs_f64(),
            "sweeps": report.rows
        })
    });
    format!("{:#}\n", json!({ "plugins": plugins.collect::<Vec<_>>() }))
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Cleanup, Operation};
    use super::super::tracer::Fault;
    use super::*;
    use crate::subject::Facts;

    fn report(row: impl FnOnce(Row) -> Row) -> Report {
        let subject = Subject { name: "p".into(), dir: "/".into(), config: None, facts: Facts::default() };
        let sweep = Sweep { operation: Operation::Add, fault: Fault::Kill, cleanup: Cleanup::Gc };
        Report { subject, rows: vec![row(Row::new(sweep))], time: Duration::ZERO }
    }

    #[test]
    fn points_that_were_not_reached_are_told() {
        let reports = [report(|row| Row { points: 90, not_reached: (11..=20).collect(), ..row })];
        assert!(reports[0].is_clean(), "what a plugin does not come to it cannot leave anything at");
        let text = text(&reports);
        let told = "10 points not reached, in up to 3 runs each: ADD kill (GC) 11, ADD kill (GC) 12, ";
        assert!(text.contains(told) && text.ends_with("ADD kill (GC) 18, and 2 more\n"), "{text}");
        assert!(json(&reports).contains("\"notReached\": [\n            11,"), "{}", json(&reports));
    }

    #[test]
    fn a_sweep_without_a_point_is_not_clean() {
        let report = report(|row| row);
        assert_eq!((report.is_clean(), report.untried().as_deref()), (false, Some("p ADD kill (GC)")));
    }
}
