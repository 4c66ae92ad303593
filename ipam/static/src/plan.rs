//! From the JSON's shape to the result. Pure.

use std::net::IpAddr;

use cni::{Code, Dns, Error, IpConfig, Result, Route, Version};
use ipnetwork::IpNetwork;

use crate::conf::{AddressConf, Conf};

/// What a container gets.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// Its addresses; there may be none.
    pub ips: Vec<IpConfig>,
    /// Its routes.
    pub routes: Vec<Route>,
    /// Its name servers.
    pub dns: Dns,
}

impl Plan {
    /// What a request asks for, `args` being `CNI_ARGS`: the runtime's addresses, or else those of `args.cni`, or else the
    /// configured ones and those of `CNI_ARGS`.
    ///
    /// # Errors
    /// Code 7 for what is no address or contradicts, code 6 for JSON values of the wrong type, code 4 for a bad `CNI_ARGS`.
    pub fn new(conf: &Conf, args: &str, version: Version) -> Result<Self> {
        let ipam = conf.ipam()?;
        let configured = configured(&ipam.addresses)?;
        let by_runtime = requested("runtimeConfig.ips", &conf.runtime_config()?.ips, &configured)?;
        let by_args = requested("args.cni.ips", &conf.args()?.cni.ips, &configured)?;
        let by_cni_args = cni_args(args)?;
        let chosen = match [by_runtime, by_args].into_iter().find(|ips| !ips.is_empty()) {
            Some(requested) => requested,
            None => configured.into_iter().chain(by_cni_args).collect(),
        };
        let ips = each_once(chosen)?;
        check_expressible(&ips, version)?;
        Ok(Self { ips, routes: ipam.routes, dns: ipam.dns })
    }
}

fn configured(addresses: &[AddressConf]) -> Result<Vec<IpConfig>> {
    let parse = |(i, conf): (usize, &AddressConf)| {
        let key = format!("ipam.addresses[{i}]");
        let text = conf.address.as_deref().unwrap_or_default();
        let address = cni::parse_cidr(text).ok_or_else(|| no_cidr(&format!("{key}.address"), text))?;
        let gateway = conf.gateway.as_deref().map(|text| gateway(&format!("{key}.gateway"), text, address));
        usable(&key, address)?;
        Ok(IpConfig { interface: None, address, gateway: gateway.transpose()? })
    };
    addresses.iter().enumerate().map(parse).collect()
}

fn gateway(key: &str, text: &str, address: IpNetwork) -> Result<IpAddr> {
    let ip = cni::parse_ip(text).ok_or_else(|| {
        Error::invalid(format!("\"{key}\": \"{text}\" is not an IP address"))
            .details(format!("invalid gateway address: {text}"))
    })?;
    if ip.is_ipv4() == address.is_ipv4() {
        return Ok(ip);
    }
    Err(Error::invalid(format!("\"{key}\": {ip} is of another family than the address {address}")))
}

/// Addresses that are asked for by their text alone. One in a configured network may come without its prefix length, and has
/// the network's gateway.
fn requested(key: &str, texts: &[String], configured: &[IpConfig]) -> Result<Vec<IpConfig>> {
    let parse = |(i, text): (usize, &String)| {
        let key = format!("{key}[{i}]");
        let bare = cni::parse_ip(text);
        let ip = bare.or_else(|| cni::parse_cidr(text).map(|cidr| cidr.ip()));
        let network = ip.and_then(|ip| configured.iter().find(|known| known.address.contains(ip)));
        let address = match (bare, network) {
            (Some(ip), Some(network)) => IpNetwork::new(ip, network.address.prefix()).ok(),
            _ => cni::parse_cidr(text),
        };
        let address = address.ok_or_else(|| no_cidr(&key, text))?;
        usable(&key, address)?;
        Ok(IpConfig { interface: None, address, gateway: network.and_then(|network| network.gateway) })
    };
    texts.iter().enumerate().filter(|(_, text)| !text.is_empty()).map(parse).collect()
}

/// `IP`, a list of addresses, and `GATEWAY`, a list of gateways, each of the addresses in whose network it is.
fn cni_args(text: &str) -> Result<Vec<IpConfig>> {
    let args = cni::args::parse(text, &["IP", "GATEWAY"])?;
    let list = |key: &str| args.get(key).into_iter().flat_map(|list| list.split(',')).filter(|item| !item.is_empty());
    let refused = |key: &str, item: &str, what: &str| {
        Error::new(Code::InvalidEnvironment, format!("ARGS: \"{key}={item}\" is not {what}"))
    };
    let gateways: Vec<IpAddr> = list("GATEWAY")
        .map(|item| {
            cni::parse_ip(item).ok_or_else(|| {
                refused("GATEWAY", item, "an IP address").details(format!("invalid gateway address: {item}"))
            })
        })
        .collect::<Result<_>>()?;
    let parse = |item| {
        let address = cni::parse_cidr(item).ok_or_else(|| {
            refused("IP", item, "an IP address with its prefix length, such as 10.1.0.5/24")
                .details(format!("the 'ip' field is expected to be in CIDR notation, got: '{item}'"))
        })?;
        usable("IP", address).map_err(|error| Error { code: Code::InvalidEnvironment, ..error })?;
        let gateway = gateways.iter().rev().find(|gateway| address.contains(**gateway)).copied();
        Ok(IpConfig { interface: None, address, gateway })
    };
    list("IP").map(parse).collect()
}

fn no_cidr(key: &str, text: &str) -> Error {
    Error::invalid(format!("\"{key}\": \"{text}\" is not an IP address with its prefix length, such as 10.1.0.5/24"))
        .details(format!("the 'address' field is expected to be in CIDR notation, got: '{text}'"))
}

/// The kernel would refuse it, but only once there is an interface.
fn usable(key: &str, address: IpNetwork) -> Result<()> {
    let ip = address.ip();
    if ip.is_unspecified() || ip.is_multicast() {
        return Err(Error::invalid(format!("\"{key}\": no interface can have the address {ip}")));
    }
    Ok(())
}

/// An address that is asked for twice is given once, with whatever gateway one of the two has.
fn each_once(asked: Vec<IpConfig>) -> Result<Vec<IpConfig>> {
    let mut ips: Vec<IpConfig> = Vec::new();
    for ip in asked {
        let Some(present) = ips.iter_mut().find(|present| present.address == ip.address) else {
            ips.push(ip);
            continue;
        };
        match (present.gateway, ip.gateway) {
            (Some(one), Some(other)) if one != other => {
                let msg = format!("address {} is given twice, with gateways {one} and {other}", ip.address);
                return Err(Error::invalid(msg));
            }
            (known, other) => present.gateway = known.or(other),
        }
    }
    Ok(ips)
}

/// Before 0.3.0 a result had place for one address per family.
fn check_expressible(ips: &[IpConfig], version: Version) -> Result<()> {
    let v4 = ips.iter().filter(|ip| ip.address.is_ipv4()).count();
    let v6 = ips.len() - v4;
    if version >= Version::V0_3_0 || v4.max(v6) <= 1 {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "CNI version {version} does not support more than 1 address per family, there are {v4} of IPv4 and {v6} of IPv6"
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(document: &Value, args: &str) -> Result<Plan> {
        Plan::new(&cni::json::decode(document).unwrap(), args, Version::V1_1_0)
    }

    fn ips(document: &Value, args: &str) -> Vec<String> {
        let written = |ip: &IpConfig| match ip.gateway {
            Some(gateway) => format!("{} via {gateway}", ip.address),
            None => ip.address.to_string(),
        };
        plan(document, args).unwrap().ips.iter().map(written).collect()
    }

    fn refusal(document: &Value, args: &str) -> (Code, String) {
        let error = plan(document, args).unwrap_err();
        (error.code, error.msg)
    }

    fn two() -> Value {
        json!({ "ipam": { "addresses": [
            { "address": "10.1.0.5/24", "gateway": "10.1.0.1" }, { "Address": "fd00::5/64" }] } })
    }

    #[test]
    fn configuration_goes_into_the_result() {
        assert_eq!(ips(&two(), ""), ["10.1.0.5/24 via 10.1.0.1", "fd00::5/64"]);
        let document = json!({ "ipam": { "routes": [{ "dst": "0.0.0.0/0", "gw": "10.1.0.9" }, { "dst": "0.0.0.0/0" }],
            "dns": { "nameservers": ["192.0.2.53"], "domain": "example.com", "search": ["a"], "options": ["b"] } } });
        let plan = plan(&document, "").unwrap();
        assert!(plan.ips.is_empty(), "no addresses are no error");
        assert_eq!(plan.routes.len(), 2);
        assert_eq!(plan.dns.domain.as_deref(), Some("example.com"));
    }

    #[test]
    fn cni_args_add_addresses_with_gateways_of_their_own() {
        let args = "IP=10.2.0.5/24,fd01::5/64;GATEWAY=10.2.0.1,10.1.0.9";
        let expected = ["10.1.0.5/24 via 10.1.0.1", "fd00::5/64", "10.2.0.5/24 via 10.2.0.1", "fd01::5/64"];
        assert_eq!(ips(&two(), args), expected);
        assert_eq!(ips(&two(), "IP=10.1.0.5/24"), expected[..2], "once");
    }

    #[test]
    fn args_take_the_place_of_addresses_and_the_runtime_that_of_both() {
        let mut document = two();
        document["args"] = json!({ "cni": { "ips": ["192.0.2.7/28"] } });
        assert_eq!(ips(&document, "IP=10.2.0.5/24"), ["192.0.2.7/28"]);
        document["runtimeConfig"] = json!({ "ips": ["198.51.100.7/28", "", "fd00::9/64"] });
        assert_eq!(ips(&document, ""), ["198.51.100.7/28", "fd00::9/64"]);
    }

    #[test]
    fn what_is_asked_for_in_a_configured_network_has_its_prefix_and_gateway() {
        let mut document = two();
        document["runtimeConfig"] = json!({ "ips": ["10.1.0.77", "fd00::77", "10.1.0.78/16"] });
        let expected = ["10.1.0.77/24 via 10.1.0.1", "fd00::77/64", "10.1.0.78/16 via 10.1.0.1"];
        assert_eq!(ips(&document, ""), expected);
    }

    #[test]
    fn what_is_no_address_is_named_with_its_key() {
        let cases = [
            (json!({ "addresses": [{ "address": "10.1.0.5" }] }), "\"ipam.addresses[0].address\": \"10.1.0.5\""),
            (json!({ "addresses": [{}] }), "\"ipam.addresses[0].address\": \"\""),
            (json!({ "addresses": [{ "address": "10.0.0.256/8" }] }), "\"10.0.0.256/8\" is not an IP address"),
            (json!({ "addresses": [{ "address": "0.0.0.0/8" }] }), "no interface can have the address 0.0.0.0"),
            (json!({ "addresses": [{ "address": "ff02::1/64" }] }), "no interface can have the address ff02::1"),
            (json!({ "addresses": [{ "address": "10.0.0.5/8", "gateway": "x" }] }), ".gateway\": \"x\" is not an IP"),
            (json!({ "addresses": [{ "address": "10.0.0.5/8", "gateway": "fd00::1" }] }), "another family"),
        ];
        for (ipam, expected) in cases {
            let (code, msg) = refusal(&json!({ "ipam": ipam }), "");
            assert_eq!(code, Code::InvalidConfig, "{msg}");
            assert!(msg.contains(expected), "{msg}");
        }
        let (_, msg) = refusal(&json!({ "ipam": {}, "runtimeConfig": { "ips": ["10.1.0.5"] } }), "");
        assert!(
            msg.starts_with("\"runtimeConfig.ips[0]\": \"10.1.0.5\" is not an IP address with its prefix"),
            "{msg}"
        );
        assert_eq!(refusal(&json!({}), "").1, "\"ipam\" is missing, an object is needed");
    }

    #[test]
    fn bad_cni_args_are_refused() {
        for args in ["IP=10.1.0.5", "GATEWAY=x", "IP=0.0.0.0/0", "MAC=02:00:00:00:00:01", "IP"] {
            assert_eq!(refusal(&two(), args).0, Code::InvalidEnvironment, "{args}");
        }
        assert_eq!(ips(&two(), "IgnoreUnknown=1;MAC=x;IP=;GATEWAY=").len(), 2);
    }

    #[test]
    fn contradicting_gateways_are_refused() {
        let document = json!({ "ipam": { "addresses": [
            { "address": "10.1.0.5/24", "gateway": "10.1.0.1" }, { "address": "10.1.0.5/24", "gateway": "10.1.0.2" }] } });
        let expected = "address 10.1.0.5/24 is given twice, with gateways 10.1.0.1 and 10.1.0.2";
        assert_eq!(refusal(&document, "").1, expected);
    }

    #[test]
    fn old_versions_have_one_address_per_family() {
        let conf: Conf = cni::json::decode(&two()).unwrap();
        assert_eq!(Plan::new(&conf, "", Version::V0_2_0).unwrap().ips.len(), 2);
        let error = Plan::new(&conf, "IP=10.2.0.5/24", Version::V0_2_0).unwrap_err();
        assert!(error.msg.contains("there are 2 of IPv4 and 1 of IPv6"), "{error}");
    }
}
