//! Which delegate it is: `ipam.type`, `CNI_PATH`, and no delegate at all.

use super::DELEGATING;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::recorder::{Delegated, Recorder, TYPE};
use crate::stage::{Container, Stage, arranged};
use crate::stub::Stub;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use testkit::{Output, Plugin};

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::path_order",
        "4.1a",
        DELEGATING,
        "of two delegates in CNI_PATH the first is run",
        path_order,
    ),
    Case::once(
        "delegation::path_later",
        "4.1a",
        DELEGATING,
        "a delegate is found behind directories that have none or are not there",
        path_later,
    ),
    Case::once(
        "delegation::path_directory",
        "4.1b",
        DELEGATING,
        "a directory that has the delegate's name is passed over",
        path_directory,
    ),
    Case::once(
        "delegation::path_dangling",
        "4.1b",
        DELEGATING,
        "a link to nowhere that has the delegate's name is passed over",
        path_dangling,
    ),
    Case::once("delegation::path_link", "4.1b", DELEGATING, "a delegate that is a symbolic link is run", path_link),
    Case::once(
        "delegation::path_mode",
        "4.1c",
        DELEGATING,
        "a file that cannot be executed is not passed over",
        path_mode,
    ),
    Case::once(
        "delegation::path_empty",
        "4.1e",
        DELEGATING,
        "with an empty CNI_PATH, ADD fails and runs nothing",
        path_empty,
    ),
    Case::once(
        "delegation::separator_add",
        "1.23b 4.1d",
        DELEGATING,
        "ADD refuses an `ipam.type` with a `/`",
        separator_add,
    ),
    Case::once(
        "delegation::separator_absolute",
        "1.23b 4.1d",
        DELEGATING,
        "ADD refuses an `ipam.type` that is an absolute path",
        separator_absolute,
    ),
    Case::once(
        "delegation::separator_parent",
        "1.23b 4.1d",
        DELEGATING,
        "ADD refuses an `ipam.type` that leads out of CNI_PATH",
        separator_parent,
    ),
    Case::once(
        "delegation::separator_del",
        "4.1d",
        DELEGATING,
        "DEL does not run an `ipam.type` with a `/`",
        separator_del,
    ),
    Case::once(
        "delegation::dots",
        "4.1b",
        DELEGATING,
        "an `ipam.type` of dots, which is a directory, makes ADD fail",
        dots,
    ),
    Case::once(
        "delegation::none_absent",
        "1.23c",
        DELEGATING,
        "without `ipam`, ADD makes an interface without addresses or does nothing",
        none_absent,
    ),
    Case::once(
        "delegation::none_empty",
        "1.23c",
        DELEGATING,
        "with an empty `ipam`, ADD makes an interface without addresses or does nothing",
        none_empty,
    ),
    Case::once(
        "delegation::none_null",
        "1.23c",
        DELEGATING,
        "with `ipam` null, ADD makes an interface without addresses or does nothing",
        none_null,
    ),
    Case::once(
        "delegation::none_type",
        "1.23c",
        DELEGATING,
        "with an empty `ipam.type`, ADD makes an interface without addresses or does nothing",
        none_type,
    ),
    Case::once(
        "delegation::none_alike",
        "1.23c",
        DELEGATING,
        "all ways to write that there is no IPAM have the same meaning",
        none_alike,
    ),
    Case::once(
        "delegation::none_check",
        "3.24 1.23c",
        DELEGATING,
        "CHECK of an interface without addresses succeeds",
        none_check,
    ),
    Case::once(
        "delegation::none_status",
        "3.36a 1.23c",
        DELEGATING,
        "STATUS of a network without addresses succeeds",
        none_status,
    ),
];

/// A stub in a directory of its own.
fn stub_in(stage: &Stage, place: &str) -> (Stub, PathBuf) {
    let dir = empty_dir(stage, &format!("{place}/plugins"));
    (Stub::install(&stage.sandbox, &dir, TYPE), dir)
}

fn empty_dir(stage: &Stage, place: &str) -> PathBuf {
    let dir = stage.sandbox.dir().join(place);
    arranged("a directory of plugins", fs::create_dir_all(&dir));
    dir
}

/// ADD with this `CNI_PATH`, for a container whose delegate is a stub.
fn add_by(scene: &Delegated, path: &[&Path]) -> Output {
    scene.answer(scene.lease.clone());
    scene.call("ADD").path(path).run()
}

fn ran(stub: &Stub, expected: &[&str], which: &str) -> Verdict {
    let commands = stub.commands();
    let wanted = format!("a plugin that runs the delegate {which} with {expected:?}");
    demand(commands == expected, &wanted, format!("its calls: {commands:?}"))
}

fn path_order(stage: &Stage) -> Verdict {
    let (first, first_dir) = stub_in(stage, "first");
    let (second, second_dir) = stub_in(stage, "second");
    let scene = Recorder::new(stage).container("two");
    first.answer("ADD", scene.lease.clone());
    second.answer("ADD", scene.lease.clone());
    add_by(&scene, &[&first_dir, &second_dir]).result()?;
    ran(&first, &["ADD"], "of the first directory")?;
    ran(&second, &[], "of the second directory")
}

fn path_later(stage: &Stage) -> Verdict {
    let (recorder, empty) = (Recorder::new(stage), empty_dir(stage, "empty"));
    let path = [Path::new("/nowhere/conformance"), &empty, &stage.stub_dir(), &stage.subject.dir];
    add_by(&recorder.container("later"), &path).result()?;
    recorder.ran_once("ADD").map(drop)
}

fn path_directory(stage: &Stage) -> Verdict {
    let (recorder, first) = (Recorder::new(stage), empty_dir(stage, "first"));
    empty_dir(stage, &format!("first/{TYPE}"));
    add_by(&recorder.container("behind"), &[&first, &stage.stub_dir()]).result()?;
    recorder.ran_once("ADD").map(drop)
}

fn path_dangling(stage: &Stage) -> Verdict {
    let (recorder, first) = (Recorder::new(stage), empty_dir(stage, "first"));
    arranged("a link that leads nowhere", symlink("/nowhere/conformance", first.join(TYPE)));
    add_by(&recorder.container("behind"), &[&first, &stage.stub_dir()]).result()?;
    recorder.ran_once("ADD").map(drop)
}

fn path_link(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let (script, moved) = (stage.stub_dir().join(TYPE), stage.sandbox.dir().join("moved"));
    arranged("a link to the delegate", fs::rename(&script, &moved).and_then(|()| symlink(&moved, &script)));
    recorder.container("linked").add().result()?;
    recorder.ran_once("ADD").map(drop)
}

fn path_mode(stage: &Stage) -> Verdict {
    let (recorder, first) = (Recorder::new(stage), empty_dir(stage, "first"));
    let file = first.join(TYPE);
    let written = fs::write(&file, "").and_then(|()| fs::set_permissions(&file, fs::Permissions::from_mode(0o644)));
    arranged("a file that is not executable", written);
    add_by(&recorder.container("behind"), &[&first, &stage.stub_dir()]).error()?;
    ran(&recorder.stub, &[], "of the second directory")
}

fn path_empty(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("pathless");
    scene.answer(scene.lease.clone());
    scene.call("ADD").env("CNI_PATH", "").run().error()?;
    ran(&recorder.stub, &[], "that is in no directory of CNI_PATH")
}

fn separator_add(stage: &Stage) -> Verdict {
    refused(stage, "stubs/recorder")
}

fn separator_absolute(stage: &Stage) -> Verdict {
    refused(stage, &stage.stub_dir().join(TYPE).display().to_string())
}

fn separator_parent(stage: &Stage) -> Verdict {
    refused(stage, "../stubs/recorder")
}

/// What a path would lead to is there, and is not run.
fn refused(stage: &Stage, name: &str) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("refused");
    named(stage, &scene, name, "ADD").run().error()?;
    ran(&recorder.stub, &[], &format!("{name:?}"))
}

/// A call with this `ipam.type`, in a `CNI_PATH` of the stub's directory and the one above.
fn named(stage: &Stage, scene: &Delegated, name: &str, command: &str) -> Plugin {
    scene.answer(scene.lease.clone());
    let at = scene.at.with_key("ipam", json!({ "type": name }));
    at.call(command).path([stage.stub_dir(), stage.sandbox.dir().to_owned()])
}

fn separator_del(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("DEL")?;
    let output = named(stage, &scene, "stubs/recorder", "DEL").run();
    output.demand(output.status.code().is_some(), "an exit by itself, not by a signal")?;
    ran(&recorder.stub, &[], "\"stubs/recorder\"")
}

fn dots(stage: &Stage) -> Verdict {
    let scene = Recorder::new(stage).container("dots");
    for name in [".", ".."] {
        named(stage, &scene, name, "ADD").run().error()?;
    }
    Ok(())
}

fn none_absent(stage: &Stage) -> Verdict {
    without_ipam(stage, None)
}

fn none_empty(stage: &Stage) -> Verdict {
    without_ipam(stage, Some(json!({})))
}

fn none_null(stage: &Stage) -> Verdict {
    without_ipam(stage, Some(json!(null)))
}

fn none_type(stage: &Stage) -> Verdict {
    without_ipam(stage, Some(json!({ "type": "" })))
}

/// A call with this `ipam`, or with none.
fn call_with(container: &Container, ipam: Option<&Value>, command: &str) -> Plugin {
    let mut conf = container.at.conf().clone();
    if let Some(fields) = conf.as_object_mut() {
        fields.remove("ipam");
    }
    if let Some(ipam) = ipam {
        conf["ipam"] = ipam.clone();
    }
    container.at.call(command).stdin(conf)
}

fn without_ipam(stage: &Stage, ipam: Option<Value>) -> Verdict {
    stage.since("0.3.0")?;
    let container = stage.container("no-ipam");
    let (before, inside) = (stage.warm_snapshot()?, container.ns.snapshot());
    let output = call_with(&container, ipam.as_ref(), "ADD").run();
    if output.status.success() {
        let result = output.result()?;
        let addressed = result["ips"].as_array().is_some_and(|ips| !ips.is_empty());
        output.demand(!addressed, "a result without addresses")?;
        call_with(&container, ipam.as_ref(), "DEL").run().silence()?;
        return same(&before, &stage.snapshot(), "a DEL that leaves nothing behind");
    }
    output.error()?;
    same(&before, &stage.snapshot(), "an ADD that is refused before it does anything to the host")?;
    same(&inside, &container.ns.snapshot(), "an ADD that is refused before it does anything to the container")?;
    Err(Stop::skip("does not do without IPAM, and says so"))
}

fn none_alike(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let forms = [None, Some(json!({})), Some(json!(null)), Some(json!({ "type": "" }))];
    let mut outcomes = Vec::new();
    for (number, ipam) in forms.iter().enumerate() {
        let container = stage.container(&format!("form{number}"));
        outcomes.push(call_with(&container, ipam.as_ref(), "ADD").run().status.success());
    }
    let alike = outcomes.iter().all(|worked| Some(worked) == outcomes.first());
    let found = format!("ADD worked with no `ipam`, {{}}, null, {{\"type\":\"\"}}: {outcomes:?}");
    demand(alike, "a plugin to which they are all the same", found)
}

fn none_check(stage: &Stage) -> Verdict {
    let container = stage.container("no-ipam");
    let output = call_with(&container, None, "ADD").run();
    if !output.status.success() {
        return Err(Stop::skip("does not do without IPAM"));
    }
    let checked = Container { at: container.at.with_prev(&output.result()?), ns: container.ns };
    call_with(&checked, None, "CHECK").run().silence()
}

fn none_status(stage: &Stage) -> Verdict {
    let container = stage.container("no-ipam");
    if !call_with(&container, None, "ADD").run().status.success() {
        return Err(Stop::skip("does not do without IPAM"));
    }
    call_with(&container, None, "STATUS").run().silence()
}
