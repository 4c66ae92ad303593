//! What the delegate prints and logs.

use super::DELEGATING;
use crate::case::{Case, Verdict};
use crate::demand::Demands;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::stub::Answer;
use serde_json::json;

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::stderr_add",
        "4.4a",
        DELEGATING,
        "what the delegate's ADD logs is on the plugin's stderr",
        stderr_add,
    ),
    Case::once(
        "delegation::stderr_check",
        "4.5b 4.4a",
        DELEGATING,
        "what the delegate's CHECK logs is on the plugin's stderr",
        stderr_check,
    ),
    Case::once(
        "delegation::stderr_del",
        "4.4a",
        DELEGATING,
        "what the delegate's DEL logs is on the plugin's stderr",
        stderr_del,
    ),
    Case::once(
        "delegation::stderr_gc",
        "3.32 4.4a",
        DELEGATING,
        "what the delegate's GC logs is on the plugin's stderr",
        stderr_gc,
    ),
    Case::once(
        "delegation::stderr_status",
        "3.37a 4.4a",
        DELEGATING,
        "what the delegate's STATUS logs is on the plugin's stderr",
        stderr_status,
    ),
    Case::once(
        "delegation::stderr_failure",
        "4.4a",
        DELEGATING,
        "what a delegate that fails logs is on the plugin's stderr",
        stderr_failure,
    ),
    Case::once(
        "delegation::stderr_large",
        "4.4a",
        DELEGATING,
        "a delegate that logs more than a pipe holds does not block",
        stderr_large,
    ),
    Case::once(
        "delegation::stdout_add",
        "4.4b",
        DELEGATING,
        "ADD prints one result: that of the delegate is not before it",
        stdout_add,
    ),
    Case::once(
        "delegation::stdout_check",
        "4.5b 4.4b",
        DELEGATING,
        "what the delegate's CHECK prints is not on stdout",
        stdout_check,
    ),
    Case::once(
        "delegation::stdout_del",
        "4.4b",
        DELEGATING,
        "what the delegate's DEL prints is not on stdout",
        stdout_del,
    ),
    Case::once(
        "delegation::stdout_gc",
        "3.32 4.4b",
        DELEGATING,
        "what the delegate's GC prints is not on stdout",
        stdout_gc,
    ),
    Case::once(
        "delegation::stdout_status",
        "3.37a 4.4b",
        DELEGATING,
        "what the delegate's STATUS prints is not on stdout",
        stdout_status,
    ),
];

/// What the stub logs.
const LOGGED: &str = "conformance: the delegate logs this\n";

fn stderr_add(stage: &Stage) -> Verdict {
    stderr(stage, "ADD")
}

fn stderr_check(stage: &Stage) -> Verdict {
    stderr(stage, "CHECK")
}

fn stderr_del(stage: &Stage) -> Verdict {
    stderr(stage, "DEL")
}

fn stderr_gc(stage: &Stage) -> Verdict {
    stderr(stage, "GC")
}

fn stderr_status(stage: &Stage) -> Verdict {
    stderr(stage, "STATUS")
}

fn stderr(stage: &Stage, command: &str) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene(command)?;
    let stdout = if command == "ADD" { scene.lease.to_string() } else { String::new() };
    recorder.stub.answer(command, Answer { stdout, stderr: LOGGED.to_owned(), ..Answer::default() });
    let output = scene.call(command).run();
    output.demand(output.status.success(), "exit status 0, whatever the delegate logs")?;
    output.demand(output.stderr.contains(LOGGED.trim()), "the delegate's stderr on stderr")
}

fn stderr_failure(stage: &Stage) -> Verdict {
    let scene = Recorder::new(stage).container("failed");
    scene.answer(Answer { stderr: LOGGED.to_owned(), ..Answer::error(100, "no address", "") });
    let output = scene.call("ADD").run();
    output.error()?;
    output.demand(output.stderr.contains(LOGGED.trim()), "the delegate's stderr on stderr")
}

fn stderr_large(stage: &Stage) -> Verdict {
    let scene = Recorder::new(stage).container("loud");
    let stderr = format!("{}\n{LOGGED}", "x".repeat(1 << 18));
    scene.answer(Answer { stdout: scene.lease.to_string(), stderr, ..Answer::default() });
    let output = scene.call("ADD").run();
    output.result()?;
    output.demand(output.stderr.contains(LOGGED.trim()), "the delegate's stderr on stderr")
}

fn stdout_add(stage: &Stage) -> Verdict {
    let scene = Recorder::new(stage).container("answered");
    let stdout = format!("\n{:#}\n\n", scene.lease);
    scene.answer(Answer { stdout, ..Answer::default() });
    scene.call("ADD").run().result().map(drop)
}

fn stdout_check(stage: &Stage) -> Verdict {
    stdout(stage, "CHECK")
}

fn stdout_del(stage: &Stage) -> Verdict {
    stdout(stage, "DEL")
}

fn stdout_gc(stage: &Stage) -> Verdict {
    stdout(stage, "GC")
}

fn stdout_status(stage: &Stage) -> Verdict {
    stdout(stage, "STATUS")
}

fn stdout(stage: &Stage, command: &str) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene(command)?;
    recorder.stub.answer(command, json!({ "cniVersion": stage.version(), "conformance": command }));
    scene.call(command).run().silence()?;
    recorder.ran_once(command).map(drop)
}
