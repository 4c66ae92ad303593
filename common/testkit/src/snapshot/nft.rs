//! The rule set: `nf_tables`, and what iptables keeps there or elsewhere.

use super::kernel::{json, tool};
use serde_json::Value;
use std::fs;

/// What prints the rules of iptables that are kept in `nf_tables`, with their matches' details, which nft does not know;
/// and the family in which they are.
const IPTABLES_NFT: [(&str, &str); 2] = [("iptables-nft-save", "ip"), ("ip6tables-nft-save", "ip6")];

/// The tables of iptables. Only they make their programs print anything.
const IPTABLES: [&str; 5] = ["filter", "nat", "mangle", "raw", "security"];

/// What prints the rules of iptables that are kept elsewhere, and where the kernel names their tables.
const IPTABLES_LEGACY: [(&str, &str); 2] =
    [("iptables-legacy-save", "ip_tables_names"), ("ip6tables-legacy-save", "ip6_tables_names")];

/// What traffic, time and the order of creation decide.
const VOLATILE: [&str; 4] = ["handle", "packets", "bytes", "expires"];

/// All tables, chains, rules, sets, maps and their elements.
///
/// Sorted, but for the rules of a chain, whose order means something.
pub(super) fn lines() -> Vec<String> {
    let objects = json("nft", &["-j", "list", "ruleset"]);
    let mut lines: Vec<String> = Vec::new();
    for object in objects["nftables"].as_array().into_iter().flatten() {
        for (kind, object) in object.as_object().into_iter().flatten().filter(|(kind, _)| *kind != "metainfo") {
            lines.extend(describe(kind, object.clone()));
        }
    }
    lines.sort_by_key(|line| place(line));
    // Programs that would print nothing are not started.
    let kept = |family: &str| {
        let mut tables = objects["nftables"].as_array().into_iter().flatten().map(|object| &object["table"]);
        tables.any(|table| table["family"] == family && IPTABLES.iter().any(|name| table["name"] == *name))
    };
    let nft = IPTABLES_NFT.into_iter().filter(|(_, family)| kept(family));
    let legacy = IPTABLES_LEGACY
        .into_iter()
        .filter(|(_, names)| fs::read(format!("/proc/thread-self/net/{names}")).is_ok_and(|names| !names.is_empty()));
    lines.extend(nft.chain(legacy).flat_map(|(program, _)| iptables_lines(program)));
    lines
}

/// The object's line, then one for each of its elements.
fn describe(kind: &str, mut object: Value) -> Vec<String> {
    remove_volatile(&mut object);
    let mut take = |key: &str| object.as_object_mut().and_then(|fields| fields.shift_remove(key));
    let elements = take("elem");
    let owner = ["family", "table", "chain", "name"].iter().filter_map(|key| take(key)).collect::<Vec<_>>();
    let owner = owner.iter().map(|name| name.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" ");
    let line = |kind: &str, text: &Value| format!("nft {kind} {owner} {text}");
    let mut lines = vec![line(kind, &object)];
    lines.extend(elements.iter().filter_map(Value::as_array).flatten().map(|element| line("element", element)));
    lines
}

/// A sort key: all of a line, but of a rule only the chain.
fn place(line: &str) -> String {
    if line.starts_with("nft rule ") { line.split(" {").next().unwrap_or(line) } else { line }.to_owned()
}

fn remove_volatile(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            fields.values_mut().for_each(remove_volatile);
        }
        Value::Array(items) => items.iter_mut().for_each(remove_volatile),
        _ => {}
    }
}

/// Nothing if it is not installed.
fn iptables_lines(program: &str) -> Vec<String> {
    let Ok(saved) = tool(program, &[]) else {
        return Vec::new();
    };
    // Comments hold the time.
    let kept = saved.lines().filter(|line| !line.starts_with('#'));
    kept.map(|line| format!("{program} {}", without_counters(line))).collect()
}

/// A chain is shown as `:NAME POLICY [packets:bytes]`.
fn without_counters(line: &str) -> &str {
    if line.starts_with(':') { line.split(" [").next().unwrap_or(line) } else { line }
}
