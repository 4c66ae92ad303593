//! `run`: every case against every plugin, each in a worker of its own.

use crate::cases::{self, Entry};
use crate::cli;
use crate::expected::{self, Expected};
use crate::profile;
use crate::report::{self, Report, Verdicts};
use crate::requirement::Level;
use crate::subject::{Facts, Subject};
use crate::worker::{self, Job, Outcome};
use serde::de::DeserializeOwned;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

/// Runs what the command line asks for and prints the report.
pub fn run(options: &cli::Run) -> Result<ExitCode, String> {
    let start = Instant::now();
    let expected = options.expect.as_deref().map(read_expected).transpose()?;
    let entries = chosen(&options.cases)?;
    let jobs = options.jobs.unwrap_or_else(default_jobs).max(1);
    let level: Level = options.level.into();
    let subjects = probed(subjects(&options.plugins)?, jobs);
    let report = Report::new(judge(&subjects, &entries, level, jobs), start.elapsed());
    let text = match options.format {
        cli::Format::Text => report::text::render(&report, expected.as_ref()),
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
    expected::read(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("read {}: {e}", path.display()))
}

fn chosen(wanted: &[String]) -> Result<Vec<Entry>, String> {
    let mut entries = cases::all();
    if let Some(unknown) = wanted.iter().find(|id| !entries.iter().any(|entry| entry.id.starts_with(id.as_str()))) {
        return Err(format!("no case begins with {unknown:?}; `conformance list` shows them"));
    }
    entries.retain(|entry| wanted.is_empty() || wanted.iter().any(|id| entry.id.starts_with(id.as_str())));
    Ok(entries)
}

/// The plugins that the command line names, with their configurations; facts are still to be found.
pub fn subjects(options: &cli::Plugins) -> Result<Vec<Subject>, String> {
    let dir = options.plugin_dir.canonicalize().map_err(|e| format!("{}: {e}", options.plugin_dir.display()))?;
    if dir.starts_with("/run") {
        return Err(format!("{} is below /run, which a case has for itself: use another directory", dir.display()));
    }
    let given = match &options.config {
        Some(path) => profile::from_file(&read(path)?).map_err(|e| format!("{}: {e}", path.display()))?,
        None => Vec::new(),
    };
    let names = if options.names.is_empty() { executables(&dir)? } else { options.names.clone() };
    for name in &names {
        if !dir.join(name).is_file() {
            return Err(format!("no plugin {name:?} in {}", dir.display()));
        }
    }
    if let Some(stranger) = given.iter().find(|config| !names.iter().any(|name| config["type"] == name.as_str())) {
        return Err(format!(
            "a configuration of {}, which is not among the plugins {}",
            stranger["type"],
            names.join(", ")
        ));
    }
    let config =
        |name: &str| given.iter().find(|config| config["type"] == name).cloned().or_else(|| profile::known(name));
    let subject = |name: String| Subject { config: config(&name), name, dir: dir.clone(), facts: Facts::default() };
    Ok(names.into_iter().map(subject).collect())
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
    names.sort();
    Ok(names)
}

/// The plugins with what asking and trying them showed.
pub fn probed(subjects: Vec<Subject>, jobs: usize) -> Vec<Subject> {
    let facts = in_parallel(jobs, &subjects, |subject| {
        work::<Facts>(&Job::Probe(subject.clone())).unwrap_or_else(|e| Facts { refusal: Some(e), ..Facts::default() })
    });
    subjects.into_iter().zip(facts).map(|(subject, facts)| Subject { facts, ..subject }).collect()
}

fn judge(subjects: &[Subject], entries: &[Entry], level: Level, jobs: usize) -> Vec<Verdicts> {
    let entries: Vec<_> = entries.iter().filter(|entry| entry.case.level() <= level).collect();
    let all: Vec<_> = subjects.iter().flat_map(|subject| entries.iter().map(move |entry| (subject, *entry))).collect();
    let mut outcomes = in_parallel(jobs, &all, |(subject, entry)| outcome(subject, entry)).into_iter();
    let verdicts = |subject: &Subject| {
        let cases = entries.iter().map(|entry| (*entry).clone()).zip(outcomes.by_ref().take(entries.len())).collect();
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

/// Has a process of its own do a job.
fn work<T: DeserializeOwned>(job: &Job) -> Result<T, String> {
    let text = serde_json::to_vec(job).map_err(|e| e.to_string())?;
    let own = std::env::current_exe().map_err(|e| format!("find the own program: {e}"))?;
    #[expect(clippy::disallowed_methods, reason = "a worker is this very program")]
    let mut command = Command::new(own);
    command.arg(worker::COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|e| format!("start a worker: {e}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&text).map_err(|e| format!("hand a job to a worker: {e}"))?;
    }
    let done = child.wait_with_output().map_err(|e| format!("wait for a worker: {e}"))?;
    serde_json::from_slice(&done.stdout).map_err(|_| {
        format!("{}: {}{}", done.status, String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
    })
}

/// Applies `task` to all items, `jobs` at a time; the results in order.
fn in_parallel<T: Sync, R: Send>(jobs: usize, items: &[T], task: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(items.len()));
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some((index, item)) = take(items, &next) {
                    let result = task(item);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let index = next.fetch_add(1, Ordering::Relaxed);
    items.get(index).map(|item| (index, item))
}
