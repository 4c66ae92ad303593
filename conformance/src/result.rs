//! The result of ADD: reading what a plugin printed in whatever version, and telling it in another.
//!
//! Three layouts exist: `ip4` and `ip6` (0.1.0, 0.2.0), lists with `ips[].version` (0.3.0 to 0.4.0), lists without (since
//! 1.0.0). A result that needs no other layout is handed on as it came, unknown keys included.

mod shape;

use crate::version::Version;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// A result whose known keys have the types that the specification gives them.
#[derive(Clone, Debug, PartialEq)]
pub struct Success {
    version: Version,
    body: Map<String, Value>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    ByFamily,
    IpsWithVersion,
    Ips,
}

impl Layout {
    fn of(version: Version) -> Self {
        if version < Version::V0_3_0 {
            Self::ByFamily
        } else if version < Version::V1_0_0 {
            Self::IpsWithVersion
        } else {
            Self::Ips
        }
    }
}

impl Success {
    /// Reads a result in the layout of its own `cniVersion` or, if it states none, of `unstated`.
    ///
    /// # Errors
    /// A sentence: not one JSON object, an unknown version, a known key with a value of another type.
    pub fn decode(text: &[u8], unstated: Version) -> Result<Self, String> {
        if text.trim_ascii().is_empty() {
            return Err("it is empty".into());
        }
        let value = serde_json::from_slice(text).map_err(|cause| format!("it is not JSON: {cause}"))?;
        Self::from_value(value, unstated)
    }

    /// As [`Success::decode`], from a value.
    ///
    /// # Errors
    /// As [`Success::decode`].
    pub fn from_value(value: Value, unstated: Version) -> Result<Self, String> {
        let Value::Object(mut body) = value else { return Err("it is not an object".into()) };
        shape::fold_case(&mut body, "cniVersion");
        let version = match body.shift_remove("cniVersion") {
            None | Some(Value::Null) => unstated,
            Some(Value::String(text)) if text.is_empty() => unstated,
            Some(Value::String(text)) => {
                Version::parse(&text).ok_or_else(|| format!("cniVersion is {text:?}, which is no released version"))?
            }
            Some(other) => return Err(format!("cniVersion is {other}, allowed is a string")),
        };
        let shape = if Layout::of(version) == Layout::ByFamily { shape::BY_FAMILY } else { shape::LISTS };
        shape::check(&mut body, shape, "")?;
        Ok(Self { version, body })
    }

    /// The version whose layout this is.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The same result in the layout of `version`.
    ///
    /// On the way down is lost what the older layout has no place for: attributes of interfaces before 1.1.0; before 0.3.0
    /// interfaces, and all but the first address of each family. Attributes of routes stay, as with libcni.
    ///
    /// # Errors
    /// No address, while the layout has no place for anything else (before 0.3.0).
    pub fn convert(self, version: Version) -> Result<Self, String> {
        let (from, to) = (Layout::of(self.version), Layout::of(version));
        let mut body = self.body;
        if from != to {
            body = match from {
                Layout::ByFamily => lists(body),
                Layout::IpsWithVersion => without_ip_versions(body),
                Layout::Ips => body,
            };
            body = match to {
                Layout::ByFamily => by_family(body)?,
                Layout::IpsWithVersion => with_ip_versions(body),
                Layout::Ips => without_empty_dns(body),
            };
        }
        if version < Version::V1_1_0 && self.version >= Version::V1_1_0 {
            drop_interface_attributes(&mut body);
        }
        Ok(Self { version, body })
    }

    /// The result as JSON, `cniVersion` first.
    pub fn to_value(&self) -> Value {
        let mut document = Map::new();
        document.insert("cniVersion".into(), self.version.as_str().into());
        document.extend(self.body.clone());
        Value::Object(document)
    }

    /// The addresses with their prefix lengths, in order.
    pub fn addresses(&self) -> Vec<String> {
        let ips = items(&self.body, "ips").filter_map(|ip| text(ip, "address"));
        let families = ["ip4", "ip6"].into_iter().filter_map(|key| text(self.body.get(key)?, "ip"));
        ips.chain(families).map(str::to_owned).collect()
    }
}

/// From `ip4` and `ip6` to lists.
fn lists(mut body: Map<String, Value>) -> Map<String, Value> {
    let (mut ips, mut routes) = (Vec::new(), Vec::new());
    for key in ["ip4", "ip6"] {
        let Some(Value::Object(family)) = body.shift_remove(key) else { continue };
        let mut ip = Map::new();
        for (from, to) in [("ip", "address"), ("gateway", "gateway")] {
            if let Some(value) = family.get(from) {
                ip.insert(to.into(), value.clone());
            }
        }
        ips.push(Value::Object(ip));
        routes.extend(items(&family, "routes").cloned());
    }
    let mut lists = Map::new();
    for (key, list) in [("ips", ips), ("routes", routes)] {
        if !list.is_empty() {
            lists.insert(key.into(), list.into());
        }
    }
    lists.extend(body);
    lists
}

/// From lists to the first address of each family, each with the routes of its family.
fn by_family(mut body: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut result = Map::new();
    for (key, is_family) in [("ip4", IpAddr::is_ipv4 as fn(&IpAddr) -> bool), ("ip6", IpAddr::is_ipv6)] {
        let of_family = |item: &&Value, key| network(item, key).is_some_and(|address| is_family(&address));
        let Some(ip) = items(&body, "ips").find(|ip| of_family(ip, "address")) else { continue };
        let mut family = Map::new();
        family.insert("ip".into(), ip.get("address").cloned().unwrap_or_default());
        if let Some(gateway) = text(ip, "gateway") {
            family.insert("gateway".into(), gateway.into());
        }
        let routes: Vec<_> = items(&body, "routes").filter(|route| of_family(route, "dst")).map(plain_route).collect();
        if !routes.is_empty() {
            family.insert("routes".into(), routes.into());
        }
        result.insert(key.into(), family.into());
    }
    if result.is_empty() {
        return Err("it has no address, and a version before 0.3.0 has no place for anything else".into());
    }
    for key in ["interfaces", "ips", "routes"] {
        body.shift_remove(key);
    }
    body.entry("dns").or_insert_with(|| json!({}));
    result.extend(body);
    Ok(result)
}

fn plain_route(route: &Value) -> Value {
    let mut plain = Map::new();
    for key in ["dst", "gw"] {
        if let Some(address) = text(route, key) {
            plain.insert(key.into(), address.into());
        }
    }
    plain.into()
}

fn without_ip_versions(mut body: Map<String, Value>) -> Map<String, Value> {
    for ip in objects(&mut body, "ips") {
        ip.shift_remove("version");
    }
    body
}

fn with_ip_versions(mut body: Map<String, Value>) -> Map<String, Value> {
    for ip in objects(&mut body, "ips") {
        let address = ip.get("address").and_then(Value::as_str).and_then(shape::parse_cidr);
        if let Some(address) = address {
            ip.shift_insert(0, "version".into(), if address.is_ipv4() { "4" } else { "6" }.into());
        }
    }
    body.entry("dns").or_insert_with(|| json!({}));
    body
}

/// Up to 0.4.0 `dns` is always printed, since 1.0.0 only when there is something in it.
fn without_empty_dns(mut body: Map<String, Value>) -> Map<String, Value> {
    if body.get("dns").and_then(Value::as_object).is_some_and(Map::is_empty) {
        body.shift_remove("dns");
    }
    body
}

fn drop_interface_attributes(body: &mut Map<String, Value>) {
    for interface in objects(body, "interfaces") {
        for key in ["mtu", "socketPath", "pciID"] {
            interface.shift_remove(key);
        }
    }
}

fn items<'a>(body: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

fn objects<'a>(body: &'a mut Map<String, Value>, key: &str) -> impl Iterator<Item = &'a mut Map<String, Value>> {
    body.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

fn network(object: &Value, key: &str) -> Option<IpAddr> {
    text(object, key).and_then(shape::parse_cidr)
}

#[cfg(test)]
mod tests;
