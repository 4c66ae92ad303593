//! Values: those that mean nothing, those that are extreme, and those of the wrong type.

use super::around;
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::effect::{self, settled};
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once(
        "decoding::big_numbers",
        "2.15b",
        Needs::Config,
        "whole numbers of any size are ignored where nobody knows the key",
        big_numbers,
    ),
    Case::once(
        "decoding::endless_number",
        "2.15b",
        Needs::Config,
        "1e400, which is no number of 64 bits, is ignored likewise",
        endless_number,
    ),
    Case::once("decoding::unicode", "2.15b", Needs::Config, "escapes of every kind are ignored likewise", unicode),
    Case::once(
        "decoding::lone_surrogate",
        "2.15b",
        Needs::Config,
        "half an escaped pair is ignored likewise",
        lone_surrogate,
    ),
    Case::once("decoding::deep", "2.15b", Needs::Config, "a hundred nested lists are ignored likewise", deep),
    Case::once(
        "decoding::nulls",
        "2.15c",
        Needs::Config,
        "a null in the place of a well-known key that is not needed is the same as its absence",
        nulls,
    ),
    Case::once(
        "decoding::own_nulls",
        "2.15c",
        Needs::Config,
        "a null in the place of a key of its own is the same as its absence",
        own_nulls,
    ),
    Case::once(
        "decoding::empty_values",
        "C.8",
        Needs::Config,
        "an empty text or list in the place of a key of its own is the same as its absence",
        empty_values,
    ),
    Case::once(
        "decoding::wrong_types",
        "2.15e",
        Needs::Config,
        "a key with a value of the wrong type is refused, before anything is done",
        wrong_types,
    ),
    Case::once(
        "decoding::wrong_prev_types",
        "2.15e",
        Needs::Chained,
        "a `prevResult` that is none is refused, before anything is done",
        wrong_prev_types,
    ),
];

/// ADD with a key that nobody knows, and this as its value.
fn ignored(stage: &Stage, value: &str) -> Verdict {
    effect::same(stage, "what it does without a key that it does not know", |container| {
        let conf = container.at.conf();
        container
            .at
            .call("ADD")
            .stdin(around(conf, &format!("\"x-first\":{value},"), &format!(",\"x-last\":{value}")).as_str())
    })
}

fn big_numbers(stage: &Stage) -> Verdict {
    ignored(
        stage,
        "[12345678901234567890, -12345678901234567890123, 340282366920938463463374607431768211457, -0, 0.1e+1]",
    )
}

fn endless_number(stage: &Stage) -> Verdict {
    ignored(stage, "[1e400, -1E+400, 1e-400]")
}

fn unicode(stage: &Stage) -> Verdict {
    ignored(stage, r#"["\u00e9\u4e2d\ud83d\ude00 \u0000\u001f\/\\\"\b\f\n\r\t", "é中😀", {"\u0000": "\uffff"}]"#)
}

fn lone_surrogate(stage: &Stage) -> Verdict {
    ignored(stage, r#"["\ud800", "\udc00x", "\ud800\u0041"]"#)
}

fn deep(stage: &Stage) -> Verdict {
    ignored(stage, &("[".repeat(100) + &"]".repeat(100)))
}

fn nulls(stage: &Stage) -> Verdict {
    let known = ["dns", "args", "runtimeConfig", "prevResult", "capabilities", "ipam", "ipMasq", "cniVersions"];
    effect::same(stage, "what it does without the keys that are null", |container| {
        let own = container.at.conf().as_object().cloned().unwrap_or_default();
        let absent: Vec<_> = known.iter().filter(|key| !own.contains_key(**key)).collect();
        let nulls = absent.iter().map(|key| format!(",\"{key}\":null")).collect::<Vec<_>>().concat();
        container.at.call("ADD").stdin(around(container.at.conf(), "", &nulls).as_str())
    })
}

fn own_nulls(stage: &Stage) -> Verdict {
    as_absent(stage, |_| Some(Value::Null))
}

fn empty_values(stage: &Stage) -> Verdict {
    as_absent(stage, |value| match value {
        Value::String(_) => Some(json!("")),
        Value::Array(_) => Some(json!([])),
        _ => None,
    })
}

/// For each key of the plugin's own, and each in `ipam`: the value that `empty` makes of its value, and no key at all, end
/// alike.
fn as_absent(stage: &Stage, empty: fn(&Value) -> Option<Value>) -> Verdict {
    let sample = stage.container("sample").at.conf().clone();
    let own = keys(&sample, &["cniVersion", "name", "type", "prevResult"]).map(|(key, value)| (vec![key], value));
    let ipam = keys(&sample["ipam"], &["type"]).map(|(key, value)| (vec!["ipam", key], value));
    let mut number = 0;
    for (path, value) in own.chain(ipam) {
        let Some(empty) = empty(value) else { continue };
        number += 1;
        let one = stage.container(&format!("absent{number}"));
        let absent = with(&one, &path, None).run();
        let success = settled(&absent)?;
        // What is there once on a host, such as the VLAN that the default names, is in the other's way.
        let _ = with(&one, &path, None).command("DEL").run();
        let other = stage.container(&format!("empty{number}"));
        let output = with(&other, &path, Some(&empty)).run();
        let what = if success { "success" } else { "failure" };
        let expected = format!("{what}, as without the key `{}`", path.join("."));
        output.demand(settled(&output)? == success, &expected)?;
    }
    if number == 0 { Err(Stop::skip("has no keys of its own that could be empty")) } else { Ok(()) }
}

fn keys<'a>(object: &'a Value, but: &'a [&str]) -> impl Iterator<Item = (&'a str, &'a Value)> {
    let keys = object.as_object().into_iter().flatten().map(|(key, value)| (key.as_str(), value));
    keys.filter(|(key, _)| !but.contains(key))
}

/// ADD with the value at this path, or without the key.
fn with(container: &Container, path: &[&str], value: Option<&Value>) -> testkit::Plugin {
    let mut conf = container.at.conf().clone();
    let (key, above) = path.split_last().unwrap_or((&"", &[]));
    let object = above.iter().fold(&mut conf, |object, key| &mut object[*key]).as_object_mut();
    if let Some(object) = object {
        match value {
            Some(value) => drop(object.insert((*key).to_owned(), value.clone())),
            None => drop(object.remove(*key)),
        }
    }
    container.at.call("ADD").stdin(conf)
}

fn wrong_types(stage: &Stage) -> Verdict {
    let sample = stage.container("sample").at.conf().clone();
    let mut wrong = vec![(vec!["name"], json!(5)), (vec!["cniVersion"], json!(5)), (vec!["name"], json!(["x"]))];
    wrong.extend(
        keys(&sample, &["cniVersion", "name", "type", "args", "capabilities", "prevResult"])
            .map(|(key, value)| (vec![key], misfit(value))),
    );
    if stage.subject.delegate().is_some() || stage.subject.facts.kind == Some(Kind::Ipam) {
        wrong.push((vec!["ipam"], json!([])));
    }
    if stage.subject.delegate().is_some() {
        wrong.push((vec!["ipam", "type"], json!(5)));
    }
    let containers: Vec<_> = (0..wrong.len()).map(|id| stage.container(&format!("c{id}"))).collect();
    let calls = containers.iter().zip(&wrong).map(|(container, (path, value))| with(container, path, Some(value)));
    effect::refused(stage, calls.collect::<Vec<_>>())
}

/// A value of another type.
fn misfit(value: &Value) -> Value {
    match value {
        Value::Bool(_) => json!("yes"),
        Value::String(_) | Value::Number(_) => json!({ "x": 1 }),
        Value::Array(_) => json!(7),
        _ => json!("x"),
    }
}

fn wrong_prev_types(stage: &Stage) -> Verdict {
    let version = stage.version();
    let wrong = [
        json!("x"),
        json!([]),
        json!({ "cniVersion": version, "ips": {} }),
        json!({ "cniVersion": version, "interfaces": "eth0" }),
        json!({ "cniVersion": version, "interfaces": [{ "name": 5 }] }),
        json!({ "cniVersion": version, "dns": { "nameservers": "10.0.0.1" } }),
    ];
    let containers: Vec<_> = (0..wrong.len()).map(|id| stage.container(&format!("c{id}"))).collect();
    let calls = containers.iter().zip(&wrong).map(|(container, prev)| container.at.with_prev(prev).call("ADD"));
    effect::refused(stage, calls.collect::<Vec<_>>())
}
