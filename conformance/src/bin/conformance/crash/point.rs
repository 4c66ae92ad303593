//! One point: a container, a call with a fault, what comes after, and what is left.

use super::outcome::{Outcome, What};
use super::plan::{Cleanup, Operation, Plan};
use super::tracer::{Call, Fault, Program, Traced, trace};
use crate::case::{Stop, Verdict};
use crate::demand::{Demands, demand, not_collected};
use crate::stage::{Container, Stage};
use serde_json::Value;
use std::time::Duration;
use testkit::{Attachment, Output, Plugin, Snapshot};

/// Longer than a plugin takes that waits for something, and tries again, under a tracer.
const LIMIT: Duration = Duration::from_secs(30);

/// What a stage begins with, after a first container has come and gone: what is made once and stays is there.
#[derive(Clone, Debug)]
pub struct Baseline {
    /// The host, and a new container, unless each container has something of its own.
    before: Option<Before>,
    /// The host before the plugin has been used at all.
    untouched: Snapshot,
    /// How ADD and DEL change a container. The kernel gives `lo` an address that stays.
    stays: String,
}

/// A host and a container before they are touched.
#[derive(Clone, Debug)]
struct Before {
    host: Snapshot,
    container: Snapshot,
}

/// One point on a stage.
#[derive(Debug)]
struct Attempt<'a> {
    stage: &'a Stage,
    plan: Plan,
    container: Container,
    /// The calls that come after the first ADD.
    after: Attachment,
    before: Before,
    untouched: &'a Snapshot,
    stays: &'a str,
    outcome: Outcome,
}

/// Uses a new stage for the first time.
pub fn baseline(stage: &Stage) -> Result<Baseline, Stop> {
    let first = stage.container("first");
    let untouched = host(stage);
    let container = first.ns.snapshot();
    let result = first.at.add().result()?;
    first.at.with_prev(&result).del().silence()?;
    let stays = container.diff(&first.ns.snapshot());
    discard(first);
    let before = (!stage.is_furnished()).then(|| Before { host: host(stage), container });
    Ok(Baseline { before, untouched, stays })
}

/// Tries a point.
pub fn run(stage: &Stage, baseline: &Baseline, plan: Plan, id: &str) -> Result<Outcome, Stop> {
    let container = stage.container(id);
    let before = match &baseline.before {
        Some(before) => before.clone(),
        None => Before { host: host(stage), container: container.ns.snapshot() },
    };
    let after = container.at.clone();
    let Baseline { stays, untouched, .. } = baseline;
    let mut attempt = Attempt { stage, plan, container, after, before, untouched, stays, outcome: Outcome::default() };
    attempt.prepare()?;
    let traced = attempt.hit()?;
    if traced.hit.is_some() {
        if let Fault::Error(_) = plan.sweep.fault {
            attempt.judge(&traced);
        }
        attempt.clean_up();
        attempt.again();
    } else {
        attempt.end()?;
    }
    let Attempt { container, outcome, .. } = attempt;
    discard(container);
    Ok(outcome)
}

/// What the host holds, the settings of a neighbour's links included: they are this plugin's to take back.
fn host(stage: &Stage) -> Snapshot {
    stage.replace_links();
    stage.sandbox.snapshot(&[&stage.dir(), "/var/lib/cni".as_ref()]).without(&["last_reserved_ip", ".index: "])
}

/// Removes a container, with the host's ends of its links: the kernel takes its time for those of a namespace that goes.
fn discard(container: Container) {
    remove_links(&container);
    container.ns.remove();
}

fn remove_links(container: &Container) {
    let links = container.ns.json("ip -j link");
    let names = links.as_array().into_iter().flatten().filter_map(|link| link["ifname"].as_str());
    for name in names.filter(|name| *name != "lo") {
        // Some links cannot be removed, such as the kernel's own tunnels.
        container.ns.try_sh(&format!("ip link del {name}"));
    }
}

impl Attempt<'_> {
    /// What a runtime knows before the call: for DEL the result of ADD. After an ADD that fails it has none.
    fn prepare(&mut self) -> Verdict {
        let given = self.container.at.clone();
        self.after = match self.plan.sweep.operation {
            Operation::Add => given.with_key("prevResult", Value::Null),
            Operation::Del => given.with_prev(&given.add().result()?),
        };
        Ok(())
    }

    /// Makes the call.
    fn hit(&mut self) -> Result<Traced, Stop> {
        let call = self.call();
        let program = Program {
            path: call.program().to_owned(),
            env: call.environment(),
            stdin: call.input().to_vec(),
            limit: LIMIT,
        };
        let traced = trace(&program, Some(self.plan.injection())).map_err(|e| Stop::skip(e.to_string()))?;
        self.outcome.hit = traced.hit.as_ref().map(ToString::to_string);
        Ok(traced)
    }

    fn call(&self) -> Plugin {
        match self.plan.sweep.operation {
            Operation::Add => self.container.at.call("ADD"),
            Operation::Del => self.after.call("DEL"),
        }
    }

    /// What a plugin that lives on after an error has to do by itself.
    fn judge(&mut self, traced: &Traced) {
        let output = Output {
            status: traced.status,
            stdout: String::from_utf8_lossy(&traced.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&traced.stderr).into_owned(),
            invocation: self.call().invocation(),
        };
        // Neither the loader's errors are the plugin's, nor can it tell of one in telling.
        let can_answer = traced.asked_for_input() && !traced.hit.as_ref().is_some_and(Call::prints);
        let (answer, done) = match (traced.status.success(), self.plan.sweep.operation) {
            (false, _) => (output.error().map(drop), None),
            (true, Operation::Add) => (output.result().map(drop), output.result().ok()),
            (true, Operation::Del) => (output.silence(), None),
        };
        if can_answer {
            self.outcome.note(What::Answer, output.demand(!traced.timed_out, "an end").and(answer));
        }
        match (done, traced.status.success(), self.plan.sweep.operation) {
            (Some(result), ..) => self.complete(&result),
            (None, false, Operation::Add) => self.undone(&output, "nothing left by an ADD that failed"),
            (None, true, Operation::Del) => self.undone(&output, "nothing left by a DEL that succeeded"),
            (None, ..) => {}
        }
    }

    /// An ADD that succeeded in spite of an error has to have done everything.
    fn complete(&mut self, result: &Value) {
        // CHECK came with 0.4.0; what is not a result fails here as well.
        if !["0.1.0", "0.2.0", "0.3.0", "0.3.1"].contains(&self.stage.version()) {
            let check = self.container.at.with_prev(result).check();
            self.outcome.note(What::Itself, check.silence());
        }
        self.after = self.container.at.with_prev(result);
    }

    /// What has to be cleaned up is.
    fn clean_up(&mut self) {
        let done = match self.plan.sweep.cleanup {
            Cleanup::Del => self.after.del(),
            Cleanup::DelWithoutNetns => self.after.clone().netns("").del(),
            Cleanup::Gc => {
                let unset = |at: Attachment, key| at.with_key(key, Value::Null);
                // A runtime has neither for GC.
                ["prevResult", "runtimeConfig"].into_iter().fold(self.container.at.clone(), unset).gc(&[])
            }
        };
        self.outcome.note(What::Left, done.silence());
        if !self.reaches_container() && self.stage.lends_links() {
            // What the container has of the host, nobody but the kernel can take from it: at its end.
            remove_links(&self.container);
        }
        let expected = format!("nothing left after {}", self.plan.sweep.cleanup);
        let changes = match self.plan.sweep.cleanup {
            Cleanup::Del => self.changes(),
            Cleanup::DelWithoutNetns => self.changes_on_host(),
            Cleanup::Gc => not_collected(self.untouched, &self.before.host, &host(self.stage)),
        };
        self.outcome.note(What::Left, demand(changes.is_empty(), &expected, changes));
    }

    /// Whether what cleans up knows the container's namespace; otherwise it may be taken to be gone.
    fn reaches_container(&self) -> bool {
        self.plan.sweep.cleanup == Cleanup::Del
    }

    /// The same attachment can be made again, and goes without a trace.
    fn again(&mut self) {
        if !self.outcome.is_clean() {
            return;
        }
        if !self.reaches_container() {
            let done = self.after.del().silence();
            self.outcome.note(What::Left, done);
        }
        let Some(result) = self.outcome.note(What::Left, self.container.at.add().result()) else {
            return;
        };
        let done = self.container.at.with_prev(&result).del().silence();
        self.outcome.note(What::Left, done);
        // The container has been looked at: a snapshot is what takes most of the time.
        let changes = self.changes_on_host();
        self.outcome.note(What::Left, demand(changes.is_empty(), "nothing left after a new ADD and its DEL", changes));
    }

    /// A call that the fault did not hit has to be as any other.
    fn end(&mut self) -> Verdict {
        self.after.del().silence()
    }

    /// Nothing is left by this call.
    fn undone(&mut self, output: &Output, expected: &str) {
        let changes = self.changes();
        let left = if changes.is_empty() { Ok(()) } else { Err(output.failed(expected).with(changes)) };
        self.outcome.note(What::Itself, left);
    }

    /// What is not as it was.
    fn changes(&self) -> String {
        let host = self.changes_on_host();
        let container = self.before.container.diff(&self.container.ns.snapshot());
        let container = Some(container).filter(|diff| diff != self.stays).unwrap_or_default();
        let inside = container.lines().flat_map(|line| ["in the container: ", line, "\n"]);
        [host.as_str()].into_iter().chain(inside).collect()
    }
    fn changes_on_host(&self) -> String {
        self.before.host.diff(&host(self.stage))
    }
}
