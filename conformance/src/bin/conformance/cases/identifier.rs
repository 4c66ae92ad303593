//! Container IDs and interface names: which are allowed, and that they tell attachments apart.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::stage::Stage;
use crate::subject::Kind;
use crate::trial::Trial;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use testkit::Attachment;

pub const CASES: &[Case] = &[
    Case::once(
        "identifier::id_first",
        "1.32b 2.27.4",
        Needs::Nothing,
        "an ID begins with a letter or digit",
        |stage| bad_ids(stage, &[".a", "-a", "_a", "..", "-"]),
    ),
    Case::once("identifier::id_slash", "1.32b 2.27.4", Needs::Nothing, "an ID with a slash is refused", |stage| {
        bad_ids(stage, &["a/b", "../a", "a/../../b", "/"])
    }),
    Case::once("identifier::id_blank", "1.32b 2.27.4", Needs::Nothing, "an ID with white space is refused", |stage| {
        bad_ids(stage, &["a b", " a", "a ", "a\tb"])
    }),
    Case::once(
        "identifier::id_newline",
        "1.32b 2.27.4",
        Needs::Nothing,
        "an ID with a newline at its end is refused",
        |stage| bad_ids(stage, &["a\n", "\na", "a\nb", "a\r"]),
    ),
    Case::once(
        "identifier::id_punctuation",
        "1.32b 2.27.4",
        Needs::Nothing,
        "an ID has no punctuation but _ . -",
        |stage| {
            bad_ids(
                stage,
                &["a:b", "a;b", "a=b", "a,b", "a@b", "a$b", "a*", "a\\b", "a\"b", "a'b", "a%b", "a+b", "a~", "(a)"],
            )
        },
    ),
    Case::once(
        "identifier::id_not_ascii",
        "1.32b 2.27.4",
        Needs::Nothing,
        "an ID with letters beyond ASCII is refused",
        |stage| bad_ids(stage, &["ä", "aé", "\u{430}bc", "a\u{ff11}", "a\u{200b}"]),
    ),
    Case::once(
        "identifier::id_not_utf8",
        "1.32b 2.27.4",
        Needs::Nothing,
        "an ID that is no text is refused",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            trial.refused(&trial.call().env("CNI_CONTAINERID", OsStr::from_bytes(b"a\xff")), &[4]).map(drop)
        },
    ),
    Case::once("identifier::id_of_check", "1.32b 2.27.4", Needs::Nothing, "CHECK refuses an illegal ID", |stage| {
        bad_id(&Trial::of(stage, "CHECK")?, "a/b")
    }),
    Case::once("identifier::id_of_del", "1.32b 2.27.4", Needs::Nothing, "DEL refuses an illegal ID", |stage| {
        bad_id(&Trial::of(stage, "DEL")?, "a/b")
    }),
    Case::once(
        "identifier::id_is_named",
        "2.27.4",
        Needs::Nothing,
        "the message for an illegal ID names CNI_CONTAINERID",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            trial.refused(&trial.call().container("a/b"), &[])?.names(&["CNI_CONTAINERID"])
        },
    ),
    Case::once(
        "identifier::ifname_is_named",
        "2.27.4",
        Needs::Nothing,
        "the message for an illegal name names CNI_IFNAME",
        |stage| {
            let trial = Trial::of(stage, "ADD")?;
            trial.refused(&trial.call().ifname("a/b"), &[])?.names(&["CNI_IFNAME"])
        },
    ),
    Case::once("identifier::id_short", "1.32c", Needs::Config, "an ID of one character works", |stage| {
        good_ids(stage, &["a", "Z", "0"])
    }),
    Case::once(
        "identifier::id_all_characters",
        "1.32b",
        Needs::Config,
        "an ID may have all that is allowed",
        |stage| good_ids(stage, &["a._-Z9", "0-.-_", "a..b"]),
    ),
    Case::once("identifier::id_long", "1.32d", Needs::Config, "an ID of several hundred characters works", |stage| {
        good_ids(stage, &["c".repeat(128).as_str(), "c".repeat(230).as_str()])
    }),
    Case::once(
        "identifier::id_long_del",
        "1.32d",
        Needs::Nothing,
        "DEL accepts an ID of several hundred characters",
        |stage| {
            let trial = Trial::of(stage, "DEL")?;
            trial.undisturbed(&trial.call().container(&"c".repeat(500)))
        },
    ),
    Case::once("identifier::ifname_16_bytes", "1.33a", Needs::Nothing, "a name of 16 bytes is refused", |stage| {
        bad_ifnames(
            stage,
            &["abcdefghijklmnop", "eth0eth0eth0eth0eth0eth0", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}"],
        )
    }),
    Case::once("identifier::ifname_15_bytes", "1.33a", Needs::Config, "a name of 15 bytes works", |stage| {
        good_ifnames(stage, &["abcdefghijklmno"])
    }),
    Case::once("identifier::ifname_dots", "1.33b", Needs::Nothing, "the names . and .. are refused", |stage| {
        bad_ifnames(stage, &[".", ".."])
    }),
    Case::once("identifier::ifname_slash", "1.33c", Needs::Nothing, "a name with a slash is refused", |stage| {
        bad_ifnames(stage, &["a/b", "../a", "/"])
    }),
    Case::once("identifier::ifname_colon", "1.33c", Needs::Nothing, "a name with a colon is refused", |stage| {
        bad_ifnames(stage, &["eth0:1", ":"])
    }),
    Case::once("identifier::ifname_blank", "1.33c", Needs::Nothing, "a name with white space is refused", |stage| {
        bad_ifnames(stage, &["a b", " eth0", "eth0 ", "eth0\n", "a\tb", "a\u{b}b", "\r"])
    }),
    Case::once(
        "identifier::ifname_wide_blank",
        "1.33c",
        Needs::Nothing,
        "a name with white space beyond ASCII is refused",
        |stage| bad_ifnames(stage, &["a\u{a0}b", "a\u{2003}b", "a\u{3000}", "a\u{85}b", "\u{2028}"]),
    ),
    Case::once("identifier::ifname_other", "1.33d", Needs::Config, "a name may have other characters", |stage| {
        good_ifnames(stage, &["\u{fc}ber0", "net.1", "a_b-c", "..."])
    }),
    Case::once(
        "identifier::two_networks",
        "1.34a",
        Needs::Config,
        "DEL leaves the same attachment of another network",
        |stage| {
            let [one, two] = [stage.container("one"), stage.container("two")];
            let [other, own] = [one.at.container("c"), two.at.container("c").with_key("name", "other".into())];
            separate(stage, &other, &own)
        },
    ),
    Case::once(
        "identifier::two_containers",
        "1.34b",
        Needs::Config,
        "DEL leaves another container's attachment",
        |stage| {
            let [one, two] = [stage.container("one"), stage.container("two")];
            separate(stage, &one.at, &two.at)
        },
    ),
    Case::once(
        "identifier::two_interfaces",
        "1.34c",
        Needs::Config,
        "DEL leaves the container's other interface",
        two_interfaces,
    ),
];

fn bad_id(trial: &Trial<'_>, id: &str) -> Verdict {
    trial.refused(&trial.call().container(id), &[4]).map(drop)
}

fn bad_ids(stage: &Stage, ids: &[&str]) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    ids.iter().try_for_each(|id| bad_id(&trial, id))
}

fn bad_ifnames(stage: &Stage, names: &[&str]) -> Verdict {
    let trial = Trial::of(stage, "ADD")?;
    names.iter().try_for_each(|name| trial.refused(&trial.call().ifname(name), &[]).map(drop))
}

/// A whole life with each of these IDs.
fn good_ids(stage: &Stage, ids: &[&str]) -> Verdict {
    let container = stage.container("c");
    ids.iter().try_for_each(|id| life(&container.at.clone().container(id)))
}

fn life(at: &Attachment) -> Verdict {
    let result = at.add().result()?;
    at.with_prev(&result).del().silence()
}

/// A plugin that works on an interface of others needs one of this name.
fn good_ifnames(stage: &Stage, names: &[&str]) -> Verdict {
    if stage.subject.facts.kind == Some(Kind::Chained) {
        return Err(Stop::skip("works on an interface that is there"));
    }
    let container = stage.container("c");
    let ns = &container.ns;
    for name in names {
        let at = stage.another(&container, name);
        let output = at.add();
        output.result()?;
        if stage.subject.facts.kind == Some(Kind::Interface) {
            let links = ns.json("ip -j link");
            let there = links.as_array().into_iter().flatten().any(|link| link["ifname"] == *name);
            output.demand(there, &format!("an interface {name:?} in the container"))?;
        }
        at.del().silence()?;
    }
    Ok(())
}

/// ADD and DEL of `own` change nothing for `other`.
fn separate(stage: &Stage, other: &Attachment, own: &Attachment) -> Verdict {
    life(own)?;
    let result = other.add().result()?;
    let alone = stage.snapshot();
    own.add().result()?;
    own.del().silence()?;
    same(&alone, &stage.snapshot(), "DEL of one attachment leaves all of the other")?;
    other.with_prev(&result).del().silence()
}

fn two_interfaces(stage: &Stage) -> Verdict {
    if !matches!(stage.subject.facts.kind, Some(Kind::Interface | Kind::Ipam)) {
        return Err(Stop::skip("works on the interfaces that are there"));
    }
    let container = stage.container("c");
    let second = stage.second(&container, "eth1");
    separate(stage, &container.at, &second)
}
