//! What becomes of a delegate's result, of the request's version and of others.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::effect::settled;
use crate::layout;
use crate::recorder::{Delegated, Recorder};
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use crate::told::{Told, items, text};
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once(
        "layout::down_to_0_4_0",
        "3.57a",
        Needs::Delegating,
        "addresses and routes of a delegate's result of 1.0.0 come out in 0.4.0",
        down_to_0_4_0,
    ),
    Case::once(
        "layout::down_to_0_2_0",
        "3.58a 3.58b",
        Needs::Delegating,
        "of a delegate's result the first address of each family comes out in 0.2.0, with its routes",
        down_to_0_2_0,
    ),
    Case::once(
        "layout::routes_without_address",
        "3.58c",
        Needs::Delegating,
        "routes of a family without address, and interfaces, do not come out in 0.2.0",
        routes_without_address,
    ),
    Case::once(
        "layout::malformed_address",
        "3.46c",
        Needs::Delegating,
        "an address without prefix length, or with leading zeros, is refused",
        malformed_address,
    ),
    Case::once(
        "layout::empty_gateway",
        "3.51a",
        Needs::Delegating,
        "an empty `gateway` or `gw` of the delegate is none",
        empty_gateway,
    ),
    Case::once(
        "layout::gateway_is_no_route",
        "3.52",
        Needs::Delegating,
        "a gateway alone makes no default route",
        gateway_is_no_route,
    ),
    Case::once(
        "layout::route_attributes",
        "3.49b",
        Needs::Delegating,
        "attributes of a route of the result are those of the route in the container",
        route_attributes,
    ),
    Case::once(
        "layout::no_addresses",
        "3.58d 3.58e",
        Needs::Delegating,
        "an ADD without addresses fails in 0.1.0 and 0.2.0, and leaves nothing behind",
        no_addresses,
    ),
];

/// A lease in the layout of 1.1.0: two addresses with gateways, routes with and without one.
fn lease() -> Value {
    json!({
        "ips": [
            { "address": "10.203.0.5/24", "gateway": "10.203.0.1" },
            { "address": "fd00:cb::5/64", "gateway": "fd00:cb::1" }
        ],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "198.51.100.0/24", "gw": "10.203.0.7" }, { "dst": "::/0" }]
    })
}

/// A container whose delegate answers ADD so.
fn leased(stage: &Stage, id: &str, version: &str, lease: Value) -> Result<Delegated, Stop> {
    if stage.subject.facts.kind != Some(Kind::Interface) {
        return Err(Stop::skip("for plugins that create an interface and have a delegate"));
    }
    let container = Recorder::new(stage).container_at(id, version);
    container.answer(lease);
    Ok(container)
}

fn down_to_0_4_0(stage: &Stage) -> Verdict {
    stage.lists("0.4.0")?;
    let lease = layout::convert(&lease(), "1.0.0");
    let output = leased(stage, "c1", "0.4.0", lease.clone())?.call("ADD").run();
    let result = output.result()?;
    output.demand(result["cniVersion"] == "0.4.0", "0.4.0 as `cniVersion`")?;
    let lost = content(&result).lacks(&content(&lease));
    output.demand_none(lost, "the delegate's addresses and routes in its order")?;
    let versions = items(&result["ips"]).iter().map(|ip| text(&ip["version"]));
    output.demand(versions.eq(["4", "6"]), "4 and 6 as `version` of the addresses")
}

/// Addresses and routes, without the gateways of routes, which the plugin may fill in.
fn content(result: &Value) -> Told {
    let mut told = Told::of(result);
    told.interfaces.clear();
    told.dns.clear();
    for ip in told.ips.iter_mut().filter_map(Value::as_object_mut) {
        ip.retain(|key, _| key != "on");
    }
    told.routes = told.routes.iter().map(|route| json!({ "dst": route["dst"] })).collect();
    told
}

fn down_to_0_2_0(stage: &Stage) -> Verdict {
    stage.lists("0.2.0")?;
    let mut lease = lease();
    lease["cniVersion"] = stage.version().into();
    lease["ips"] = json!([
        { "address": "fd00:cb::7/64", "gateway": "fd00:cb::1" },
        { "address": "10.203.0.7/24", "gateway": "10.203.0.1" },
        { "address": "10.203.0.5/24", "gateway": "10.203.0.1" },
        { "address": "fd00:cb::5/64", "gateway": "fd00:cb::1" }
    ]);
    let newest = leased(stage, "newest", stage.version(), lease.clone())?;
    if newest.call("ADD").run().result().is_err() {
        return Err(Stop::skip("does not take several addresses of one subnet"));
    }
    newest.call("DEL").run().silence()?;
    let output = leased(stage, "c1", "0.2.0", lease)?.call("ADD").run();
    let result = output.result()?;
    let first = result["ip4"]["ip"] == "10.203.0.7/24" && result["ip6"]["ip"] == "fd00:cb::7/64";
    output.demand(first, "10.203.0.7/24 in `ip4` and fd00:cb::7/64 in `ip6`, the first of their families")?;
    let destinations =
        |key: &str| -> Vec<Value> { items(&result[key]["routes"]).iter().map(|route| route["dst"].clone()).collect() };
    output.demand(destinations("ip4") == ["0.0.0.0/0", "198.51.100.0/24"], "the IPv4 routes in `ip4`")?;
    output.demand(destinations("ip6") == ["::/0"], "the IPv6 route in `ip6`")?;
    let routes = items(&result["ip4"]["routes"]).iter().chain(items(&result["ip6"]["routes"]));
    let plain = routes.filter_map(Value::as_object).all(|route| route.keys().all(|key| key == "dst" || key == "gw"));
    output.demand(plain, "routes with `dst` and `gw` only")
}

fn routes_without_address(stage: &Stage) -> Verdict {
    stage.lists("0.2.0")?;
    let mut lease = lease();
    lease["cniVersion"] = stage.version().into();
    lease["ips"] = json!([{ "address": "10.203.0.5/24", "gateway": "10.203.0.1" }]);
    lease["routes"] = json!([{ "dst": "0.0.0.0/0" }, { "dst": "2001:db8::/32" }]);
    let output = leased(stage, "c1", "0.2.0", lease)?.call("ADD").run();
    let result = output.result()?;
    output.demand(result["ip4"].is_object(), "`ip4`")?;
    let foreign = ["ip6", "interfaces", "routes"].iter().find(|key| result.get(**key).is_some());
    output.demand(foreign.is_none(), "neither `ip6` nor `interfaces` nor `routes`")?;
    output.demand(!output.stdout.contains("2001:db8"), "no route of a family without address")
}

fn malformed_address(stage: &Stage) -> Verdict {
    let version = stage.version();
    leased(stage, "good", version, layout::convert(&lease(), version))?.call("ADD").run().result()?;
    for (id, address) in ["10.203.0.6", "10.203.0.06/24", "10.203.0.6/33", "fd00:cb::6"].into_iter().enumerate() {
        let mut lease = layout::convert(&lease(), version);
        if version < "0.3.0" {
            lease["ip4"]["ip"] = address.into();
        } else {
            lease["ips"][0]["address"] = address.into();
        }
        leased(stage, &format!("c{id}"), version, lease)?.call("ADD").run().error()?;
    }
    Ok(())
}

fn empty_gateway(stage: &Stage) -> Verdict {
    let version = stage.version();
    let with = |id: &str, gateway: Value| {
        let mut lease = lease();
        lease["ips"] = json!([{ "address": "10.203.0.5/24", "gateway": gateway }]);
        lease["routes"] = json!([{ "dst": "198.51.100.0/24", "gw": gateway }]);
        let container = leased(stage, id, version, layout::convert(&lease, version))?;
        let output = container.call("ADD").run();
        // One address a host is all that some links allow.
        let _ = container.call("DEL").run();
        Ok(output)
    };
    let absent = settled(&with("absent", Value::Null)?)?;
    let output = with("empty", json!(""))?;
    let what = if absent { "success" } else { "failure" };
    output.demand(settled(&output)? == absent, &format!("{what}, as without `gateway` and `gw`"))?;
    output.demand(!absent || !output.stdout.contains("\"\""), "no empty texts in the result")
}

fn gateway_is_no_route(stage: &Stage) -> Verdict {
    let version = stage.version();
    let mut lease = lease();
    lease["routes"] = json!([]);
    let container = leased(stage, "c1", version, layout::convert(&lease, version))?;
    let output = container.call("ADD").run();
    let told = Told::of(&output.result()?);
    if !told.routes.is_empty() {
        return Err(Stop::skip("adds routes of its own, and tells them"));
    }
    let routes = container.ns.sh("ip route show default; ip -6 route show default");
    output.demand_none(routes, "no default route in the container")
}

fn route_attributes(stage: &Stage) -> Verdict {
    stage.lists("1.1.0")?;
    let mut lease = lease();
    let attributes = json!({ "mtu": 1400, "advmss": 1360, "priority": 77, "table": 100, "scope": 0 });
    let mut route = attributes.clone();
    (route["dst"], route["gw"]) = ("198.51.100.0/24".into(), "10.203.0.1".into());
    lease["routes"] = json!([{ "dst": "0.0.0.0/0" }, route]);
    let container = leased(stage, "c1", "1.1.0", lease)?;
    let output = container.call("ADD").run();
    let result = output.result()?;
    let told = items(&result["routes"]).iter().find(|route| route["dst"] == "198.51.100.0/24");
    let told = told.ok_or_else(|| output.failed("the delegate's route to 198.51.100.0/24 in the result"))?;
    let routes = container.ns.json("ip -j -d route show table all to exact 198.51.100.0/24");
    let there = items(&routes).first().cloned().unwrap_or_default();
    let metrics = &there["metrics"][0];
    let kernel = json!({
        "mtu": metrics["mtu"], "advmss": metrics["advmss"], "priority": there["metric"],
        "table": text(&there["table"]).parse::<u64>().ok().map_or_else(|| there["table"].clone(), Value::from),
        "scope": match text(&there["scope"]) { "global" => json!(0), "link" => json!(253), _ => json!(null) }
    });
    let told: Vec<_> = ["mtu", "advmss", "priority", "table", "scope"]
        .iter()
        .filter_map(|key| Some((*key, told.get(*key)?)))
        .collect();
    if told.is_empty() {
        return Err(Stop::skip("tells no attributes of routes"));
    }
    let wrong: Vec<_> = told.iter().filter(|(key, value)| kernel[*key] != **value).collect();
    let found = if wrong.is_empty() { String::new() } else { format!("told: {wrong:?}\nin the container: {there}") };
    output.demand_none(found, "a route in the container with the attributes that the result tells")
}

fn no_addresses(stage: &Stage) -> Verdict {
    let without = |container: &Container| container.at.with_key("ipam", json!({}));
    let version = stage.version();
    let alone = stage.container("newest");
    match without(&alone).add().result() {
        Ok(result) if version >= "0.3.0" && items(&result["ips"]).is_empty() => {}
        _ => return Err(Stop::skip("does not do without addresses")),
    }
    let old: Vec<_> = ["0.1.0", "0.2.0"].into_iter().filter(|version| stage.subject.lists(version)).collect();
    if old.is_empty() {
        return Err(Stop::skip("lists neither 0.1.0 nor 0.2.0"));
    }
    for version in old {
        let container = stage.container_at(&format!("c{}", version.replace('.', "-")), version);
        let (host, inside) = (stage.snapshot(), container.ns.snapshot());
        without(&container).add().error()?;
        same(&inside, &container.ns.snapshot(), "nothing left in the container of an ADD that failed")?;
        same(&host, &stage.snapshot(), "nothing left on the host of an ADD that failed")?;
    }
    Ok(())
}
