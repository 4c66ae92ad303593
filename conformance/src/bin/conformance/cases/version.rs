//! VERSION: which versions of the specification a plugin speaks.

use crate::case::{Case, Needs, Stop, VERSIONS, Verdict};
use crate::demand::Demands;
use crate::stage::{Stage, arranged};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::pipe;
use std::sync::Arc;
use testkit::{Output, Plugin, Stdin};

pub const CASES: &[Case] = &[
    Case::once(
        "version::object",
        "3.41a 2.17b 2.16a",
        Needs::Nothing,
        "VERSION prints one object with cniVersion",
        object,
    ),
    Case::once("version::list", "3.41b C.16", Needs::Nothing, "supportedVersions has versions in it, each once", list),
    Case::once("version::known", "3.41b", Needs::Nothing, "supportedVersions has a released version", known),
    Case::once("version::echo", "3.41c", Needs::Nothing, "cniVersion is that of the request", echo),
    Case::once(
        "version::newer_request",
        "3.41b",
        Needs::Nothing,
        "a request of a newer runtime is answered",
        |stage| same_list(stage, ask(stage, "99.0.0")),
    ),
    Case::once(
        "version::older_request",
        "3.41b",
        Needs::Nothing,
        "a request of an older runtime is answered",
        |stage| same_list(stage, ask(stage, "0.1.0")),
    ),
    Case::once("version::twice", "3.41b", Needs::Nothing, "VERSION says the same when asked again", |stage| {
        same_list(stage, ask(stage, stage.version()))
    }),
    Case::once(
        "version::only_command",
        "3.42a",
        Needs::Nothing,
        "VERSION needs no variable but CNI_COMMAND",
        |stage| {
            let alone = stage.plugin().env_clear().command("VERSION").stdin(request(stage.version()));
            same_list(stage, alone)
        },
    ),
    Case::once("version::empty_stdin", "3.42b 2.13c", Needs::Nothing, "VERSION works with an empty stdin", |stage| {
        same_list(stage, stage.plugin().command("VERSION"))
    }),
    Case::once("version::closed_stdin", "2.13c", Needs::Nothing, "VERSION works without a stdin", |stage| {
        same_list(stage, stage.plugin().command("VERSION").stdin(Stdin::Closed))
    }),
    Case::once("version::open_stdin", "6.8a", Needs::Nothing, "VERSION does not wait for the end of stdin", open_stdin),
    Case::once("version::odd_stdin", "6.8a", Needs::Nothing, "VERSION does not mind what is on stdin", odd_stdin),
    Case::once(
        "version::probe",
        "2.3b 3.42a",
        Needs::Nothing,
        "VERSION answers libcni, which sends dummy variables",
        |stage| {
            let dummies = ["CNI_NETNS", "CNI_IFNAME", "CNI_PATH"].into_iter();
            let probe = dummies.fold(ask(stage, stage.version()), |call, name| call.env(name, "dummy"));
            same_list(stage, probe.container("").args(""))
        },
    ),
    Case::once(
        "version::malformed_variables",
        "2.3b",
        Needs::Nothing,
        "VERSION ignores malformed variables",
        |stage| {
            let odd = ask(stage, stage.version()).container("../a b\n").ifname("an/interface:name much too long");
            same_list(stage, odd.netns("/no/such/file").args(";;=;x=").env("CNI_PATH", "relative::/no"))
        },
    ),
    Case::once("version::one_line", "6.8b", Needs::Nothing, "VERSION prints one line without spaces", one_line),
    Case::once("version::newest", "6.8c", Needs::Nothing, "cniVersion, with no request, is the newest version", newest),
];

fn request(version: &str) -> Value {
    json!({ "cniVersion": version })
}

fn ask(stage: &Stage, version: &str) -> Plugin {
    stage.plugin().command("VERSION").stdin(request(version))
}

/// Exit status 0, one object, both keys; the listed versions.
fn answer(output: &Output) -> Result<Vec<String>, Stop> {
    let version = output.result()?;
    output.demand(version["cniVersion"].as_str().is_some_and(is_version), "a version as `cniVersion`")?;
    let listed = version["supportedVersions"].as_array().cloned().unwrap_or_default();
    let listed: Vec<_> = listed.iter().map(|version| version.as_str().unwrap_or_default().to_owned()).collect();
    let whole = !listed.is_empty() && listed.iter().all(|version| !version.is_empty());
    output.demand(whole, "a list of texts as `supportedVersions`, with an entry")?;
    Ok(listed)
}

/// Three numbers with dots between them; of a version to come, something may be behind.
fn is_version(text: &str) -> bool {
    let release = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = release.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

/// Demands an answer to this call, with the versions that the plugin listed before.
fn same_list(stage: &Stage, call: Plugin) -> Verdict {
    let output = call.run();
    let listed = answer(&output)?;
    let before = &stage.subject.facts.versions;
    output.demand(listed == *before, &format!("the list that it gave to the suite: {}", before.join(", ")))
}

fn object(stage: &Stage) -> Verdict {
    answer(&ask(stage, "1.1.0").run()).map(drop)
}

fn list(stage: &Stage) -> Verdict {
    let output = ask(stage, stage.version()).run();
    let listed = answer(&output)?;
    output.demand(listed.iter().all(|version| is_version(version)), "numbers with dots, like 1.0.0, in the list")?;
    let distinct: BTreeSet<_> = listed.iter().collect();
    output.demand(distinct.len() == listed.len(), "a list with each version once")
}

fn known(stage: &Stage) -> Verdict {
    let output = ask(stage, stage.version()).run();
    let listed = answer(&output)?;
    let known = VERSIONS.iter().any(|version| listed.iter().any(|listed| listed == version));
    output.demand(known, &format!("one of {} in the list", VERSIONS.join(", ")))
}

fn echo(stage: &Stage) -> Verdict {
    for version in answer(&ask(stage, stage.version()).run())? {
        let output = ask(stage, &version).run();
        let answered = output.result()?;
        output.demand(answered["cniVersion"] == version.as_str(), &format!("`cniVersion` {version}, as asked"))?;
    }
    Ok(())
}

/// A caller may leave a pipe open that it never writes to.
fn open_stdin(stage: &Stage) -> Verdict {
    let (reader, writer) = arranged("a pipe for stdin", pipe());
    let call = stage.plugin().command("VERSION").stdin(Stdin::Fd(Arc::new(reader.into())));
    let verdict = same_list(stage, call);
    drop(writer);
    verdict
}

fn odd_stdin(stage: &Stage) -> Verdict {
    let numbers = r#"{"cniVersion":1}"#;
    for stdin in ["{", "[]", "null", "nonsense", numbers, "{}", r#"{"cniVersion":"junk"}"#] {
        same_list(stage, stage.plugin().command("VERSION").stdin(stdin))?;
    }
    Ok(())
}

fn one_line(stage: &Stage) -> Verdict {
    let output = ask(stage, stage.version()).run();
    answer(&output)?;
    let line = output.stdout.strip_suffix('\n').unwrap_or_default();
    let compact = !line.is_empty() && !line.contains(char::is_whitespace);
    output.demand(compact, "one line without white space in it, with a newline at its end")
}

fn newest(stage: &Stage) -> Verdict {
    let output = stage.plugin().command("VERSION").run();
    let listed = answer(&output)?;
    let told = output.result()?["cniVersion"].as_str().map(numbers).unwrap_or_default();
    let reached = listed.iter().all(|version| numbers(version) <= told);
    output.demand(reached, "a `cniVersion` that is not older than any in the list")
}

fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}
