//! Variables: which a command needs, and which must not disturb it.

use crate::case::{Case, Needs, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use crate::trial::Trial;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use testkit::Plugin;

pub const CASES: &[Case] = &[
    Case::once("environment::extra", "2.8a", Needs::Nothing, "unknown variables, CNI_ ones too, are ignored", extra),
    Case::once(
        "environment::tracing",
        "2.8a",
        Needs::Nothing,
        "the variables of a tracing runtime are ignored",
        tracing,
    ),
    Case::once("environment::large", "2.8a", Needs::Nothing, "a large environment is no problem", large),
    Case::once("environment::not_utf8", "2.8a", Needs::Nothing, "an unknown variable may hold any bytes", not_utf8),
    Case::once("environment::cni_version", "2.8a", Needs::Nothing, "CNI_VERSION, of 0.1.0, is ignored", cni_version),
    Case::once("environment::bare", "2.8b", Needs::Nothing, "PATH and HOME are not needed", bare),
    Case::once("environment::args_not_utf8", "2.16b 2.18a", Needs::Nothing, "any bytes in CNI_ARGS end in order", args),
    Case::once(
        "environment::lower_case",
        "2.5a",
        Needs::Nothing,
        "a command in lower or mixed case is refused",
        |stage| refused(stage, &["add", "Add", "aDD", "del", "check", "gc", "status"]),
    ),
    Case::once("environment::unknown_command", "2.5b", Needs::Nothing, "an unknown command is refused", |stage| {
        refused(stage, &["UPDATE", "ADDX", "AD", "ADD ", " DEL", "ADD\n", "-"])
    }),
    Case::once(
        "environment::unknown_text",
        "2.5c",
        Needs::Nothing,
        "libcni's text tells an unknown command",
        unknown_text,
    ),
    Case::once("environment::gc_empty", "2.3a", Needs::Nothing, "GC ignores that the rest is empty", |stage| {
        others(stage, "GC", ["", "", "", ""])
    }),
    Case::once("environment::gc_malformed", "2.3a 6.5", Needs::Nothing, "GC ignores what is malformed", |stage| {
        others(stage, "GC", MALFORMED)
    }),
    Case::once("environment::status_empty", "2.3a", Needs::Nothing, "STATUS ignores that the rest is empty", |stage| {
        others(stage, "STATUS", ["", "", "", ""])
    }),
    Case::once(
        "environment::status_malformed",
        "2.3a 6.5",
        Needs::Nothing,
        "STATUS ignores what is malformed",
        |stage| others(stage, "STATUS", MALFORMED),
    ),
    Case::once("environment::del_without_netns", "2.4a", Needs::Config, "DEL works without CNI_NETNS", |stage| {
        del(stage, |call| call.env_remove("CNI_NETNS"))
    }),
    Case::once("environment::del_empty_netns", "2.4b", Needs::Config, "DEL works with an empty CNI_NETNS", |stage| {
        del(stage, |call| call.netns(""))
    }),
    Case::once("environment::del_netns_gone", "2.4c", Needs::Config, "DEL works when the namespace is gone", |stage| {
        let container = stage.container("gone");
        container.at.add().result()?;
        let call = container.at.call("DEL");
        container.ns.remove();
        call.run().silence()
    }),
    Case::once("environment::del_netns_odd", "2.4c", Needs::Config, "DEL works with a path that never was", |stage| {
        del(stage, |call| call.netns("/proc/1234567890/ns/net"))
    }),
];

/// `CNI_CONTAINERID`, `CNI_IFNAME`, `CNI_NETNS` and `CNI_ARGS`, each in a way that ADD would not like.
const MALFORMED: [&str; 4] = ["../a b\n", "an/interface:name much too long", "/no/such/file", ";;=;x="];

/// Every command with variables that are not its business.
fn with_variables(stage: &Stage, variables: &[(&str, &OsStr)]) -> Verdict {
    Trial::each(stage, |trial| {
        let call = variables.iter().fold(trial.call(), |call, (name, value)| call.env(name, value));
        trial.undisturbed(&call)
    })
}

fn extra(stage: &Stage) -> Verdict {
    let text = OsStr::new;
    let odd = [
        ("CNI_FUTURE", "1"),
        ("CNI_", "x"),
        ("cni_command", "DEL"),
        ("Cni_Netns", "/"),
        ("LANG", "xx_YY"),
        ("EMPTY", ""),
    ];
    let odd: Vec<_> = odd.into_iter().chain([("LINES_", "a\nb=c\n"), ("TZ", "Nowhere/Land")]).collect();
    with_variables(stage, &odd.into_iter().map(|(name, value)| (name, text(value))).collect::<Vec<_>>())
}

fn tracing(stage: &Stage) -> Verdict {
    let parent = OsStr::new("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    let vendors = OsStr::new("vendor=00f067aa0ba902b7,other=t61rcWkgMzE");
    with_variables(stage, &[("TRACEPARENT", parent), ("TRACESTATE", vendors), ("BAGGAGE", OsStr::new("a=b,c=d"))])
}

fn large(stage: &Stage) -> Verdict {
    let value = "x".repeat(100_000);
    with_variables(stage, &[("LARGE", OsStr::new(&value))])
}

fn not_utf8(stage: &Stage) -> Verdict {
    with_variables(stage, &[("BYTES", OsStr::from_bytes(b"\xff\xfe")), ("CNI_BYTES", OsStr::from_bytes(b"\xc3"))])
}

fn cni_version(stage: &Stage) -> Verdict {
    with_variables(stage, &[("CNI_VERSION", OsStr::new("99.0.0"))])
}

fn bare(stage: &Stage) -> Verdict {
    Trial::each(stage, |trial| trial.undisturbed(&trial.call().env_remove("PATH").env_remove("HOME")))
}

/// Whether they mean anything is the plugin's business.
fn args(stage: &Stage) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    trial.orderly(&trial.call().env("CNI_ARGS", OsStr::from_bytes(b"IgnoreUnknown=1;K8S_POD_NAME=\xff")).run())
}

/// An ADD, but for its command. No command at all is another thing: see the skeleton.
fn refused(stage: &Stage, commands: &[&str]) -> Verdict {
    let add = stage.call("ADD");
    commands.iter().try_for_each(|command| add.clone().command(command).run().error().map(drop))
}

fn unknown_text(stage: &Stage) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    let refused = trial.refused(&trial.call().command("UPDATE"), &[])?;
    refused.demand(refused.error["msg"] == "unknown CNI_COMMAND: UPDATE", "the message `unknown CNI_COMMAND: UPDATE`")
}

fn others(stage: &Stage, command: &'static str, [id, ifname, netns, args]: [&str; 4]) -> Verdict {
    let trial = Trial::of(stage, command)?;
    trial.undisturbed(&trial.call().container(id).ifname(ifname).netns(netns).args(args))
}

/// DEL after an ADD.
fn del(stage: &Stage, change: fn(Plugin) -> Plugin) -> Verdict {
    let container = stage.container("container");
    container.at.add().result()?;
    change(container.at.call("DEL")).run().silence()
}
