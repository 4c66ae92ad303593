//! The result as a description of the kernel: everything it tells is there, everything that is new is told.

use super::{attach, link, own_interface};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::stage::{Stage, arranged};
use crate::subject::Kind;
use crate::told::{cidr, items, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What `link` reads.
const LINKS: &str = "ip -j -d addr";

pub const CASES: &[Case] = &[
    Case::each_version(
        "container_interface",
        "3.5a C.20",
        Needs::Interface,
        "`interfaces` has CNI_IFNAME once, and it is the one in the container",
        container_interface,
    )
    .from("0.3.0"),
    Case::each_version(
        "sandbox",
        "3.6a 3.6b",
        Needs::Interface,
        "`sandbox` is CNI_NETNS inside the container, and absent or empty on the host",
        sandbox,
    )
    .from("0.3.0"),
    Case::each_version(
        "ip_interface",
        "3.8a 3.8b C.19",
        Needs::Interface,
        "each address names the container's interface by its index",
        ip_interface,
    )
    .from("0.3.0"),
    Case::each_version("macs", "3.7a 3.7b C.18", Needs::Interface, "each `mac` is the kernel's", macs).from("0.3.0"),
    Case::each_version(
        "host_interfaces",
        "3.5b",
        Needs::Interface,
        "`interfaces` has all new links of the host, and those that they are ports of",
        host_interfaces,
    )
    .from("0.3.0"),
    Case::each_version(
        "host_bits",
        "3.46b",
        Needs::Interface,
        "addresses of the result are to the bit those of the interface",
        host_bits,
    ),
    Case::once("layout::mtus", "3.50a", Needs::Interface, "each `mtu` is the kernel's", mtus),
    Case::once(
        "layout::stable_macs",
        "3.7c",
        Needs::Interface,
        "each `mac` is still the kernel's after other containers have come and gone",
        stable_macs,
    ),
    Case::once(
        "layout::crooked_netns",
        "3.6a",
        Needs::Config,
        "`sandbox` is CNI_NETNS also when that is a path with detours",
        crooked_netns,
    ),
    Case::once(
        "layout::linked_netns",
        "3.6a",
        Needs::Config,
        "`sandbox` is CNI_NETNS also when that is a symbolic link",
        linked_netns,
    ),
];

fn container_interface(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let named: Vec<_> = items(&done.result["interfaces"]).iter().filter(|link| link["name"] == "eth0").collect();
    done.output.demand(named.len() == 1, "CNI_IFNAME, eth0, once in `interfaces`")?;
    let own = own_interface(&done.container, &done.result);
    done.output.demand(own.is_some(), "the interface CNI_IFNAME with CNI_NETNS as its `sandbox`")?;
    let links = done.container.ns.json(LINKS);
    done.output.demand(link(&links, &json!("eth0")).is_some(), "an interface CNI_IFNAME in the container")
}

fn sandbox(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let own = own_interface(&done.container, &done.result);
    done.output.demand(own.is_some(), "the interface CNI_IFNAME with CNI_NETNS as its `sandbox`")?;
    let (inside, host) = (done.container.ns.json(LINKS), stage.sandbox.json(LINKS));
    for told in items(&done.result["interfaces"]) {
        let sandbox = text(&told["sandbox"]);
        let links = if sandbox.is_empty() { &host } else { &inside };
        let right = sandbox.is_empty() || Path::new(sandbox) == done.container.ns.path();
        done.output.demand(right, "CNI_NETNS as `sandbox`, or none")?;
        done.output.demand_none(
            link(links, &told["name"]).map_or_else(|| format!("there is no {told}"), |_| String::new()),
            "a `sandbox` that tells where the interface is",
        )?;
    }
    Ok(())
}

fn ip_interface(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let own = own_interface(&done.container, &done.result);
    done.output.demand(own.is_some(), "the interface CNI_IFNAME with CNI_NETNS as its `sandbox`")?;
    let ips = items(&done.result["ips"]);
    if ips.is_empty() {
        return Err(Stop::skip("its result has no addresses"));
    }
    let inside = done.container.ns.json(LINKS);
    for ip in ips {
        let index = ip["interface"].as_u64().and_then(|index| usize::try_from(index).ok());
        let named = index.and_then(|index| items(&done.result["interfaces"]).get(index));
        done.output.demand(named.is_some(), "an `interface` in each address, the index of an entry of `interfaces`")?;
        let has = named.and_then(|named| link(&inside, &named["name"])).is_some_and(|link| has_address(link, ip));
        let there = own.is_some_and(|own| named == Some(own)) && has;
        done.output.demand_none(
            if there { String::new() } else { ip.to_string() },
            "an `interface` that leads to the entry of the interface that has the address",
        )?;
    }
    Ok(())
}

fn macs(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let (inside, host) = (done.container.ns.json(LINKS), stage.sandbox.json(LINKS));
    let mut compared = 0;
    for told in items(&done.result["interfaces"]) {
        let links = if text(&told["sandbox"]).is_empty() { &host } else { &inside };
        let Some(there) = link(links, &told["name"]).filter(|link| link["link_type"] == "ether") else { continue };
        compared += 1;
        let same = text(&told["mac"]).eq_ignore_ascii_case(text(&there["address"]));
        let found = format!("{told}, and the kernel's is {}", there["address"]);
        done.output.demand_none(if same { String::new() } else { found }, "the kernel's hardware address as `mac`")?;
    }
    if compared == 0 { Err(Stop::skip("makes no interface with a hardware address")) } else { Ok(()) }
}

fn host_interfaces(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let before = stage.sandbox.json(LINKS);
    let old: BTreeSet<_> = items(&before).iter().map(|link| text(&link["ifname"])).collect();
    let output = container.at.add();
    let result = output.result()?;
    let after = stage.sandbox.json(LINKS);
    let told: BTreeSet<_> = items(&result["interfaces"])
        .iter()
        .filter(|link| text(&link["sandbox"]).is_empty())
        .map(|link| text(&link["name"]))
        .collect();
    let new = items(&after).iter().filter(|link| !old.contains(text(&link["ifname"])));
    let used: BTreeSet<_> = new.flat_map(|link| [text(&link["ifname"]), text(&link["master"])]).collect();
    let silent: Vec<_> = used.iter().filter(|name| !name.is_empty() && !told.contains(*name)).collect();
    let found = if silent.is_empty() { String::new() } else { format!("not told: {silent:?}") };
    output.demand_none(found, "all new links of the host in `interfaces`, and those that they are ports of")?;
    let there: BTreeSet<_> = items(&after).iter().map(|link| text(&link["ifname"])).collect();
    let invented: Vec<_> = told.difference(&there).collect();
    let found = if invented.is_empty() { String::new() } else { format!("not there: {invented:?}") };
    output.demand_none(found, "an interface on the host for each that has no `sandbox`")
}

fn host_bits(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let old = [&done.result["ip4"], &done.result["ip6"]].into_iter().filter(|old| old.is_object());
    let ips: Vec<_> = items(&done.result["ips"]).iter().chain(old).collect();
    if ips.is_empty() {
        return Err(Stop::skip("its result has no addresses"));
    }
    let inside = done.container.ns.json(LINKS);
    let own = link(&inside, &json!("eth0")).cloned().unwrap_or_default();
    let wrong = ips.iter().find(|ip| !has_address(&own, ip));
    let found = wrong.map_or(String::new(), |ip| format!("{ip} is not among {}", own["addr_info"]));
    done.output.demand_none(found, "an address of the interface, with all its bits, as `address`")
}

fn mtus(stage: &Stage) -> Verdict {
    stage.lists("1.1.0")?;
    let done = attach(stage, "1.1.0")?;
    let (inside, host) = (done.container.ns.json(LINKS), stage.sandbox.json(LINKS));
    let told = items(&done.result["interfaces"]).iter().filter(|told| told.get("mtu").is_some());
    let mut compared = 0;
    for told in told {
        let links = if text(&told["sandbox"]).is_empty() { &host } else { &inside };
        let mtu = link(links, &told["name"]).map(|link| &link["mtu"]);
        let found = format!("{told}, and the kernel's is {mtu:?}");
        done.output
            .demand_none(if mtu == told.get("mtu") { String::new() } else { found }, "the kernel's MTU as `mtu`")?;
        compared += 1;
    }
    if compared == 0 { Err(Stop::skip("tells no `mtu`")) } else { Ok(()) }
}

/// A bridge that nobody has given an address of its own takes that of a port.
fn stable_macs(stage: &Stage) -> Verdict {
    let done = attach(stage, stage.version())?;
    let others: Vec<_> = ["c2", "c3", "c4"].into_iter().map(|id| stage.container(id)).collect();
    for other in &others {
        other.at.add().result()?;
    }
    for other in others.iter().take(2) {
        other.at.del().silence()?;
    }
    let (inside, host) = (done.container.ns.json(LINKS), stage.sandbox.json(LINKS));
    let mut compared = 0;
    for told in items(&done.result["interfaces"]).iter().filter(|told| !text(&told["mac"]).is_empty()) {
        let links = if text(&told["sandbox"]).is_empty() { &host } else { &inside };
        let now = link(links, &told["name"]).map_or("none", |link| text(&link["address"]));
        let found = format!("{told}, and now the kernel's is {now}");
        let same = text(&told["mac"]).eq_ignore_ascii_case(now);
        done.output
            .demand_none(if same { String::new() } else { found }, "hardware addresses that stay as they are")?;
        compared += 1;
    }
    if compared == 0 { Err(Stop::skip("tells no `mac`")) } else { Ok(()) }
}

fn crooked_netns(stage: &Stage) -> Verdict {
    as_given(stage, |path| Ok(path.replace("/netns/", "/netns/../netns/./")))
}

fn linked_netns(stage: &Stage) -> Verdict {
    let link = stage.sandbox.dir().join("link-to-netns");
    as_given(stage, |path| symlink(path, &link).map(|()| link.display().to_string()))
}

/// ADD with `CNI_NETNS` in another spelling.
fn as_given(stage: &Stage, spell: impl Fn(&str) -> io::Result<String>) -> Verdict {
    if ![Some(Kind::Interface), Some(Kind::Other)].contains(&stage.subject.facts.kind) {
        return Err(Stop::skip("tells no interface of its own in the container"));
    }
    let container = stage.container("c1");
    let spelled = arranged("another path of the namespace", spell(&container.ns.path().display().to_string()));
    let output = container.at.clone().netns(&spelled).add();
    let result = output.result()?;
    let sandboxes: BTreeSet<_> = items(&result["interfaces"]).iter().map(|link| text(&link["sandbox"])).collect();
    let inside: Vec<_> = sandboxes.into_iter().filter(|sandbox| !sandbox.is_empty()).collect();
    output.demand(inside == [spelled.as_str()], "CNI_NETNS to the letter as `sandbox`")
}

/// Whether the link, as `ip -j addr` tells it, has the address of this entry of `ips`, or of `ip4` or `ip6`.
fn has_address(link: &Value, ip: &Value) -> bool {
    let wanted = cidr(text(ip.get("address").or_else(|| ip.get("ip")).unwrap_or(&Value::Null)));
    let here = |info: &Value| cidr(&format!("{}/{}", text(&info["local"]), info["prefixlen"]));
    wanted.is_some() && items(&link["addr_info"]).iter().any(|info| here(info) == wanted)
}
