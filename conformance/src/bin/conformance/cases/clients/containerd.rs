//! containerd, through go-cni.

use super::{CONFIG, INTERFACE, POD, nothing_left, prepared};
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, demand};
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use serde_json::json;
use std::panic::resume_unwind;
use std::thread;
use testkit::Snapshot;

pub const CASES: &[Case] = &[
    Case::once(
        "clients::containerd_loopback",
        "C.22",
        CONFIG,
        "containerd's loopback network, 0.3.1 and `lo`, works",
        containerd_loopback,
    ),
    Case::once("clients::containerd_pod", "7.8a", CONFIG, "a pod of containerd comes and goes", containerd_pod),
    Case::once(
        "clients::containerd_networks",
        "3.11c",
        INTERFACE,
        "containerd attaches a pod to several networks at the same time",
        containerd_networks,
    ),
    Case::once(
        "clients::containerd_failed_pod",
        "3.12b",
        CONFIG,
        "DEL with and without namespace succeeds when ADD has had none",
        containerd_failed_pod,
    ),
];

/// Which has nothing but the type in its list.
fn containerd_loopback(stage: &Stage) -> Verdict {
    let trial = stage.container("trial");
    let is_up = |container: &Container| container.ns.sh("ip link show lo").contains("LOOPBACK,UP");
    let was_up = is_up(&trial);
    trial.at.add().result()?;
    if stage.subject.facts.kind != Some(Kind::Other) || was_up || !is_up(&trial) {
        return Err(Stop::skip("does not bring up the loopback interface"));
    }
    let container = stage.container("pod");
    let conf = json!({ "cniVersion": "0.3.1", "name": "cni-loopback", "type": stage.subject.name });
    let call = |command: &str| container.at.call(command).ifname("lo").args(POD).stdin(&conf);
    call("ADD").run().result()?;
    demand(is_up(&container), "a loopback interface that is up", container.ns.sh("ip link show lo"))?;
    call("DEL").run().silence()?;
    call("DEL").netns("").run().silence()
}

fn containerd_pod(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")?;
    let at = container.at.clone().args(POD);
    at.add().result()?;
    at.del().silence()?;
    at.netns("").del().silence()?;
    nothing_left(stage, &before)
}

fn containerd_networks(stage: &Stage) -> Verdict {
    let container = stage.container("pod");
    let before = stage.warm_snapshot()?;
    let network = |number: u8| {
        let at = stage.second(&container, &format!("eth{number}"));
        at.with_key("name", json!(format!("network{number}"))).args(POD)
    };
    let networks: Vec<_> = (0..3).map(network).collect();
    let outputs: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = networks.iter().map(|at| scope.spawn(|| at.add())).collect();
        calls.into_iter().map(|call| call.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    for (number, output) in outputs.iter().enumerate() {
        output.result()?;
        let there = container.ns.try_sh(&format!("ip link show eth{number}")).status.success();
        output.demand(there, &format!("an interface eth{number} in the container"))?;
    }
    for at in &networks {
        at.del().silence()?;
    }
    // The directories of the networks may stay.
    let links = |snapshot: &Snapshot| snapshot.lines().iter().filter(|line| line.starts_with("link ")).count();
    demand(
        links(&before) == links(&stage.snapshot()),
        "no link that is left on the host",
        before.diff(&stage.snapshot()),
    )
}

fn containerd_failed_pod(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "failed")?;
    let at = container.at.clone().netns("/run/netns/conformance-nowhere").args(POD);
    let output = at.add();
    output.demand(output.status.code().is_some(), "an exit by itself, not by a signal")?;
    at.del().silence()?;
    at.netns("").del().silence()?;
    nothing_left(stage, &before)
}
