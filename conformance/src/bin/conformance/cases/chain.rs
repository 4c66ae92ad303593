//! Chains: what becomes of the result of the plugin before.

use crate::case::{Stop, Verdict};
use crate::demand::Demands;
use crate::stage::Container;
use crate::told::Told;
use serde_json::{Value, json};
use testkit::Output;

pub mod kept;
pub mod odd;
pub mod unchained;
pub mod versions;

/// The result that the container's attachment is given.
fn prev_of(container: &Container) -> Value {
    container.at.conf()["prevResult"].clone()
}

/// ADD behind this result, which has to come out again.
fn hands_on(container: &Container, prev: &Value) -> Verdict {
    kept(container, prev, &container.at.with_prev(prev).add())
}

/// ADD behind this result, which has to come out again if it is not refused; whether it came.
fn hands_on_or_refuses(container: &Container, prev: &Value) -> Result<bool, Stop> {
    let output = container.at.with_prev(prev).add();
    if !output.status.success() {
        return output.error().map(|_| false);
    }
    kept(container, prev, &output).map(|()| true)
}

/// Demands a result with everything of `prev` in it.
fn kept(container: &Container, prev: &Value, output: &Output) -> Verdict {
    output.demand_none(
        lost(container, prev, &output.result()?),
        "a result with everything of `prevResult` in its order, but for what the plugin changes",
    )
}

/// What of `prev` is not in the result. A plugin may change hardware address and MTU of the container's interface.
fn lost(container: &Container, prev: &Value, result: &Value) -> String {
    let netns = container.ns.path().display().to_string();
    let [prev, result] = [prev, result].map(|told| Told::of(told).unsettled("eth0", &netns));
    result.lacks(&prev)
}

/// Puts interfaces before the others of a result.
fn put_before(prev: &mut Value, mut links: Vec<Value>) {
    let shift = links.len();
    links.extend(prev["interfaces"].as_array().cloned().unwrap_or_default());
    prev["interfaces"] = links.into();
    for ip in prev["ips"].as_array_mut().into_iter().flatten() {
        if let Some(index) = ip["interface"].as_u64() {
            ip["interface"] = json!(index + shift as u64);
        }
    }
}

/// Adds to a list of a result.
fn push(prev: &mut Value, list: &str, entries: Vec<Value>) {
    let mut all = prev[list].as_array().cloned().unwrap_or_default();
    all.extend(entries);
    prev[list] = all.into();
}
