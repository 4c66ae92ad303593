//! A delegate that is not installed.

use super::DELEGATING;
use super::failure::interface_is_gone;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::recorder::{Delegated, Recorder};
use crate::stage::Stage;
use serde_json::json;
use testkit::Output;

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::missing_add",
        "1.23a",
        DELEGATING,
        "ADD fails when the delegate is not installed",
        missing_add,
    ),
    Case::once(
        "delegation::missing_add_left",
        "3.12a 1.23a",
        DELEGATING,
        "ADD without its delegate leaves nothing behind",
        missing_add_left,
    ),
    Case::once(
        "delegation::missing_check",
        "3.25b",
        DELEGATING,
        "CHECK fails when the delegate is not installed",
        missing_check,
    ),
    Case::once(
        "delegation::missing_del",
        "4.11c",
        DELEGATING,
        "DEL fails when the delegate is not installed",
        missing_del,
    ),
    Case::once(
        "delegation::missing_del_own",
        "4.11b 4.11c",
        DELEGATING,
        "the interface goes although the delegate is not installed",
        missing_del_own,
    ),
    Case::once(
        "delegation::missing_del_text",
        "C.13",
        DELEGATING,
        "DEL does not say of a missing delegate what clients take for success",
        missing_del_text,
    ),
    Case::once(
        "delegation::missing_gc",
        "3.32 4.5e",
        DELEGATING,
        "GC fails when the delegate is not installed",
        missing_gc,
    ),
    Case::once(
        "delegation::missing_status",
        "3.37b",
        DELEGATING,
        "STATUS fails when the delegate is not installed",
        missing_status,
    ),
];

/// The attachment with a delegate that is nowhere.
fn without_delegate(mut scene: Delegated) -> Delegated {
    scene.at = scene.at.with_key("ipam", json!({ "type": "conformance-nowhere" }));
    scene
}

fn missing_add(stage: &Stage) -> Verdict {
    without_delegate(Recorder::new(stage).container("lost")).call("ADD").run().error().map(drop)
}

fn missing_add_left(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = without_delegate(recorder.container("lost"));
    let (before, inside) = (recorder.warm_snapshot()?, scene.ns.snapshot());
    scene.call("ADD").run().error()?;
    same(&before, &stage.snapshot(), "a host as it was before the ADD that failed")?;
    same(&inside, &scene.ns.snapshot(), "a container as it was before the ADD that failed")
}

fn missing_check(stage: &Stage) -> Verdict {
    missing(stage, "CHECK")?.error().map(drop)
}

fn missing_del(stage: &Stage) -> Verdict {
    missing(stage, "DEL")?.error().map(drop)
}

fn missing_gc(stage: &Stage) -> Verdict {
    missing(stage, "GC")?.error().map(drop)
}

fn missing_status(stage: &Stage) -> Verdict {
    missing(stage, "STATUS")?.error().map(drop)
}

fn missing(stage: &Stage, command: &str) -> Result<Output, Stop> {
    Ok(without_delegate(Recorder::new(stage).scene(command)?).call(command).run())
}

fn missing_del_own(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = without_delegate(recorder.scene("DEL")?);
    scene.call("DEL").run().error()?;
    interface_is_gone(&scene)
}

/// A plugin that lets such a DEL succeed says nothing.
fn missing_del_text(stage: &Stage) -> Verdict {
    let output = missing(stage, "DEL")?;
    let taken = ["not found", "no such file or directory"].into_iter().find(|text| output.stdout.contains(text));
    let expected = format!("an error without {:?}, which clients take for success", taken.unwrap_or_default());
    output.demand(taken.is_none(), &expected)
}
