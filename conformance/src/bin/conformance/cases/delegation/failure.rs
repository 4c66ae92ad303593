//! A delegate that fails, or is not there.

use super::DELEGATING;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::recorder::{Delegated, Recorder};
use crate::stage::Stage;
use crate::stub::Answer;
use testkit::Output;

pub const CASES: &[Case] = &[
    Case::once("delegation::error_add", "4.5e", DELEGATING, "ADD fails when that of the delegate does", error_add),
    Case::once(
        "delegation::error_check",
        "4.5b 3.25b 4.5e",
        DELEGATING,
        "CHECK fails when that of the delegate does",
        error_check,
    ),
    Case::once("delegation::error_del", "4.5e", DELEGATING, "DEL fails when that of the delegate does", error_del),
    Case::once("delegation::error_gc", "3.32 4.5e", DELEGATING, "GC fails when that of the delegate does", error_gc),
    Case::once(
        "delegation::error_status",
        "3.37b 4.5e",
        DELEGATING,
        "STATUS fails when that of the delegate does",
        error_status,
    ),
    Case::once(
        "delegation::kept_add",
        "4.9",
        DELEGATING,
        "the error of the delegate's ADD keeps code, message and details",
        kept_add,
    ),
    Case::once(
        "delegation::kept_check",
        "4.9",
        DELEGATING,
        "the error of the delegate's CHECK keeps code, message and details",
        kept_check,
    ),
    Case::once(
        "delegation::kept_del",
        "4.9",
        DELEGATING,
        "the error of the delegate's DEL keeps code, message and details",
        kept_del,
    ),
    Case::once(
        "delegation::kept_gc",
        "4.9",
        DELEGATING,
        "the error of the delegate's GC keeps code, message and details",
        kept_gc,
    ),
    Case::once(
        "delegation::kept_status",
        "4.9",
        DELEGATING,
        "the error of the delegate's STATUS keeps code, message and details",
        kept_status,
    ),
    Case::once(
        "delegation::kept_try_again",
        "4.9",
        DELEGATING,
        "a delegate that asks to try again, code 11, is understood",
        kept_try_again,
    ),
    Case::once(
        "delegation::fails_silently",
        "4.5e",
        DELEGATING,
        "a delegate that fails without a word makes ADD fail",
        fails_silently,
    ),
    Case::once(
        "delegation::fails_garbled",
        "4.5e",
        DELEGATING,
        "a delegate that fails with something else than JSON makes ADD fail",
        fails_garbled,
    ),
    Case::once(
        "delegation::fails_in_stderr",
        "4.5e",
        DELEGATING,
        "a delegate that tells its failure on stderr only makes ADD fail",
        fails_in_stderr,
    ),
    Case::once(
        "delegation::fails_with_result",
        "4.5e",
        DELEGATING,
        "a delegate that prints a result and exits with 1 makes ADD fail",
        fails_with_result,
    ),
    Case::once(
        "delegation::killed_add",
        "4.5e",
        DELEGATING,
        "a delegate that is killed makes ADD fail, whatever it has printed",
        killed_add,
    ),
    Case::once("delegation::killed_del", "4.5e", DELEGATING, "a delegate that is killed makes DEL fail", killed_del),
    Case::once(
        "delegation::error_del_own",
        "4.11b",
        DELEGATING,
        "the interface goes although the delegate's DEL fails",
        error_del_own,
    ),
    Case::once(
        "delegation::error_del_host",
        "4.11b 3.19a",
        DELEGATING,
        "nothing is left on the host although the delegate's DEL fails",
        error_del_host,
    ),
    Case::once(
        "delegation::error_del_again",
        "3.15a 4.5a",
        DELEGATING,
        "a DEL that failed for its delegate succeeds when that does",
        error_del_again,
    ),
    Case::once(
        "delegation::error_del_again_left",
        "3.19a",
        DELEGATING,
        "a DEL behind one that failed for its delegate leaves nothing on the host",
        error_del_again_left,
    ),
    Case::once(
        "delegation::killed_plugin",
        "2.24a 4.5a",
        DELEGATING,
        "DEL behind an ADD that was killed while the delegate ran leaves nothing behind",
        killed_plugin,
    ),
];

fn error_add(stage: &Stage) -> Verdict {
    failing(stage, "ADD")?.error().map(drop)
}

fn error_check(stage: &Stage) -> Verdict {
    failing(stage, "CHECK")?.error().map(drop)
}

fn error_del(stage: &Stage) -> Verdict {
    failing(stage, "DEL")?.error().map(drop)
}

fn error_gc(stage: &Stage) -> Verdict {
    failing(stage, "GC")?.error().map(drop)
}

fn error_status(stage: &Stage) -> Verdict {
    failing(stage, "STATUS")?.error().map(drop)
}

fn kept_add(stage: &Stage) -> Verdict {
    kept(&failing(stage, "ADD")?)
}

fn kept_check(stage: &Stage) -> Verdict {
    stage.since("0.4.0")?;
    kept(&failing(stage, "CHECK")?)
}

fn kept_del(stage: &Stage) -> Verdict {
    kept(&failing(stage, "DEL")?)
}

fn kept_gc(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    kept(&failing(stage, "GC")?)
}

fn kept_status(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    kept(&failing(stage, "STATUS")?)
}

/// A call whose delegate fails with the error of [`kept`].
fn failing(stage: &Stage, command: &str) -> Result<Output, Stop> {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene(command)?;
    recorder.stub.answer(command, Answer::error(113, "conformance is out of luck", "the dice were loaded"));
    let output = scene.call(command).run();
    recorder.ran(command)?;
    Ok(output)
}

fn kept(output: &Output) -> Verdict {
    let error = output.error_code(113)?;
    let text = format!("{} {}", error["msg"], error["details"]);
    output.demand(text.contains("conformance is out of luck"), "an error with the message of the delegate's")?;
    output.demand(text.contains("the dice were loaded"), "an error with the details of the delegate's")
}

fn kept_try_again(stage: &Stage) -> Verdict {
    stage.since("0.4.0")?;
    let scene = Recorder::new(stage).container("later");
    scene.answer(Answer::error(11, "busy", ""));
    scene.call("ADD").run().error_code(11).map(drop)
}

fn fails_silently(stage: &Stage) -> Verdict {
    add_fails(stage, Answer { status: 3, ..Answer::default() })
}

fn fails_garbled(stage: &Stage) -> Verdict {
    add_fails(stage, Answer { status: 1, stdout: "panic: \u{1} {".to_owned(), ..Answer::default() })
}

fn fails_in_stderr(stage: &Stage) -> Verdict {
    add_fails(stage, Answer { status: 2, stderr: "out of luck\n".to_owned(), ..Answer::default() })
}

fn fails_with_result(stage: &Stage) -> Verdict {
    let stdout = Recorder::new(stage).container("lease").lease.to_string();
    add_fails(stage, Answer { status: 1, stdout, ..Answer::default() })
}

fn killed_add(stage: &Stage) -> Verdict {
    let stdout = Recorder::new(stage).container("lease").lease.to_string();
    add_fails(stage, Answer { killed: true, stdout, ..Answer::default() })
}

fn add_fails(stage: &Stage, answer: Answer) -> Verdict {
    let scene = Recorder::new(stage).container("failed");
    scene.answer(answer);
    scene.call("ADD").run().error().map(drop)
}

fn killed_del(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("DEL")?;
    recorder.stub.answer("DEL", Answer { killed: true, ..Answer::default() });
    scene.call("DEL").run().error().map(drop)
}

fn error_del_own(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.scene("DEL")?;
    recorder.stub.answer("DEL", Answer::error(113, "out of luck", ""));
    scene.call("DEL").run().error()?;
    interface_is_gone(&scene)
}

pub(super) fn interface_is_gone(scene: &Delegated) -> Verdict {
    let found = scene.interface();
    demand(found.is_none(), "an interface that is gone, although DEL failed for the delegate", format!("{found:?}"))
}

fn error_del_host(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("unlucky");
    let before = recorder.warm_snapshot()?;
    scene.add().result()?;
    recorder.stub.answer("DEL", Answer::error(113, "out of luck", ""));
    scene.call("DEL").run().error()?;
    same(&before, &stage.snapshot(), "a DEL that removes what is the plugin's own, although it failed for the delegate")
}

fn error_del_again(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    repeated(&recorder, &recorder.container("repeated"))?;
    recorder.ran_once("DEL").map(drop)
}

fn error_del_again_left(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("repeated");
    let before = recorder.warm_snapshot()?;
    repeated(&recorder, &scene)?;
    same(&before, &stage.snapshot(), "a repeated DEL that leaves nothing behind")
}

/// ADD, a DEL that the delegate fails, and one that it does not.
fn repeated(recorder: &Recorder<'_>, scene: &Delegated) -> Verdict {
    scene.add().result()?;
    recorder.stub.answer("DEL", Answer::error(113, "out of luck", ""));
    scene.call("DEL").run().error()?;
    recorder.stub.answer("DEL", Answer::default()).forget();
    scene.call("DEL").run().silence()
}

fn killed_plugin(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("killed");
    let (before, inside) = (recorder.warm_snapshot()?, scene.ns.snapshot());
    scene.answer(Answer { kills_caller: true, ..Answer::default() });
    let killed = scene.call("ADD").run();
    killed.demand(killed.status.code().is_none(), "a plugin that is killed while it waits for its delegate")?;
    recorder.stub.forget();
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL")?;
    same(&before, &stage.snapshot(), "a DEL that leaves nothing of an ADD that was killed")?;
    same(&inside, &scene.ns.snapshot(), "a DEL that leaves nothing in the container of an ADD that was killed")
}
