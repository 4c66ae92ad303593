//! What a result tells, whatever its layout and spelling, so that results can be compared.

use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// The text that makes no difference when it is absent: not known to the specification, or empty.
const INTERFACE: [&str; 6] = ["name", "mac", "mtu", "sandbox", "socketPath", "pciID"];
const ROUTE: [&str; 7] = ["dst", "gw", "mtu", "advmss", "priority", "table", "scope"];
const DNS: [&str; 4] = ["nameservers", "domain", "search", "options"];

/// Keys whose 0 says something.
const ZERO_COUNTS: [&str; 2] = ["table", "scope"];

/// A result without what means nothing: empty values, unknown keys, the spelling of addresses, the layout.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// `interfaces`.
    pub interfaces: Vec<Value>,
    /// `ips`: `address`, `gateway` and, in place of the index, name and sandbox of the interface as `on`.
    pub ips: Vec<Value>,
    /// `routes`.
    pub routes: Vec<Value>,
    /// `dns`.
    pub dns: Map<String, Value>,
}

impl Told {
    /// What a result in the layout of whatever version tells.
    pub fn of(result: &Value) -> Self {
        let interfaces: Vec<_> = items(&result["interfaces"]).iter().map(|link| told(link, &INTERFACE)).collect();
        let mut ips: Vec<_> = items(&result["ips"]).iter().map(|ip| address(ip, &ip["address"], &interfaces)).collect();
        let mut routes: Vec<_> = items(&result["routes"]).iter().map(route).collect();
        for old in [&result["ip4"], &result["ip6"]].into_iter().filter(|old| old.is_object()) {
            ips.push(address(old, &old["ip"], &[]));
            routes.extend(items(&old["routes"]).iter().map(route));
        }
        let dns = told(&result["dns"], &DNS).as_object().cloned().unwrap_or_default();
        Self { interfaces, ips, routes, dns }
    }

    /// The same without the hardware address and the MTU of the interface `name` in `sandbox`, which plugins may change.
    pub fn unsettled(mut self, name: &str, sandbox: &str) -> Self {
        let own = self.interfaces.iter_mut().filter(|link| link["name"] == name && link["sandbox"] == sandbox);
        for link in own.filter_map(Value::as_object_mut) {
            link.retain(|key, _| !["mac", "mtu"].contains(&key.as_str()));
        }
        self
    }

    /// What an earlier result told that this one does not tell, or not in that order; empty if there is nothing.
    pub fn lacks(&self, earlier: &Self) -> String {
        let lists = [
            ("interfaces", &earlier.interfaces, &self.interfaces),
            ("ips", &earlier.ips, &self.ips),
            ("routes", &earlier.routes, &self.routes),
        ];
        let mut lost: Vec<_> = lists.iter().flat_map(|(name, wanted, here)| lost(name, wanted, here)).collect();
        for (key, value) in &earlier.dns {
            match (value, self.dns.get(key)) {
                (Value::Array(wanted), here) => {
                    lost.extend(self::lost(&format!("dns.{key}"), wanted, here.map_or(&[], items)));
                }
                (wanted, here) if here == Some(wanted) => {}
                (wanted, _) => lost.push(format!("dns.{key}: {wanted}")),
            }
        }
        lost.join("\n")
    }

    /// What two results for different containers have in common: families and prefix lengths instead of addresses.
    pub fn sketch(&self) -> Value {
        let links: Vec<_> = self.interfaces.iter().map(|link| link.get("sandbox").is_some()).collect();
        let ip = |ip: &Value| {
            let (address, length) = text(&ip["address"]).split_once('/')?;
            Some(json!([address.contains(':'), length, ip.get("gateway").is_some(), ip.get("on").is_some()]))
        };
        let ips: Vec<_> = self.ips.iter().map(|told| ip(told).unwrap_or_else(|| told.clone())).collect();
        let routes: Vec<_> = self.routes.iter().map(|route| json!([route["dst"], route.get("gw").is_some()])).collect();
        let dns: Map<_, _> =
            self.dns.iter().map(|(key, value)| (key.clone(), json!(value.as_array().map(Vec::len)))).collect();
        json!({ "interfaces": links, "ips": ips, "routes": routes, "dns": dns })
    }
}

/// An address with its prefix length, as CIDR notation has it: `10.0.0.2/24`.
pub fn cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let written: IpAddr = address.parse().ok()?;
    if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length: u8 = length.parse().ok()?;
    let canonical = written.to_canonical();
    let length = if written.is_ipv6() && canonical.is_ipv4() { length.checked_sub(96)? } else { length };
    (length <= if canonical.is_ipv4() { 32 } else { 128 }).then_some((canonical, length))
}

/// The items of a list; none of anything else.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The text; empty for anything else.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn address(ip: &Value, address: &Value, interfaces: &[Value]) -> Value {
    let on = ip["interface"].as_u64().and_then(|index| interfaces.get(usize::try_from(index).ok()?));
    let on = on.map(|link| told(link, &["name", "sandbox"]));
    told(&json!({ "address": address, "gateway": ip["gateway"], "on": on }), &["address", "gateway", "on"])
}

fn route(route: &Value) -> Value {
    told(route, &ROUTE)
}

/// These keys of an object, unless they say nothing.
fn told(object: &Value, keys: &[&str]) -> Value {
    let said = keys.iter().filter_map(|key| Some((*key, spelled(key, object.get(*key)?)?)));
    Value::Object(said.map(|(key, value)| (key.to_owned(), value)).collect())
}

/// The value in the one spelling that is compared; None if it says nothing.
fn spelled(key: &str, value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(list) if list.is_empty() => None,
        Value::Number(number) if number.as_u64() == Some(0) && !ZERO_COUNTS.contains(&key) => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) if key == "mac" => Some(text.to_ascii_lowercase().into()),
        Value::String(text) if ["address", "dst"].contains(&key) => {
            Some(cidr(text).map_or_else(|| value.clone(), |(address, length)| format!("{address}/{length}").into()))
        }
        Value::String(text) if ["gateway", "gw"].contains(&key) => {
            Some(text.parse::<IpAddr>().map_or_else(|_| value.clone(), |ip| ip.to_canonical().to_string().into()))
        }
        Value::Array(list) if key == "nameservers" => Some(list.iter().map(server).collect()),
        other => Some(other.clone()),
    }
}

fn server(value: &Value) -> Value {
    text(value).parse::<IpAddr>().map_or_else(|_| value.clone(), |ip| ip.to_string().into())
}

/// What of `wanted` is not in `here`, in that order.
fn lost(name: &str, wanted: &[Value], here: &[Value]) -> Vec<String> {
    let mut rest = here.iter();
    let mut lost = Vec::new();
    for item in wanted {
        let before = rest.clone();
        if !rest.any(|other| other == item) {
            lost.push(format!("{name}: {item}"));
            rest = before;
        }
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest() -> Value {
        json!({
            "cniVersion": "1.1.0",
            "interfaces": [{ "name": "br0", "mac": "AA:00:00:00:00:01" }, { "name": "eth0", "sandbox": "/n" }],
            "ips": [{ "interface": 1, "address": "10.0.0.2/24", "gateway": "10.0.0.1" }, { "address": "FD00:0::2/64" }],
            "routes": [{ "dst": "0.0.0.0/0", "table": 0 }, { "dst": "::/0", "gw": "fd00::1", "mtu": 0 }],
            "dns": { "nameservers": ["1.1.1.1", "8.8.8.8"], "search": [] }
        })
    }

    #[test]
    fn spelling_and_empty_values_make_no_difference() {
        let mut same = newest();
        same["interfaces"][0] = json!({ "name": "br0", "mac": "aa:00:00:00:00:01", "sandbox": "", "mtu": 0, "x": 1 });
        same["ips"][1] = json!({ "address": "fd00::2/64", "gateway": "", "interface": null });
        same["dns"] = json!({ "nameservers": ["1.1.1.1", "8.8.8.8"], "domain": "", "options": null });
        assert_eq!(Told::of(&same), Told::of(&newest()));
    }

    #[test]
    fn a_table_and_a_scope_of_0_say_something() {
        let mut other = newest();
        other["routes"][0] = json!({ "dst": "0.0.0.0/0" });
        assert_eq!(Told::of(&other).lacks(&Told::of(&newest())), "routes: {\"dst\":\"0.0.0.0/0\",\"table\":0}");
    }

    #[test]
    fn the_index_of_an_interface_may_change_but_not_the_interface() {
        let mut shifted = newest();
        shifted["interfaces"] = json!([{ "name": "first" }, newest()["interfaces"][0], newest()["interfaces"][1]]);
        shifted["ips"][0]["interface"] = 2.into();
        assert_eq!(Told::of(&shifted).lacks(&Told::of(&newest())), "");
        shifted["ips"][0]["interface"] = 1.into();
        assert!(Told::of(&shifted).lacks(&Told::of(&newest())).starts_with("ips: "));
    }

    #[test]
    fn what_is_missing_or_out_of_order_is_told() {
        let mut less = newest();
        less["interfaces"] = json!([newest()["interfaces"][1], newest()["interfaces"][0]]);
        less["dns"] = json!({ "nameservers": ["8.8.8.8", "1.1.1.1"] });
        less["ips"][0]["interface"] = 0.into();
        let told = Told::of(&less).lacks(&Told::of(&newest()));
        assert_eq!(told, "interfaces: {\"name\":\"eth0\",\"sandbox\":\"/n\"}\ndns.nameservers: \"8.8.8.8\"");
        assert_eq!(Told::of(&json!({})).lacks(&Told::of(&newest())).lines().count(), 8);
    }

    #[test]
    fn the_oldest_layout_tells_addresses_and_routes() {
        let old = json!({ "ip4": { "ip": "10.0.0.2/24", "gateway": "10.0.0.1", "routes": [{ "dst": "0.0.0.0/0" }] },
            "ip6": { "ip": "fd00::2/64", "routes": [{ "dst": "::/0", "gw": "fd00::1" }] } });
        let new = json!({ "ips": [{ "address": "10.0.0.2/24", "gateway": "10.0.0.1" }, { "address": "fd00::2/64" }],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0", "gw": "fd00::1" }] });
        assert_eq!(Told::of(&old), Told::of(&new));
    }

    #[test]
    fn cidrs_need_a_prefix_length() {
        assert_eq!(cidr("10.0.0.2/24"), Some(("10.0.0.2".parse().unwrap(), 24)));
        assert_eq!(cidr("::ffff:10.0.0.2/120"), cidr("10.0.0.2/24"));
        for junk in ["", "10.0.0.2", "10.0.0.2/", "10.0.0.2/33", "10.0.0.02/24", "10.0.0.2/+4", "fd00::/129"] {
            assert_eq!(cidr(junk), None, "{junk}");
        }
    }
}
