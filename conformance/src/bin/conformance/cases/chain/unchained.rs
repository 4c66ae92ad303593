//! Plugins that need no other before them, behind one.

use super::{kept, push};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::layout;
use crate::neighbour;
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use crate::told::items;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::each_version(
        "prev_kept_by_others",
        "3.3a 7.15c",
        Needs::Config,
        "a plugin that could be the first hands `prevResult` on, with what it made beside it",
        handed_on,
    )
    .from("0.3.0"),
    Case::once(
        "chain::second_in_line",
        "7.15c",
        Needs::Interface,
        "a plugin that creates an interface accepts a `prevResult` with one on the host",
        second_in_line,
    ),
];

/// A result with an interface of the host and one of the container, addresses, a route and name servers, which is true.
fn prev(stage: &Stage, container: &Container, version: &str) -> Value {
    let netns = container.ns.path().display().to_string();
    let prev = json!({
        "interfaces": [
            { "name": "front0", "mac": "02:00:00:00:99:01" },
            { "name": "net9", "mac": "02:00:00:00:99:02", "sandbox": netns }
        ],
        "ips": [{ "interface": 1, "address": "10.99.0.2/24", "gateway": "10.99.0.1" }, { "address": "fd00:99::2/64" }],
        "routes": [{ "dst": "192.0.2.0/24", "gw": "10.99.0.1" }],
        "dns": { "nameservers": ["192.0.2.53"], "search": ["b.test", "a.test"], "options": ["ndots:5"] }
    });
    neighbour::realize(&prev, &stage.sandbox, &container.ns);
    layout::convert(&prev, version)
}

fn handed_on(stage: &Stage, version: &'static str) -> Verdict {
    let kind = stage.subject.facts.kind;
    if ![Some(Kind::Interface), Some(Kind::Other)].contains(&kind) {
        return Err(Stop::skip("is behind others anyway, or a delegate, which tells addresses only"));
    }
    let container = stage.container_at("c1", version);
    let netns = container.ns.path().display().to_string();
    let prev = prev(stage, &container, version);
    let output = container.at.with_prev(&prev).add();
    let result = output.result()?;
    kept(&container, &prev, &output)?;
    if kind == Some(Kind::Interface) {
        let links = items(&result["interfaces"]);
        let own = links.iter().position(|link| link["name"] == "eth0" && link["sandbox"] == netns.as_str());
        output.demand(own.is_some(), "the interface of its own beside those of `prevResult`")?;
        let own_address = items(&result["ips"]).iter().find(|ip| own.is_some_and(|own| ip["interface"] == own));
        let wanted = stage.subject.delegate().is_some();
        output.demand(own_address.is_some() || !wanted, "an address that names the interface of its own")?;
    }
    let later = container.at.with_prev(&result);
    if version >= "0.4.0" {
        later.check().silence()?;
    }
    later.del().silence()
}

fn second_in_line(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    stage.sandbox.sh("ip link add front0 type veth peer name loose0");
    let mut prev = json!({ "cniVersion": stage.version() });
    push(&mut prev, "interfaces", vec![json!({ "name": "front0" })]);
    let output = container.at.with_prev(&prev).add();
    output.result()?;
    let links = container.ns.json("ip -j link");
    output.demand(items(&links).iter().any(|link| link["ifname"] == "eth0"), "the interface in the container")
}
