//! The well-known keys `ipMasq` and `dns`. How a plugin uses `ipam` is in `delegation`.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::stage::{Container, Stage};
use crate::told::{Told, cidr, text};
use serde_json::{Value, json};
use std::net::IpAddr;
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
const UPLINK: &str = "203.0.113.1";
const OUTSIDE: &str = "203.0.113.2:80";

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
    let (plain, own) = seen(stage, &outside, false)?;
    if plain.is_none() {
        return Err(Stop::skip("its containers do not reach the world without masquerading"));
    }
    demand(plain == own, "the container's own address without `ipMasq`", format!("{plain:?}"))?;
    let (masqueraded, _) = seen(stage, &outside, true)?;
    demand(masqueraded == UPLINK.parse().ok(), "the host's address with `ipMasq`", format!("{masqueraded:?}"))
}

/// As whom a new container is seen outside, and who it is.
fn seen(stage: &Stage, outside: &TestNs, ip_masq: bool) -> Result<(Option<IpAddr>, Option<IpAddr>), Stop> {
    let container = stage.container(if ip_masq { "masqueraded" } else { "plain" });
    let result = container.at.with_key("ipMasq", json!(ip_masq)).add().result()?;
    let ips = Told::of(&result).ips;
    let own = ips.iter().filter_map(|ip| cidr(text(&ip["address"]))).map(|(ip, _)| ip).find(IpAddr::is_ipv4);
    let reply = container.ns.connect_tcp(OUTSIDE, Duration::from_secs(2)).ok();
    let reply = reply.filter(|reply| reply.server == outside.name());
    Ok((reply.map(|reply| reply.peer.ip()), own))
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
