//! What a result says, and what the kernel says.

use serde_json::Value;
use std::net::IpAddr;
use testkit::TestNs;

/// An address or network with its prefix length, whatever its spelling.
pub type Cidr = (IpAddr, u8);

/// A destination, and the gateway if there is one.
pub type Route = (Cidr, Option<IpAddr>);

/// The addresses of a result of any version, as they are written.
pub fn addresses(result: &Value) -> Vec<String> {
    let new = items(&result["ips"]).iter().map(|ip| &ip["address"]);
    let old = ["ip4", "ip6"].map(|family| &result[family]["ip"]);
    new.chain(old).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The routes of a result of any version; None for one that cannot be read.
pub fn routes(result: &Value) -> Vec<Option<Route>> {
    let lists = [&result["routes"], &result["ip4"]["routes"], &result["ip6"]["routes"]];
    lists.into_iter().flat_map(items).map(|route| told(&route["dst"], &route["gw"])).collect()
}

/// `10.1.0.2/24`.
pub fn cidr(text: &str) -> Option<Cidr> {
    let (address, length) = text.split_once('/')?;
    Some((address.parse().ok()?, length.parse().ok()?))
}

/// The link of this name, with its addresses, if the namespace has it.
pub fn link(ns: &TestNs, name: &str) -> Option<Value> {
    let links = ns.json("ip -j addr show");
    items(&links).iter().find(|link| link["ifname"] == name).cloned()
}

/// The addresses of a [`link`].
pub fn addresses_of(link: &Value) -> Vec<Cidr> {
    let pair = |address: &Value| {
        let length = u8::try_from(address["prefixlen"].as_u64()?).ok()?;
        Some((address["local"].as_str()?.parse().ok()?, length))
    };
    items(&link["addr_info"]).iter().filter_map(pair).collect()
}

/// All routes of a namespace, in whatever table.
pub fn routes_in(ns: &TestNs) -> Vec<Route> {
    let family = |option: &str, all: &str| -> Vec<Route> {
        let routes = ns.json(&format!("ip -j {option} route show table all"));
        items(&routes).iter().filter_map(|route| listed(route, all)).collect()
    };
    [family("-4", "0.0.0.0/0"), family("-6", "::/0")].concat()
}

/// A route as `ip` shows it: `default`, and single addresses without length.
fn listed(route: &Value, all: &str) -> Option<Route> {
    let text = route["dst"].as_str()?;
    let dst = match text {
        "default" => cidr(all)?,
        _ if text.contains('/') => cidr(text)?,
        _ => single(text.parse().ok()?),
    };
    Some((dst, route["gateway"].as_str().and_then(|gateway| gateway.parse().ok())))
}

fn told(dst: &Value, gateway: &Value) -> Option<Route> {
    let gateway = match gateway.as_str() {
        None | Some("") => None,
        Some(text) => Some(text.parse().ok()?),
    };
    Some((cidr(dst.as_str()?)?, gateway))
}

fn single(address: IpAddr) -> Cidr {
    (address, if address.is_ipv4() { 32 } else { 128 })
}

/// The entries of a list; of anything else, none.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn addresses_are_found_in_every_layout() {
        let (old, new) = (json!({ "ip6": { "ip": "fd00::2/64" } }), json!({ "ips": [{ "address": "10.0.0.2/24" }] }));
        assert_eq!((addresses(&old), addresses(&new)), (vec!["fd00::2/64".into()], vec!["10.0.0.2/24".into()]));
        assert!(addresses(&json!({})).is_empty());
    }

    #[test]
    fn routes_are_equal_whatever_their_spelling() {
        let result =
            json!({ "routes": [{ "dst": "0.0.0.0/0", "gw": "10.0.0.1" }, { "dst": "FD00:0::1/128", "gw": "" }] });
        let shown = [json!({ "dst": "default", "gateway": "10.0.0.1" }), json!({ "dst": "fd00::1", "dev": "eth0" })];
        let listed: Vec<_> = shown.iter().map(|route| listed(route, "0.0.0.0/0")).collect();
        assert_eq!(routes(&result), listed);
    }
}
