//! ADDs that fail at the delegate or behind it: what it has handed out goes back, and nothing else is left either.

use super::DELEGATING;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::layout;
use crate::recorder::{Delegated, Recorder};
use crate::stage::Stage;
use crate::stub::Answer;
use serde_json::{Value, json};
use testkit::{Output, Stdout};

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::back_after_error",
        "4.6",
        DELEGATING,
        "an ADD that failed at the delegate ends with its DEL",
        back_after_error,
    ),
    Case::once(
        "delegation::back_after_kill",
        "4.6",
        DELEGATING,
        "an ADD whose delegate was killed ends with its DEL",
        back_after_kill,
    ),
    Case::once(
        "delegation::back_fails",
        "4.9 4.6",
        DELEGATING,
        "an ADD that cannot be rolled back still tells why it failed",
        back_fails,
    ),
    Case::once("delegation::back_no_json", "4.6", DELEGATING, "an answer that is no JSON is given back", back_no_json),
    Case::once("delegation::back_empty", "4.6", DELEGATING, "an answer of nothing is given back", back_empty),
    Case::once(
        "delegation::back_junk",
        "4.6",
        DELEGATING,
        "an answer with an address that is none is given back",
        back_junk,
    ),
    Case::once(
        "delegation::back_no_address",
        "4.10 4.7",
        DELEGATING,
        "an answer without address makes ADD fail, and is given back",
        back_no_address,
    ),
    Case::once(
        "delegation::back_error_object",
        "4.10 4.7",
        DELEGATING,
        "an error object with exit status 0 makes ADD fail",
        back_error_object,
    ),
    Case::once(
        "delegation::back_bad_address",
        "4.7",
        DELEGATING,
        "an address that the kernel refuses is given back",
        back_bad_address,
    ),
    Case::once(
        "delegation::back_bad_route",
        "4.7",
        DELEGATING,
        "an address whose route the kernel refuses is given back",
        back_bad_route,
    ),
    Case::once(
        "delegation::back_name_taken",
        "4.7",
        DELEGATING,
        "the address goes back if the interface's name is taken",
        back_name_taken,
    ),
    Case::once(
        "delegation::back_no_netns",
        "4.7",
        DELEGATING,
        "the address goes back if there is no namespace",
        back_no_netns,
    ),
    Case::once(
        "delegation::back_unwritten",
        "4.7",
        DELEGATING,
        "the address goes back if the result cannot be written",
        back_unwritten,
    ),
    Case::once(
        "delegation::left_after_error",
        "3.12a",
        DELEGATING,
        "an ADD that failed at the delegate leaves nothing behind",
        left_after_error,
    ),
    Case::once(
        "delegation::left_no_json",
        "3.12a",
        DELEGATING,
        "an ADD that failed at an answer that is no JSON leaves nothing behind",
        left_no_json,
    ),
    Case::once(
        "delegation::left_bad_address",
        "3.12a",
        DELEGATING,
        "an ADD that failed at an address leaves nothing behind",
        left_bad_address,
    ),
    Case::once(
        "delegation::left_bad_route",
        "3.12a",
        DELEGATING,
        "an ADD that failed at a route leaves nothing behind",
        left_bad_route,
    ),
    Case::once(
        "delegation::left_unwritten",
        "3.12a",
        DELEGATING,
        "an ADD whose result cannot be written leaves nothing behind",
        left_unwritten,
    ),
    Case::once(
        "delegation::add_after_failure",
        "3.12a",
        DELEGATING,
        "ADD succeeds behind one that failed at the delegate",
        add_after_failure,
    ),
];

/// A way to fail: what the delegate answers to ADD.
type Failing = fn(&Delegated) -> Answer;

fn error(_: &Delegated) -> Answer {
    Answer::error(113, "out of luck", "")
}

fn kill(scene: &Delegated) -> Answer {
    Answer { killed: true, stdout: scene.lease.to_string(), ..Answer::default() }
}

fn no_json(_: &Delegated) -> Answer {
    Answer { stdout: "10.203.0.9/16\n".to_owned(), ..Answer::default() }
}

fn empty(_: &Delegated) -> Answer {
    Answer::default()
}

fn junk(scene: &Delegated) -> Answer {
    Answer { stdout: scene.lease.to_string().replace("10.203.0", "10.203.999"), ..Answer::default() }
}

fn no_address(scene: &Delegated) -> Answer {
    json!({ "cniVersion": scene.at.conf()["cniVersion"], "routes": scene.lease["routes"] }).into()
}

fn error_object(_: &Delegated) -> Answer {
    Answer { status: 0, ..Answer::error(113, "out of luck", "") }
}

/// No interface can have a multicast address.
fn bad_address(scene: &Delegated) -> Answer {
    let good = json!({ "address": "10.203.0.9/16", "gateway": "10.203.0.1" });
    in_version(scene, json!({ "ips": [good, { "address": "ff02::cb/64", "gateway": "fe80::1" }] }))
}

/// Its gateway is on no link.
fn bad_route(scene: &Delegated) -> Answer {
    let good = json!({ "address": "10.203.0.9/16", "gateway": "10.203.0.1" });
    in_version(scene, json!({ "ips": [good], "routes": [{ "dst": "198.51.100.0/24", "gw": "192.0.2.1" }] }))
}

fn in_version(scene: &Delegated, answer: Value) -> Answer {
    let version = scene.at.conf()["cniVersion"].as_str().unwrap_or_default();
    layout::convert(&answer, version).into()
}

/// The outcome of an ADD to which the delegate answers so.
fn added(scene: &Delegated, failing: Failing) -> Output {
    scene.answer(failing(scene));
    scene.call("ADD").run()
}

/// Demands an error, and DEL of the delegate.
fn given_back(stage: &Stage, failing: Failing) -> Verdict {
    let recorder = Recorder::new(stage);
    let output = added(&recorder.container("failed"), failing);
    output.error()?;
    recorder.ran("ADD")?;
    recorder.holds_nothing()
}

/// Demands an error, with host and container as they were.
fn nothing_left(stage: &Stage, failing: Failing) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("failed");
    let (before, inside) = (recorder.warm_snapshot()?, scene.ns.snapshot());
    added(&scene, failing).error()?;
    same(&before, &stage.snapshot(), "a host as it was before the ADD that failed")?;
    same(&inside, &scene.ns.snapshot(), "a container as it was before the ADD that failed")
}

/// Skips the case for plugins to which such an answer is none that makes them fail.
fn fails_at(stage: &Stage, failing: Failing) -> Verdict {
    let output = added(&Recorder::new(stage).container("trial"), failing);
    if output.status.success() { Err(Stop::skip("can do with such an answer")) } else { Ok(()) }
}

fn back_after_error(stage: &Stage) -> Verdict {
    given_back(stage, error)
}

fn back_after_kill(stage: &Stage) -> Verdict {
    given_back(stage, kill)
}

fn back_fails(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.stub.answer("DEL", Answer::error(114, "not this either", ""));
    let scene = recorder.container("unlucky");
    let output = added(&scene, error);
    let error = output.error()?;
    output.demand(error["code"] == 113, "the error of the delegate's ADD, not of the DEL that rolls back")
}

fn back_no_json(stage: &Stage) -> Verdict {
    given_back(stage, no_json)
}

fn back_empty(stage: &Stage) -> Verdict {
    given_back(stage, empty)
}

fn back_junk(stage: &Stage) -> Verdict {
    given_back(stage, junk)
}

fn back_no_address(stage: &Stage) -> Verdict {
    given_back(stage, no_address)
}

fn back_error_object(stage: &Stage) -> Verdict {
    given_back(stage, error_object)
}

fn back_bad_address(stage: &Stage) -> Verdict {
    fails_at(stage, bad_address)?;
    given_back(stage, bad_address)
}

fn back_bad_route(stage: &Stage) -> Verdict {
    fails_at(stage, bad_route)?;
    given_back(stage, bad_route)
}

/// Whether it sees that before it runs the delegate or later.
fn back_name_taken(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.container("taken");
    scene.ns.sh("ip link add eth0 type veth peer name other");
    scene.add().error()?;
    recorder.holds_nothing()
}

fn back_no_netns(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.container("nowhere");
    scene.answer(scene.lease.clone());
    scene.call("ADD").netns("/run/netns/conformance-nowhere").run().error()?;
    recorder.holds_nothing()
}

fn back_unwritten(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    unwritten(&recorder.container("unread"))?;
    recorder.ran("ADD")?;
    recorder.holds_nothing()
}

/// An ADD that cannot say what it has done.
fn unwritten(scene: &Delegated) -> Verdict {
    scene.answer(scene.lease.clone());
    let output = scene.call("ADD").stdout(Stdout::Full).run();
    output.demand(!output.status.success(), "an exit status other than 0: the result cannot be written")
}

fn left_after_error(stage: &Stage) -> Verdict {
    nothing_left(stage, error)
}

fn left_no_json(stage: &Stage) -> Verdict {
    nothing_left(stage, no_json)
}

fn left_bad_address(stage: &Stage) -> Verdict {
    fails_at(stage, bad_address)?;
    nothing_left(stage, bad_address)
}

fn left_bad_route(stage: &Stage) -> Verdict {
    fails_at(stage, bad_route)?;
    nothing_left(stage, bad_route)
}

fn left_unwritten(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("unread");
    let (before, inside) = (recorder.warm_snapshot()?, scene.ns.snapshot());
    unwritten(&scene)?;
    same(&before, &stage.snapshot(), "a host as it was before the ADD whose result could not be written")?;
    same(&inside, &scene.ns.snapshot(), "a container as it was before the ADD whose result could not be written")
}

/// Without a DEL between.
fn add_after_failure(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("second-try");
    added(&scene, error).error()?;
    scene.add().result().map(drop)
}
