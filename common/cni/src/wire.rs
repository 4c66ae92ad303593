//! Results in the layout of each version (spec: section 5; older layouts: the tags of the specification).
//!
//! The only code that knows versions. There are three layouts: `ip4`/`ip6` (0.1.0, 0.2.0), lists with `ips[].version`
//! (0.3.0 to 0.4.0), and lists without (1.0.0, 1.1.0). The attributes of routes are kept from 0.3.0 on, as libcni does:
//! they came with 1.1.0, but a delegate has no other way to hand them on.

use std::io::{self, Write};

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    Code, Error, Result, Version,
    json::{self, Misfit},
    result::{Dns, IpConfig, Route, Success},
};

/// The result in the layout of `version`.
///
/// # Errors
/// Code 1 if the result has no address and the layout has no place for anything else (0.1.0, 0.2.0).
pub fn encode(success: &Success, version: Version) -> Result<Value> {
    let mut body = match version {
        Version::V0_1_0 | Version::V0_2_0 => by_family(success)?,
        Version::V0_3_0 | Version::V0_3_1 | Version::V0_4_0 => with_ip_versions(success)?,
        Version::V1_0_0 | Version::V1_1_0 => object(success)?,
    };
    if version < Version::V1_1_0 {
        drop_interface_attributes(&mut body);
    }
    let mut document = Map::new();
    document.insert("cniVersion".into(), version.as_str().into());
    document.append(&mut body);
    Ok(Value::Object(document))
}

/// The result that `value` holds, in the layout of its own `cniVersion` or, without one, of `default`.
///
/// # Errors
/// Code 1 for a version that is unknown, code 6 for content that does not fit.
pub fn decode(value: &Value, default: Version) -> Result<Success> {
    let version = match json::lookup(value, "cniVersion").and_then(Value::as_str) {
        None | Some("") => default,
        Some(stated) => Version::parse(stated).ok_or_else(|| {
            Error::new(Code::IncompatibleVersion, format!("decode result: unknown version \"{stated}\""))
        })?,
    };
    let decoded = if version < Version::V0_3_0 {
        json::decode::<ByFamily>(value).map(ByFamily::into_success)
    } else {
        json::decode::<Success>(value)
    };
    decoded.map_err(|misfit: Misfit| Error::new(Code::Decode, format!("decode result: {misfit}")))
}

/// Fails if a result without addresses could not be told in `version`; to be asked before anything is done.
pub fn check_expressible(has_addresses: bool, version: Version) -> Result<()> {
    if has_addresses || version >= Version::V0_3_0 {
        return Ok(());
    }
    Err(Error::new(Code::IncompatibleVersion, "cannot convert: no valid IP addresses")
        .details(format!("a result of version {version} needs an address; interfaces alone need 0.3.0 or later")))
}

/// Writes a JSON document as the Go plugins do: indented by four spaces, without a final newline, in one write.
pub fn write(out: &mut dyn Write, document: &Value) -> io::Result<()> {
    let narrow = serde_json::to_string_pretty(document).map_err(io::Error::other)?;
    // Indented by two; a line of JSON begins with nothing else that is blank.
    let lines: Vec<String> = narrow
        .lines()
        .map(|line| {
            let indent = line.len() - line.trim_start_matches(' ').len();
            format!("{:indent$}{line}", "")
        })
        .collect();
    out.write_all(lines.join("\n").as_bytes())?;
    out.flush()
}

fn object(success: &Success) -> Result<Map<String, Value>> {
    match serde_json::to_value(success) {
        Ok(Value::Object(map)) => Ok(map),
        Ok(_) | Err(_) => Err(Error::new(Code::Internal, "encode result: not an object")),
    }
}

fn with_ip_versions(success: &Success) -> Result<Map<String, Value>> {
    let mut body = object(success)?;
    if let Some(Value::Array(ips)) = body.get_mut("ips") {
        for (ip, config) in ips.iter_mut().zip(&success.ips) {
            if let Value::Object(fields) = ip {
                fields.shift_insert(0, "version".into(), family(&config.address).into());
            }
        }
    }
    body.entry("dns").or_insert_with(|| json!({}));
    Ok(body)
}

fn by_family(success: &Success) -> Result<Map<String, Value>> {
    check_expressible(!success.ips.is_empty(), Version::V0_2_0)?;
    let mut body = Map::new();
    for (key, version) in [("ip4", "4"), ("ip6", "6")] {
        let Some(ip) = success.ips.iter().find(|ip| family(&ip.address) == version) else { continue };
        let routes: Vec<Value> =
            success.routes.iter().filter(|route| family(&route.dst) == version).map(plain_route).collect();
        let mut fields = Map::new();
        fields.insert("ip".into(), ip.address.to_string().into());
        if let Some(gateway) = ip.gateway {
            fields.insert("gateway".into(), gateway.to_string().into());
        }
        if !routes.is_empty() {
            fields.insert("routes".into(), routes.into());
        }
        body.insert(key.into(), fields.into());
    }
    body.insert("dns".into(), json!(success.dns));
    Ok(body)
}

fn plain_route(route: &Route) -> Value {
    match route.gw {
        Some(gw) => json!({"dst": route.dst.to_string(), "gw": gw.to_string()}),
        None => json!({"dst": route.dst.to_string()}),
    }
}

fn drop_interface_attributes(body: &mut Map<String, Value>) {
    if let Some(Value::Array(interfaces)) = body.get_mut("interfaces") {
        for interface in interfaces.iter_mut().filter_map(Value::as_object_mut) {
            for key in ["mtu", "socketPath", "pciID"] {
                interface.shift_remove(key);
            }
        }
    }
}

fn family(network: &IpNetwork) -> &'static str {
    if network.is_ipv4() { "4" } else { "6" }
}

/// The layout of 0.1.0 and 0.2.0.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ByFamily {
    ip4: Option<OneFamily>,
    ip6: Option<OneFamily>,
    dns: Dns,
}

#[derive(Deserialize)]
struct OneFamily {
    #[serde(with = "crate::address::cidr")]
    ip: IpNetwork,
    #[serde(default, with = "crate::address::ip")]
    gateway: Option<std::net::IpAddr>,
    #[serde(default)]
    routes: Vec<Route>,
}

impl ByFamily {
    fn into_success(self) -> Success {
        let mut success = Success { dns: self.dns, ..Success::default() };
        for one in [self.ip4, self.ip6].into_iter().flatten() {
            success.ips.push(IpConfig { interface: None, address: one.ip, gateway: one.gateway });
            success.routes.extend(one.routes);
        }
        success
    }
}

#[cfg(test)]
mod tests;
