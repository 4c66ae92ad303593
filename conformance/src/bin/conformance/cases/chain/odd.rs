//! Results that are odd, empty or broken: they do no harm.

use super::{hands_on, hands_on_or_refuses, prev_of, push};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::effect::settled;
use crate::stage::{Container, Stage};
use crate::told::{items, text};
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once("chain::unknown_keys", "3.54", Needs::Chained, "unknown keys in `prevResult` do no harm", unknown_keys),
    Case::once("chain::none", "C.6", Needs::Chained, "ADD without `prevResult` ends in a result or an error", none),
    Case::once("chain::null", "2.15c", Needs::Chained, "`prevResult` null is the same as none", null),
    Case::once(
        "chain::empty",
        "C.6",
        Needs::Chained,
        "ADD with an empty `prevResult` ends in a result or an error",
        empty,
    ),
    Case::once(
        "chain::no_addresses",
        "C.6",
        Needs::Chained,
        "`ips` null, empty or absent: `prevResult` is handed on, or refused",
        no_addresses,
    ),
    Case::once("chain::null_lists", "2.15c", Needs::Chained, "lists that are null are absent lists", null_lists),
    Case::once("chain::empty_gateway", "3.51a", Needs::Chained, "an empty `gateway` or `gw` is none", empty_gateway),
    Case::once(
        "chain::index_out_of_range",
        "3.51b",
        Needs::Chained,
        "an `interface` that is no index is handed on or refused",
        index_out_of_range,
    ),
    Case::once(
        "chain::malformed_address",
        "3.46c",
        Needs::Chained,
        "an address or destination that is not in CIDR notation is refused",
        malformed_address,
    ),
    Case::once(
        "chain::mapped_address",
        "3.46d",
        Needs::Chained,
        "a mapped IPv4 address is one of IPv4",
        mapped_address,
    ),
    Case::once(
        "chain::zeros",
        "3.49c 3.50d",
        Needs::Chained,
        "0 in `mtu`, `advmss` and `priority`, and empty texts, are absent in the result",
        zeros,
    ),
    Case::once("chain::table_0", "3.49d", Needs::Chained, "`table` and `scope` 0 stay in the result", table_0),
    Case::once("chain::mtu_as_text", "3.50e", Needs::Chained, "`mtu` of an interface as text is refused", mtu_as_text),
];

fn unknown_keys(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    let strange = json!({ "deep": [1, null, { "er": "\u{1F600}" }], "big": 12_345_678_901_234_567_890_u64 });
    prev["unknown"] = strange.clone();
    prev["dns"]["unknown"] = strange.clone();
    for list in ["interfaces", "ips", "routes"] {
        for entry in prev[list].as_array_mut().into_iter().flatten() {
            entry["unknown"] = strange.clone();
        }
    }
    hands_on(&container, &prev)
}

/// The configuration without `prevResult`.
fn alone(container: &Container) -> Value {
    let mut conf = container.at.conf().clone();
    if let Some(keys) = conf.as_object_mut() {
        keys.retain(|key, _| key != "prevResult");
    }
    conf
}

fn none(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    settled(&container.at.call("ADD").stdin(alone(&container)).run()).map(drop)
}

fn null(stage: &Stage) -> Verdict {
    let (one, other) = (stage.container("c1"), stage.container("c2"));
    let absent = one.at.call("ADD").stdin(alone(&one)).run();
    let success = settled(&absent)?;
    let null = other.at.with_prev(&Value::Null).add();
    let what = if success { "success" } else { "failure" };
    null.demand(settled(&null)? == success, &format!("{what}, as without `prevResult`"))
}

fn empty(stage: &Stage) -> Verdict {
    for (id, prev) in [json!({}), json!({ "cniVersion": stage.version() })].into_iter().enumerate() {
        settled(&stage.container(&format!("c{id}")).at.with_prev(&prev).add())?;
    }
    Ok(())
}

fn no_addresses(stage: &Stage) -> Verdict {
    for (id, ips) in [Some(json!(null)), Some(json!([])), None].into_iter().enumerate() {
        let container = stage.container(&format!("c{id}"));
        let mut prev = prev_of(&container);
        match (ips, prev.as_object_mut()) {
            (None, Some(keys)) => keys.retain(|key, _| key != "ips"),
            (Some(ips), _) => prev["ips"] = ips,
            _ => {}
        }
        hands_on_or_refuses(&container, &prev)?;
    }
    Ok(())
}

fn null_lists(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    prev["routes"] = Value::Null;
    prev["dns"] = json!({ "nameservers": null, "search": ["a.test"], "options": null });
    hands_on(&container, &prev)
}

fn empty_gateway(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    for ip in prev["ips"].as_array_mut().into_iter().flatten() {
        ip["gateway"] = "".into();
    }
    push(&mut prev, "routes", vec![json!({ "dst": "192.0.2.0/24", "gw": "" })]);
    hands_on(&container, &prev)
}

fn index_out_of_range(stage: &Stage) -> Verdict {
    for (id, index) in [json!(99), json!(-1)].into_iter().enumerate() {
        let container = stage.container(&format!("c{id}"));
        let mut prev = prev_of(&container);
        let mut ip = json!({ "interface": index, "address": "10.99.0.2/24" });
        if stage.version() < "1.0.0" {
            ip["version"] = "4".into();
        }
        push(&mut prev, "ips", vec![ip]);
        hands_on_or_refuses(&container, &prev)?;
    }
    Ok(())
}

fn malformed_address(stage: &Stage) -> Verdict {
    let broken = [
        ("ips", "address", "10.99.0.2"),
        ("ips", "address", "10.99.0.02/24"),
        ("ips", "address", "10.99.0.2/33"),
        ("ips", "address", "nonsense"),
        ("routes", "dst", "192.0.2.0"),
        ("routes", "dst", "fd00::/129"),
    ];
    let good = stage.container("good");
    hands_on(&good, &prev_of(&good))?;
    for (id, (list, key, value)) in broken.into_iter().enumerate() {
        let container = stage.container(&format!("c{id}"));
        let mut prev = prev_of(&container);
        let mut entry = json!({ key: value });
        if list == "ips" && stage.version() < "1.0.0" {
            entry["version"] = "4".into();
        }
        push(&mut prev, list, vec![entry]);
        container.at.with_prev(&prev).add().error()?;
    }
    Ok(())
}

fn mapped_address(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    let mut ip = json!({ "address": "::ffff:10.99.0.2/120" });
    if stage.version() < "1.0.0" {
        ip["version"] = "4".into();
    }
    push(&mut prev, "ips", vec![ip]);
    let output = container.at.with_prev(&prev).add();
    let result = output.result()?;
    let printed = items(&result["ips"]).iter().any(|ip| ip["address"] == "10.99.0.2/24");
    output.demand(printed, "10.99.0.2/24, which is what ::ffff:10.99.0.2/120 maps")
}

/// With an interface and a route of these attributes beside the others, in 1.1.0; the output and what became of the two.
fn with_attributes(stage: &Stage, link: Value, route: Value) -> Result<(testkit::Output, Value, Value), Stop> {
    stage.lists("1.1.0")?;
    let container = stage.container_at("c1", "1.1.0");
    let mut prev = prev_of(&container);
    let (mut link, mut route) = (link, route);
    (link["name"], route["dst"]) = ("net9".into(), "192.0.2.0/24".into());
    push(&mut prev, "interfaces", vec![link]);
    push(&mut prev, "routes", vec![route]);
    let output = container.at.with_prev(&prev).add();
    let result = output.result()?;
    let link = items(&result["interfaces"]).iter().find(|link| link["name"] == "net9").cloned();
    let route = items(&result["routes"]).iter().find(|route| text(&route["dst"]) == "192.0.2.0/24").cloned();
    match (link, route) {
        (Some(link), Some(route)) => Ok((output, link, route)),
        _ => Err(output.failed("the interface net9 and the route to 192.0.2.0/24 of `prevResult` in the result")),
    }
}

fn zeros(stage: &Stage) -> Verdict {
    let link = json!({ "mtu": 0, "socketPath": "", "pciID": "" });
    let (output, link, route) = with_attributes(stage, link, json!({ "mtu": 0, "advmss": 0, "priority": 0 }))?;
    let left = ["mtu", "socketPath", "pciID"].iter().find(|key| link.get(**key).is_some());
    let left = left.or_else(|| ["mtu", "advmss", "priority"].iter().find(|key| route.get(**key).is_some()));
    output.demand(left.is_none(), &format!("no `{}` rather than an empty one", left.unwrap_or(&"")))
}

fn table_0(stage: &Stage) -> Verdict {
    let (output, _, route) = with_attributes(stage, json!({}), json!({ "table": 0, "scope": 0 }))?;
    output.demand(route["table"] == 0 && route["scope"] == 0, "0 as `table` and `scope` of the route to 192.0.2.0/24")
}

fn mtu_as_text(stage: &Stage) -> Verdict {
    stage.lists("1.1.0")?;
    let container = stage.container_at("c1", "1.1.0");
    let mut prev = prev_of(&container);
    push(&mut prev, "interfaces", vec![json!({ "name": "net9", "mtu": "1500" })]);
    container.at.with_prev(&prev).add().error().map(drop)
}
