//! Keys: their case, those that nobody knows, and those that are there twice.

use super::around;
use crate::case::{Case, Needs, Verdict};
use crate::demand::Demands;
use crate::effect;
use crate::stage::{Container, Stage};
use serde_json::{Map, Value, json};

pub const CASES: &[Case] = &[
    Case::once(
        "decoding::upper_case",
        "2.15a 1.16a",
        Needs::Config,
        "keys in upper case are the same keys",
        upper_case,
    ),
    Case::once(
        "decoding::capitals",
        "2.15a 1.16a",
        Needs::Config,
        "keys that begin with a capital, as Go has them, are the same keys",
        capitals,
    ),
    Case::once("decoding::escaped_keys", "2.15f", Needs::Config, "keys may be written with escapes", escaped_keys),
    Case::once("decoding::white_space", "2.15f", Needs::Config, "white space between tokens is ignored", white_space),
    Case::once(
        "decoding::duplicates",
        "2.15d 1.16b",
        Needs::Config,
        "of a key that is there twice, the first does not count",
        duplicates,
    ),
    Case::once(
        "decoding::last_duplicate",
        "2.15d 1.16b",
        Needs::Config,
        "of a key that is there twice, the last counts",
        last_duplicate,
    ),
    Case::once(
        "decoding::unknown_keys",
        "2.15b 1.19a",
        Needs::Config,
        "unknown keys are ignored at every level",
        unknown_keys,
    ),
    Case::once(
        "decoding::reserved_keys",
        "2.15b",
        Needs::Config,
        "keys of the runtime, with cni.dev/ before them, are ignored by ADD",
        reserved_keys,
    ),
    Case::once(
        "decoding::without_capabilities",
        "5.5",
        Needs::Config,
        "the configuration works with `capabilities` and without",
        without_capabilities,
    ),
    Case::once(
        "decoding::args_content",
        "7.10 1.19b",
        Needs::Config,
        "what nobody knows in `args` is ignored, whatever its type",
        args_content,
    ),
];

fn upper_case(stage: &Stage) -> Verdict {
    respelled(stage, str::to_uppercase)
}

fn capitals(stage: &Stage) -> Verdict {
    respelled(stage, |key| {
        let mut letters = key.chars();
        letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
    })
}

fn respelled(stage: &Stage, spell: fn(&str) -> String) -> Verdict {
    effect::same(stage, "what it does with the keys as they are documented", |container| {
        let own = container.at.conf().as_object().cloned().unwrap_or_default();
        let conf = own.into_iter().map(|(key, value)| (spell(&key), below(&key, value, spell)));
        container.at.call("ADD").stdin(Value::Object(conf.collect()))
    })
}

/// Values of keys that are known to hold objects with known keys. Others may hold maps, whose keys are as they are.
fn below(key: &str, value: Value, spell: fn(&str) -> String) -> Value {
    if ["ipam", "dns", "prevResult", "runtimeConfig"].contains(&key) { deep(value, spell) } else { value }
}

fn deep(value: Value, spell: fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| deep(item, spell)).collect(),
        Value::Object(keys) => {
            Value::Object(keys.into_iter().map(|(key, value)| (spell(&key), deep(value, spell))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn escaped_keys(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without escapes", |container| {
        let escaped = |key: &str| key.bytes().map(|byte| format!("\\u{byte:04x}")).collect::<Vec<_>>().concat();
        let own = container.at.conf().as_object().cloned().unwrap_or_default();
        let pairs = own.iter().map(|(key, value)| match value {
            Value::String(text) if text.is_ascii() => format!("\"{}\":\"{}\"", escaped(key), escaped(text)),
            other => format!("\"{}\":{other}", escaped(key)),
        });
        container.at.call("ADD").stdin(format!("{{{}}}", pairs.collect::<Vec<_>>().join(",")).as_str())
    })
}

fn white_space(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without white space", |container| {
        let pretty = format!("{:#}", container.at.conf()).replace('\n', "\r\n\t \n").replace("\": ", "\"\n\t:\r\n ");
        container.at.call("ADD").stdin(format!("\n\t \r\n{pretty}\r\n\t ").as_str())
    })
}

fn duplicates(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does with the last of them alone", |container| {
        let own = container.at.conf().as_object().into_iter().flatten().filter(|(key, _)| is_own(key));
        let nulls = own.map(|(key, _)| format!("\"{key}\":null,")).collect::<Vec<_>>().concat();
        let first = r#""cniVersion":"99.0.0","name":"a/b","#.to_owned() + &nulls;
        container.at.call("ADD").stdin(around(container.at.conf(), &first, "").as_str())
    })
}

/// Not one of those that everybody has, and that no plugin can do without.
fn is_own(key: &str) -> bool {
    !["cniVersion", "name", "type"].contains(&key)
}

fn last_duplicate(stage: &Stage) -> Verdict {
    let ends = [r#","name":"a/b""#, r#","cniVersion":"99.0.0""#];
    let containers: Vec<_> = (0..ends.len()).map(|id| stage.container(&format!("c{id}"))).collect();
    let calls = containers.iter().zip(ends);
    let calls =
        calls.map(|(container, end)| container.at.call("ADD").stdin(around(container.at.conf(), "", end).as_str()));
    effect::refused(stage, calls.collect::<Vec<_>>())
}

fn unknown_keys(stage: &Stage) -> Verdict {
    let known = ["ipam", "dns", "prevResult", "runtimeConfig"];
    effect::same(stage, "what it does without the keys that it does not know", |container| {
        let mut conf = container.at.conf().clone();
        for key in known {
            if conf[key].is_object() {
                strew(&mut conf[key]);
            }
        }
        let strange = strange();
        conf["x-unknown"] = strange.clone();
        conf["nerdctlLabels"] = json!({ "nerdctl/default-network": "true" });
        conf["pciBusID"] = json!("0000:00:1f.6");
        conf["unknown.with/odd characters \u{1F600}"] = strange;
        container.at.call("ADD").stdin(conf)
    })
}

/// Puts keys that nobody knows into all objects.
fn strew(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(strew),
        Value::Object(keys) => {
            keys.values_mut().for_each(strew);
            keys.insert("x-unknown".to_owned(), strange());
        }
        _ => {}
    }
}

fn strange() -> Value {
    json!({ "list": [1, "two", null, { "three": [] }], "flag": true, "fraction": -1.5e-7, "": {} })
}

fn reserved_keys(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without keys of the runtime", |container| {
        let mut conf = container.at.conf().clone();
        conf["cni.dev/valid-attachments"] = json!([{ "containerID": "other", "ifname": "eth0" }]);
        conf["cni.dev/attachments"] = json!(null);
        conf["cni.dev/unheard-of"] = json!({ "a": [1] });
        container.at.call("ADD").stdin(conf)
    })
}

fn without_capabilities(stage: &Stage) -> Verdict {
    let with = |container: &Container, capabilities: Option<Value>| {
        let mut conf = container.at.conf().clone();
        if let Some(keys) = conf.as_object_mut() {
            keys.remove("capabilities");
            keys.extend(capabilities.map(|capabilities| ("capabilities".to_owned(), capabilities)));
        }
        container.at.call("ADD").stdin(conf)
    };
    let (bare, full) = (stage.container("bare"), stage.container("full"));
    with(&bare, None).run().result()?;
    let all = json!({ "portMappings": true, "ips": false, "mac": true, "bandwidth": false, "unheard-of": true });
    with(&full, Some(all)).run().result().map(drop)
}

fn args_content(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without `args`", |container| {
        let mut conf = container.at.conf().clone();
        let own = conf["args"].as_object().cloned().unwrap_or_default();
        let mut args = json!({
            "podman_labels": { "a": "b" }, "org.test/number": 5, "org.test/text": "x", "org.test/list": [{}, 1, null],
            "org.test/null": null, "org.test/flag": true, "cni": { "unheard-of": [1, { "a": null }], "labels": [] }
        });
        for (key, value) in own {
            args[key] = value;
        }
        conf["args"] = args;
        container.at.call("ADD").stdin(conf)
    })
}
