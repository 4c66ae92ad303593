//! Which versions of the configuration go with which command, and what is refused before anything is done.

use crate::case::{Case, Needs, Stop, VERSIONS, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use crate::trial::{Trial, without};
use serde_json::{Value, json};
use testkit::{Attachment, Plugin};

pub const CASES: &[Case] = &[
    Case::once("gate::add_too_new", "2.27.1 6.14a", Needs::Nothing, "ADD in a version to come gets code 1", |stage| {
        too_new(stage, "ADD")
    }),
    Case::once("gate::del_too_new", "2.27.1 6.14a", Needs::Nothing, "DEL in a version to come gets code 1", |stage| {
        too_new(stage, "DEL")
    }),
    Case::once(
        "gate::check_too_new",
        "2.27.1 6.15c",
        Needs::Nothing,
        "CHECK in a version to come gets code 1",
        |stage| too_new(stage, "CHECK"),
    ),
    Case::once("gate::gc_too_new", "2.27.1 6.16c", Needs::Nothing, "GC in a version to come gets code 1", |stage| {
        too_new(stage, "GC")
    }),
    Case::once(
        "gate::status_too_new",
        "2.27.1 6.16c",
        Needs::Nothing,
        "STATUS in a version to come gets code 1",
        |stage| too_new(stage, "STATUS"),
    ),
    Case::once(
        "gate::unlisted",
        "2.27.1",
        Needs::Nothing,
        "a version that the plugin does not list gets code 1",
        unlisted,
    ),
    Case::once("gate::check_too_old", "6.15b", Needs::Nothing, "CHECK before 0.4.0 gets code 1", |stage| {
        too_old(stage, "CHECK", "0.4.0")
    }),
    Case::once("gate::gc_too_old", "6.16a", Needs::Nothing, "GC before 1.1.0 gets code 1", |stage| {
        too_old(stage, "GC", "1.1.0")
    }),
    Case::once("gate::status_too_old", "6.16b", Needs::Nothing, "STATUS before 1.1.0 gets code 1", |stage| {
        too_old(stage, "STATUS", "1.1.0")
    }),
    Case::once("gate::junk", "2.16b 2.18a", Needs::Nothing, "what is no version is refused", |stage| {
        refused(stage, "ADD", JUNK.map(Value::from), &[1, 6, 7])
    }),
    Case::once("gate::add_junk", "6.17a", Needs::Nothing, "ADD with what is no version gets code 1", |stage| {
        refused(stage, "ADD", JUNK.map(Value::from), &[1])
    }),
    Case::once("gate::del_junk", "6.17a", Needs::Nothing, "DEL with what is no version gets code 1", |stage| {
        refused(stage, "DEL", JUNK.map(Value::from), &[1])
    }),
    Case::once("gate::check_junk", "6.15a", Needs::Nothing, "CHECK with what is no version gets code 6", |stage| {
        refused(stage, "CHECK", JUNK.map(Value::from), &[6])
    }),
    Case::once(
        "gate::check_comparable",
        "1.10",
        Needs::Nothing,
        "CHECK compares versions by their numbers",
        comparable,
    ),
    Case::once("gate::gc_junk", "6.17b", Needs::Nothing, "GC with what is no version gets code 6", |stage| {
        refused(stage, "GC", JUNK.map(Value::from), &[6])
    }),
    Case::once("gate::status_junk", "6.17b", Needs::Nothing, "STATUS with what is no version gets code 6", |stage| {
        refused(stage, "STATUS", JUNK.map(Value::from), &[6])
    }),
    Case::once("gate::no_text", "2.15e", Needs::Nothing, "a cniVersion that is not text is refused", |stage| {
        refused(stage, "ADD", no_text(), &[1, 6, 7])
    }),
    Case::once("gate::no_text_code", "6.17c", Needs::Nothing, "a cniVersion that is not text gets code 6", |stage| {
        Trial::each(stage, |trial| each_refused(trial, no_text(), &[6]))
    }),
    Case::once("gate::inexact", "6.14a", Needs::Nothing, "a version is supported to the letter, or not", inexact),
    Case::once("gate::two_numbers", "6.22", Needs::Nothing, "1.0 is not 1.0.0", |stage| {
        unsupported(stage, ["1.0".into()])
    }),
    Case::once("gate::check_two_numbers", "6.15d", Needs::Nothing, "for CHECK, 1.0 is not 1.0.0", |stage| {
        stage.lists("1.0.0")?;
        refused(stage, "CHECK", ["1.0".into()], &[1])
    }),
    Case::once("gate::pre_release", "6.14a", Needs::Nothing, "a pre-release is not its release", |stage| {
        let version = stage.version();
        refused(stage, "ADD", [format!("{version}-rc1"), format!("{version}+build")].map(Value::from), &[1])
    }),
    Case::once("gate::no_version", "6.18 1.6", Needs::Nothing, "no cniVersion means 0.1.0", |stage| {
        as_oldest(stage, &[None, Some(Value::Null)])
    }),
    Case::once("gate::empty_version", "6.18 1.6", Needs::Nothing, "an empty cniVersion means 0.1.0", |stage| {
        as_oldest(stage, &[Some("".into())])
    }),
    Case::once("gate::no_name", "2.27.7", Needs::Nothing, "no name gets code 7", |stage| {
        let trial = Trial::of(stage, "ADD")?;
        trial.refused(&trial.without("name"), &[7]).map(drop)
    }),
    Case::once("gate::empty_name", "2.27.7", Needs::Nothing, "an empty name gets code 7", |stage| {
        bad_names(stage, &[""])
    }),
    Case::once("gate::null_name", "2.15c", Needs::Nothing, "a name that is null is none", |stage| {
        let trial = Trial::of(stage, "ADD")?;
        trial.refused(&trial.with("name", Value::Null), &[7]).map(drop)
    }),
    Case::once("gate::name_first", "2.27.7", Needs::Nothing, "a name begins with a letter or digit", |stage| {
        bad_names(stage, &[".a", "-a", "_a", "..", "."])
    }),
    Case::once("gate::name_slash", "2.27.7", Needs::Nothing, "a name with a slash gets code 7", |stage| {
        bad_names(stage, &["a/b", "../a", "a/../../b", "/"])
    }),
    Case::once(
        "gate::name_newline",
        "2.27.7",
        Needs::Nothing,
        "a name with a newline at its end gets code 7",
        |stage| bad_names(stage, &["a\n", "\na", "a\nb", "a\r", "a\0"]),
    ),
    Case::once(
        "gate::name_characters",
        "2.27.7",
        Needs::Nothing,
        "a name has letters, digits and _ . - in it",
        |stage| {
            bad_names(
                stage,
                &["a b", " a", "a:b", "a;b", "a,b", "a@b", "a$", "a*", "a\\b", "a\"", "a%", "\u{e4}", "a\u{430}"],
            )
        },
    ),
    Case::once("gate::name_number", "2.15e", Needs::Nothing, "a name that is not text is refused", |stage| {
        let trial = Trial::of(stage, "ADD")?;
        [json!(1), json!(true), json!(["a"]), json!({ "a": 1 })]
            .into_iter()
            .try_for_each(|name| trial.refused(&trial.with("name", name), &[6, 7]).map(drop))
    }),
];

/// Texts that are neither a version nor empty. Some skeletons compare, and read up to three numbers.
const JUNK: [&str; 7] = ["junk", "1.x.0", "one", "1..0", "1.0.0.0", "v1.0.0", " "];

fn no_text() -> [Value; 4] {
    [json!(1), json!(1.0), json!(["1.0.0"]), json!({ "version": "1.0.0" })]
}

fn refused(stage: &Stage, command: &'static str, versions: impl IntoIterator<Item = Value>, codes: &[u64]) -> Verdict {
    each_refused(&Trial::of(stage, command)?, versions, codes)
}

fn each_refused(trial: &Trial<'_>, versions: impl IntoIterator<Item = Value>, codes: &[u64]) -> Verdict {
    versions.into_iter().try_for_each(|version| trial.refused(&trial.with("cniVersion", version), codes).map(drop))
}

/// ADD and DEL in these versions get code 1.
fn unsupported(stage: &Stage, versions: impl IntoIterator<Item = Value>) -> Verdict {
    let add = Trial::of(stage, "ADD")?;
    let del = add.instead("DEL");
    for version in versions {
        each_refused(&add, [version.clone()], &[1])?;
        each_refused(&del, [version], &[1])?;
    }
    Ok(())
}

fn too_new(stage: &Stage, command: &'static str) -> Verdict {
    refused(stage, command, ["99.0.0", "1.99.0", "1000000.0.0"].map(Value::from), &[1])
}

fn unlisted(stage: &Stage) -> Verdict {
    let released = VERSIONS.into_iter().filter(|version| !stage.subject.lists(version));
    unsupported(stage, released.chain(["0.0.1", "0.3.7", "0.9.0", "1.0.9"]).map(Value::from))
}

/// Versions that the plugin lists, but which do not have the command.
fn too_old(stage: &Stage, command: &'static str, since: &str) -> Verdict {
    let old: Vec<_> = VERSIONS.into_iter().filter(|version| *version < since && stage.subject.lists(version)).collect();
    if old.is_empty() {
        return Err(Stop::skip(format!("lists no version before {since}")));
    }
    refused(stage, command, old.into_iter().map(Value::from), &[1])
}

/// 0.4 is not before 0.4.0, nor is 0.10: they are not in the list. 0.3 and 0 are before it.
fn comparable(stage: &Stage) -> Verdict {
    refused(stage, "CHECK", ["0.4", "0.10.0", "0.3", "0"].map(Value::from), &[1])
}

fn inexact(stage: &Stage) -> Verdict {
    let version = stage.version();
    let inexact = [format!("{version} "), format!(" {version}"), format!("0{version}"), format!("{version}0")];
    unsupported(stage, inexact.map(Value::from))
}

/// Demands the same as of a configuration of version 0.1.0.
fn as_oldest(stage: &Stage, versions: &[Option<Value>]) -> Verdict {
    if stage.subject.lists("0.1.0") {
        return versions.iter().try_for_each(|version| layout_of_oldest(stage, version.as_ref()));
    }
    let trial = Trial::of(stage, "ADD")?;
    versions.iter().try_for_each(|version| trial.refused(&add(&trial.at, version.as_ref()), &[1]).map(drop))
}

fn layout_of_oldest(stage: &Stage, version: Option<&Value>) -> Verdict {
    let at = stage.container_at(&format!("c{}", stage.count()), "0.1.0").at;
    let output = add(&at, version).run();
    if !output.status.success() {
        let code = &output.error()?["code"];
        let same = at.add().error().is_ok_and(|error| error["code"] == *code);
        return output.demand(same, "the same as with `cniVersion` 0.1.0");
    }
    let result = output.result()?;
    let new = ["interfaces", "ips", "routes"].into_iter().find(|key| result.get(*key).is_some());
    let version = result.get("cniVersion").and_then(Value::as_str).unwrap_or_default();
    output.demand(new.is_none() && ["", "0.1.0"].contains(&version), "a result in the layout of 0.1.0")
}

/// ADD with this version, or with none.
fn add(at: &Attachment, version: Option<&Value>) -> Plugin {
    match version {
        Some(version) => at.with_key("cniVersion", version.clone()).call("ADD"),
        None => at.call("ADD").stdin(without(at.conf(), "cniVersion")),
    }
}

fn bad_names(stage: &Stage, names: &[&str]) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    names.iter().try_for_each(|name| trial.refused(&trial.with("name", json!(name)), &[7]).map(drop))
}
