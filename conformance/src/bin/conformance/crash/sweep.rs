//! The whole: worker processes share the points, and the report is told.

use super::outcome::{Outcome, What};
use super::plan::{Cleanup, ERRNOS, Kind, Operation, Plan, Sweep, errno};
use super::queue::Queue;
use super::report::{self, Report, Row};
use super::tracer::Errno;
use super::worker;
use crate::cli;
use crate::subject::Subject;
use crate::suite;
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

/// After so many points that could not be tried, the rest of a sweep cannot be either.
const BROKEN: usize = 10;

/// Runs what the command line asks for and prints the report.
pub fn run(options: &cli::Crash) -> Result<ExitCode, String> {
    let jobs = options.jobs.unwrap_or_else(suite::default_jobs).max(1);
    let mut reports = Vec::new();
    for (subject, sweeps) in planned(options, jobs)? {
        let start = Instant::now();
        let rows = sweep(&subject, options, &sweeps, jobs)?;
        reports.push(Report { subject, rows, time: start.elapsed() });
    }
    let text = match options.format {
        cli::CrashFormat::Text => report::text(&reports),
        cli::CrashFormat::Json => report::json(&reports),
    };
    let _ = io::stdout().write_all(text.as_bytes());
    if reports.iter().any(Report::has_findings) {
        return Ok(ExitCode::FAILURE);
    }
    match reports.iter().find_map(Report::untried) {
        Some(sweep) => Err(format!("no point was tried: {sweep} ends before --offset {}", options.offset)),
        None => Ok(ExitCode::SUCCESS),
    }
}

/// Every plugin with its sweeps. All are checked before the first begins: a sweep that is done is not to be thrown away.
fn planned(options: &cli::Crash, jobs: usize) -> Result<Vec<(Subject, Vec<Sweep>)>, String> {
    let errnos = errnos(&options.errnos)?;
    let subjects = suite::subjects(&options.plugins)?;
    let planned = |subject: Subject| {
        works(&subject)?;
        let sweeps = sweeps(&subject, options, &errnos);
        if sweeps.is_empty() {
            return Err(format!("{} has no GC: that came with version 1.1.0, which it does not list", subject.name));
        }
        Ok((subject, sweeps))
    };
    suite::probed(subjects, jobs)?.into_iter().map(planned).collect()
}

fn works(subject: &Subject) -> Result<(), String> {
    let facts = &subject.facts;
    match (&facts.kind, &facts.refusal, &facts.trouble) {
        (Some(_), ..) => Ok(()),
        (None, Some(refusal), _) => Err(format!("the configuration of {} does not work: {refusal}", subject.name)),
        (None, None, Some(trouble)) => Err(format!("{} could not be asked: {trouble}", subject.name)),
        (None, None, None) => Err(format!("{} needs a configuration that works: --config", subject.name)),
    }
}

fn errnos(names: &[String]) -> Result<Vec<Errno>, String> {
    if names.is_empty() {
        return Ok(ERRNOS.into());
    }
    names.iter().map(|name| errno(name).map_err(|e| format!("--errno {name}: {e}"))).collect()
}

/// What a plugin is put through.
fn sweeps(subject: &Subject, options: &cli::Crash, errnos: &[Errno]) -> Vec<Sweep> {
    let operations = options.operation.map_or(vec![Operation::Add, Operation::Del], |operation| vec![operation]);
    let kinds = options.fault.map_or(vec![Kind::Kill, Kind::KillPlugin, Kind::Error], |kind| vec![kind]);
    let cleanups =
        options.cleanup.map_or(vec![Cleanup::Del, Cleanup::DelWithoutNetns, Cleanup::Gc], |cleanup| vec![cleanup]);
    let mut sweeps = Vec::new();
    for operation in operations {
        for fault in kinds.iter().flat_map(|kind| kind.faults(errnos)) {
            // GC came with 1.1.0.
            let possible = cleanups.iter().filter(|cleanup| **cleanup != Cleanup::Gc || subject.newest() == "1.1.0");
            sweeps.extend(possible.map(|cleanup| Sweep { operation, fault, cleanup: *cleanup }));
        }
    }
    sweeps
}

/// What the workers share.
#[derive(Debug)]
struct Board {
    queue: Queue,
    rows: Vec<Row>,
    name: String,
    shows: bool,
}

fn sweep(subject: &Subject, options: &cli::Crash, sweeps: &[Sweep], jobs: usize) -> Result<Vec<Row>, String> {
    let rows = sweeps.iter().copied().map(Row::new).collect();
    let queue = Queue::new(sweeps, options.every.max(1), options.offset);
    let shows = io::stderr().is_terminal();
    let board = Mutex::new(Board { queue, rows, name: subject.name.clone(), shows });
    let workers: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(|| work(subject, &board))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|_| Err("a thread panicked".to_owned())))
            .collect()
    });
    workers.into_iter().collect::<Result<Vec<()>, String>>()?;
    let board = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    board.clear();
    Ok(board.into_rows())
}

fn work(subject: &Subject, board: &Mutex<Board>) -> Result<(), String> {
    let mut worker = Worker::start(subject)?;
    loop {
        let Some(plan) = lock(board).queue.take() else {
            return Ok(());
        };
        let outcome = match worker.ask(plan) {
            Ok(outcome) => outcome,
            Err(e) => {
                worker = Worker::start(subject)?;
                Outcome::broken("a worker's answer", e)
            }
        };
        lock(board).note(plan, outcome);
    }
}

fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Board {
    fn note(&mut self, plan: Plan, outcome: Outcome) {
        let Some(row) = self.rows.iter_mut().find(|row| row.sweep == plan.sweep) else {
            return;
        };
        match (&outcome.hit, outcome.is_clean()) {
            (Some(_), _) => self.queue.hit(plan),
            (None, true) => self.queue.miss(plan),
            (None, false) => self.queue.fail(plan),
        }
        row.note(plan.point, outcome);
        if row.count(What::Broken) >= BROKEN {
            self.queue.give_up(plan.sweep);
        }
        if self.shows {
            let (points, found) = (row.points, row.found());
            let Sweep { operation, fault, cleanup } = plan.sweep;
            // A terminal that went away is no failure.
            let name = &self.name;
            let _ = write!(
                io::stderr(),
                "\r\x1b[K{name}: {operation}, {fault}, {cleanup}: {points} points, {found} findings"
            );
        }
    }

    fn into_rows(self) -> Vec<Row> {
        let Self { queue, rows, .. } = self;
        rows.into_iter().map(|row| Row { not_reached: queue.unreached(row.sweep), ..row }).collect()
    }

    fn clear(&self) {
        if self.shows {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

/// A worker process.
#[derive(Debug)]
struct Worker {
    child: Child,
    plans: ChildStdin,
    outcomes: BufReader<ChildStdout>,
}

impl Worker {
    fn start(subject: &Subject) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|e| format!("find the own program: {e}"))?;
        #[expect(clippy::disallowed_methods, reason = "a worker is this very program")]
        let mut command = Command::new(own);
        command.arg(worker::COMMAND).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("start a worker: {e}"))?;
        let (Some(plans), Some(outcomes)) = (child.stdin.take(), child.stdout.take()) else {
            return Err("a worker without pipes".to_owned());
        };
        let mut worker = Self { child, plans, outcomes: BufReader::new(outcomes) };
        worker.say(&serde_json::to_string(subject).map_err(|e| e.to_string())?)?;
        Ok(worker)
    }

    fn ask(&mut self, plan: Plan) -> Result<Outcome, String> {
        self.say(&serde_json::to_string(&plan).map_err(|e| e.to_string())?)?;
        let mut line = String::new();
        self.outcomes.read_line(&mut line).map_err(|e| format!("hear from a worker: {e}"))?;
        serde_json::from_str(&line).map_err(|e| format!("{e}: {line:?}"))
    }

    fn say(&mut self, line: &str) -> Result<(), String> {
        writeln!(self.plans, "{line}").map_err(|e| format!("tell a worker: {e}"))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Its namespaces, and what is traced, go with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
