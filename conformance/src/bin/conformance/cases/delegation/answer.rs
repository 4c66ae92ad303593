//! What the delegate may answer, and what becomes of it.

use super::DELEGATING;
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, demand};
use crate::layout;
use crate::recorder::{Delegated, Recorder};
use crate::stage::Stage;
use crate::stub::Answer;
use serde_json::{Value, json};
use std::time::Duration;

pub const CASES: &[Case] = &[
    Case::once(
        "delegation::addresses",
        "1.23a 3.9a",
        DELEGATING,
        "the delegate's addresses are in the result and on the interface",
        addresses,
    ),
    Case::once(
        "delegation::order",
        "C.21",
        DELEGATING,
        "several addresses of each family stay in the delegate's order",
        order,
    ),
    Case::once(
        "delegation::routes",
        "3.9b",
        DELEGATING,
        "the delegate's routes, with and without gateway, are in the result and the namespace",
        routes,
    ),
    Case::once("delegation::no_routes", "4.8d", DELEGATING, "an answer with addresses only is enough", no_routes),
    Case::once("delegation::nulls", "4.8d", DELEGATING, "`null` in an answer is the same as absence", nulls),
    Case::once(
        "delegation::indexed",
        "3.8b 3.8a",
        DELEGATING,
        "a delegate's own `interfaces` do not lead to wrong indexes",
        indexed,
    ),
    Case::once(
        "delegation::dns",
        "1.25c",
        DELEGATING,
        "the delegate's DNS is in the result if the configuration has none",
        dns,
    ),
    Case::once(
        "delegation::dns_of_conf",
        "1.25b",
        DELEGATING,
        "the DNS of the configuration goes before the delegate's",
        dns_of_conf,
    ),
    Case::once(
        "delegation::unknown_keys",
        "4.14",
        DELEGATING,
        "keys of an answer that the plugin does not know do no harm",
        unknown_keys,
    ),
    Case::once(
        "delegation::no_version",
        "4.14",
        DELEGATING,
        "an answer without cniVersion is one in that of the request",
        no_version,
    ),
    Case::once(
        "delegation::answer_0_2_0",
        "4.14 3.55a 3.55b",
        DELEGATING,
        "an answer of 0.2.0 is converted",
        answer_0_2_0,
    ),
    Case::once(
        "delegation::answer_0_2_0_dns",
        "3.55c",
        DELEGATING,
        "the DNS of an answer of 0.2.0 is in the result",
        old_dns,
    ),
    Case::once("delegation::answer_0_4_0", "4.14 3.56", DELEGATING, "an answer of 0.4.0 is converted", answer_0_4_0),
    Case::once("delegation::answer_1_0_0", "4.14 3.59a", DELEGATING, "an answer of 1.0.0 is converted", answer_1_0_0),
    Case::each_version(
        "newer_answer",
        "4.14",
        DELEGATING,
        "an answer of 1.0.0 is converted to the version of the request",
        newer_answer,
    ),
    Case::once("delegation::slow", "1.23a", DELEGATING, "a delegate that takes its time is waited for", slow),
];

/// The result of an ADD to which the delegate has answered this, in the layout of 1.1.0.
fn result_of(stage: &Stage, answer: &Value) -> Result<(Delegated, Value), Stop> {
    stage.since("0.3.0")?;
    let scene = Recorder::new(stage).container("answered");
    scene.answer(layout::convert(answer, stage.version()));
    let result = scene.call("ADD").run().result()?;
    Ok((scene, result))
}

/// Answered as it is, in whatever version.
fn result_of_raw(stage: &Stage, answer: Value) -> Result<Value, Stop> {
    stage.since("0.3.0")?;
    let scene = Recorder::new(stage).container("answered");
    scene.answer(answer);
    scene.call("ADD").run().result()
}

fn texts<'a>(list: &'a Value, key: &str) -> Vec<&'a str> {
    list.as_array().into_iter().flatten().filter_map(|item| item[key].as_str()).collect()
}

fn addresses(stage: &Stage) -> Verdict {
    let answer = json!({ "ips": [
        { "address": "10.203.0.9/16", "gateway": "10.203.0.1" },
        { "address": "fd00:cb::9/64", "gateway": "fd00:cb::1" }
    ] });
    let (scene, result) = result_of(stage, &answer)?;
    let found = texts(&result["ips"], "address");
    demand(
        found == ["10.203.0.9/16", "fd00:cb::9/64"],
        "the delegate's addresses in the result",
        format!("{found:?}"),
    )?;
    let shown = scene.ns.sh("ip -o addr show dev eth0");
    let there = ["10.203.0.9/16", "fd00:cb::9/64"].iter().all(|address| shown.contains(address));
    demand(there, "the delegate's addresses on the interface", shown)
}

fn order(stage: &Stage) -> Verdict {
    let wanted = ["10.203.0.9/16", "fd00:cb::9/64", "10.203.0.5/16", "fd00:cb::5/64"];
    let ips: Vec<_> = wanted
        .iter()
        .map(|address| json!({ "address": address, "gateway": if address.contains(':') { "fd00:cb::1" } else { "10.203.0.1" } }))
        .collect();
    let (_, result) = result_of(stage, &json!({ "ips": ips }))?;
    let found = texts(&result["ips"], "address");
    demand(found == wanted, &format!("the addresses {wanted:?}"), format!("{found:?}"))
}

fn routes(stage: &Stage) -> Verdict {
    let wanted = ["0.0.0.0/0", "192.0.2.0/24", "198.51.100.0/24"];
    let answer = json!({
        "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1" }],
        "routes": [{ "dst": wanted[0] }, { "dst": wanted[1], "gw": "10.203.0.1" }, { "dst": wanted[2], "gw": "10.203.0.7" }]
    });
    let (scene, result) = result_of(stage, &answer)?;
    let told = texts(&result["routes"], "dst");
    let expected = format!("routes to {wanted:?} in the result");
    demand(wanted.iter().all(|dst| told.contains(dst)), &expected, result["routes"].to_string())?;
    let kernel = scene.ns.sh("ip route");
    let there = ["default via 10.203.0.1", "192.0.2.0/24 via 10.203.0.1", "198.51.100.0/24 via 10.203.0.7"];
    demand(there.iter().all(|route| kernel.contains(route)), &format!("the routes {there:?} in the namespace"), kernel)
}

fn no_routes(stage: &Stage) -> Verdict {
    accepted(stage, &json!({ "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1" }] }))
}

fn nulls(stage: &Stage) -> Verdict {
    let answer = json!({
        "interfaces": null,
        "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1" }],
        "routes": null,
        "dns": { "nameservers": null, "domain": "", "search": null, "options": null }
    });
    accepted(stage, &answer)
}

/// A result with the one address that the answer has.
fn accepted(stage: &Stage, answer: &Value) -> Verdict {
    let (_, result) = result_of(stage, answer)?;
    has_address(&result)
}

fn has_address(result: &Value) -> Verdict {
    let found = texts(&result["ips"], "address");
    demand(found == ["10.203.0.9/16"], "the delegate's address 10.203.0.9/16 in the result", result.to_string())
}

/// A plugin may refuse such an answer, too.
fn indexed(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let recorder = Recorder::new(stage);
    recorder.creates_interface()?;
    let scene = recorder.container("indexed");
    let answer = json!({
        "interfaces": [{ "name": "conformance" }],
        "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1", "interface": 7 }]
    });
    scene.answer(layout::convert(&answer, stage.version()));
    let output = scene.call("ADD").run();
    if !output.status.success() {
        output.error()?;
        return recorder.holds_nothing();
    }
    let result = output.result()?;
    let index = result["ips"][0]["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
    let link = index.and_then(|index| result["interfaces"].get(index));
    let right = link.is_some_and(|link| link["name"] == "eth0" && link["sandbox"].is_string());
    output.demand(right, "an address with the index of the container's interface")
}

const DNS: [&str; 2] = ["10.203.0.53", "10.203.0.54"];

fn dns(stage: &Stage) -> Verdict {
    let found = dns_with(stage, json!({}))?;
    let wanted = json!({ "nameservers": [DNS[0]], "search": ["b.test", "a.test"], "options": ["ndots:5"] });
    let kept = ["nameservers", "search", "options"].iter().all(|key| found[*key] == wanted[*key]);
    demand(kept, &format!("the delegate's DNS in the result: {wanted}"), found.to_string())
}

fn dns_of_conf(stage: &Stage) -> Verdict {
    let found = dns_with(stage, json!({ "nameservers": [DNS[1]] }))?;
    let expected = format!("the name server of the configuration, {}, before that of the delegate", DNS[1]);
    demand(found["nameservers"][0] == DNS[1], &expected, found.to_string())
}

/// The `dns` of the result of an ADD with this `dns` in the configuration.
fn dns_with(stage: &Stage, conf: Value) -> Result<Value, Stop> {
    stage.since("0.3.0")?;
    let mut scene = Recorder::new(stage).container("named");
    scene.at = scene.at.with_key("dns", conf);
    scene.lease["dns"] = json!({ "nameservers": [DNS[0]], "search": ["b.test", "a.test"], "options": ["ndots:5"] });
    Ok(scene.add().result()?["dns"].clone())
}

fn unknown_keys(stage: &Stage) -> Verdict {
    let answer = json!({
        "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1", "conformance": [{}] }],
        "routes": [{ "dst": "0.0.0.0/0", "conformance": { "a": null } }],
        "dns": { "conformance": 1.5 },
        "conformance": "unknown"
    });
    accepted(stage, &answer)
}

fn no_version(stage: &Stage) -> Verdict {
    let mut answer = layout::convert(&one_address(), stage.version());
    if let Some(fields) = answer.as_object_mut() {
        fields.remove("cniVersion");
    }
    has_address(&result_of_raw(stage, answer)?)
}

/// An answer in the layout of 1.1.0.
fn one_address() -> Value {
    json!({
        "ips": [{ "address": "10.203.0.9/16", "gateway": "10.203.0.1" }],
        "routes": [{ "dst": "192.0.2.0/24", "gw": "10.203.0.1" }],
        "dns": { "nameservers": [DNS[0]] }
    })
}

fn answer_0_2_0(stage: &Stage) -> Verdict {
    older(stage, "0.2.0")
}

fn answer_0_4_0(stage: &Stage) -> Verdict {
    stage.since("0.4.0")?;
    older(stage, "0.4.0")
}

fn answer_1_0_0(stage: &Stage) -> Verdict {
    stage.since("1.0.0")?;
    older(stage, "1.0.0")
}

/// All of an answer is in the result, in the layout of the newest version.
fn older(stage: &Stage, version: &str) -> Verdict {
    let result = result_of_raw(stage, layout::convert(&one_address(), version))?;
    has_address(&result)?;
    let same_version = result["cniVersion"] == stage.version();
    demand(same_version, &format!("a result of version {}", stage.version()), result.to_string())?;
    let gateway = &result["ips"][0]["gateway"];
    demand(gateway == "10.203.0.1", "the gateway 10.203.0.1 in the result", result.to_string())?;
    let route = texts(&result["routes"], "dst").contains(&"192.0.2.0/24");
    demand(route, "a route to 192.0.2.0/24 in the result", result.to_string())
}

fn old_dns(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let mut scene = Recorder::new(stage).container("answered");
    scene.at = scene.at.with_key("dns", json!({}));
    scene.answer(layout::convert(&one_address(), "0.2.0"));
    let result = scene.call("ADD").run().result()?;
    demand(result["dns"]["nameservers"] == json!([DNS[0]]), "the delegate's DNS in the result", result.to_string())
}

fn newer_answer(stage: &Stage, version: &'static str) -> Verdict {
    let scene = Recorder::new(stage).container_at("answered", version);
    scene.answer(layout::convert(&one_address(), "1.0.0"));
    let output = scene.call("ADD").run();
    let result = output.result()?;
    output.demand(result["cniVersion"] == version, &format!("a result of version {version}"))?;
    let ip = if version < "0.3.0" { &result["ip4"]["ip"] } else { &result["ips"][0]["address"] };
    output.demand(ip == "10.203.0.9/16", "the delegate's address 10.203.0.9/16 in the result")
}

fn slow(stage: &Stage) -> Verdict {
    let recorder = Recorder::new(stage);
    let scene = recorder.container("slow");
    let stdout = scene.lease.to_string();
    scene.answer(Answer { stdout, delay: Duration::from_millis(300), ..Answer::default() });
    scene.call("ADD").run().result()?;
    recorder.ran_once("ADD").map(drop)
}
