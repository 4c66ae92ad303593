//! The result as a document: keys and values in each version.

use super::{attach, is_old};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use crate::subject::Kind;
use crate::told::{Told, cidr, items, text};
use serde_json::{Map, Value, json};
use std::net::IpAddr;

pub const CASES: &[Case] = &[
    Case::each_version("result_version", "3.4a 3.44", Needs::Config, "the result is of the request's version", version),
    Case::each_version(
        "result_keys",
        "3.8.v0_1_0 3.8.v0_2_0 3.8.v0_3_0 3.8.v0_3_1 3.8.v0_4_0 3.8.v1_0_0 3.8.v1_1_0 3.45 3.44",
        Needs::Config,
        "the result has the keys of its version, and none of another",
        keys,
    ),
    Case::each_version(
        "result_interfaces",
        "3.8.v0_3_0 3.50a 3.50b 3.50c",
        Needs::Config,
        "every field of an interface is of its type",
        interfaces,
    )
    .from("0.3.0"),
    Case::each_version(
        "result_addresses",
        "3.46a",
        Needs::Config,
        "addresses are in CIDR notation, and gateways are addresses",
        addresses,
    ),
    Case::each_version(
        "result_families",
        "3.47a 3.47b",
        Needs::Config,
        "until 0.4.0 an address tells its family and that of its gateway, from 1.0.0 on it does not",
        families,
    )
    .from("0.3.0"),
    Case::each_version(
        "result_routes",
        "3.46a 3.48 3.49a",
        Needs::Config,
        "every field of a route is of its type, and until 0.4.0 destination and gateway are of one family",
        routes,
    ),
    Case::each_version("result_dns", "3.8.v0_1_0", Needs::Config, "every field of `dns` is of its type", dns),
    Case::each_version(
        "result_empty_dns",
        "3.53a 3.53b",
        Needs::Config,
        "`dns` is always there until 0.4.0, and left out when it is empty from 1.0.0 on",
        empty_dns,
    ),
    Case::each_version(
        "result_empty_values",
        "3.53c 3.49c 3.50d",
        Needs::Config,
        "lists without entries, numbers that are 0 and empty texts are left out",
        empty_values,
    )
    .from("0.3.0"),
    Case::each_version(
        "result_content",
        "3.44",
        Needs::Config,
        "the result tells the same addresses, routes and servers in each version",
        content,
    ),
    Case::once(
        "layout::newer_keys",
        "3.57b",
        Needs::Config,
        "before 1.0.0 an interface has none of the keys that 1.1.0 brought",
        newer_keys,
    ),
];

fn version(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    done.output.demand(done.result["cniVersion"] == version, &format!("{version} as `cniVersion`"))
}

fn keys(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let has = |key: &str| done.result.get(key).is_some_and(|value| !value.is_null());
    let foreign: &[&str] =
        if is_old(version) { &["interfaces", "ips", "routes"] } else { &["ip4", "ip6", "ip", "route"] };
    let wrong: Vec<_> = foreign.iter().filter(|key| has(key)).collect();
    done.output.demand(wrong.is_empty(), &format!("none of the keys {foreign:?}, which {version} does not have"))?;
    if is_old(version) {
        return done.output.demand(has("ip4") || has("ip6"), "`ip4` or `ip6`");
    }
    let kind = stage.subject.facts.kind;
    if kind == Some(Kind::Interface) {
        done.output.demand(!items(&done.result["interfaces"]).is_empty(), "`interfaces` with an entry")?;
    }
    if kind == Some(Kind::Ipam) || stage.subject.delegate().is_some() {
        done.output.demand(!items(&done.result["ips"]).is_empty(), "`ips` with an entry")?;
    }
    Ok(())
}

fn interfaces(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let links = list(&done.result, "interfaces");
    let links = links.ok_or_else(|| done.output.failed("a list of objects as `interfaces`, if it is there"))?;
    for link in links {
        let known = [("mac", is_mac as fn(&Value) -> bool), ("sandbox", Value::is_string)];
        let newest = [
            ("mtu", is_whole as fn(&Value) -> bool),
            ("socketPath", |path| text(path).starts_with('/')),
            ("pciID", Value::is_string),
        ];
        done.output.demand(!text(&link["name"]).is_empty(), "an interface with text as `name`")?;
        let newest = newest.iter().filter(|_| version >= "1.1.0");
        let wrong = known.iter().chain(newest).find(|(key, fits)| link.get(*key).is_some_and(|value| !fits(value)));
        let expected =
            format!("an interface with a value of the right type as `{}`", wrong.map_or("", |(key, _)| *key));
        done.output.demand_none(wrong.map_or(String::new(), |_| json!(link).to_string()), &expected)?;
    }
    Ok(())
}

fn addresses(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let entries = address_entries(&done.result);
    let entries = entries.ok_or_else(|| done.output.failed("objects in `ips`, or as `ip4` and `ip6`"))?;
    let good = |(family, ip): &AddressEntry<'_>| {
        let (address, _) = ip.get("address").or_else(|| ip.get("ip")).and_then(|address| cidr(text(address)))?;
        let gateway = ip.get("gateway").is_none_or(|gateway| text(gateway).parse::<IpAddr>().is_ok());
        let index = ip.get("interface").is_none_or(|index| index.is_i64() || index.is_u64());
        (gateway && index && family.is_none_or(|v4| address.is_ipv4() == v4)).then_some(())
    };
    let wrong = entries.iter().find(|entry| good(entry).is_none()).map(|(_, ip)| json!(ip).to_string());
    let expected = "an address in CIDR notation, an address as `gateway` if any, a number as `interface` if any";
    done.output.demand_none(wrong.unwrap_or_default(), expected)
}

fn families(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let family = |ip: IpAddr| json!(if ip.is_ipv4() { "4" } else { "6" });
    for ip in items(&done.result["ips"]) {
        if version >= "1.0.0" {
            done.output.demand(ip.get("version").is_none(), "an address without `version`")?;
            continue;
        }
        let told = cidr(text(&ip["address"])).is_some_and(|(address, _)| ip["version"] == family(address));
        done.output.demand(told, "an address with its family, the text 4 or 6, as `version`")?;
        let gateway = text(&ip["gateway"]).parse().ok();
        let same = gateway.is_none_or(|gateway| ip["version"] == family(gateway));
        done.output.demand(same, "a gateway of the family that `version` tells")?;
    }
    Ok(())
}

fn routes(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let entries = if is_old(version) {
        [&done.result["ip4"], &done.result["ip6"]]
            .into_iter()
            .map(|old| list(old, "routes"))
            .collect::<Option<Vec<_>>>()
    } else {
        list(&done.result, "routes").map(|routes| vec![routes])
    };
    let entries = entries.ok_or_else(|| done.output.failed("a list of objects as `routes`, if it is there"))?;
    let good = |route: &Map<String, Value>| {
        let (dst, _) = route.get("dst").and_then(|dst| cidr(text(dst)))?;
        let gw = route.get("gw").map(|gw| text(gw).parse::<IpAddr>());
        let mixed = is_old(version) || version >= "1.0.0";
        let gw = gw.is_none_or(|gw| gw.is_ok_and(|gw| mixed || gw.is_ipv4() == dst.is_ipv4()));
        let mut numbers = ["mtu", "advmss", "priority", "table", "scope"].iter().filter_map(|key| route.get(*key));
        (gw && numbers.all(is_whole)).then_some(())
    };
    let wrong = entries.into_iter().flatten().find(|route| good(route).is_none()).map(|route| json!(route).to_string());
    done.output.demand_none(
        wrong.unwrap_or_default(),
        "a route with `dst` in CIDR notation, an address of its family as `gw` if any, and whole numbers",
    )
}

fn dns(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let Some(dns) = done.result.get("dns").filter(|dns| !dns.is_null()) else { return Ok(()) };
    let texts = |key: &str, fits: fn(&str) -> bool| {
        dns.get(key).is_none_or(|list| {
            list.as_array().is_some_and(|list| list.iter().all(|entry| entry.as_str().is_some_and(fits)))
        })
    };
    done.output.demand(dns.is_object(), "an object as `dns`")?;
    done.output
        .demand(texts("nameservers", |server| server.parse::<IpAddr>().is_ok()), "addresses as `nameservers`")?;
    done.output.demand(texts("search", |_| true) && texts("options", |_| true), "texts in `search` and `options`")?;
    done.output.demand(dns.get("domain").is_none_or(Value::is_string), "text as `domain`")
}

fn empty_dns(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let dns = done.result.get("dns");
    if version < "1.0.0" {
        return done.output.demand(dns.is_some_and(Value::is_object), "an object as `dns`, be it empty");
    }
    done.output.demand(
        dns.is_none_or(|dns| !Told::of(&json!({ "dns": dns })).dns.is_empty()),
        "no `dns` rather than an empty one",
    )
}

fn empty_values(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let places = [
        ("interfaces", &["mtu", "socketPath", "pciID"]),
        ("routes", &["mtu", "advmss", "priority"]),
        ("ips", &["", "", ""]),
    ];
    let is_empty = |value: &Value| [json!([]), json!(0), json!(""), json!(null)].contains(value);
    for (list, keys) in places {
        let empty = done.result.get(list).is_some_and(is_empty);
        done.output.demand(!empty, &format!("no `{list}` rather than an empty one"))?;
        let entries = items(&done.result[list]).iter();
        let zero = entries.flat_map(|entry| keys.iter().filter(|key| entry.get(**key).is_some_and(is_empty))).next();
        done.output.demand(zero.is_none(), &format!("no `{}` in `{list}` rather than none", zero.unwrap_or(&"")))?;
    }
    Ok(())
}

fn content(stage: &Stage, version: &'static str) -> Verdict {
    if version == stage.version() {
        return Err(Stop::skip("it is the version that the others are compared with"));
    }
    let newest = Told::of(&stage.container("newest").at.add().result()?);
    let done = attach(stage, version)?;
    let told = Told::of(&done.result);
    let (expected, found) =
        if is_old(version) { (old_sketch(&newest), old_sketch(&told)) } else { (newest.sketch(), told.sketch()) };
    let found = if found == expected { String::new() } else { format!("{found}\nas against {expected}") };
    done.output.demand_none(found, "a result that tells what that of the newest version does")
}

/// What has a place in 0.1.0: no interfaces, of each family one address, and its routes.
fn old_sketch(told: &Told) -> Value {
    let first = |v4: bool| {
        let of_family = |value: &&Value| cidr(text(value)).is_some_and(|(ip, _)| ip.is_ipv4() == v4);
        let ip = told.ips.iter().find(|ip| of_family(&&ip["address"])).cloned();
        let routes = told.routes.iter().filter(|route| ip.is_some() && of_family(&&route["dst"])).cloned();
        let routes: Vec<_> = routes.collect();
        (ip, routes)
    };
    let ((ip4, routes4), (ip6, routes6)) = (first(true), first(false));
    let mut ips: Vec<_> = [ip4, ip6].into_iter().flatten().collect();
    for ip in ips.iter_mut().filter_map(Value::as_object_mut) {
        ip.retain(|key, _| key != "on");
    }
    let routes = [routes4, routes6].concat();
    Told { interfaces: Vec::new(), ips, routes, dns: told.dns.clone() }.sketch()
}

fn newer_keys(stage: &Stage) -> Verdict {
    let mut looked = false;
    for version in ["0.3.0", "0.3.1", "0.4.0"].into_iter().filter(|version| stage.subject.lists(version)) {
        let container = stage.container_at(&format!("c{}", version.replace('.', "-")), version);
        let output = container.at.add();
        let result = output.result()?;
        looked = true;
        for link in items(&result["interfaces"]) {
            let newer = ["mtu", "socketPath", "pciID"].iter().find(|key| link.get(**key).is_some());
            output.demand(newer.is_none(), &format!("an interface without `{}`", newer.unwrap_or(&"")))?;
        }
    }
    if looked { Ok(()) } else { Err(Stop::skip("lists no version from 0.3.0 to 0.4.0")) }
}

/// An entry of `ips`, or `ip4` or `ip6`; whether its place is one for IPv4, if that matters.
type AddressEntry<'a> = (Option<bool>, &'a Map<String, Value>);

/// The entries of `ips`, and `ip4` and `ip6`; None if they are not objects.
fn address_entries(result: &Value) -> Option<Vec<AddressEntry<'_>>> {
    let ips = list(result, "ips")?.into_iter().map(|ip| (None, ip));
    let old = [("ip4", true), ("ip6", false)].into_iter().filter_map(|(key, v4)| Some((Some(v4), result.get(key)?)));
    let old = old.map(|(v4, ip)| Some((v4, ip.as_object()?))).collect::<Option<Vec<_>>>()?;
    Some(ips.chain(old).collect())
}

/// A list of objects; an absent one is empty. None if it is anything else.
fn list<'a>(object: &'a Value, key: &str) -> Option<Vec<&'a Map<String, Value>>> {
    match &object[key] {
        Value::Null => Some(Vec::new()),
        Value::Array(list) => list.iter().map(Value::as_object).collect(),
        _ => None,
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_u64()
}

/// Empty, or octets in hexadecimal with colons between them.
fn is_mac(value: &Value) -> bool {
    let octet = |octet: &str| octet.len() == 2 && octet.bytes().all(|digit| digit.is_ascii_hexdigit());
    value.as_str().is_some_and(|mac| mac.is_empty() || mac.split(':').all(octet) && mac.contains(':'))
}
