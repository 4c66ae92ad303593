//! Finds out what kind of plugin it is: asks for its versions, and tries its configuration.

use crate::case::{Failure, Stop};
use crate::demand::Demands;
use crate::stage::{Container, Stage};
use crate::subject::{Facts, Kind, Subject};
use serde_json::Value;

/// What asking and trying shows.
pub fn facts(subject: Subject) -> Facts {
    let mut stage = Stage::enter(subject);
    let versions = versions(&stage);
    stage.subject.facts.versions.clone_from(&versions);
    if stage.subject.config.is_none() {
        return Facts { versions, ..Facts::default() };
    }
    match kind(&mut stage) {
        Ok(kind) => Facts { versions, kind: Some(kind), ..Facts::default() },
        Err(refusal) => Facts { versions, refusal: Some(refusal), ..Facts::default() },
    }
}

fn versions(stage: &Stage) -> Vec<String> {
    let answer = stage.plugin().command("VERSION").stdin(r#"{"cniVersion":"1.1.0"}"#).run().result();
    let listed = answer.ok().and_then(|answer| answer["supportedVersions"].as_array().cloned()).unwrap_or_default();
    listed.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// As it is first, then behind another plugin.
fn kind(stage: &mut Stage) -> Result<Kind, String> {
    let has_prev = stage.subject.config.as_ref().is_some_and(|config| config.get("prevResult").is_some());
    let alone = stage.container("alone");
    let refusal = match alone.at.add().result() {
        Ok(_) if has_prev => return Ok(Kind::Chained),
        Ok(result) => return Ok(of_result(stage, &alone, &result)),
        Err(refusal) => refusal,
    };
    stage.subject.facts.kind = Some(Kind::Chained);
    let chained = stage.container("chained");
    match chained.at.add().result() {
        Ok(_) if !has_prev => Ok(Kind::Chained),
        _ => Err(told(&refusal)),
    }
}

fn of_result(stage: &Stage, container: &Container, result: &Value) -> Kind {
    let links = container.ns.json("ip -j link");
    let is_there = links.as_array().into_iter().flatten().any(|link| link["ifname"] == "eth0");
    let created = is_there && stage.container_bridge().is_none();
    let has = |key: &str| result[key].as_array().is_some_and(|list| !list.is_empty());
    let addresses = has("ips") || result["ip4"].is_object() || result["ip6"].is_object();
    let delegated = stage.subject.delegate().is_some();
    if created {
        Kind::Interface
    } else if addresses && !has("interfaces") && !delegated {
        Kind::Ipam
    } else {
        Kind::Other
    }
}

fn told(refusal: &Stop) -> String {
    match refusal {
        Stop::Fail(failure) => shown(failure),
        Stop::Skip { reason } => reason.clone(),
    }
}

/// The error object, or whatever there was in its place.
fn shown(failure: &Failure) -> String {
    failure.call.as_ref().map_or_else(
        || failure.found.clone(),
        |call| format!("{}: {} {}", call.status, call.stdout.trim(), call.stderr.trim()),
    )
}
