//! A process that tries points: one line of JSON for each plan, one line for each outcome.

use super::outcome::Outcome;
use super::plan::Plan;
use super::point;
use crate::case::{Failure, Stop};
use crate::stage::Stage;
use crate::subject::Subject;
use crate::worker::isolate;
use serde::{Serialize, de::DeserializeOwned};
use std::any::Any;
use std::io::{self, BufRead, Write};
use std::panic;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

/// The word on the command line that makes a process such a worker.
pub const COMMAND: &str = "crash-worker";

/// A stage has addresses for so many containers, and each point takes up to two.
const POINTS_ON_A_STAGE: usize = 100;

/// The worker as a program. The first line of its input is the plugin.
pub fn main() -> ExitCode {
    // Panics are told in outcomes.
    panic::set_hook(Box::new(|_| {}));
    let mut lines = io::stdin().lock().lines();
    let Some(Ok(subject)) = lines.next().map(read::<Subject>) else {
        return ExitCode::FAILURE;
    };
    let isolated = isolate();
    let mut host = None;
    for line in lines {
        let Ok(plan) = read::<Plan>(line) else {
            return ExitCode::FAILURE;
        };
        let outcome = match &isolated {
            Ok(()) => host.get_or_insert_with(|| Host::start(subject.clone())).try_point(plan),
            Err(e) => Err(e.clone()),
        };
        let told = match outcome {
            Ok(outcome) => tell(&outcome),
            Err(e) => tell(&Outcome::broken("a point that can be tried", e)),
        };
        if told.is_err() {
            return ExitCode::FAILURE;
        }
        host = host.filter(Host::is_usable);
    }
    ExitCode::SUCCESS
}

fn read<T: DeserializeOwned>(line: io::Result<String>) -> io::Result<T> {
    serde_json::from_str(&line?).map_err(io::Error::other)
}

fn tell(outcome: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_string(outcome).map_err(io::Error::other)?;
    line.push('\n');
    let mut stdout = io::stdout().lock();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}

/// A thread with a stage of its own.
#[derive(Debug)]
struct Host {
    plans: Sender<Plan>,
    outcomes: Receiver<Outcome>,
    thread: Option<JoinHandle<()>>,
    points: usize,
    clean: bool,
}

impl Host {
    fn start(subject: Subject) -> Self {
        let (plans, to_try) = channel();
        let (tried, outcomes) = channel();
        let thread = thread::spawn(move || serve(subject, &to_try, &tried));
        Self { plans, outcomes, thread: Some(thread), points: 0, clean: true }
    }

    fn is_usable(&self) -> bool {
        self.clean && self.points < POINTS_ON_A_STAGE
    }

    fn try_point(&mut self, plan: Plan) -> Result<Outcome, String> {
        self.points += 1;
        // A thread that is gone has panicked, as it is about to tell.
        let _ = self.plans.send(plan);
        if let Ok(outcome) = self.outcomes.recv() {
            self.clean = outcome.is_clean();
            return Ok(outcome);
        }
        self.clean = false;
        let panic = self.thread.take().and_then(|thread| thread.join().err());
        Err(panic.as_deref().map_or_else(|| "its thread has ended".to_owned(), message))
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic").to_owned()
}

fn serve(subject: Subject, plans: &Receiver<Plan>, outcomes: &Sender<Outcome>) {
    let stage = Stage::enter(subject);
    let baseline = point::baseline(&stage);
    for (plan, number) in plans.iter().zip(1..) {
        let tried = match &baseline {
            Ok(baseline) => point::run(&stage, baseline, plan, &format!("c{number}")),
            Err(stop) => Err(stop.clone()),
        };
        if outcomes.send(tried.unwrap_or_else(|stop| broken(&stop))).is_err() {
            return;
        }
    }
}

fn broken(stop: &Stop) -> Outcome {
    match stop {
        Stop::Skip { reason } => Outcome::broken("a point that can be tried", reason),
        Stop::Fail(failure) => {
            let Failure { expected, found, call } = &**failure;
            let call = call.as_ref().map(|call| format!("{call:?}")).unwrap_or_default();
            Outcome::broken(&format!("without a fault: {expected}"), format!("{found}{call}"))
        }
    }
}
