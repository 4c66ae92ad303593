//! nerdctl: its DELs have an empty `CNI_NETNS`, and no memory.

use super::{CONFIG, INTERFACE, POD, has_sandbox, nothing_left, prepared};
use crate::case::{Case, Verdict};
use crate::demand::Demands;
use crate::life;
use crate::stage::Stage;
use std::path::Path;
use std::time::Duration;
use testkit::eventually;

pub const CASES: &[Case] = &[
    Case::once(
        "clients::nerdctl_start",
        "C.12",
        CONFIG,
        "nerdctl's DEL with an empty CNI_NETNS before each ADD does no harm",
        nerdctl_start,
    ),
    Case::once(
        "clients::nerdctl_restart",
        "C.12",
        CONFIG,
        "the same container is attached again when its namespace was lost",
        nerdctl_restart,
    ),
    Case::once(
        "clients::nerdctl_stop",
        "C.11",
        CONFIG,
        "nerdctl's DEL with an empty CNI_NETNS removes what is on the host",
        nerdctl_stop,
    ),
    Case::once(
        "clients::nerdctl_proc",
        "3.6a 3.15c",
        INTERFACE,
        "a namespace may be that of a process, and go with it",
        nerdctl_proc,
    ),
    Case::once(
        "clients::nerdctl_long_id",
        "1.32d",
        CONFIG,
        "an ID of namespace and 64 digits leaves nothing behind",
        nerdctl_long_id,
    ),
    Case::once(
        "clients::nerdctl_args",
        "C.9",
        CONFIG,
        "DEL with other CNI_ARGS than ADD removes everything",
        nerdctl_args,
    ),
    Case::once(
        "clients::nerdctl_empty_args",
        "C.9",
        CONFIG,
        "DEL with empty CNI_ARGS, for want of those of ADD, removes everything",
        nerdctl_empty_args,
    ),
];

fn nerdctl_start(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "default-start")?;
    for _ in 0..2 {
        container.at.call("DEL").netns("").run().silence()?;
        container.at.add().result()?;
        container.at.del().silence()?;
    }
    nothing_left(stage, &before)
}

/// A container of the same ID in a new namespace.
fn nerdctl_restart(stage: &Stage) -> Verdict {
    let (first, second) = (stage.container("first"), stage.container("second"));
    first.at.add().result()?;
    first.ns.remove();
    first.at.call("DEL").netns("").run().silence()?;
    let at = second.at.container("first");
    at.call("DEL").netns("").run().silence()?;
    at.add().result()?;
    at.del().silence()
}

fn nerdctl_stop(stage: &Stage) -> Verdict {
    let before = stage.warm_snapshot()?;
    let container = stage.container("default-stop");
    container.at.add().result()?;
    container.ns.remove();
    container.at.call("DEL").netns("").run().silence()?;
    life::cleared(stage, &before, "a DEL with an empty CNI_NETNS that leaves nothing on the host")
}

fn nerdctl_proc(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let container = stage.container("default-proc");
    let process = container.ns.sh("sleep 60 >/dev/null 2>&1 & echo $!");
    let path = format!("/proc/{}/ns/net", process.trim());
    let at = container.at.clone().netns(&path);
    let output = at.add();
    container.ns.sh(&format!("kill -9 {process}"));
    container.ns.remove();
    has_sandbox(&output.result()?, &path)?;
    eventually(Duration::from_secs(20), || if Path::new(&path).exists() { Err("it runs") } else { Ok(()) });
    at.del().silence()
}

fn nerdctl_long_id(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "long")?;
    let at = container.at.container(&format!("namespace-of_some.length-{}", "0123456789abcdef".repeat(4)));
    at.add().result()?;
    at.del().silence()?;
    nothing_left(stage, &before)
}

fn nerdctl_args(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "default-args")?;
    container.at.clone().args("IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=web").add().result()?;
    container.at.clone().args("NERDCTL_CNI_DHCP_HOSTNAME=").del().silence()?;
    nothing_left(stage, &before)
}

fn nerdctl_empty_args(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "default-args")?;
    container.at.clone().args(POD).add().result()?;
    container.at.clone().args("").del().silence()?;
    nothing_left(stage, &before)
}
