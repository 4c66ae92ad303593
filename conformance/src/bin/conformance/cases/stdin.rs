//! The configuration on stdin: how it may arrive, and what is none.

use crate::case::{Case, Needs, Verdict};
use crate::stage::{Stage, arranged};
use crate::trial::Trial;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{PipeWriter, Write, pipe};
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use testkit::{Plugin, Stdin};

pub const CASES: &[Case] = &[
    Case::once(
        "stdin::white_space_behind",
        "2.12",
        Needs::Nothing,
        "white space behind the configuration is accepted",
        |stage| around(stage, "", "\n \t\r\n\n"),
    ),
    Case::once(
        "stdin::white_space_before",
        "2.12",
        Needs::Nothing,
        "white space before the configuration is accepted",
        |stage| around(stage, "\n \t\r\n", ""),
    ),
    Case::once("stdin::pretty", "2.12", Needs::Nothing, "white space within the configuration is accepted", pretty),
    Case::once(
        "stdin::in_pieces",
        "2.13a",
        Needs::Nothing,
        "a configuration that arrives in pieces is accepted",
        in_pieces,
    ),
    Case::once("stdin::from_file", "2.13a", Needs::Nothing, "a file is as good as a pipe", from_file),
    Case::once(
        "stdin::larger_than_pipe",
        "2.13b 2.15b",
        Needs::Nothing,
        "a configuration of 70 KiB is accepted",
        |stage| large(stage, 70 << 10),
    ),
    Case::once(
        "stdin::mebibyte",
        "2.13b 2.15b",
        Needs::Nothing,
        "a configuration of a mebibyte is accepted",
        |stage| large(stage, 1 << 20),
    ),
    Case::once("stdin::many_keys", "2.15b 1.19a", Needs::Nothing, "thousands of unknown keys are accepted", many_keys),
    Case::once(
        "stdin::nested",
        "2.15b 1.19a",
        Needs::Nothing,
        "an unknown key may hold much, fifty levels deep",
        |stage| {
            let nested = |inner: Value, _| json!([{ "nested": inner, "name": 1, "type": null }]);
            unknown_key(stage, (0..25).fold(json!("x"), nested))
        },
    ),
    Case::once("stdin::unicode", "2.15b 1.19a", Needs::Nothing, "an unknown key may hold any text", |stage| {
        unknown_key(stage, "\u{1f600} \u{fc} \u{202e} \0 \u{1f} \\ \" \u{ffff}".into())
    }),
    Case::once("stdin::numbers", "2.15b 1.19a", Needs::Nothing, "an unknown key may hold any number", |stage| {
        with_text(stage, "[1e308, -0.0, 12345678901234567890123, 1.0000000000000000001, 18446744073709551615]")
    }),
    Case::once("stdin::directory", "2.27.5", Needs::Nothing, "a stdin that cannot be read gets code 5", |stage| {
        directory(stage, "ADD")
    }),
    Case::once(
        "stdin::directory_del",
        "2.27.5",
        Needs::Nothing,
        "DEL with a stdin that cannot be read gets code 5",
        |stage| directory(stage, "DEL"),
    ),
    Case::once("stdin::closed", "2.18a 2.16b", Needs::Nothing, "ADD without a stdin fails in order", |stage| {
        refused(stage, Stdin::Closed, &[5, 6])
    }),
    Case::once(
        "stdin::empty",
        "2.18a 2.16b 2.27.6",
        Needs::Nothing,
        "ADD with an empty stdin fails in order",
        |stage| refused(stage, "".into(), &[5, 6]),
    ),
    Case::once("stdin::half", "2.27.6", Needs::Nothing, "half a document gets code 6", |stage| {
        let text = stage.container("half").at.conf().to_string();
        let half = text.split_at_checked(text.len() / 2).unwrap_or_default().0;
        refused(stage, half.into(), &[6])?;
        refused(stage, "{".into(), &[6])
    }),
    Case::once("stdin::no_json", "2.27.6", Needs::Nothing, "what is not JSON gets code 6", |stage| {
        ["nonsense", "{cniVersion: 1}", "{\"a\":1,}", "{'a': 1}", "<x/>", "\0"]
            .into_iter()
            .try_for_each(|text| refused(stage, text.into(), &[6]))
    }),
    Case::once("stdin::no_object", "2.18a 2.16b", Needs::Nothing, "a document that is no object is refused", |stage| {
        ["[]", "1", "\"text\"", "true", "null", "[{}]"]
            .into_iter()
            .try_for_each(|text| refused(stage, text.into(), &[6, 7]))
    }),
    Case::once("stdin::two_documents", "6.21", Needs::Nothing, "a second document is refused", |stage| {
        let conf = stage.container("twice").at.conf().to_string();
        ["{}", "x", "}", "\0"]
            .into_iter()
            .try_for_each(|rest| refused(stage, format!("{conf}{rest}").as_str().into(), &[6]))
    }),
    Case::once("stdin::not_utf8", "2.16b 2.18a", Needs::Nothing, "bytes that are no text end in order", not_utf8),
    Case::once(
        "stdin::other_encodings",
        "2.16b 2.18a",
        Needs::Nothing,
        "a byte order mark, or UTF-16, ends in order",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            in_order(&trial, |conf| format!("\u{feff}{conf}").into_bytes())?;
            in_order(&trial, |conf| conf.encode_utf16().flat_map(u16::to_le_bytes).collect())
        },
    ),
    Case::once("stdin::deep", "2.16b 2.18a", Needs::Nothing, "a hundred thousand levels end in order", |stage| {
        let trial = Trial::of(stage, "ADD")?;
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        in_order(&trial, |conf| conf.replacen('{', &format!("{{\"deep\":{deep},"), 1).into_bytes())?;
        in_order(&trial, |_| "[".repeat(100_000).into_bytes())?;
        in_order(&trial, |_| "{\"a\":".repeat(100_000).into_bytes())
    }),
];

fn refused(stage: &Stage, stdin: Stdin, codes: &[u64]) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    trial.refused(&trial.call().stdin(stdin), codes).map(drop)
}

/// Every command with another stdin of the same meaning.
fn same_meaning(stage: &Stage, change: impl Fn(&Trial<'_>) -> Plugin) -> Verdict {
    Trial::each(stage, |trial| trial.undisturbed(&change(trial)))
}

fn around(stage: &Stage, before: &str, behind: &str) -> Verdict {
    same_meaning(stage, |trial| trial.call().stdin(format!("{before}{}{behind}", trial.at.conf()).as_str()))
}

fn pretty(stage: &Stage) -> Verdict {
    same_meaning(stage, |trial| trial.call().stdin(format!("{:#}", trial.at.conf()).replace('\n', "\r\n\t").as_str()))
}

fn unknown_key(stage: &Stage, value: Value) -> Verdict {
    same_meaning(stage, |trial| trial.with("org.example/unknown", value.clone()))
}

/// Put into the text, since numbers change on their way through a JSON value.
fn with_text(stage: &Stage, value: &str) -> Verdict {
    let key = format!("{{\"org.example/unknown\":{value},");
    same_meaning(stage, |trial| trial.call().stdin(trial.at.conf().to_string().replacen('{', &key, 1).as_str()))
}

fn large(stage: &Stage, length: usize) -> Verdict {
    unknown_key(stage, "x".repeat(length).into())
}

fn many_keys(stage: &Stage) -> Verdict {
    unknown_key(stage, (0..5_000).map(|n| (format!("key-{n}"), json!(n))).collect())
}

fn from_file(stage: &Stage) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    let path = stage.sandbox.dir().join("conf.json");
    let file = std::fs::write(&path, trial.at.conf().to_string()).and_then(|()| File::open(&path));
    trial.undisturbed(&trial.call().stdin(arranged("a file for stdin", file)))
}

/// Nothing at first, then one half, then the other, with a pause before each.
fn in_pieces(stage: &Stage) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    let (reader, writer) = arranged("a pipe for stdin", pipe());
    let text = trial.at.conf().to_string().into_bytes();
    let writing = thread::spawn(move || write_slowly(writer, &text));
    let verdict = trial.undisturbed(&trial.call().stdin(Stdin::Fd(Arc::new(reader.into()))));
    // It ends by itself: the plugin has read everything, or is gone.
    drop(writing);
    verdict
}

fn write_slowly(mut writer: PipeWriter, text: &[u8]) -> std::io::Result<()> {
    let (first, rest) = text.split_at_checked(text.len() / 2).unwrap_or_default();
    for piece in [first, rest] {
        thread::sleep(Duration::from_millis(60));
        writer.write_all(piece)?;
    }
    Ok(())
}

fn directory(stage: &Stage, command: &'static str) -> Verdict {
    let trial = Trial::of(stage, command)?;
    let directory = arranged("a directory for stdin", File::open(stage.dir()));
    trial.refused(&trial.call().stdin(directory), &[5]).map(drop)
}

fn in_order(trial: &Trial<'_>, change: impl Fn(&str) -> Vec<u8>) -> Verdict {
    trial.orderly(&trial.call().stdin(change(&trial.at.conf().to_string())).run())
}

/// In a key that means nothing it may pass; in the name it may not.
fn not_utf8(stage: &Stage) -> Verdict {
    let put = |conf: &str, key: &[u8]| {
        [b"{\"", key, b"\":\"a\xff\",", conf.strip_prefix('{').unwrap_or_default().as_bytes()].concat()
    };
    let trial = Trial::of(stage, "ADD")?;
    in_order(&trial, |conf| put(conf, b"unknown"))?;
    let nameless = trial.at.conf().to_string().replace("\"name\"", "\"title\"");
    trial.refused(&trial.call().stdin(put(&nameless, b"name")), &[6, 7]).map(drop)
}
