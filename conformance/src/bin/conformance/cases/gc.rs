//! GC: what is not valid goes, the rest stays.

pub mod delegating;
pub mod list;

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, collected, same};
use crate::life;
use crate::stage::{Container, Stage};
use serde_json::{Value, json};
use testkit::{Attachment, Output, Plugin, Snapshot};

const CONFIG: Needs = Needs::Config;

/// The key of the list, and the one that the first text of 1.1.0 had.
const KEY: &str = "cni.dev/valid-attachments";

const OLD_KEY: &str = "cni.dev/attachments";

pub const CASES: &[Case] = &[
    Case::once("gc::virgin", "3.29a 3.33a", CONFIG, "GC on a host without any attachment makes nothing", virgin),
    Case::once("gc::variables", "3.33b", CONFIG, "GC works with CNI_COMMAND and CNI_PATH only", variables),
    Case::once(
        "gc::empty_variables",
        "3.33b",
        CONFIG,
        "GC works with its other variables empty, as libcni sends them",
        empty_variables,
    ),
    Case::once(
        "gc::unlisted",
        "3.29a",
        CONFIG,
        "what is left of an attachment that is not listed goes, others stay",
        unlisted,
    ),
    Case::once("gc::netns_gone", "3.29d", CONFIG, "what is left of containers that are gone goes", netns_gone),
    Case::once(
        "gc::other_ifname",
        "3.29a",
        CONFIG,
        "another interface of a listed container goes if it is not listed",
        other_ifname,
    ),
    Case::once("gc::other_network", "3.29c", CONFIG, "attachments of other networks stay", other_network),
    Case::once(
        "gc::similar_ids",
        "3.29b 3.29a",
        CONFIG,
        "container IDs that begin alike are not mixed up",
        similar_ids,
    ),
    Case::once("gc::twice", "3.33a", CONFIG, "a second GC has nothing to do and succeeds", twice),
    Case::once("gc::then_del", "3.29a 3.15b", CONFIG, "DEL of what GC has removed succeeds", then_del),
    Case::once("gc::then_add", "3.29a", CONFIG, "what GC has removed can be added again", then_add),
];

fn entry(id: &str, ifname: &str) -> Value {
    json!({ "containerID": id, "ifname": ifname })
}

/// A GC of the network of this attachment, with these keys. Runtimes send neither `prevResult` nor `runtimeConfig`.
fn call(at: &Attachment, keys: &[(&str, Value)]) -> Plugin {
    let mut conf = at.conf().clone();
    if let Some(fields) = conf.as_object_mut() {
        fields.retain(|key, _| !["prevResult", "runtimeConfig"].contains(&key.as_str()));
    }
    for (key, value) in keys {
        conf[*key] = value.clone();
    }
    at.call("GC").stdin(&conf)
}

/// A GC that keeps these.
fn collect(at: &Attachment, valid: &[Value]) -> Output {
    call(at, &[(KEY, valid.into())]).run()
}

/// A container that is attached, and its attachment with the result.
fn attached(stage: &Stage, id: &str) -> Result<(Container, Attachment), Stop> {
    let container = stage.container(id);
    let at = container.at.with_prev(&container.at.add().result()?);
    Ok((container, at))
}

/// Attaches containers and lets them vanish without DEL; the last one's attachment. Skips the case if nothing is left of
/// them, which is when the host is as it was before.
fn garbage(stage: &Stage, before: &Snapshot, ids: &[&str]) -> Result<Attachment, Stop> {
    let mut last = Err(Stop::skip("no container"));
    for id in ids {
        let (container, at) = attached(stage, id)?;
        container.ns.remove();
        last = Ok(at);
    }
    life::links_go(stage, before);
    if stage.snapshot() == *before {
        return Err(Stop::skip("leaves nothing behind that GC could remove"));
    }
    last
}

fn virgin(stage: &Stage) -> Verdict {
    let container = stage.container("none");
    let before = stage.snapshot();
    collect(&container.at, &[]).silence()?;
    same(&before, &stage.snapshot(), "a GC that makes nothing")
}

fn variables(stage: &Stage) -> Verdict {
    let call = call(&stage.container("none").at, &[(KEY, json!([]))]);
    let bare = ["CNI_CONTAINERID", "CNI_NETNS", "CNI_IFNAME", "CNI_ARGS"];
    bare.iter().fold(call, Plugin::env_remove).run().silence()
}

fn empty_variables(stage: &Stage) -> Verdict {
    let call = call(&stage.container("none").at, &[(KEY, json!([]))]);
    call.container("").netns("").ifname("").args("").run().silence()
}

/// One is listed and stays, of the others nothing is left.
fn one_stays(stage: &Stage, stays: &str, go: &[&str], keys: &[&str]) -> Verdict {
    stage.warm_snapshot()?;
    let (container, at) = attached(stage, stays)?;
    let (before, inside) = (stage.snapshot(), container.ns.snapshot());
    let _ = garbage(stage, &before, go)?;
    let keys: Vec<_> = keys.iter().map(|key| (*key, json!([entry(stays, "eth0")]))).collect();
    call(&at, &keys).run().silence()?;
    same(&before, &stage.snapshot(), "a GC that removes what is left of the others, and nothing of the one listed")?;
    same(&inside, &container.ns.snapshot(), "a GC that leaves the container of a listed attachment alone")?;
    at.check().silence()
}

fn unlisted(stage: &Stage) -> Verdict {
    one_stays(stage, "staying", &["gone"], &[KEY])
}

fn netns_gone(stage: &Stage) -> Verdict {
    one_stays(stage, "staying", &["gone1", "gone2", "gone3"], &[KEY])
}

fn similar_ids(stage: &Stage) -> Verdict {
    one_stays(stage, "ab", &["a", "abc", "ab-eth0"], &[KEY])
}

fn other_ifname(stage: &Stage) -> Verdict {
    stage.warm_snapshot()?;
    let (_container, at) = attached(stage, "several")?;
    let before = stage.snapshot();
    // In a namespace of its own, so that it can vanish.
    let second = stage.container("elsewhere");
    let second = Container { at: stage.another(&second, "eth1").container("several"), ns: second.ns };
    let added = second.at.add();
    if !added.status.success() && stage.subject.lacks(Needs::Chained).is_none() {
        return Err(Stop::skip("wants an interface of that name"));
    }
    added.result()?;
    second.ns.remove();
    life::links_go(stage, &before);
    collect(&at, &[entry("several", "eth0")]).silence()?;
    same(&before, &stage.snapshot(), "a GC that tells the interfaces of a container apart")?;
    at.check().silence()
}

fn other_network(stage: &Stage) -> Verdict {
    stage.warm_snapshot()?;
    let container = stage.container("other");
    let other = container.at.with_key("name", json!("another"));
    let other = other.with_prev(&other.add().result()?);
    let before = stage.snapshot();
    let at = garbage(stage, &before, &["gone"])?;
    collect(&at, &[]).silence()?;
    same(&before, &stage.snapshot(), "a GC that leaves the attachments of other networks alone")?;
    other.check().silence()
}

fn twice(stage: &Stage) -> Verdict {
    let at = garbage(stage, &stage.warm_snapshot()?, &["gone"])?;
    collect(&at, &[]).silence()?;
    let before = stage.snapshot();
    collect(&at, &[]).silence()?;
    same(&before, &stage.snapshot(), "a second GC that does nothing")
}

fn then_del(stage: &Stage) -> Verdict {
    let first = stage.snapshot();
    let before = stage.warm_snapshot()?;
    let at = garbage(stage, &before, &["gone"])?;
    collect(&at, &[]).silence()?;
    at.del().silence()?;
    collected(&first, &before, &stage.snapshot(), "a DEL behind GC that leaves nothing behind")
}

fn then_add(stage: &Stage) -> Verdict {
    let at = garbage(stage, &stage.warm_snapshot()?, &["again"])?;
    collect(&at, &[]).silence()?;
    let (_container, at) = attached(stage, "again")?;
    at.check().silence()
}
