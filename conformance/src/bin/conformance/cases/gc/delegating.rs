//! GC of a plugin that has a delegate.

use super::KEY;
use crate::case::{Case, Needs, Verdict};
use crate::demand::{Demands, collected};
use crate::life;
use crate::recorder::Recorder;
use crate::stage::Stage;
use crate::stub::Answer;
use serde_json::json;

pub const CASES: &[Case] = &[
    Case::once("gc::killed_add", "3.29a", Needs::Delegating, "what an ADD that was killed has left goes", killed_add),
    Case::once(
        "gc::goes_on",
        "3.31a",
        Needs::Delegating,
        "GC removes what is the plugin's own although the delegate's GC fails",
        goes_on,
    ),
    Case::once(
        "gc::tells_errors",
        "3.31b",
        Needs::Delegating,
        "GC tells the error of the delegate's, once",
        tells_errors,
    ),
];

/// The delegate kills the plugin that runs it, when that has made what it makes before.
fn killed_add(stage: &Stage) -> Verdict {
    let first = stage.snapshot();
    let recorder = Recorder::new(stage);
    let before = recorder.warm_snapshot()?;
    let scene = recorder.container("killed");
    scene.answer(Answer { kills_caller: true, ..Answer::default() });
    let killed = scene.call("ADD").run();
    killed.demand(killed.status.code().is_none(), "a plugin that is killed while it waits for its delegate")?;
    let call = scene.call("GC").stdin(scene.at.with_key(KEY, json!([])).conf());
    scene.ns.remove();
    life::links_go(stage, &before);
    call.run().silence()?;
    collected(&first, &before, &stage.snapshot(), "a GC that removes what an ADD has left that was killed")
}

fn goes_on(stage: &Stage) -> Verdict {
    let first = stage.snapshot();
    let recorder = Recorder::new(stage);
    let before = recorder.warm_snapshot()?;
    let scene = recorder.container("gone");
    scene.add().result()?;
    recorder.stub.answer("GC", Answer::error(113, "out of luck", ""));
    let call = scene.call("GC").stdin(scene.at.with_key(KEY, json!([])).conf());
    scene.ns.remove();
    life::links_go(stage, &before);
    call.run().error()?;
    collected(
        &first,
        &before,
        &stage.snapshot(),
        "a GC that removes what is the plugin's own, although it failed for the delegate",
    )
}

fn tells_errors(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let mut scene = recorder.container("none");
    recorder.stub.answer("GC", Answer::error(113, "conformance is out of luck", ""));
    scene.at = scene.at.with_key(KEY, json!([]));
    let output = scene.call("GC").run();
    output.error()?;
    output.demand(output.stdout.contains("conformance is out of luck"), "an error that tells that of the delegate")
}
