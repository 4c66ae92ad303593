//! What the Go skeleton does to the letter: who replaces one of its plugins has to do the same.
//!
//! A message may say more behind the skeleton's words, such as what is allowed.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::stage::{Stage, arranged};
use crate::stub::Answer;
use crate::trial::Trial;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Seek;
use testkit::Plugin;

pub const CASES: &[Case] = &[
    Case::once(
        "skeleton::invalid_before_missing",
        "6.1a",
        Needs::Nothing,
        "the invalid is told before the missing",
        |stage| says(stage, |call| call.container("a/b").env_remove("CNI_NETNS"), ID, None),
    ),
    Case::once(
        "skeleton::id_before_ifname",
        "6.1b",
        Needs::Nothing,
        "the container ID is told before the interface",
        |stage| says(stage, |call| call.container("a/b").ifname("a/b"), ID, None),
    ),
    Case::once("skeleton::missing", "6.2 2.1d", Needs::Nothing, "missing variables are listed in order", missing),
    Case::once("skeleton::empty_ifname", "6.4d", Needs::Nothing, "an empty interface name is a missing one", |stage| {
        says(stage, |call| call.ifname(""), "required env variables [CNI_IFNAME] missing", None)
    }),
    Case::once("skeleton::container_id", "6.3", Needs::Nothing, "an illegal container ID is in the details", |stage| {
        says(stage, |call| call.container("a/b"), ID, Some("a/b"))
    }),
    Case::once("skeleton::long_ifname", "6.4a", Needs::Nothing, "a long interface name is called too long", |stage| {
        let details = "interface name should be less than 16 characters";
        says(stage, |call| call.ifname("abcdefghijklmnop"), "interface name is too long", Some(details))
    }),
    Case::once("skeleton::dots", "6.4b", Needs::Nothing, "the interface names . and .. are told", |stage| {
        says(stage, |call| call.ifname("."), "interface name is . or ..", None)?;
        says(stage, |call| call.ifname(".."), "interface name is . or ..", None)
    }),
    Case::once("skeleton::ifname_characters", "6.4c", Needs::Nothing, "illegal interface names are told", |stage| {
        let trial = Trial::of(stage, "ADD")?;
        let text = "interface name contains / or : or whitespace characters";
        ["a/b", "a:b", "a b", "a\u{a0}b"]
            .into_iter()
            .try_for_each(|name| trial.refused(&trial.call().ifname(name), &[4])?.says(text))
    }),
    Case::once("skeleton::about", "6.6a", Needs::Nothing, "without a command the plugin introduces itself", about),
    Case::once("skeleton::no_about", "6.6b", Needs::Nothing, "without a command and an about text it fails", no_about),
    Case::once("skeleton::about_line", "6.7", Needs::Nothing, "the about text begins with the name", about_line),
    Case::once(
        "skeleton::arguments",
        "6.6c",
        Needs::Nothing,
        "arguments on the command line change nothing",
        arguments,
    ),
    Case::once("skeleton::reads_all", "6.9a", Needs::Nothing, "stdin is read to its end", reads_all),
    Case::once("skeleton::unreadable", "6.9b", Needs::Nothing, "a stdin that cannot be read is told", |stage| {
        let dir = arranged("a directory for stdin", File::open(stage.dir()));
        let trial = Trial::of(stage, "ADD")?;
        trial.refused(&trial.call().stdin(dir), &[5])?.says("error reading from stdin: ")
    }),
    Case::once("skeleton::undecodable", "6.10a", Needs::Nothing, "what is no object gets code 6", |stage| {
        documents(stage, &["", "{", "[]", "1", "\"x\"", "true"], &[6], "error unmarshall network config: ")
    }),
    Case::once("skeleton::name_type", "6.10b", Needs::Nothing, "a name that is not text gets code 6", |stage| {
        Trial::each(stage, |trial| trial.refused(&trial.with("name", json!(1)), &[6]).map(drop))
    }),
    Case::once("skeleton::no_name", "6.11a", Needs::Nothing, "a missing name is told", |stage| {
        Trial::each(stage, |trial| {
            let calls = [trial.without("name"), trial.with("name", json!("")), trial.with("name", Value::Null)];
            calls.iter().try_for_each(|call| trial.refused(call, &[7])?.says("missing network name"))
        })
    }),
    Case::once("skeleton::null", "6.11b", Needs::Nothing, "a stdin that is null gets code 7", |stage| {
        documents(stage, &["null"], &[7], "")
    }),
    Case::once("skeleton::illegal_name", "6.12", Needs::Nothing, "an illegal name is in the details", |stage| {
        Trial::each(stage, |trial| {
            let refused = trial.refused(&trial.with("name", json!("a/b")), &[7])?;
            refused.says("invalid characters found in network name")?;
            refused.details("a/b")
        })
    }),
    Case::once("skeleton::unknown_command", "6.13a 2.5c", Needs::Nothing, "an unknown command is told", |stage| {
        says(stage, |call| call.command("UPDATE"), "unknown CNI_COMMAND: UPDATE", None)?;
        says(stage, |call| call.command("add"), "unknown CNI_COMMAND: add", None)
    }),
    Case::once(
        "skeleton::configuration_first",
        "6.13b",
        Needs::Nothing,
        "a bad configuration is told before a bad command",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            trial.refused(&trial.call().command("UPDATE").stdin("{"), &[6])?;
            trial.refused(&trial.without("name").command("UPDATE"), &[7]).map(drop)
        },
    ),
    Case::once("skeleton::incompatible", "6.14b", Needs::Nothing, "details say which versions there are", incompatible),
    Case::once("skeleton::check_too_old", "6.15b", Needs::Nothing, "CHECK before 0.4.0 is told", |stage| {
        gate(stage, "CHECK", "0.3.1", "config version does not allow CHECK")
    }),
    Case::once("skeleton::check_too_new", "6.15c", Needs::Nothing, "CHECK in a version to come is told", |stage| {
        gate(stage, "CHECK", "99.0.0", "plugin version does not allow CHECK")
    }),
    Case::once("skeleton::gc_too_old", "6.16a", Needs::Nothing, "GC before 1.1.0 is told", |stage| {
        gate(stage, "GC", "1.0.0", "config version does not allow GC")
    }),
    Case::once("skeleton::status_too_old", "6.16b", Needs::Nothing, "STATUS before 1.1.0 is told", |stage| {
        gate(stage, "STATUS", "1.0.0", "config version does not allow STATUS")
    }),
    Case::once(
        "skeleton::gc_too_new",
        "6.16c",
        Needs::Nothing,
        "GC and STATUS in a version to come are told",
        |stage| {
            gate(stage, "GC", "99.0.0", "plugin version does not allow GC")?;
            gate(stage, "STATUS", "99.0.0", "plugin version does not allow STATUS")
        },
    ),
    Case::once(
        "skeleton::keys_in_any_case",
        "6.19 2.15a",
        Needs::Nothing,
        "CNIVersion and NAME are understood",
        any_case,
    ),
    Case::once("skeleton::last_key_counts", "2.15d", Needs::Nothing, "of two names the last one counts", last_counts),
    Case::once(
        "skeleton::delegates_error",
        "6.23a",
        Needs::Delegating,
        "a delegate's error goes out unchanged",
        delegates_error,
    ),
    Case::once("skeleton::own_netns", "6.27a", Needs::Config, "the own namespace is told", |stage| {
        let text = "plugin's netns and netns from CNI_NETNS should not be the same";
        let output = stage.call("ADD").netns("/proc/self/ns/net").run();
        output.demand(!output.status.success() && output.stdout.contains(text), &format!("code 8 and `{text}`"))
    }),
];

const ID: &str = "invalid characters in containerID";

/// ADD with this change gets code 4, this message and these details.
fn says(stage: &Stage, change: fn(Plugin) -> Plugin, msg: &str, details: Option<&str>) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    let refused = trial.refused(&change(trial.call()), &[4])?;
    refused.says(msg)?;
    details.map_or(Ok(()), |details| refused.details(details))
}

fn missing(stage: &Stage) -> Verdict {
    let every = ["CNI_IFNAME", "CNI_CONTAINERID", "CNI_PATH", "CNI_NETNS"];
    Trial::each(stage, |trial| {
        let names = match trial.command {
            "ADD" | "CHECK" => "CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH",
            "DEL" => "CNI_CONTAINERID,CNI_IFNAME,CNI_PATH",
            _ => "CNI_PATH",
        };
        let call = every.into_iter().fold(trial.call(), Plugin::env_remove);
        trial.refused(&call, &[4])?.says(&format!("required env variables [{names}] missing"))
    })
}

/// Calls without a command, and with an empty one.
fn no_command(stage: &Stage) -> [testkit::Output; 2] {
    let unset = stage.call("ADD").env_remove("CNI_COMMAND");
    [unset.run(), unset.command("").run()]
}

fn about(stage: &Stage) -> Verdict {
    for output in no_command(stage) {
        if output.status.code() == Some(1) {
            return Err(Stop::skip("has no about text"));
        }
        output.silence()?;
        let versions = format!("CNI protocol versions supported: {}", stage.subject.facts.versions.join(", "));
        let told = output.stderr.lines().skip(1).any(|line| line == versions);
        output.demand(told, &format!("a line about itself on stderr, then `{versions}`"))?;
    }
    Ok(())
}

fn no_about(stage: &Stage) -> Verdict {
    for output in no_command(stage) {
        if output.status.success() {
            return Err(Stop::skip("has an about text"));
        }
        output.error_code(4)?;
    }
    Ok(())
}

fn about_line(stage: &Stage) -> Verdict {
    for output in no_command(stage) {
        if output.status.code() == Some(1) {
            return Err(Stop::skip("has no about text"));
        }
        let begin = format!("CNI {} plugin ", stage.subject.name);
        let line = output.stderr.lines().next().unwrap_or_default();
        let version = line.strip_prefix(&begin).is_some_and(|version| !version.trim().is_empty());
        output.demand(version, &format!("`{begin}` and its version in the first line on stderr"))?;
    }
    Ok(())
}

fn arguments(stage: &Stage) -> Verdict {
    let with_arguments = |call: Plugin| call.under(["/bin/sh", "-c", "exec \"$0\" --help --version -v junk"]);
    let version = stage.plugin().command("VERSION");
    let (plain, changed) = (version.run(), with_arguments(version).run());
    changed.demand(changed.result()? == plain.result()?, "the same versions as without arguments")?;
    Trial::each(stage, |trial| trial.undisturbed(&with_arguments(trial.call())))
}

/// The place in an open file is one for all processes that have it open.
fn reads_all(stage: &Stage) -> Verdict {
    let path = stage.sandbox.dir().join("conf.json");
    let at = stage.container("c").at;
    let text = format!("{}{}", at.conf(), " ".repeat(100_000));
    arranged("a file for stdin", fs::write(&path, &text));
    for command in ["ADD", "DEL", "UPDATE"] {
        let file = arranged("a file for stdin", File::open(&path));
        let mut here = arranged("a second descriptor of the file", file.try_clone());
        let output = at.call("ADD").command(command).stdin(file).run();
        let place = arranged("a look at the place in the file", here.stream_position());
        output.demand(place == text.len() as u64, "the whole stdin read")?;
    }
    Ok(())
}

fn documents(stage: &Stage, documents: &[&str], codes: &[u64], msg: &str) -> Verdict {
    Trial::each(stage, |trial| {
        documents.iter().try_for_each(|text| trial.refused(&trial.call().stdin(*text), codes)?.says(msg))
    })
}

fn incompatible(stage: &Stage) -> Verdict {
    let versions: Vec<_> = stage.subject.facts.versions.iter().map(|version| format!("\"{version}\"")).collect();
    let add = Trial::of(stage, "ADD")?;
    for trial in [add.instead("DEL"), add] {
        let refused = trial.refused(&trial.with("cniVersion", json!("99.0.0")), &[1])?;
        refused.says("incompatible CNI versions")?;
        refused.details(&format!("config is \"99.0.0\", plugin supports [{}]", versions.join(" ")))?;
    }
    Ok(())
}

fn gate(stage: &Stage, command: &'static str, version: &str, text: &str) -> Verdict {
    let trial = Trial::of(stage, command)?;
    trial.refused(&trial.with("cniVersion", version.into()), &[1])?.says(text)
}

fn any_case(stage: &Stage) -> Verdict {
    for [version, name] in [["CNIVersion", "NAME"], ["cniversion", "nAmE"]] {
        Trial::each(stage, |trial| {
            let text = trial.at.conf().to_string().replacen("\"cniVersion\"", &format!("\"{version}\""), 1);
            let text = text.replacen("\"name\"", &format!("\"{name}\""), 1);
            trial.undisturbed(&trial.call().stdin(text.as_str()))
        })?;
    }
    Ok(())
}

fn last_counts(stage: &Stage) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    let text = trial.at.conf().to_string();
    let bad_first = text.replacen('{', "{\"name\":\"a/b\",\"cniVersion\":\"99.0.0\",", 1);
    trial.undisturbed(&trial.call().stdin(bad_first.as_str()))?;
    let bad_last = format!("{},\"name\":\"a/b\"}}", text.strip_suffix('}').unwrap_or_default());
    trial.refused(&trial.call().stdin(bad_last.as_str()), &[7]).map(drop)
}

fn delegates_error(stage: &Stage) -> Verdict {
    let ipam = stage.stub("failing-ipam");
    ipam.answer("ADD", Answer::error(123, "no address today", "pool of the test: empty"));
    let at = stage.container("c").at.with_key("ipam", json!({ "type": "failing-ipam" }));
    let output = at.call("ADD").path([stage.stub_dir()]).run();
    let error = output.error_code(123)?;
    let same = error["msg"] == "no address today" && error["details"] == "pool of the test: empty";
    output.demand(same, "the delegate's message and details")
}
