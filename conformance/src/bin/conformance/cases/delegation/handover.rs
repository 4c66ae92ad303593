//! What the delegate gets: environment and configuration.

use super::DELEGATING;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, demand};
use crate::recorder::{Delegated, Recorder};
use crate::stage::Stage;
use crate::stub::{Answer, Recorded};
use serde_json::{Value, json};
use testkit::{Output, Plugin};

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::env_add",
        "4.2a 4.2b",
        DELEGATING,
        "the delegate's ADD has the plugin's environment",
        env_add,
    ),
    Case::once(
        "delegation::env_check",
        "4.5b 4.2a 4.2b",
        DELEGATING,
        "the delegate's CHECK has the plugin's environment",
        env_check,
    ),
    Case::once(
        "delegation::env_del",
        "4.2a 4.2b",
        DELEGATING,
        "the delegate's DEL has the plugin's environment",
        env_del,
    ),
    Case::once(
        "delegation::env_gc",
        "3.32 4.2a 4.2b",
        DELEGATING,
        "the delegate's GC has the plugin's environment",
        env_gc,
    ),
    Case::once(
        "delegation::env_status",
        "3.37a 4.2a 4.2b",
        DELEGATING,
        "the delegate's STATUS has the plugin's environment",
        env_status,
    ),
    Case::once(
        "delegation::env_roll_back",
        "4.2b",
        DELEGATING,
        "a DEL that rolls back differs from the ADD in CNI_COMMAND only",
        env_roll_back,
    ),
    Case::once(
        "delegation::env_bare",
        "2.8b 4.2a",
        DELEGATING,
        "the delegate is found and run without PATH and HOME",
        env_bare,
    ),
    Case::once("delegation::conf_add", "4.3a", DELEGATING, "the delegate's ADD has the whole configuration", conf_add),
    Case::once(
        "delegation::conf_check",
        "4.5b 4.3a",
        DELEGATING,
        "the delegate's CHECK has the whole configuration, with prevResult",
        conf_check,
    ),
    Case::once(
        "delegation::conf_del",
        "4.3a",
        DELEGATING,
        "the delegate's DEL has the whole configuration, with prevResult",
        conf_del,
    ),
    Case::once(
        "delegation::conf_gc",
        "3.32 4.3a",
        DELEGATING,
        "the delegate's GC has the whole configuration, with the list",
        conf_gc,
    ),
    Case::once(
        "delegation::conf_status",
        "3.37a 4.3a",
        DELEGATING,
        "the delegate's STATUS has the whole configuration",
        conf_status,
    ),
    Case::once(
        "delegation::conf_roll_back",
        "4.3a",
        DELEGATING,
        "a DEL that rolls back has the configuration of the ADD",
        conf_roll_back,
    ),
    Case::once(
        "delegation::conf_large",
        "4.3a 2.13b",
        DELEGATING,
        "a configuration of a mebibyte reaches the delegate",
        conf_large,
    ),
    Case::once(
        "delegation::bytes_add",
        "4.3b",
        DELEGATING,
        "the delegate's ADD has the configuration to the byte",
        bytes_add,
    ),
    Case::once(
        "delegation::bytes_check",
        "4.3b",
        DELEGATING,
        "the delegate's CHECK has the configuration to the byte",
        bytes_check,
    ),
    Case::once(
        "delegation::bytes_del",
        "4.3b",
        DELEGATING,
        "the delegate's DEL has the configuration to the byte",
        bytes_del,
    ),
    Case::once(
        "delegation::bytes_gc",
        "4.3b",
        DELEGATING,
        "the delegate's GC has the configuration to the byte",
        bytes_gc,
    ),
    Case::once(
        "delegation::bytes_status",
        "4.3b",
        DELEGATING,
        "the delegate's STATUS has the configuration to the byte",
        bytes_status,
    ),
];

fn env_add(stage: &Stage) -> Verdict {
    env(stage, "ADD")
}

fn env_check(stage: &Stage) -> Verdict {
    env(stage, "CHECK")
}

fn env_del(stage: &Stage) -> Verdict {
    env(stage, "DEL")
}

fn env_gc(stage: &Stage) -> Verdict {
    env(stage, "GC")
}

fn env_status(stage: &Stage) -> Verdict {
    env(stage, "STATUS")
}

fn env(stage: &Stage, command: &str) -> Verdict {
    let recorder = Recorder::new(stage);
    let output = with_variables(&recorder.scene(command)?, command).run();
    let call = recorder.ran_once(command)?;
    same_environment(&output, &call)
}

fn env_roll_back(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("ADD")?;
    scene.answer(Answer::error(100, "no address", ""));
    let output = with_variables(&scene, "ADD").run();
    output.error()?;
    same_environment(&output, &roll_back(&recorder)?)
}

fn env_bare(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let output = recorder.scene("ADD")?.call("ADD").args("").env_isolated().run();
    output.result()?;
    same_environment(&output, &recorder.ran_once("ADD")?)
}

/// The call of a client that sends every variable, and some that are not CNI's.
fn with_variables(scene: &Delegated, command: &str) -> Plugin {
    let call = scene.call(command).args("IgnoreUnknown=1;K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=web-0.a");
    call.env("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
        .env("CONFORMANCE", " two words; a=b\n")
        .env("CNI_CONFORMANCE", "kept")
        .env("XDG_RUNTIME_DIR", "")
}

/// The DEL by which an ADD that failed was rolled back.
fn roll_back(recorder: &Recorder<'_>) -> Result<Recorded, Stop> {
    let del = recorder.stub.calls().into_iter().find(|call| call.command == "DEL");
    del.ok_or_else(|| Stop::skip("does not roll back the ADD of its delegate"))
}

fn same_environment(output: &Output, call: &Recorded) -> Verdict {
    let given = &output.invocation.environment;
    let given = given.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (name, value) in given.filter(|(name, _)| *name != "CNI_COMMAND") {
        let expected = format!("a plugin that hands {name}={value:?} on to its delegate");
        let got = call.environment.get(name);
        demand(got == Some(value), &expected, format!("the delegate's {name}: {got:?}"))?;
    }
    let added = call.environment.keys().find(|name| name.starts_with("CNI_") && !has(output, name));
    demand(added.is_none(), "a plugin that gives its delegate no variables of CNI but its own", format!("{added:?}"))
}

fn has(output: &Output, name: &str) -> bool {
    output.invocation.environment.get(name).is_some_and(Option::is_some)
}

fn conf_add(stage: &Stage) -> Verdict {
    conf(stage, "ADD", odd).map(drop)
}

fn conf_check(stage: &Stage) -> Verdict {
    let got = conf(stage, "CHECK", odd)?;
    demand(got["prevResult"].is_object(), "`prevResult` for the delegate's CHECK", got.to_string())
}

fn conf_del(stage: &Stage) -> Verdict {
    conf(stage, "DEL", odd).map(drop)
}

fn conf_gc(stage: &Stage) -> Verdict {
    let got = conf(stage, "GC", odd)?;
    demand(got["cni.dev/valid-attachments"].is_array(), "the list for the delegate's GC", got.to_string())
}

fn conf_status(stage: &Stage) -> Verdict {
    conf(stage, "STATUS", odd).map(drop)
}

fn conf_large(stage: &Stage) -> Verdict {
    let large = |conf: &Value| {
        let mut large = conf.clone();
        large["conformance"] = "x".repeat(1 << 20).into();
        large
    };
    let got = conf(stage, "ADD", large)?;
    demand(got["conformance"].is_string(), "a mebibyte for the delegate", "nothing of it")
}

/// The configuration that the delegate got for this command, which has to be equal to the plugin's.
fn conf(stage: &Stage, command: &str, change: impl Fn(&Value) -> Value) -> Result<Value, Stop> {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene(command)?;
    let sent = change(scene.at.conf());
    let output = scene.call(command).stdin(&sent).run();
    output.demand(output.status.success(), "exit status 0")?;
    same_conf(&sent, &recorder.ran_once(command)?)
}

fn conf_roll_back(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene("ADD")?;
    scene.answer(Answer::error(100, "no address", ""));
    let sent = odd(scene.at.conf());
    scene.call("ADD").stdin(&sent).run().error()?;
    same_conf(&sent, &roll_back(&recorder)?).map(drop)
}

fn same_conf(sent: &Value, call: &Recorded) -> Result<Value, Stop> {
    let got: Value = serde_json::from_str(&call.stdin).unwrap_or_default();
    let expected = "a plugin that hands its whole configuration on to its delegate";
    demand(got == *sent, expected, format!("sent: {sent}\ngot:  {}", call.stdin))?;
    Ok(got)
}

/// With what the plugin does not know: keys, capabilities, arguments, a number that no floating point number is equal to.
fn odd(conf: &Value) -> Value {
    let mut odd = conf.clone();
    odd["conformance/unknown"] = json!({ "Key": [null, true, "\u{e9}<&>", 9_007_199_254_740_993_u64, 1.5], "": {} });
    for object in ["runtimeConfig", "args", "ipam"] {
        if odd[object].is_null() {
            odd[object] = json!({});
        }
        odd[object]["conformance"] = json!([{ "unknown": null }]);
    }
    odd
}

fn bytes_add(stage: &Stage) -> Verdict {
    bytes(stage, "ADD")
}

fn bytes_check(stage: &Stage) -> Verdict {
    stage.since("0.4.0")?;
    bytes(stage, "CHECK")
}

fn bytes_del(stage: &Stage) -> Verdict {
    bytes(stage, "DEL")
}

fn bytes_gc(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    bytes(stage, "GC")
}

fn bytes_status(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    bytes(stage, "STATUS")
}

fn bytes(stage: &Stage, command: &str) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.scene(command)?;
    let sent = by_hand(scene.at.conf());
    let output = scene.call(command).stdin(sent.as_str()).run();
    output.demand(output.status.success(), "exit status 0")?;
    let got = recorder.ran_once(command)?.stdin;
    let expected = "a plugin that hands its stdin on to its delegate, byte by byte";
    demand(got == sent, expected, format!("sent: {sent:?}\ngot:  {got:?}"))
}

/// The text of one who writes JSON by hand: what a decoder would change is in it.
fn by_hand(conf: &Value) -> String {
    let text = conf.to_string();
    let rest = text.strip_prefix('{').unwrap_or_default();
    format!(
        "\n{{ \"\\u0063onformance\" :\t[1.50, 1e3, -0, 123456789012345678901234567890, \"\\/\\u00e9\"],\n  {rest}\r\n "
    )
}
