//! The layouts of results: what changed from version to version of the specification.

use serde_json::{Map, Value, json};

/// Keys of an interface, and of a route, that version 1.1.0 brought.
const NEW_IN_1_1: [(&str, &[&str]); 2] =
    [("interfaces", &["mtu", "socketPath", "pciID"]), ("routes", &["mtu", "advmss", "priority", "table", "scope"])];

/// A result in the layout of 1.1.0, in the layout of `version`.
pub fn convert(result: &Value, version: &str) -> Value {
    let mut converted = match version {
        "0.1.0" | "0.2.0" => before_interfaces(result),
        "0.3.0" | "0.3.1" | "0.4.0" => with_families(without_new_keys(result.clone())),
        "1.0.0" => without_new_keys(result.clone()),
        _ => result.clone(),
    };
    converted["cniVersion"] = version.into();
    converted
}

/// `ip4` and `ip6`, the first address of each family with its routes.
fn before_interfaces(result: &Value) -> Value {
    let mut old = Map::new();
    for (key, colon) in [("ip4", false), ("ip6", true)] {
        let of_family = |text: &Value| text.as_str().is_some_and(|text| text.contains(':') == colon);
        let Some(ip) = items(&result["ips"]).iter().find(|ip| of_family(&ip["address"])) else {
            continue;
        };
        let routes = items(&result["routes"]).iter().filter(|route| of_family(&route["dst"]));
        let routes: Vec<_> = routes.map(|route| only(route, &["dst", "gw"])).collect();
        let mut family = json!({ "ip": ip["address"] });
        if ip["gateway"].is_string() {
            family["gateway"] = ip["gateway"].clone();
        }
        if !routes.is_empty() {
            family["routes"] = routes.into();
        }
        old.insert(key.to_owned(), family);
    }
    old.insert("dns".to_owned(), result.get("dns").cloned().unwrap_or_else(|| json!({})));
    Value::Object(old)
}

fn without_new_keys(mut result: Value) -> Value {
    for (list, keys) in NEW_IN_1_1 {
        for object in result[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
            object.retain(|key, _| !keys.contains(&key.as_str()));
        }
    }
    result
}

/// Each address with its `version`.
fn with_families(mut result: Value) -> Value {
    for ip in result["ips"].as_array_mut().into_iter().flatten() {
        let family = if ip["address"].as_str().is_some_and(|address| address.contains(':')) { "6" } else { "4" };
        ip["version"] = family.into();
    }
    result
}

fn only(object: &Value, keys: &[&str]) -> Value {
    let mut kept = object.clone();
    if let Some(fields) = kept.as_object_mut() {
        fields.retain(|key, _| keys.contains(&key.as_str()));
    }
    kept
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest() -> Value {
        json!({
            "interfaces": [{ "name": "eth0", "mtu": 1500, "sandbox": "/n" }],
            "ips": [{ "interface": 0, "address": "10.0.0.2/24", "gateway": "10.0.0.1" }, { "interface": 0, "address": "fd00::2/64" }],
            "routes": [{ "dst": "0.0.0.0/0", "priority": 5 }, { "dst": "::/0", "gw": "fd00::1" }]
        })
    }

    #[test]
    fn the_oldest_layout_has_one_address_of_each_family() {
        let expected = json!({
            "ip4": { "ip": "10.0.0.2/24", "gateway": "10.0.0.1", "routes": [{ "dst": "0.0.0.0/0" }] },
            "ip6": { "ip": "fd00::2/64", "routes": [{ "dst": "::/0", "gw": "fd00::1" }] },
            "dns": {},
            "cniVersion": "0.2.0"
        });
        assert_eq!(convert(&newest(), "0.2.0"), expected);
    }

    #[test]
    fn addresses_tell_their_family_until_0_4_0() {
        let converted = convert(&newest(), "0.4.0");
        assert_eq!((&converted["ips"][0]["version"], &converted["ips"][1]["version"]), (&json!("4"), &json!("6")));
        assert_eq!(converted["interfaces"][0], json!({ "name": "eth0", "sandbox": "/n" }));
        assert!(convert(&newest(), "1.0.0")["ips"][0].get("version").is_none());
    }

    #[test]
    fn only_1_1_0_has_the_mtu_of_links_and_the_priority_of_routes() {
        assert_eq!(convert(&newest(), "1.1.0")["routes"][0]["priority"], 5);
        assert!(convert(&newest(), "1.0.0")["routes"][0].get("priority").is_none());
    }
}
