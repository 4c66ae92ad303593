//! Links, addresses, routes, rules, qdiscs, VLANs and sysctls of the calling thread's namespace.

use crate::process;
use serde_json::{Deserializer, Value};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// No tool takes that long to print what there is.
const TOOL_LIMIT: Duration = Duration::from_mins(1);

const LINK: [&str; 8] = ["link", "master", "mtu", "address", "ifalias", "altnames", "txqlen", "inet6_addr_gen_mode"];

/// What somebody set; the rest of a link's flags follows its carrier.
const LINK_FLAGS: [&str; 7] = ["UP", "BROADCAST", "MULTICAST", "LOOPBACK", "NOARP", "PROMISC", "ALLMULTI"];

/// A bridge's settings, among its timers and the spanning tree's state.
const BRIDGE: [&str; 8] = [
    "stp_state",
    "forward_delay",
    "ageing_time",
    "priority",
    "vlan_filtering",
    "vlan_default_pvid",
    "group_fwd_mask",
    "mcast_snooping",
];

/// A bridge port's settings, likewise.
const BRIDGE_PORT: [&str; 9] =
    ["hairpin", "isolated", "guard", "root_block", "fastleave", "learning", "flood", "mcast_flood", "neigh_suppress"];

const ADDRESS: [&str; 7] = ["address", "broadcast", "scope", "label", "secondary", "noprefixroute", "dynamic"];

const ROUTE: [&str; 12] = [
    "table", "dev", "gateway", "via", "protocol", "scope", "prefsrc", "metric", "metrics", "encap", "nexthops", "flags",
];

/// Sysctls per link, with their directory.
const PER_LINK: [(&str, &[&str]); 2] = [
    ("ipv4/conf", &["forwarding", "route_localnet", "rp_filter", "proxy_arp", "arp_notify"]),
    ("ipv6/conf", &["forwarding", "disable_ipv6", "accept_ra", "accept_dad", "proxy_ndp"]),
];

pub(super) fn lines() -> Vec<String> {
    let [links, addresses] = ip(&["-d"], ["link", "addr"]);
    let [routes, rules] = ip(&["-4"], ["route show table all", "rule"]);
    let [routes6, rules6] = ip(&["-6"], ["route show table all", "rule"]);
    let sections = [
        objects(&links, |link| vec![link_line(link)]),
        objects(&addresses, address_lines),
        objects(&routes, |route| route_line("-4", route)),
        objects(&routes6, |route| route_line("-6", route)),
        objects(&rules, |rule| rule_line("-4", rule)),
        objects(&rules6, |rule| rule_line("-6", rule)),
        objects(&json("tc", &["-j", "qdisc", "show"]), qdisc_line),
        objects(&json("bridge", &["-j", "vlan", "show"]), |port| {
            vec![format!("vlan {} {}", text(&port["ifname"]), port["vlans"])]
        }),
        sysctl_lines(),
    ];
    sections.into_iter().flatten().collect()
}

/// What several commands of ip list. To start programs is most of what a snapshot takes, so it is started once for all.
fn ip<const N: usize>(options: &[&str], commands: [&str; N]) -> [Value; N] {
    let args = [options, &["-j", "-b", "-"]].concat();
    let printed =
        fed("ip", &args, &commands.join("\n")).unwrap_or_else(|e| panic!("a snapshot needs ip {args:?}: {e}"));
    let lists: Result<Vec<Value>, _> = Deserializer::from_str(&printed).into_iter().collect();
    let lists = lists.unwrap_or_else(|e| panic!("ip {args:?}: not JSON: {e}\n{printed}"));
    lists.try_into().unwrap_or_else(|_| panic!("ip {args:?}: not one list for each of {commands:?}\n{printed}"))
}

fn link_line(link: &Value) -> String {
    let info = &link["linkinfo"];
    let set = items(&link["flags"]).filter_map(Value::as_str).filter(|flag| LINK_FLAGS.contains(flag));
    let settings = match info["info_kind"].as_str() {
        Some("bridge") => fields(&info["info_data"], &BRIDGE),
        _ => fields(info, &["info_data"]),
    };
    format!(
        "link {}{} flags={}{}{settings}{}",
        text(&link["ifname"]),
        fields(info, &["info_kind"]),
        set.collect::<Vec<_>>().join(","),
        fields(link, &LINK),
        fields(&info["info_slave_data"], &BRIDGE_PORT)
    )
}

fn address_lines(link: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    for address in items(&link["addr_info"]).filter(|address| !text(&address["local"]).starts_with("fe80:")) {
        let (local, length) = (text(&address["local"]), &address["prefixlen"]);
        lines.push(format!("addr {} {local}/{length}{}", text(&link["ifname"]), fields(address, &ADDRESS)));
    }
    lines
}

/// Without what follows from the addresses when duplicate address detection is done with them.
fn route_line(family: &str, route: &Value) -> Vec<String> {
    let (kind, to) = (text(&route["type"]), text(&route["dst"]));
    let by_kernel = family == "-6" && route["table"] == "local" && route["protocol"] == "kernel";
    if by_kernel || to.starts_with("fe80:") {
        return Vec::new();
    }
    let mut route = route.clone();
    keep_onlink(&mut route);
    items_mut(&mut route["nexthops"]).for_each(keep_onlink);
    vec![format!("route {family} {kind}{}{to}{}", if kind.is_empty() { "" } else { " " }, fields(&route, &ROUTE))]
}

/// Without the one that the kernel makes with a namespace's first VRF and never removes, nor makes again
/// (`vrf_add_fib_rules`, `drivers/net/vrf.c`).
fn rule_line(family: &str, rule: &Value) -> Vec<String> {
    if rule.get("l3mdev").is_some() { Vec::new() } else { vec![format!("rule {family} {rule}")] }
}

/// The other flags of a route tell the state of its link.
fn keep_onlink(hop: &mut Value) {
    if let Some(flags) = hop["flags"].as_array_mut() {
        flags.retain(|flag| flag == "onlink");
    }
}

/// Without the kernel's own: those have no handle.
fn qdisc_line(qdisc: &Value) -> Vec<String> {
    let (device, kind) = (text(&qdisc["dev"]), text(&qdisc["kind"]));
    let line = format!("qdisc {device} {kind}{} {}", fields(qdisc, &["root", "parent"]), qdisc["options"]);
    if qdisc["handle"] == "0:" { Vec::new() } else { vec![line] }
}

fn sysctl_lines() -> Vec<String> {
    let value =
        |name: &str| fs::read_to_string(format!("/proc/sys/net/{name}")).map(|value| value.trim().to_owned()).ok();
    let mut lines: Vec<_> =
        value("ipv4/ip_forward").map(|value| format!("sysctl ipv4/ip_forward={value}")).into_iter().collect();
    for (dir, names) in PER_LINK {
        lines.extend(entries(dir).iter().filter_map(|link| {
            // A link that lacks one is on its way out: its directory goes a moment later.
            let values = names.iter().map(|name| Some(format!(" {name}={}", value(&format!("{dir}/{link}/{name}"))?)));
            Some(format!("sysctl {dir}/{link}{}", values.collect::<Option<String>>()?))
        }));
    }
    lines
}

fn entries(dir: &str) -> Vec<String> {
    let read = fs::read_dir(Path::new("/proc/sys/net").join(dir)).into_iter().flatten();
    let mut names: Vec<_> = read.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The lines of each object of a list, sorted: their order means nothing.
fn objects(list: &Value, lines: impl Fn(&Value) -> Vec<String>) -> Vec<String> {
    let mut lines: Vec<_> = items(list).flat_map(lines).collect();
    lines.sort();
    lines
}

/// ` key=value` for each key that is there and says something.
fn fields(object: &Value, keys: &[&str]) -> String {
    let present = keys.iter().map(|key| (key, &object[*key]));
    let telling =
        present.filter(|(_, value)| !value.is_null() && value.as_array().is_none_or(|items| !items.is_empty()));
    telling.map(|(key, value)| format!(" {key}={}", text(value))).collect::<Vec<_>>().concat()
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn items_mut(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_array_mut().into_iter().flatten()
}

/// What a tool prints as JSON; nothing at all is null.
pub(super) fn json(program: &str, args: &[&str]) -> Value {
    let printed = tool(program, args).unwrap_or_else(|e| panic!("a snapshot needs {program} {args:?}: {e}"));
    if printed.trim().is_empty() {
        return Value::Null;
    }
    serde_json::from_str(&printed).unwrap_or_else(|e| panic!("{program} {args:?}: not JSON: {e}\n{printed}"))
}

/// What a tool prints; an error when it is not installed or fails.
pub(super) fn tool(program: &str, args: &[&str]) -> Result<String, String> {
    fed(program, args, "")
}

/// The same with an input.
fn fed(program: &str, args: &[&str], input: &str) -> Result<String, String> {
    let mut command = process::command(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let done = process::finish(&mut command, input.as_bytes().to_vec(), TOOL_LIMIT).map_err(|e| e.to_string())?;
    if !done.status.success() {
        return Err(format!("{}: {}", done.status, String::from_utf8_lossy(&done.stderr)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}
