//! `CNI_NETNS` that leads to the plugin's own network namespace: a container that is the host.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::stage::{Stage, arranged};
use crate::trial::Trial;
use serde_json::{Deserializer, Value};
use std::fs;
use testkit::{Output, Plugin};

pub const CASES: &[Case] = &[
    Case::once(
        "netns::own_one_document",
        "2.18b 6.28a",
        Needs::Nothing,
        "ADD to the own namespace prints one document",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            trial.orderly(&trial.call().netns(OWN).run())
        },
    ),
    Case::once(
        "netns::own_refused",
        "2.27.8 6.27a 3.14a",
        Needs::Config,
        "ADD to the own namespace gets code 8",
        |stage| refused(&stage.call("ADD").netns(OWN).run()),
    ),
    Case::once(
        "netns::own_by_mount",
        "2.27.8 6.27a 3.14a",
        Needs::Config,
        "ADD knows the own namespace by another path",
        |stage| refused(&stage.call("ADD").netns(stage.sandbox.host().path()).run()),
    ),
    Case::once(
        "netns::own_untouched",
        "6.28a 3.14b",
        Needs::Config,
        "ADD to the own namespace changes nothing",
        untouched,
    ),
    Case::once(
        "netns::override_one",
        "6.27d 2.11",
        Needs::Config,
        "CNI_NETNS_OVERRIDE 1 allows the own namespace",
        |stage| overridden(stage, "1"),
    ),
    Case::once(
        "netns::override_true",
        "6.27d 2.11",
        Needs::Config,
        "CNI_NETNS_OVERRIDE true allows it, in any case",
        |stage| overridden(stage, "True"),
    ),
    Case::once("netns::override_off", "6.27d", Needs::Config, "CNI_NETNS_OVERRIDE 0 does not allow it", |stage| {
        let add = refused_before(stage)?;
        refused(&add.env("CNI_NETNS_OVERRIDE", "0").run())
    }),
    Case::once(
        "netns::del_own_one_document",
        "2.18b",
        Needs::Config,
        "DEL with the own namespace ends in order",
        |stage| {
            let trial = Trial::of(stage, "DEL")?;
            trial.orderly(&trial.call().netns(OWN).run())
        },
    ),
    Case::once(
        "netns::del_own_left_alone",
        "6.28b",
        Needs::Config,
        "DEL with the own namespace takes nothing there",
        left_alone,
    ),
    Case::once(
        "netns::del_own_releases",
        "6.28b",
        Needs::Config,
        "DEL with the own namespace releases host state",
        releases,
    ),
    Case::once(
        "netns::del_other_files",
        "6.27b",
        Needs::Config,
        "DEL knows what is not the own namespace",
        other_files,
    ),
    Case::once(
        "netns::check_own",
        "6.27c",
        Needs::Config,
        "CHECK with the own namespace does not get code 8",
        |stage| {
            let trial = Trial::of(stage, "CHECK")?;
            let output = trial.call().netns(OWN).run();
            trial.orderly(&output)?;
            output.demand(!is_refusal(&output), "no code 8")
        },
    ),
];

/// For the plugin its own; it says so itself.
const OWN: &str = "/proc/self/ns/net";

/// Code 8, among the documents on stdout: that there is only one is another case's business.
fn is_refusal(output: &Output) -> bool {
    Deserializer::from_str(&output.stdout).into_iter::<Value>().flatten().any(|document| document["code"] == 8)
}

fn refused(output: &Output) -> Verdict {
    output.demand(!output.status.success(), "an exit status other than 0")?;
    output.demand(is_refusal(output), "an error object with code 8")
}

fn untouched(stage: &Stage) -> Verdict {
    let add = stage.call("ADD").netns(OWN);
    let before = stage.warm_snapshot()?;
    let output = add.run();
    output.demand(!output.status.success(), "an exit status other than 0")?;
    same(&before, &stage.snapshot(), "an ADD that is refused leaves the host as it was")
}

/// An ADD that is refused.
fn refused_before(stage: &Stage) -> Result<Plugin, Stop> {
    let add = stage.call("ADD").netns(OWN);
    if is_refusal(&add.run()) { Ok(add) } else { Err(Stop::skip("does not refuse its own namespace")) }
}

/// What is refused without the variable is not refused with it; it may fail for another reason.
fn overridden(stage: &Stage, value: &str) -> Verdict {
    let output = refused_before(stage)?.env("CNI_NETNS_OVERRIDE", value).run();
    output.demand(!is_refusal(&output), "no code 8")
}

/// What the kernel has in the host's namespace under the name of the container's interface is not the plugin's.
fn left_alone(stage: &Stage) -> Verdict {
    let del = stage.call("DEL").netns(OWN);
    stage
        .sandbox
        .sh("ip link add eth0 type veth peer name other0; ip addr add 192.0.2.1/24 dev eth0; ip link set eth0 up");
    // Tables that appear when somebody looks for rules in them are no harm.
    let links = || stage.sandbox.host().snapshot().without(&["iptables", "ip6tables", "nft "]);
    let before = links();
    let output = del.run();
    same(&before, &links(), "DEL leaves what is in the plugin's own namespace")?;
    accepted(&output)
}

fn releases(stage: &Stage) -> Verdict {
    let container = stage.container("host-network");
    let before = stage.warm_snapshot()?;
    container.at.add().result()?;
    accepted(&container.at.call("DEL").netns(OWN).run())?;
    same(&before, &stage.snapshot(), "DEL releases what the attachment had on the host")
}

/// Success, or the refusal.
fn accepted(output: &Output) -> Verdict {
    output.demand(output.status.success() || is_refusal(output), "success, or code 8")
}

fn other_files(stage: &Stage) -> Verdict {
    let del = stage.call("DEL");
    let file = stage.dir().join("no-namespace");
    arranged("a file that is no namespace", fs::write(&file, ""));
    let uts = "/proc/self/ns/uts".into();
    for path in [file, stage.dir(), stage.dir().join("no-file"), uts] {
        let output = del.clone().netns(&path).run();
        demand(!is_refusal(&output), "no code 8", format!("CNI_NETNS={}: {}", path.display(), output.stdout))?;
    }
    Ok(())
}
