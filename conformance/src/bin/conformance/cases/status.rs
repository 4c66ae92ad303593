//! STATUS: quick, quiet, and honest.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::recorder::Recorder;
use crate::stage::{Stage, arranged};
use crate::stub::Answer;
use serde_json::json;
use std::fs;
use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

const CONFIG: Needs = Needs::Config;

pub const CASES: &[Case] = &[
    Case::once("status::ready", "3.36a", CONFIG, "STATUS succeeds with a configuration that works", ready),
    Case::once("status::silent", "2.17f 3.36a", CONFIG, "STATUS that succeeds prints nothing", silent),
    Case::once(
        "status::attached",
        "3.36a",
        CONFIG,
        "STATUS succeeds while containers are attached, and behind DEL",
        attached,
    ),
    Case::once("status::virgin", "3.40a", CONFIG, "STATUS on a host without any attachment changes nothing", virgin),
    Case::once("status::unchanged", "3.40a", CONFIG, "STATUS changes nothing while a container is attached", unchanged),
    Case::once(
        "status::quick",
        "3.40b",
        CONFIG,
        "STATUS takes less than a quarter of a second, as clients ask twice a second",
        quick,
    ),
    Case::once("status::bare", "3.36a", CONFIG, "STATUS works with CNI_COMMAND and CNI_PATH only", bare),
    Case::once(
        "status::not_asked",
        "3.38a",
        CONFIG,
        "ADD, CHECK and DEL work although nobody has asked for the status",
        not_asked,
    ),
    Case::once(
        "status::meanwhile",
        "3.40a 3.38b",
        CONFIG,
        "STATUS at the same time as ADD and DEL disturbs neither",
        meanwhile,
    ),
    Case::once(
        "status::honest",
        "3.36b 2.27.50",
        CONFIG,
        "STATUS fails with code 50 or 51 when there is no place for state and ADD fails",
        honest,
    ),
    Case::once(
        "status::delegate_not_ready",
        "3.36b 3.37b 4.9",
        Needs::Delegating,
        "a delegate's code 50 or 51 is the plugin's",
        delegate_not_ready,
    ),
    Case::once(
        "status::still_checks",
        "3.38b",
        Needs::Delegating,
        "CHECK and DEL work while STATUS fails",
        still_checks,
    ),
    Case::once(
        "status::still_adds",
        "3.38b",
        Needs::Delegating,
        "ADD works while STATUS fails, if the delegate's does",
        still_adds,
    ),
    Case::once("status::still_collects", "3.38b", Needs::Delegating, "GC works while STATUS fails", still_collects),
];

fn ready(stage: &Stage) -> Verdict {
    let output = stage.container("none").at.status();
    output.demand(output.status.success(), "exit status 0: a plugin that is ready")
}

fn silent(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    stage.container("none").at.status().silence()
}

fn attached(stage: &Stage) -> Verdict {
    let container = stage.container("attached");
    container.at.add().result()?;
    container.at.status().silence()?;
    container.at.del().silence()?;
    container.at.status().silence()
}

fn virgin(stage: &Stage) -> Verdict {
    let container = stage.container("none");
    let before = stage.snapshot();
    container.at.status().silence()?;
    same(&before, &stage.snapshot(), "a STATUS that changes nothing, on a host where nothing is yet")
}

fn unchanged(stage: &Stage) -> Verdict {
    let container = stage.container("attached");
    let at = container.at.with_prev(&container.at.add().result()?);
    let (before, inside) = (stage.snapshot(), container.ns.snapshot());
    at.status().silence()?;
    same(&before, &stage.snapshot(), "a STATUS that changes nothing")?;
    same(&inside, &container.ns.snapshot(), "a STATUS that changes nothing in a container")?;
    at.check().silence()
}

/// The quickest of several: the machine may be busy.
fn quick(stage: &Stage) -> Verdict {
    let at = stage.container("none").at;
    let mut quickest = Duration::MAX;
    for _ in 0..10 {
        let start = Instant::now();
        at.status().silence()?;
        quickest = quickest.min(start.elapsed());
    }
    demand(
        quickest < Duration::from_millis(250),
        "a STATUS in less than 250 ms",
        format!("the quickest of 10: {quickest:?}"),
    )
}

fn bare(stage: &Stage) -> Verdict {
    stage.container("none").at.call("STATUS").env_isolated().run().silence()
}

fn not_asked(stage: &Stage) -> Verdict {
    let container = stage.container("first");
    let at = container.at.with_prev(&container.at.add().result()?);
    at.check().silence()?;
    at.del().silence()
}

fn meanwhile(stage: &Stage) -> Verdict {
    let (container, other) = (stage.container("busy"), stage.container("polled").at);
    let before = stage.warm_snapshot()?;
    let polled = thread::scope(|scope| {
        let polls = scope.spawn(|| (0..10).try_for_each(|_| other.status().silence()));
        let cycles = (0..3).try_for_each(|_| {
            container.at.add().result()?;
            container.at.del().silence()
        });
        cycles.and(polls.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    polled?;
    let links = ["link nbr", "link peer"];
    same(
        &before.without(&links),
        &stage.snapshot().without(&links),
        "ADD and DEL that leave nothing behind, polled or not",
    )
}

fn honest(stage: &Stage) -> Verdict {
    let container = stage.container("stateless");
    let dir = stage.dir();
    // A file where the directory of the state was.
    let replaced = fs::remove_dir_all(&dir).and_then(|()| fs::write(&dir, ""));
    arranged("a file in place of the directory", replaced);
    if container.at.add().status.success() {
        return Err(Stop::skip("keeps no state in {dir}"));
    }
    let output = container.at.status();
    let error = output.error()?;
    output.demand([json!(50), json!(51)].contains(&error["code"]), "an error object with code 50 or 51")
}

fn delegate_not_ready(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("none");
    for code in [50, 51] {
        recorder.stub.answer("STATUS", Answer::error(code, "not ready", ""));
        scene.call("STATUS").run().error_code(code)?;
    }
    recorder.stub.answer("STATUS", Answer::default());
    scene.call("STATUS").run().silence()
}

fn not_ready(recorder: &Recorder<'_>) {
    recorder.stub.answer("STATUS", Answer::error(50, "not ready", ""));
}

fn still_checks(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    not_ready(&recorder);
    let mut scene = recorder.container("attached");
    scene.at = scene.at.with_prev(&scene.add().result()?);
    scene.call("STATUS").run().error()?;
    scene.call("CHECK").run().silence()?;
    scene.call("DEL").run().silence()
}

fn still_adds(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    not_ready(&recorder);
    let scene = recorder.container("optimist");
    scene.call("STATUS").run().error()?;
    scene.add().result().map(drop)
}

fn still_collects(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    not_ready(&recorder);
    let mut scene = recorder.container("none");
    scene.call("STATUS").run().error()?;
    scene.at = scene.at.with_key("cni.dev/valid-attachments", json!([]));
    scene.call("GC").run().silence()
}
