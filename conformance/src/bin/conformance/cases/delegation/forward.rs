//! Which command runs which of the delegate's, and when.

use super::DELEGATING;
use crate::case::{Case, Verdict};
use crate::demand::{Demands, demand, same};
use crate::recorder::Recorder;
use crate::stage::{Stage, arranged};
use crate::stub::Answer;
use serde_json::{Value, json};
use std::fs;

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::add_once",
        "1.23a",
        DELEGATING,
        "ADD runs ADD of the plugin that `ipam.type` names, once",
        add_once,
    ),
    Case::once("delegation::version", "3.41b", DELEGATING, "VERSION is answered without the delegate", version),
    Case::once(
        "delegation::own_netns",
        "3.14b",
        DELEGATING,
        "an ADD into the plugin's own namespace is refused before the delegate",
        own_netns,
    ),
    Case::once(
        "delegation::interface_first",
        "4.12a",
        DELEGATING,
        "the interface is there when the delegate's ADD runs",
        interface_first,
    ),
    Case::once("delegation::del", "4.5a", DELEGATING, "DEL runs DEL of the delegate, once", del),
    Case::once(
        "delegation::del_twice",
        "4.5a 3.15a",
        DELEGATING,
        "a second DEL runs that of the delegate again",
        del_twice,
    ),
    Case::once(
        "delegation::del_before_add",
        "4.5a 3.15b",
        DELEGATING,
        "DEL without ADD runs DEL of the delegate",
        del_before_add,
    ),
    Case::once(
        "delegation::del_without_prev_result",
        "4.5a 3.16b",
        DELEGATING,
        "DEL without prevResult runs DEL of the delegate",
        del_without_prev_result,
    ),
    Case::once(
        "delegation::del_after_failed_add",
        "4.5a 3.12b",
        DELEGATING,
        "DEL behind an ADD that failed runs DEL of the delegate",
        del_after_failed_add,
    ),
    Case::once(
        "delegation::del_empty_netns",
        "3.18a",
        DELEGATING,
        "DEL with an empty CNI_NETNS runs DEL of the delegate",
        del_empty_netns,
    ),
    Case::once(
        "delegation::del_without_netns",
        "3.18a",
        DELEGATING,
        "DEL without CNI_NETNS runs DEL of the delegate",
        del_without_netns,
    ),
    Case::once(
        "delegation::del_netns_gone",
        "3.18a",
        DELEGATING,
        "DEL runs DEL of the delegate when the namespace is gone",
        del_netns_gone,
    ),
    Case::once(
        "delegation::del_interface_gone",
        "3.18b",
        DELEGATING,
        "DEL runs DEL of the delegate when the interface is gone",
        del_interface_gone,
    ),
    Case::once(
        "delegation::del_odd_netns",
        "3.18c",
        DELEGATING,
        "DEL runs DEL of the delegate even if CNI_NETNS is no namespace",
        del_odd_netns,
    ),
    Case::once(
        "delegation::del_first",
        "4.11a",
        DELEGATING,
        "the interface is still there when the delegate's DEL runs",
        del_first,
    ),
    Case::each_version(
        "delegated_del",
        "4.5a",
        DELEGATING,
        "DEL runs DEL of the delegate in every version",
        delegated_del,
    ),
    Case::each_version(
        "delegated_check",
        "4.5b 3.25a",
        DELEGATING,
        "CHECK runs CHECK of the delegate, once",
        delegated_check,
    )
    .from("0.4.0"),
    Case::once("delegation::gc", "3.32 4.5c", DELEGATING, "GC runs GC of the delegate, once", gc),
    Case::once(
        "delegation::gc_before_add",
        "4.5c 3.32",
        DELEGATING,
        "GC runs GC of the delegate, attachments or not",
        gc_before_add,
    ),
    Case::once("delegation::status", "3.37a 4.5d", DELEGATING, "STATUS runs STATUS of the delegate, once", status),
    Case::once(
        "delegation::status_attached",
        "4.5d 3.37a",
        DELEGATING,
        "STATUS runs STATUS of the delegate while containers are attached",
        status_attached,
    ),
];

fn add_once(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("ADD")?.add().result()?;
    recorder.ran_once("ADD").map(drop)
}

fn version(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let output = recorder.scene("VERSION")?.call("VERSION").run();
    let answer = output.result()?;
    output.demand(answer["supportedVersions"].is_array(), "the plugin's own `supportedVersions`")?;
    let calls = recorder.stub.commands();
    demand(calls.is_empty(), "a plugin that answers VERSION by itself", format!("calls of the delegate: {calls:?}"))
}

fn own_netns(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let before = recorder.warm_snapshot()?;
    let scene = recorder.container("own");
    scene.answer(scene.lease.clone());
    scene.call("ADD").netns("/proc/self/ns/net").run().error()?;
    let calls = recorder.stub.commands();
    let expected = "a plugin that refuses its own namespace before it runs its delegate";
    demand(calls.is_empty(), expected, format!("calls of the delegate: {calls:?}"))?;
    same(&before, &stage.snapshot(), "a plugin that refuses its own namespace before it does anything")
}

fn interface_first(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.container("early");
    let (output, seen) = scene.during("ADD", || scene.interface());
    output.result()?;
    let there = seen.ok_or_else(|| output.failed("a plugin that waits for its delegate"))?.is_some();
    output.demand(there, "an interface that is in the container before the delegate's ADD runs")
}

fn del(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("DEL")?.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_twice(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("DEL")?;
    scene.call("DEL").run().silence()?;
    recorder.stub.forget();
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_before_add(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.container("never").call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_without_prev_result(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("forgotten");
    scene.add().result()?;
    recorder.stub.forget();
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_after_failed_add(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("failed");
    scene.answer(Answer::error(100, "no address", ""));
    scene.call("ADD").run().error()?;
    recorder.stub.forget();
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_empty_netns(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("DEL")?.call("DEL").netns("").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_without_netns(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("DEL")?.call("DEL").env_remove("CNI_NETNS").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_netns_gone(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("DEL")?;
    let del = scene.call("DEL");
    scene.ns.remove();
    del.run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn del_interface_gone(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.scene("DEL")?;
    scene.ns.sh("ip link del eth0");
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

/// Whatever the plugin thinks of such a path.
fn del_odd_netns(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("DEL")?;
    let file = stage.dir().join("no-namespace");
    arranged("a file that is no namespace", fs::write(&file, ""));
    let output = scene.call("DEL").netns(&file).run();
    output.demand(output.status.code().is_some(), "an exit by itself, not by a signal")?;
    recorder.ran("DEL")
}

fn del_first(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.scene("DEL")?;
    let (output, seen) = scene.during("DEL", || scene.interface());
    output.silence()?;
    let there =
        seen.ok_or_else(|| output.failed("a plugin that runs DEL of its delegate, and waits for it"))?.is_some();
    output.demand(there, "an interface that is still in the container when the delegate's DEL runs")
}

fn delegated_del(stage: &Stage, version: &'static str) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container_at("any", version);
    scene.add().result()?;
    recorder.stub.forget();
    scene.call("DEL").run().silence()?;
    recorder.ran_once("DEL").map(drop)
}

fn delegated_check(stage: &Stage, version: &'static str) -> Verdict {
    let recorder = Recorder::new(stage);
    let mut scene = recorder.container_at("any", version);
    scene.at = scene.at.with_prev(&scene.add().result()?);
    recorder.stub.forget();
    scene.call("CHECK").run().silence()?;
    recorder.ran_once("CHECK").map(drop)
}

fn gc(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("GC")?.call("GC").run().silence()?;
    recorder.ran_once("GC").map(drop)
}

fn gc_before_add(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let mut scene = recorder.container("none");
    scene.at = scene.at.with_key("cni.dev/valid-attachments", json!([]));
    scene.call("GC").run().silence()?;
    let call = recorder.ran_once("GC")?;
    let got: Value = serde_json::from_str(&call.stdin).unwrap_or_default();
    let list = &got["cni.dev/valid-attachments"];
    demand(*list == json!([]), "an empty list for the delegate", list.to_string())
}

fn status(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    recorder.scene("STATUS")?.call("STATUS").run().silence()?;
    recorder.ran_once("STATUS").map(drop)
}

fn status_attached(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("attached");
    scene.add().result()?;
    recorder.stub.forget();
    scene.call("STATUS").run().silence()?;
    recorder.ran_once("STATUS").map(drop)
}
