//! Results of another version than the configuration's.

use super::{hands_on, kept, prev_of};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::layout;
use crate::stage::{Container, Stage};
use crate::told::{cidr, items, text};
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::each_version(
        "prev_without_version",
        "3.61a",
        Needs::Chained,
        "a `prevResult` without `cniVersion` is of the configuration's",
        without_version,
    )
    .from("0.3.0"),
    Case::each_version(
        "prev_of_same_layout",
        "3.61b 3.59a",
        Needs::Chained,
        "a `prevResult` of another version with the same layout is accepted",
        same_layout,
    )
    .from("0.3.0"),
    Case::each_version(
        "prev_of_other_layout",
        "3.61c 3.56 3.57a 3.57b 3.55a",
        Needs::Chained,
        "a `prevResult` of a version with another layout is converted or refused",
        other_layout,
    )
    .from("0.3.0"),
];

/// Versions with one layout.
const LAYOUTS: [&[&str]; 3] = [&["0.1.0", "0.2.0"], &["0.3.0", "0.3.1", "0.4.0"], &["1.0.0", "1.1.0"]];

fn without_version(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let mut prev = prev_of(&container);
    if let Some(keys) = prev.as_object_mut() {
        keys.retain(|key, _| key != "cniVersion");
    }
    hands_on(&container, &prev)
}

fn same_layout(stage: &Stage, version: &'static str) -> Verdict {
    let layout = LAYOUTS.iter().find(|layout| layout.contains(&version)).copied().unwrap_or_default();
    let others: Vec<_> = layout.iter().filter(|other| **other != version && stage.subject.lists(other)).collect();
    if others.is_empty() {
        return Err(Stop::skip(format!("lists no other version with the layout of {version}")));
    }
    for other in others {
        let container = stage.container_at(&format!("c{}", other.replace('.', "-")), version);
        // Only what both versions have.
        let mut prev = layout::convert(&prev_of(&container), version.min(other));
        prev["cniVersion"] = json!(other);
        hands_on(&container, &prev)?;
    }
    Ok(())
}

fn other_layout(stage: &Stage, version: &'static str) -> Verdict {
    let others = LAYOUTS.iter().filter(|layout| !layout.contains(&version)).filter_map(|layout| layout.last());
    let others: Vec<_> = others.filter(|other| stage.subject.lists(other)).collect();
    if others.is_empty() {
        return Err(Stop::skip("lists no version with another layout"));
    }
    for other in others {
        let container = stage.container_at(&format!("c{}", other.replace('.', "-")), version);
        let prev = layout::convert(&newest(&container), other);
        let output = container.at.with_prev(&prev).add();
        if !output.status.success() {
            output.error()?;
            continue;
        }
        let result = output.result()?;
        // What the older of the two versions has.
        let common = if version < *other { layout::convert(&newest(&container), version) } else { prev };
        kept(&container, &common, &output)?;
        output.demand(result["cniVersion"] == version, &format!("{version} as `cniVersion`"))?;
        let right = items(&result["ips"]).iter().all(|ip| is_of(ip, version));
        output.demand(right, "`version` in each address until 0.4.0, and not later")?;
        let newer = version < "1.0.0" && items(&result["interfaces"]).iter().any(|link| link.get("mtu").is_some());
        output.demand(!newer, "no `mtu` of an interface before 1.0.0")?;
    }
    Ok(())
}

/// The container's `prevResult`, of 0.3.0 or later, in the layout of 1.1.0, with an MTU.
fn newest(container: &Container) -> Value {
    let mut prev = prev_of(container);
    for ip in prev["ips"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        ip.retain(|key, _| key != "version");
    }
    for link in prev["interfaces"].as_array_mut().into_iter().flatten() {
        link["mtu"] = json!(1500);
    }
    prev
}

fn is_of(ip: &Value, version: &str) -> bool {
    let family = cidr(text(&ip["address"])).map(|(ip, _)| if ip.is_ipv4() { "4" } else { "6" });
    if version < "1.0.0" { ip["version"].as_str() == family } else { ip.get("version").is_none() }
}
