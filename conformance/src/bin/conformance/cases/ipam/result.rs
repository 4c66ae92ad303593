//! What a plugin that hands out addresses says, and to whom.

use super::{IPAM, handed_out};
use crate::case::{Case, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::stage::Stage;
use serde_json::{Value, json};
use std::net::IpAddr;

pub const CASES: &[Case] = &[
    Case::each_version(
        "ipam_version",
        "4.8c 3.44",
        IPAM,
        "the result has the version of the request, and addresses",
        version,
    ),
    Case::each_version("ipam_no_index", "4.8a", IPAM, "the addresses have no index of an interface", no_index)
        .from("0.3.0"),
    Case::each_version("ipam_no_interfaces", "4.8b", IPAM, "the result has no interfaces", no_interfaces).from("0.3.0"),
    Case::each_version("ipam_in_list", "4.13", IPAM, "ADD, CHECK and DEL work when a runtime calls them", in_list),
    Case::once(
        "ipam::as_delegate",
        "1.19a",
        IPAM,
        "the configuration of a plugin that delegates is no obstacle",
        as_delegate,
    ),
    Case::once("ipam::no_link", "4.8b", IPAM, "the container is left as it is", no_link),
    Case::once("ipam::subnet", "1.26", IPAM, "addresses and gateways are of the subnets in the configuration", subnet),
    Case::once(
        "ipam::gateway",
        "1.26",
        IPAM,
        "a gateway is in the subnet of its address, and another address",
        gateway,
    ),
];

fn version(stage: &Stage, version: &'static str) -> Verdict {
    let output = stage.container_at("any", version).at.add();
    handed_out(&output)?;
    output.demand(output.result()?["cniVersion"] == version, &format!("a result of version {version}"))
}

fn no_index(stage: &Stage, version: &'static str) -> Verdict {
    let output = stage.container_at("any", version).at.add();
    handed_out(&output)?;
    let result = output.result()?;
    let indexed = result["ips"].as_array().into_iter().flatten().any(|ip| ip["interface"].is_number());
    output.demand(!indexed, "`ips` without `interface`: only the plugin that delegates knows it")
}

fn no_interfaces(stage: &Stage, version: &'static str) -> Verdict {
    let output = stage.container_at("any", version).at.add();
    let interfaces = output.result()?["interfaces"].as_array().is_some_and(|list| !list.is_empty());
    output.demand(!interfaces, "a result without `interfaces`")
}

fn in_list(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("any", version);
    let output = container.at.add();
    handed_out(&output)?;
    let at = container.at.with_prev(&output.result()?);
    if version >= "0.4.0" {
        at.check().silence()?;
        return at.del().silence();
    }
    container.at.del().silence()
}

fn as_delegate(stage: &Stage) -> Verdict {
    let container = stage.container("delegated");
    let mut conf = container.at.conf().clone();
    conf["type"] = json!("conformance-main");
    for (key, value) in
        [("bridge", json!("br0")), ("isGateway", json!(true)), ("mtu", json!(1400)), ("mode", json!("l2"))]
    {
        conf[key] = value;
    }
    handed_out(&container.at.call("ADD").stdin(&conf).run())?;
    container.at.call("DEL").stdin(&conf).run().silence()
}

fn no_link(stage: &Stage) -> Verdict {
    let container = stage.container("bare");
    let before = container.ns.snapshot();
    container.at.add().result()?;
    same(&before, &container.ns.snapshot(), "a plugin that tells addresses, and sets none")
}

/// The subnets that the configuration names, where well-known keys do.
fn subnets(ipam: &Value) -> Vec<String> {
    let ranges = ipam["ranges"].as_array().into_iter().flatten().filter_map(Value::as_array).flatten();
    let named = ranges.map(|range| &range["subnet"]).chain([&ipam["subnet"]]);
    named.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn subnet(stage: &Stage) -> Verdict {
    let container = stage.container("inside");
    let subnets = subnets(&container.at.conf()["ipam"]);
    if subnets.is_empty() {
        return Err(Stop::skip("has no `subnet` in its configuration"));
    }
    let output = container.at.add();
    for address in handed_out(&output)? {
        let inside = subnets.iter().any(|subnet| contains(subnet, &address));
        output.demand(inside, &format!("addresses of the subnets {subnets:?}, which {address} is not"))?;
    }
    Ok(())
}

fn gateway(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let output = stage.container("inside").at.add();
    handed_out(&output)?;
    for ip in output.result()?["ips"].as_array().into_iter().flatten() {
        let (address, gateway) = (ip["address"].as_str().unwrap_or_default(), &ip["gateway"]);
        let Some(gateway) = gateway.as_str().filter(|gateway| !gateway.is_empty()) else { continue };
        output.demand(contains(address, gateway), &format!("a gateway in the subnet of {address}"))?;
        let other = host(address) != host(gateway);
        output.demand(other, &format!("a gateway other than the address {address}"))?;
    }
    Ok(())
}

/// The address in a text with or without a prefix length.
fn host(text: &str) -> Option<IpAddr> {
    text.split('/').next()?.parse().ok()
}

/// Whether the network of `subnet` has the address.
fn contains(subnet: &str, address: &str) -> bool {
    let length = subnet.split_once('/').and_then(|(_, length)| length.parse::<u32>().ok());
    let (Some(network), Some(address), Some(length)) = (host(subnet), host(address), length) else { return false };
    let (all, network, address) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            (32, u128::from(network.to_bits()), u128::from(address.to_bits()))
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => (128, network.to_bits(), address.to_bits()),
        _ => return false,
    };
    let rest = all - length.min(all);
    network.checked_shr(rest) == address.checked_shr(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_has_the_addresses_of_its_prefix() {
        assert!(contains("10.1.0.0/16", "10.1.255.3/24") && !contains("10.1.0.0/16", "10.2.0.1"));
        assert!(contains("fd00::/64", "fd00::ffff") && !contains("fd00::/64", "fd00:0:0:1::1/64"));
        assert!(contains("0.0.0.0/0", "1.2.3.4") && !contains("0.0.0.0/0", "::1") && !contains("junk", "1.2.3.4"));
    }
}
