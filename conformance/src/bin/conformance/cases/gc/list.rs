//! The list of what is valid, in all its forms.

use super::{CONFIG, KEY, OLD_KEY, attached, call, collect, entry, garbage, one_stays};
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, collected, same};
use crate::stage::Stage;
use serde_json::{Value, json};
use testkit::Output;

pub const CASES: &[Case] = &[
    Case::once("gc::empty_list", "3.30a", CONFIG, "an empty list: what is left of every attachment goes", empty_list),
    Case::once(
        "gc::null_list",
        "3.30b",
        CONFIG,
        "null instead of the list: what is left of every attachment goes",
        null_list,
    ),
    Case::once("gc::absent_list", "3.30c", CONFIG, "no list: nothing goes", absent_list),
    Case::once(
        "gc::absent_list_garbage",
        "3.30c",
        CONFIG,
        "no list: not even what is left of gone namespaces goes",
        absent_list_garbage,
    ),
    Case::once(
        "gc::listed",
        "3.29b 3.33a",
        CONFIG,
        "attachments that are listed stay, and CHECK finds them well",
        listed,
    ),
    Case::once("gc::old_key", "C.14", CONFIG, "the list is taken from `cni.dev/attachments`, too", old_key),
    Case::once(
        "gc::old_key_empty",
        "C.14",
        CONFIG,
        "an empty list in `cni.dev/attachments` counts, too",
        old_key_empty,
    ),
    Case::once(
        "gc::both_keys",
        "3.29a 3.29b",
        CONFIG,
        "the list under both keys, as libcni sends it, is one list",
        both_keys,
    ),
    Case::once(
        "gc::strangers",
        "3.29b",
        CONFIG,
        "entries of attachments that the plugin does not know do no harm",
        strangers,
    ),
    Case::once("gc::duplicates", "3.29b", CONFIG, "an entry that is there twice does no harm", duplicates),
    Case::once(
        "gc::odd_entries",
        "3.29b",
        CONFIG,
        "listed attachments stay, whatever else is in the list",
        odd_entries,
    ),
    Case::once("gc::wrong_type", "2.15e 3.30c", CONFIG, "a list that is none is refused, and nothing goes", wrong_type),
];

/// Everything goes, with the list as this.
fn all_goes(stage: &Stage, keys: &[(&str, Value)]) -> Verdict {
    let first = stage.snapshot();
    let before = stage.warm_snapshot()?;
    let at = garbage(stage, &before, &["one", "two"])?;
    call(&at, keys).run().silence()?;
    collected(&first, &before, &stage.snapshot(), "a GC that leaves nothing of attachments that are not listed")
}

fn empty_list(stage: &Stage) -> Verdict {
    all_goes(stage, &[(KEY, json!([]))])
}

fn null_list(stage: &Stage) -> Verdict {
    all_goes(stage, &[(KEY, json!(null))])
}

fn old_key_empty(stage: &Stage) -> Verdict {
    all_goes(stage, &[(OLD_KEY, json!([]))])
}

fn absent_list(stage: &Stage) -> Verdict {
    let (container, at) = attached(stage, "attached")?;
    let (before, inside) = (stage.snapshot(), container.ns.snapshot());
    nothing_or_code_7(&call(&at, &[]).run())?;
    same(&before, &stage.snapshot(), "a GC without a list, which removes nothing")?;
    same(&inside, &container.ns.snapshot(), "a GC without a list, which removes nothing from the container")?;
    at.check().silence()
}

fn absent_list_garbage(stage: &Stage) -> Verdict {
    let at = garbage(stage, &stage.warm_snapshot()?, &["gone"])?;
    let before = stage.snapshot();
    nothing_or_code_7(&call(&at, &[]).run())?;
    same(&before, &stage.snapshot(), "a GC without a list, which removes nothing")
}

fn nothing_or_code_7(output: &Output) -> Verdict {
    if output.status.success() { output.silence() } else { output.error_code(7).map(drop) }
}

/// Attaches two, and demands that GC with this list does nothing to them; the GC.
fn all_stays(stage: &Stage, list: &[Value]) -> Result<Output, Stop> {
    stage.warm_snapshot()?;
    let all = [attached(stage, "one")?, attached(stage, "two")?];
    let before = stage.snapshot();
    let inside: Vec<_> = all.iter().map(|(container, _)| container.ns.snapshot()).collect();
    let [(_, at), _] = &all;
    let output = collect(at, list);
    output.demand(output.status.code().is_some(), "an exit by itself, not by a signal")?;
    same(&before, &stage.snapshot(), "a GC that takes nothing from attachments that are listed")?;
    for ((container, at), inside) in all.iter().zip(&inside) {
        same(inside, &container.ns.snapshot(), "a GC that leaves the containers of listed attachments alone")?;
        at.check().silence()?;
    }
    Ok(output)
}

fn listed(stage: &Stage) -> Verdict {
    all_stays(stage, &[entry("one", "eth0"), entry("two", "eth0")])?.silence()
}

fn strangers(stage: &Stage) -> Verdict {
    let long = "x".repeat(300);
    let strangers = [entry("three", "eth0"), entry("one", "eth7"), entry(&long, "eth0")];
    all_stays(stage, &[&strangers[..], &[entry("two", "eth0"), entry("one", "eth0")]].concat())?.silence()
}

fn duplicates(stage: &Stage) -> Verdict {
    all_stays(stage, &[entry("one", "eth0"), entry("two", "eth0"), entry("one", "eth0"), entry("two", "eth0")])?
        .silence()
}

/// Some of these are refused by a careful plugin, which is as well.
fn odd_entries(stage: &Stage) -> Verdict {
    let odd = [json!(null), json!({}), json!({ "containerID": "one" }), json!({ "ifname": "eth0" }), entry("", "")];
    let more = json!({ "containerID": "one", "ifname": "eth0", "netns": "/run/netns/one", "conformance": [] });
    all_stays(stage, &[&odd[..], &[more, entry("two", "eth0")]].concat()).map(drop)
}

fn wrong_type(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    stage.warm_snapshot()?;
    let (_container, at) = attached(stage, "attached")?;
    let before = stage.snapshot();
    for list in [json!("attached"), json!(7), json!(true), entry("attached", "eth0"), json!([7]), json!(["attached"])] {
        call(&at, &[(KEY, list.clone())]).run().error()?;
        same(&before, &stage.snapshot(), &format!("a GC that removes nothing because of the list {list}"))?;
    }
    at.check().silence()
}

fn old_key(stage: &Stage) -> Verdict {
    one_stays(stage, "staying", &["gone"], &[OLD_KEY])
}

fn both_keys(stage: &Stage) -> Verdict {
    one_stays(stage, "staying", &["gone"], &[OLD_KEY, KEY])
}
