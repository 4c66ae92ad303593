//! The well-known keys `ipMasq` and `dns`. How a plugin uses `ipam` is in `delegation`.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::stage::{Container, Stage};
use crate::told::{Told, cidr, text};
use crate::truth::items;
use serde_json::{Value, json};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;
use testkit::TestNs;

pub const CASES: &[Case] = &[
    Case::once(
        "config::masquerade",
        "1.22a 1.26",
        Needs::Interface,
        "with `ipMasq` the world sees the host's address, without it the container's",
        masquerade,
    ),
    Case::once(
        "config::masquerade_removed",
        "1.22b",
        Needs::Interface,
        "DEL takes back what ADD set up for `ipMasq`",
        masquerade_removed,
    ),
    Case::once(
        "config::dns",
        "1.25a 1.24c 1.26",
        Needs::Interface,
        "`dns` of the configuration is `dns` of the result, in its order",
        dns,
    ),
    Case::once("config::dns_in_part", "1.24a", Needs::Interface, "each key of `dns` works alone", dns_in_part),
    Case::once("config::dns_nulls", "1.24b", Needs::Interface, "lists of `dns` that are null are absent", dns_nulls),
];

/// The address of the uplink, and where outside hosts are behind it.
const UPLINK: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
const OUTSIDE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 2)), 80);

/// How long an answer may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Skips the case for plugins whose configuration does not have the key.
fn knows_masquerading(stage: &Stage) -> Verdict {
    let has = stage.subject.config.as_ref().is_some_and(|config| config["ipMasq"].is_boolean());
    if has { Ok(()) } else { Err(Stop::skip("its configuration has no `ipMasq`")) }
}

fn masquerade(stage: &Stage) -> Verdict {
    knows_masquerading(stage)?;
    let outside = stage.sandbox.outside("outside");
    let _server = outside.listen_tcp(OUTSIDE);
    // A container that reaches the world as itself shows that it is the masquerading that makes the difference.
    let (container, own) = attached(stage, "plain", false)?;
    has_way_out(stage, &container)?;
    seen_as(&container, &outside, own, "the container's own address without `ipMasq`")?;
    let (container, _) = attached(stage, "masqueraded", true)?;
    seen_as(&container, &outside, UPLINK, "the host's address with `ipMasq`")
}

/// A container, and its IPv4 address.
fn attached(stage: &Stage, id: &str, ip_masq: bool) -> Result<(Container, IpAddr), Stop> {
    let container = stage.container(id);
    let result = container.at.with_key("ipMasq", json!(ip_masq)).add().result()?;
    let ips = Told::of(&result).ips;
    let own = ips.iter().filter_map(|ip| cidr(text(&ip["address"]))).map(|(ip, _)| ip).find(IpAddr::is_ipv4);
    own.map(|own| (container, own)).ok_or_else(|| Stop::skip("its containers have no IPv4 address"))
}

/// Skips the case where the container has no route to the world, or one by way of somebody else than this host: then it is
/// not for the plugin to get it there.
fn has_way_out(stage: &Stage, container: &Container) -> Verdict {
    let route = container.ns.try_sh(&format!("ip -j route get {}", OUTSIDE.ip()));
    let route: Value = serde_json::from_str(&route.stdout).unwrap_or_default();
    let Some(hop) = route.get(0) else {
        return Err(Stop::skip("its containers have no route to the world"));
    };
    let gateway = text(&hop["gateway"]);
    let links = stage.sandbox.json("ip -j addr");
    let mut addresses = links.as_array().into_iter().flatten().flat_map(|link| items(&link["addr_info"]));
    if gateway.is_empty() || addresses.any(|address| address["local"] == gateway) {
        return Ok(());
    }
    Err(Stop::skip(format!("its containers reach the world by way of {gateway}, which is not this host")))
}

/// Demands that the world sees the container at this address.
fn seen_as(container: &Container, outside: &TestNs, address: IpAddr, expected: &str) -> Verdict {
    let reply = container.ns.connect_tcp(OUTSIDE, LIMIT);
    let peer = reply.as_ref().ok().filter(|reply| reply.server == outside.name()).map(|reply| reply.peer.ip());
    demand(peer == Some(address), expected, format!("{reply:?}"))
}

fn masquerade_removed(stage: &Stage) -> Verdict {
    knows_masquerading(stage)?;
    let with = |container: &Container| container.at.with_key("ipMasq", json!(true));
    let (first, second) = (stage.container("first"), stage.container("second"));
    with(&first).add().result()?;
    with(&first).del().silence()?;
    let before = stage.snapshot();
    let result = with(&second).add().result()?;
    let during = stage.snapshot();
    with(&second).with_prev(&result).del().silence()?;
    demand(before != during, "something on the host that ADD made", "")?;
    same(&before, &stage.snapshot(), "nothing on the host that ADD made")
}

/// ADD with this `dns` in the configuration, and no other; what comes out of it.
fn given(stage: &Stage, id: &str, dns: Value, expected: &Value) -> Verdict {
    let container = stage.container(id);
    let output = container.at.with_key("dns", dns).add();
    let told = Value::Object(Told::of(&output.result()?).dns);
    output.demand(told == *expected, &format!("{expected} as `dns`"))
}

fn dns(stage: &Stage) -> Verdict {
    let dns = json!({
        "nameservers": ["192.0.2.53", "2001:db8::53", "10.0.0.53"], "domain": "conformance.test",
        "search": ["z.test", "a.test", "m.test"], "options": ["timeout:1", "ndots:5", "attempts:2"]
    });
    given(stage, "c1", dns.clone(), &dns)
}

fn dns_in_part(stage: &Stage) -> Verdict {
    let parts = [
        json!({ "nameservers": ["192.0.2.53"] }),
        json!({ "domain": "conformance.test" }),
        json!({ "search": ["a.test"] }),
        json!({ "options": ["ndots:5"] }),
    ];
    for (id, part) in parts.into_iter().enumerate() {
        given(stage, &format!("c{id}"), part.clone(), &part)?;
    }
    Ok(())
}

fn dns_nulls(stage: &Stage) -> Verdict {
    let nulls = json!({ "nameservers": null, "domain": null, "search": ["a.test"], "options": null });
    given(stage, "c1", nulls, &json!({ "search": ["a.test"] }))
}
