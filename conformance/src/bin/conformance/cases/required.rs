//! The variables that a command cannot do without.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::stage::Stage;
use crate::trial::Trial;
use testkit::Plugin;

const ID: &str = "CNI_CONTAINERID";
const NETNS: &str = "CNI_NETNS";
const IFNAME: &str = "CNI_IFNAME";
const PATH: &str = "CNI_PATH";

/// A required variable is not there.
const MISSING: &str = "2.1a 2.1c 2.1d 2.27.4";
/// It is there, and empty.
const EMPTY: &str = "2.1b 2.1c 2.1d 2.27.4";
/// The same for the container ID.
const EMPTY_ID: &str = "1.32a 2.1b 2.1c 2.1d 2.27.4";
/// Several are not there.
const SEVERAL: &str = "2.1d 2.1a 2.1c";

pub const CASES: &[Case] = &[
    Case::once(
        "required::add_container_id",
        MISSING,
        Needs::Nothing,
        "ADD without CNI_CONTAINERID names it",
        |stage| missing(stage, "ADD", &[ID]),
    ),
    Case::once("required::add_netns", MISSING, Needs::Nothing, "ADD without CNI_NETNS names it", |stage| {
        missing(stage, "ADD", &[NETNS])
    }),
    Case::once("required::add_ifname", MISSING, Needs::Nothing, "ADD without CNI_IFNAME names it", |stage| {
        missing(stage, "ADD", &[IFNAME])
    }),
    Case::once("required::add_several", SEVERAL, Needs::Nothing, "ADD names all variables that it lacks", |stage| {
        missing(stage, "ADD", &[ID, NETNS, IFNAME])
    }),
    Case::once("required::add_empty_container_id", EMPTY_ID, Needs::Nothing, "ADD refuses an empty ID", |stage| {
        empty(stage, "ADD", &[ID])
    }),
    Case::once("required::add_empty_netns", EMPTY, Needs::Nothing, "ADD refuses an empty CNI_NETNS", |stage| {
        empty(stage, "ADD", &[NETNS])
    }),
    Case::once("required::add_empty_ifname", EMPTY, Needs::Nothing, "ADD refuses an empty CNI_IFNAME", |stage| {
        empty(stage, "ADD", &[IFNAME])
    }),
    Case::once(
        "required::check_container_id",
        MISSING,
        Needs::Nothing,
        "CHECK without CNI_CONTAINERID names it",
        |stage| missing(stage, "CHECK", &[ID]),
    ),
    Case::once("required::check_netns", MISSING, Needs::Nothing, "CHECK without CNI_NETNS names it", |stage| {
        missing(stage, "CHECK", &[NETNS])
    }),
    Case::once("required::check_ifname", MISSING, Needs::Nothing, "CHECK without CNI_IFNAME names it", |stage| {
        missing(stage, "CHECK", &[IFNAME])
    }),
    Case::once(
        "required::check_several",
        SEVERAL,
        Needs::Nothing,
        "CHECK names all variables that it lacks",
        |stage| missing(stage, "CHECK", &[ID, NETNS, IFNAME]),
    ),
    Case::once("required::check_empty_container_id", EMPTY_ID, Needs::Nothing, "CHECK refuses an empty ID", |stage| {
        empty(stage, "CHECK", &[ID])
    }),
    Case::once("required::check_empty_netns", EMPTY, Needs::Nothing, "CHECK refuses an empty CNI_NETNS", |stage| {
        empty(stage, "CHECK", &[NETNS])
    }),
    Case::once("required::check_empty_ifname", EMPTY, Needs::Nothing, "CHECK refuses an empty CNI_IFNAME", |stage| {
        empty(stage, "CHECK", &[IFNAME])
    }),
    Case::once(
        "required::del_container_id",
        MISSING,
        Needs::Nothing,
        "DEL without CNI_CONTAINERID names it",
        |stage| missing(stage, "DEL", &[ID]),
    ),
    Case::once("required::del_ifname", MISSING, Needs::Nothing, "DEL without CNI_IFNAME names it", |stage| {
        missing(stage, "DEL", &[IFNAME])
    }),
    Case::once("required::del_several", SEVERAL, Needs::Nothing, "DEL names all variables that it lacks", |stage| {
        missing(stage, "DEL", &[ID, IFNAME])
    }),
    Case::once("required::del_empty_container_id", EMPTY_ID, Needs::Nothing, "DEL refuses an empty ID", |stage| {
        empty(stage, "DEL", &[ID])
    }),
    Case::once("required::del_empty_ifname", EMPTY, Needs::Nothing, "DEL refuses an empty CNI_IFNAME", |stage| {
        empty(stage, "DEL", &[IFNAME])
    }),
    Case::once("required::gc_path", MISSING, Needs::Nothing, "GC without CNI_PATH names it", |stage| {
        missing(stage, "GC", &[PATH])
    }),
    Case::once("required::gc_empty_path", EMPTY, Needs::Nothing, "GC refuses an empty CNI_PATH", |stage| {
        empty(stage, "GC", &[PATH])
    }),
    Case::once("required::add_path", "2.2", Needs::Nothing, "ADD without CNI_PATH works, or names it", |stage| {
        without_path(stage, "ADD")
    }),
    Case::once("required::check_path", "2.2", Needs::Nothing, "CHECK without CNI_PATH works, or names it", |stage| {
        without_path(stage, "CHECK")
    }),
    Case::once("required::del_path", "2.2", Needs::Nothing, "DEL without CNI_PATH works, or names it", |stage| {
        without_path(stage, "DEL")
    }),
    Case::once("required::status_path", "2.2", Needs::Nothing, "STATUS without CNI_PATH works, or names it", |stage| {
        without_path(stage, "STATUS")
    }),
];

fn missing(stage: &Stage, command: &'static str, variables: &[&str]) -> Verdict {
    refused(stage, command, variables, |call, name| call.env_remove(name))
}

fn empty(stage: &Stage, command: &'static str, variables: &[&str]) -> Verdict {
    refused(stage, command, variables, |call, name| call.env(name, ""))
}

fn refused(stage: &Stage, command: &'static str, names: &[&str], change: fn(Plugin, &str) -> Plugin) -> Verdict {
    if names.contains(&ID) && stage.version() < "0.4.0" {
        return Err(Stop::skip("CNI_CONTAINERID is optional before version 0.4.0"));
    }
    let trial = Trial::of(stage, command)?;
    let call = names.iter().fold(trial.call(), |call, name| change(call, name));
    trial.refused(&call, &[4])?.names(names)
}

/// The specification has it optional, the Go skeleton requires it.
fn without_path(stage: &Stage, command: &'static str) -> Verdict {
    let trial = Trial::of(stage, command)?;
    let call = trial.call().env_remove(PATH);
    let output = call.run();
    if output.status.success() { trial.orderly(&output) } else { trial.refused(&call, &[4])?.names(&[PATH]) }
}
