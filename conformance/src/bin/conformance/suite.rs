//! `run`: every case against every plugin, each in a worker of its own.

use crate::cases::{self, Entry};
use crate::catalogue::name;
use crate::cli;
use crate::expected::{self, Expected};
use crate::profile;
use crate::progress::Progress;
use crate::report::{self, Report, Verdicts};
use crate::requirement::Level;
use crate::subject::{Facts, Subject};
use crate::worker::{Job, Outcome};
use crate::workers::{in_parallel, work};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

/// Runs what the command line asks for and prints the report.
pub fn run(options: &cli::Run) -> Result<ExitCode, String> {
    let start = Instant::now();
    let expected = options.expect.as_deref().map(read_expected).transpose()?;
    let entries = chosen(&options.cases, options.level.into())?;
    let jobs = options.jobs.unwrap_or_else(default_jobs).max(1);
    let subjects = probed(subjects(&options.plugins)?, jobs)?;
    let report = Report::new(judge(&subjects, &entries, jobs), start.elapsed());
    let text = match options.format {
        cli::Format::Text => report::text::render(&report, expected.as_ref(), options.skipped),
        cli::Format::Json => report::json::render(&report),
        cli::Format::Junit => report::junit::render(&report),
        cli::Format::Markdown => report::matrix::one(&report),
    };
    let _ = io::stdout().write_all(text.as_bytes());
    let passed = match &expected {
        Some(expected) => report.fails_as(expected),
        None => report.passes(),
    };
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A case waits for the kernel (namespaces and links that go) most of its time.
pub fn default_jobs() -> usize {
    4 * thread::available_parallelism().map_or(1, usize::from)
}

fn read_expected(path: &Path) -> Result<Expected, String> {
    let expected = expected::read(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))?;
    match expected.keys().find(|(_, case)| cases::find(case).is_none()) {
        Some((_, case)) => Err(format!("{}: no case {case:?}; `conformance list` shows them", path.display())),
        None => Ok(expected),
    }
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("read {}: {e}", path.display()))
}

fn chosen(wanted: &[String], level: Level) -> Result<Vec<Entry>, String> {
    let mut entries = cases::all();
    let is_wanted = |entry: &Entry, start: &String| entry.id.starts_with(start.as_str());
    if let Some(unknown) = wanted.iter().find(|start| !entries.iter().any(|entry| is_wanted(entry, start))) {
        return Err(format!("no case begins with {unknown:?}; `conformance list` shows them"));
    }
    entries.retain(|entry| wanted.is_empty() || wanted.iter().any(|start| is_wanted(entry, start)));
    entries.retain(|entry| entry.case.level() <= level);
    if entries.is_empty() {
        return Err(format!("no case of level {} begins with {}", name(level), wanted.join(" or ")));
    }
    Ok(entries)
}

/// The plugins that the command line names, with their configurations; facts are still to be found.
pub fn subjects(options: &cli::Plugins) -> Result<Vec<Subject>, String> {
    let dir = options.plugin_dir.canonicalize().map_err(|e| format!("{}: {e}", options.plugin_dir.display()))?;
    if dir.starts_with("/run") {
        return Err(format!("{} is below /run, which a case has for itself: use another directory", dir.display()));
    }
    let names = if options.names.is_empty() { executables(&dir)? } else { options.names.clone() };
    if let Some(name) = names.iter().find(|name| !dir.join(name).is_file()) {
        return Err(format!("no plugin {name:?} in {}", dir.display()));
    }
    let given = match &options.config {
        Some(path) => given(path, &names).map_err(|e| format!("{}: {e}", path.display()))?,
        None => Vec::new(),
    };
    let config =
        |name: &str| given.iter().find(|config| config["type"] == name).cloned().or_else(|| profile::known(name));
    let subject = |name: String| Subject { config: config(&name), name, dir: dir.clone(), facts: Facts::default() };
    Ok(names.into_iter().map(subject).collect())
}

/// The configurations in a user's file that are for these plugins. A list may hold others: those that come before and after.
fn given(path: &Path, names: &[String]) -> Result<Vec<Value>, String> {
    let file = profile::from_file(&read(path)?)?;
    let kind = |config: &Value| config["type"].as_str().unwrap_or_default().to_owned();
    let ours: Vec<_> = file.iter().filter(|config| names.contains(&kind(config))).cloned().collect();
    if ours.is_empty() {
        let types: Vec<_> = file.iter().map(|config| config["type"].to_string()).collect();
        return Err(format!("it configures {}, and none of the plugins {}", types.join(", "), names.join(", ")));
    }
    match ours.iter().find(|config| ours.iter().filter(|other| kind(other) == kind(config)).count() > 1) {
        Some(twice) => Err(format!("two configurations of {:?}: which one is to be used?", kind(twice))),
        None => Ok(ours),
    }
}

fn executables(dir: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(dir).map_err(|e| format!("read {}: {e}", dir.display()))?;
    let runnable =
        |path: &Path| fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0);
    let mut names: Vec<_> = entries
        .flatten()
        .filter(|entry| runnable(&entry.path()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    if names.is_empty() {
        return Err(format!("no executable in {}", dir.display()));
    }
    names.sort();
    Ok(names)
}

/// The plugins with what asking and trying them showed. Fails where the machine gives no process a host of its own.
pub fn probed(subjects: Vec<Subject>, jobs: usize) -> Result<Vec<Subject>, String> {
    match work::<Outcome>(&Job::Enter)? {
        Outcome::Fail(failure) | Outcome::Error(failure) => return Err(failure.to_string()),
        Outcome::Pass | Outcome::Skip { .. } => {}
    }
    let facts = in_parallel(jobs, &subjects, |subject| {
        work::<Facts>(&Job::Probe(subject.clone())).unwrap_or_else(|e| Facts { trouble: Some(e), ..Facts::default() })
    });
    Ok(subjects.into_iter().zip(facts).map(|(subject, facts)| Subject { facts, ..subject }).collect())
}

fn judge(subjects: &[Subject], entries: &[Entry], jobs: usize) -> Vec<Verdicts> {
    let all: Vec<_> = subjects.iter().flat_map(|subject| entries.iter().map(move |entry| (subject, entry))).collect();
    let progress = Progress::new(all.len());
    let judged = in_parallel(jobs, &all, |(subject, entry)| {
        progress.step(&format!("{} {}", subject.name, entry.id));
        outcome(subject, entry)
    });
    progress.clear();
    let mut outcomes = judged.into_iter();
    let verdicts = |subject: &Subject| {
        let cases = entries.iter().cloned().zip(outcomes.by_ref().take(entries.len())).collect();
        Verdicts { subject: subject.clone(), cases }
    };
    subjects.iter().map(verdicts).collect()
}

fn outcome(subject: &Subject, entry: &Entry) -> Outcome {
    let since = entry.version.or_else(|| entry.case.since());
    if let Some(reason) = subject.lacks(entry.case.needs) {
        return Outcome::Skip { reason: reason.to_owned() };
    }
    if let Some(reason) = since.and_then(|since| too_old(subject, entry, since)) {
        return Outcome::Skip { reason };
    }
    let job = Job::Case(subject.clone(), entry.id.clone());
    work(&job).unwrap_or_else(|e| Outcome::error("a worker's answer", e))
}

/// A case of one version is for plugins that list it; a requirement is for those that list its first version or a later one.
/// A plugin that lists none at all gets no excuse.
fn too_old(subject: &Subject, entry: &Entry, since: &str) -> Option<String> {
    let listed = match entry.version {
        Some(version) => subject.lists(version),
        None => subject.facts.versions.is_empty() || cases::since(since).any(|version| subject.lists(version)),
    };
    (!listed).then(|| format!("needs version {since}, which the plugin does not list"))
}
