//! `portMappings`: what arrives at the host's port arrives in the container.

use super::with;
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand};
use crate::effect;
use crate::stage::{Container, Stage};
use crate::told::{Told, cidr, text};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;
use testkit::{Server, TestNs};

pub const CASES: &[Case] = &[
    Case::once(
        "capabilities::port_mapping",
        "7.3.portMappings",
        Needs::Config,
        "what comes to a published port from outside arrives in the container, over TCP and UDP",
        port_mapping,
    ),
    Case::once(
        "capabilities::host_ip",
        "7.3.portMappings",
        Needs::Config,
        "with `hostIP` a port is published at that address only, with an empty one at all",
        host_ip,
    ),
    Case::once("capabilities::port_limits", "7.14a", Needs::Config, "ports may be 1 and 65535", port_limits),
    Case::once("capabilities::port_0", "7.14b", Needs::Config, "a `hostPort` of 0 is refused", port_0),
    Case::once("capabilities::protocols", "7.16a", Needs::Config, "tcp, udp and sctp are accepted", protocols),
    Case::once(
        "capabilities::protocol_case",
        "7.16b",
        Needs::Config,
        "protocols in upper case are the same protocols",
        protocol_case,
    ),
];

/// The uplink's address at which outside hosts find this one, and another of it.
const HOST: [&str; 2] = ["203.0.113.1", "203.0.113.7"];

/// How long an answer may take on a busy machine, and how long to listen for one that must not come.
const ANSWER: Duration = Duration::from_secs(20);
const SILENCE: Duration = Duration::from_secs(3);

/// A host outside, and the way there and back that the plugins before would have made.
fn outside(stage: &Stage) -> TestNs {
    let outside = stage.sandbox.outside("outside");
    stage.sandbox.sh(&format!("ip addr add {}/24 dev uplink0; echo 1 > /proc/sys/net/ipv4/ip_forward", HOST[1]));
    outside
}

/// The container's IPv4 address.
fn address(result: &Value) -> Result<IpAddr, Stop> {
    let ips = Told::of(result).ips;
    let own = ips.iter().filter(|ip| ip["on"].is_null() || ip["on"]["name"] == "eth0");
    let v4 = own.filter_map(|ip| cidr(text(&ip["address"]))).map(|(ip, _)| ip).find(IpAddr::is_ipv4);
    v4.ok_or_else(|| Stop::skip("its container has no IPv4 address"))
}

/// ADD with these mappings, and a TCP server at port 80 of the container.
fn published(container: &Container, mappings: Value) -> Result<Server, Stop> {
    let result = with(container, "portMappings", mappings).add().result()?;
    Ok(container.ns.listen_tcp((address(&result)?, 80)))
}

/// Demands that the container answers, or nobody, at this address of the host.
fn answers(outside: &TestNs, at: &str, who: Option<&str>) -> Verdict {
    let reply = outside.connect_tcp(at, if who.is_some() { ANSWER } else { SILENCE });
    let expected = match who {
        Some(who) => format!("an answer of {who} at {at} of the host"),
        None => format!("no answer at {at} of the host"),
    };
    let server = reply.as_ref().ok().map(|reply| reply.server.as_str());
    demand(server == who, &expected, format!("{reply:?}"))
}

fn port_mapping(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let outside = outside(stage);
    let container = stage.container("c1");
    let mappings = json!([
        { "hostPort": 18080, "containerPort": 80, "protocol": "tcp" },
        { "hostPort": 18053, "containerPort": 53, "protocol": "udp" }
    ]);
    let server = published(&container, mappings)?;
    let _udp = container.ns.listen_udp((server.address().ip(), 53));
    answers(&outside, &format!("{}:18080", HOST[0]), Some("c1"))?;
    let reply = outside.ask_udp(format!("{}:18053", HOST[0]), ANSWER);
    let server = reply.as_ref().ok().map(|reply| reply.server.as_str());
    demand(server == Some("c1"), "an answer of c1 at the published UDP port", format!("{reply:?}"))
}

fn host_ip(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let outside = outside(stage);
    let container = stage.container("c1");
    let mappings = json!([
        { "hostPort": 18080, "containerPort": 80, "protocol": "tcp", "hostIP": HOST[0] },
        { "hostPort": 18081, "containerPort": 80, "protocol": "tcp", "hostIP": "" }
    ]);
    let _server = published(&container, mappings)?;
    answers(&outside, &format!("{}:18080", HOST[0]), Some("c1"))?;
    answers(&outside, &format!("{}:18080", HOST[1]), None)?;
    answers(&outside, &format!("{}:18081", HOST[0]), Some("c1"))?;
    answers(&outside, &format!("{}:18081", HOST[1]), Some("c1"))
}

fn port_limits(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let mappings = json!([
        { "hostPort": 1, "containerPort": 65535, "protocol": "tcp" },
        { "hostPort": 65535, "containerPort": 1, "protocol": "udp" }
    ]);
    with(&stage.container("c1"), "portMappings", mappings).add().result().map(drop)
}

fn port_0(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let container = stage.container("c1");
    let mappings = json!([{ "hostPort": 0, "containerPort": 80, "protocol": "tcp" }]);
    effect::refused(stage, [with(&container, "portMappings", mappings).call("ADD")])
}

fn protocols(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let mapping = |protocol: &str| json!({ "hostPort": 18080, "containerPort": 80, "protocol": protocol });
    let mappings: Vec<_> = ["tcp", "udp", "sctp"].into_iter().map(mapping).collect();
    with(&stage.container("c1"), "portMappings", mappings.into()).add().result().map(drop)
}

fn protocol_case(stage: &Stage) -> Verdict {
    stage.declares("portMappings")?;
    let outside = outside(stage);
    let container = stage.container("c1");
    let mappings = json!([
        { "hostPort": 18080, "containerPort": 80, "protocol": "TCP" },
        { "hostPort": 18053, "containerPort": 53, "protocol": "Udp" }
    ]);
    let _server = published(&container, mappings)?;
    answers(&outside, &format!("{}:18080", HOST[0]), Some("c1"))
}
