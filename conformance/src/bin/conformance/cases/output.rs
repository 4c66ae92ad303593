//! stdout and exit status: of success, and of failure.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use crate::trial::{Trial, without};
use serde_json::{Value, json};
use testkit::{Output, Plugin, Stdout};

pub const CASES: &[Case] = &[
    Case::once("output::add", "2.17a 2.16a", Needs::Config, "ADD prints one object and exits with 0", |stage| {
        let output = stage.call("ADD").run();
        let result = output.result()?;
        output.demand(result["code"].is_null() && result["msg"].is_null(), "a result, and no error, with exit status 0")
    }),
    Case::once("output::check", "2.17c", Needs::Config, "CHECK prints nothing", |stage| silent(stage, "CHECK")),
    Case::once("output::del", "2.17d", Needs::Config, "DEL prints nothing", |stage| {
        let container = stage.container("c");
        container.at.add().result()?;
        container.at.del().silence()
    }),
    Case::once("output::del_of_nothing", "2.17d", Needs::Config, "DEL of nothing prints nothing", |stage| {
        silent(stage, "DEL")
    }),
    Case::once("output::gc", "2.17e 6.20", Needs::Config, "GC succeeds and prints nothing", |stage| {
        silent(stage, "GC")
    }),
    Case::once("output::status", "2.17f 6.20", Needs::Config, "STATUS succeeds and prints nothing", |stage| {
        silent(stage, "STATUS")
    }),
    Case::once(
        "output::failure_status",
        "2.16b 2.21",
        Needs::Nothing,
        "a failure exits with another status than 0",
        |stage| {
            each_failure(stage, |output| {
                output.demand(
                    output.status.code().is_some_and(|code| code != 0),
                    "an exit by itself, with a status other than 0",
                )
            })
        },
    ),
    Case::once("output::failure_document", "2.18a 2.18b", Needs::Nothing, "a failure prints one document", |stage| {
        each_error(stage, |output, error| output.demand(error.is_object(), "an object"))
    }),
    Case::once("output::error_code", "2.25a", Needs::Nothing, "an error has a number as `code`", |stage| {
        each_error(stage, |output, error| output.demand(error["code"].is_u64(), "an unsigned number as `code`"))
    }),
    Case::once("output::error_msg", "2.25b", Needs::Nothing, "an error has a short text as `msg`", |stage| {
        each_error(stage, |output, error| {
            let short = error["msg"].as_str().is_some_and(|msg| !msg.trim().is_empty() && msg.len() < 1000);
            output.demand(short, "a short text as `msg`")
        })
    }),
    Case::once("output::error_details", "2.25c", Needs::Nothing, "`details` of an error is text", |stage| {
        each_error(stage, |output, error| {
            output.demand(
                error["details"].is_null() || error["details"].is_string(),
                "text as `details`, if there are any",
            )
        })
    }),
    Case::once("output::error_version", "2.25d", Needs::Nothing, "an error has its `cniVersion`", |stage| {
        each_error(stage, |output, error| output.demand(error["cniVersion"].is_string(), "text as `cniVersion`"))
    }),
    Case::once(
        "output::error_layout",
        "2.26a 6.24",
        Needs::Nothing,
        "an error is printed as the skeleton prints it",
        |stage| each_error(stage, layout),
    ),
    Case::once("output::error_exit_status", "6.24", Needs::Nothing, "a failure exits with status 1", |stage| {
        each_failure(stage, |output| output.demand(output.status.code() == Some(1), "exit status 1"))
    }),
    Case::once(
        "output::no_empty_details",
        "2.26b",
        Needs::Nothing,
        "an error without details has no such key",
        |stage| {
            each_error(stage, |output, error| {
                let empty = error.get("details").is_some_and(|details| details == "" || details.is_null());
                output.demand(!empty, "details with something in them, or no such key")
            })
        },
    ),
    Case::once(
        "output::codes",
        "2.27 2.27.0",
        Needs::Nothing,
        "codes below 100 are those of the specification",
        |stage| each_error(stage, |output, error| output.demand(is_defined(&error["code"]), DEFINED)),
    ),
    Case::once(
        "output::own_codes",
        "2.27.100 2.27",
        Needs::Config,
        "other failures do not have the codes of these",
        own_codes,
    ),
    Case::once("output::full", "3.12a 2.17a", Needs::Config, "ADD fails when its result cannot be written", |stage| {
        unheard(stage, Stdout::Full)
    }),
    Case::once(
        "output::full_leaves_nothing",
        "3.12a",
        Needs::Config,
        "an ADD that cannot write its result leaves nothing",
        |stage| undone(stage, Stdout::Full),
    ),
    Case::once(
        "output::broken_pipe",
        "3.12a 2.17a",
        Needs::Config,
        "ADD fails when nobody reads its result",
        |stage| unheard(stage, Stdout::BrokenPipe),
    ),
    Case::once(
        "output::broken_pipe_leaves_nothing",
        "3.12a",
        Needs::Config,
        "an ADD that nobody listens to leaves nothing",
        |stage| undone(stage, Stdout::BrokenPipe),
    ),
    Case::once(
        "output::del_after_full",
        "3.12b",
        Needs::Config,
        "DEL works after an ADD that could not write its result",
        |stage| {
            let container = stage.container("c");
            let _ = container.at.call("ADD").stdout(Stdout::Full).run();
            container.at.del().silence()
        },
    ),
];

const DEFINED: &str = "a code from 100 up, or one that the specification defines: 1 to 7, 11, 50, 51";

fn is_defined(code: &Value) -> bool {
    code.as_u64().is_some_and(|code| matches!(code, 1..=7 | 11 | 50 | 51 | 100..))
}

fn silent(stage: &Stage, command: &'static str) -> Verdict {
    Trial::of(stage, command)?.call().run().silence()
}

/// Calls that every plugin has to refuse.
fn failures(stage: &Stage) -> Vec<Output> {
    let at = stage.container("refused").at;
    let add = at.call("ADD");
    let calls = [
        add.clone().stdin("{"),
        add.clone().stdin("[]"),
        add.clone().stdin(without(at.conf(), "name")),
        add.clone().env_remove("CNI_NETNS"),
        add.clone().env_remove("CNI_IFNAME").env_remove("CNI_NETNS"),
        add.command("UPDATE"),
        at.with_key("cniVersion", json!("99.0.0")).call("ADD"),
        at.with_key("cniVersion", json!("99.0.0")).call("DEL"),
        at.with_key("cniVersion", json!("99.0.0")).call("CHECK"),
    ];
    calls.iter().map(Plugin::run).collect()
}

fn each_failure(stage: &Stage, check: impl Fn(&Output) -> Verdict) -> Verdict {
    failures(stage).iter().try_for_each(check)
}

fn each_error(stage: &Stage, check: impl Fn(&Output, Value) -> Verdict) -> Verdict {
    each_failure(stage, |output| check(output, output.error()?))
}

/// Each key in a line of its own, those that the skeleton has in its order. More keys are no harm.
fn layout(output: &Output, error: Value) -> Verdict {
    let text = &output.stdout;
    let lines: Vec<_> = text.lines().collect();
    let keys = error.as_object().map_or(0, serde_json::Map::len);
    let framed = text.starts_with("{\n") && text.ends_with("\n}") && lines.len() == keys + 2;
    let inner = lines.iter().skip(1).take(keys);
    let indented = inner.clone().all(|line| line.starts_with("    \""));
    output.demand(framed && indented, "a line for each key with an indent of 4 spaces, and no newline at the end")?;
    let known = ["code", "msg", "details"].map(|key| format!("    \"{key}\": "));
    let places: Vec<_> = known.iter().filter_map(|key| inner.clone().position(|line| line.starts_with(key))).collect();
    output.demand(places.is_sorted() && places.len() >= 2, "`code`, `msg` and `details` in this order")
}

/// Neither the version nor the configuration is to blame for a container that is not there, or for a second ADD.
fn own_codes(stage: &Stage) -> Verdict {
    let lost = stage.container("lost").at.netns("/run/netns/no-such-container").add();
    let twice = stage.container("twice");
    twice.at.add().result()?;
    let again = twice.at.add();
    let failed: Vec<_> = [lost, again].into_iter().filter(|output| !output.status.success()).collect();
    if failed.is_empty() {
        return Err(Stop::skip("does not mind a missing container, nor a second ADD"));
    }
    for output in failed {
        let code = &output.error()?["code"];
        output.demand(is_defined(code), DEFINED)?;
        let other = [1, 2, 6, 50, 51].iter().any(|other| code == other);
        output.demand(!other, "no code of a wrong version, an unsupported field, a decoding failure or STATUS")?;
    }
    Ok(())
}

/// The runtime got no result: for it this is no success.
fn unheard(stage: &Stage, stdout: Stdout) -> Verdict {
    let output = stage.call("ADD").stdout(stdout).run();
    output.demand(!output.status.success(), "an exit status other than 0")
}

fn undone(stage: &Stage, stdout: Stdout) -> Verdict {
    let container = stage.container("c");
    let before = stage.warm_snapshot()?;
    // The kernel gives lo its address when it comes up, and leaves it when it goes down.
    let inside = || container.ns.snapshot().without(&["addr lo ", "dev=lo"]);
    let empty = inside();
    let output = container.at.call("ADD").stdout(stdout).run();
    output.demand_none(before.diff(&stage.snapshot()), "an ADD that fails leaves nothing on the host")?;
    output.demand_none(empty.diff(&inside()), "an ADD that fails leaves nothing in the container")
}
