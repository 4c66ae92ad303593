//! Results as plugins in the field make them: all of it comes out again.

use super::{hands_on, hands_on_or_refuses, lost, prev_of, push, put_before};
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::layout;
use crate::stage::{Container, Stage};
use crate::told::{Told, items, text};
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::each_version(
        "prev_kept",
        "3.3a C.5",
        Needs::Chained,
        "the result has everything of `prevResult`, in the version's layout",
        prev_kept,
    )
    .from("0.3.0"),
    Case::each_version(
        "rich_prev_kept",
        "3.3a C.1 C.4 C.5",
        Needs::Chained,
        "the result has everything of a `prevResult` with links of the host, of other containers and many addresses",
        rich_prev_kept,
    )
    .from("0.3.0"),
    Case::each_version(
        "nothing_to_do",
        "3.3b 7.13",
        Needs::Chained,
        "without anything to do, the result is equal to `prevResult`",
        nothing_to_do,
    )
    .from("0.3.0"),
    Case::once(
        "chain::host_interface_first",
        "C.1",
        Needs::Chained,
        "a `prevResult` that begins with an interface of the host works",
        host_interface_first,
    ),
    Case::once(
        "chain::host_interfaces_only",
        "C.2",
        Needs::Chained,
        "a `prevResult` with interfaces of the host only works",
        host_interfaces_only,
    ),
    Case::once(
        "chain::addresses_without_interface",
        "C.3",
        Needs::Chained,
        "a `prevResult` whose addresses name no interface works",
        addresses_without_interface,
    ),
    Case::once(
        "chain::several_addresses",
        "C.4",
        Needs::Chained,
        "a `prevResult` with three addresses of each family works",
        several_addresses,
    ),
    Case::once(
        "chain::no_interfaces",
        "3.3a",
        Needs::Chained,
        "a `prevResult` without `interfaces` is handed on or refused",
        no_interfaces,
    ),
    Case::once(
        "chain::other_sandbox",
        "3.3a",
        Needs::Chained,
        "an interface of the same name in another container stays in the result",
        other_sandbox,
    ),
    Case::once("chain::routes", "3.3a", Needs::Chained, "routes stay in the result, in their order", routes),
    Case::once("chain::dns", "3.3a 1.24c", Needs::Chained, "`dns` stays in the result, in its order", dns),
    Case::once(
        "chain::newest_keys",
        "3.3a 3.49a 3.50a 3.50b 3.50c",
        Needs::Chained,
        "what 1.1.0 brought for interfaces and routes stays in the result",
        newest_keys,
    ),
    Case::once("chain::large", "3.3a", Needs::Chained, "a `prevResult` of a thousand entries comes out whole", large),
    Case::each_version(
        "del_without_prev",
        "C.7",
        Needs::Chained,
        "DEL without `prevResult` removes everything that ADD made",
        del_without_prev,
    )
    .from("0.3.0"),
    Case::once(
        "chain::other_kind",
        "7.15a",
        Needs::Chained,
        "the plugin works behind an interface that is not one end of a pair, or refuses it",
        other_kind,
    ),
];

fn prev_kept(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let prev = prev_of(&container);
    demand(!lost(&container, &prev, &json!({})).is_empty(), "a `prevResult` that tells something", prev.to_string())?;
    hands_on(&container, &prev)
}

fn rich_prev_kept(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let prev = layout::convert(&rich(stage, &container), version);
    hands_on(&container, &prev)
}

/// With a link of the host before all others, one without hardware address, a container's that has nothing to do with it,
/// more addresses, and name servers.
fn rich(stage: &Stage, container: &Container) -> Value {
    let other = stage.sandbox.netns("other");
    stage.sandbox.sh("ip link add front0 type veth peer name loose0");
    container.ns.sh("ip addr add 10.99.1.3/24 dev eth0; ip addr add fd00:99::3/64 dev eth0 nodad");
    let mut prev = prev_of(container);
    let own = own_index(container, &prev);
    push(
        &mut prev,
        "ips",
        vec![
            json!({ "interface": own, "address": "10.99.1.3/24", "gateway": "10.99.1.1" }),
            json!({ "address": "10.99.1.4/24" }),
            json!({ "interface": own, "address": "fd00:99::3/64" }),
        ],
    );
    put_before(&mut prev, vec![front(stage), json!({ "name": "loose0" })]);
    let links = items(&prev["interfaces"]).len();
    push(
        &mut prev,
        "interfaces",
        vec![json!({ "name": "net9", "mac": "02:00:00:00:99:01", "sandbox": other.path().display().to_string() })],
    );
    push(&mut prev, "ips", vec![json!({ "interface": links, "address": "10.98.0.2/24", "gateway": "10.98.0.1" })]);
    push(&mut prev, "routes", vec![json!({ "dst": "192.0.2.0/24" })]);
    prev["dns"]["options"] = json!(["ndots:5", "attempts:1"]);
    prev
}

/// The interface `front0` as a result tells it.
fn front(stage: &Stage) -> Value {
    let links = stage.sandbox.json("ip -j link show dev front0");
    json!({ "name": "front0", "mac": links[0]["address"] })
}

/// Which of the interfaces is the container's `eth0`.
fn own_index(container: &Container, prev: &Value) -> Option<usize> {
    let netns = container.ns.path().to_str()?;
    items(&prev["interfaces"]).iter().position(|link| link["name"] == "eth0" && link["sandbox"] == netns)
}

fn nothing_to_do(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let mut conf = container.at.conf().clone();
    if conf.as_object_mut().and_then(|keys| keys.remove("runtimeConfig")).is_none() {
        return Err(Stop::skip("what it does does not depend on `runtimeConfig`"));
    }
    let output = container.at.call("ADD").stdin(&conf).run();
    let (result, prev) = (Told::of(&output.result()?), Told::of(&conf["prevResult"]));
    output.demand(result == prev, "a result that is equal to `prevResult`")
}

fn host_interface_first(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    stage.sandbox.sh("ip link add front0 type veth peer name loose0");
    let mut prev = prev_of(&container);
    put_before(&mut prev, vec![front(stage)]);
    hands_on(&container, &prev)
}

fn host_interfaces_only(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    if let Some(links) = prev["interfaces"].as_array_mut() {
        links.retain(|link| text(&link["sandbox"]).is_empty());
    }
    detach_addresses(&mut prev);
    demand(!items(&prev["interfaces"]).is_empty(), "a `prevResult` with an interface of the host", prev.to_string())?;
    hands_on(&container, &prev)
}

fn addresses_without_interface(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    detach_addresses(&mut prev);
    hands_on(&container, &prev)
}

fn detach_addresses(prev: &mut Value) {
    for ip in prev["ips"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        ip.retain(|key, _| key != "interface");
    }
}

fn several_addresses(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    let own = own_index(&container, &prev);
    for address in ["10.99.1.3/24", "10.99.2.3/24", "fd00:99::3/64", "fd00:98::3/64"] {
        container.ns.sh(&format!("ip addr add {address} dev eth0 nodad"));
        let mut ip = json!({ "interface": own, "address": address });
        if stage.version() < "1.0.0" {
            ip["version"] = if address.contains(':') { "6" } else { "4" }.into();
        }
        push(&mut prev, "ips", vec![ip]);
    }
    hands_on(&container, &prev)
}

fn no_interfaces(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    detach_addresses(&mut prev);
    if let Some(keys) = prev.as_object_mut() {
        keys.retain(|key, _| key != "interfaces");
    }
    hands_on_or_refuses(&container, &prev).map(drop)
}

fn other_sandbox(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let other = stage.sandbox.netns("other");
    let mut prev = prev_of(&container);
    let link = json!({ "name": "eth0", "mac": "02:00:00:00:99:01", "sandbox": other.path().display().to_string() });
    put_before(&mut prev, vec![link]);
    let mut ip = json!({ "interface": 0, "address": "10.98.0.2/24" });
    if stage.version() < "1.0.0" {
        ip["version"] = "4".into();
    }
    push(&mut prev, "ips", vec![ip]);
    hands_on(&container, &prev)
}

fn routes(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    let routes = json!([
        { "dst": "203.0.113.0/24", "gw": "10.99.0.1" }, { "dst": "192.0.2.0/24" }, { "dst": "2001:db8::/32" },
        { "dst": "192.0.2.0/24", "gw": "10.99.0.2" }, { "dst": "10.0.0.0/8" }
    ]);
    push(&mut prev, "routes", items(&routes).to_vec());
    hands_on(&container, &prev)
}

fn dns(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    prev["dns"] = json!({
        "nameservers": ["192.0.2.53", "2001:db8::53", "10.0.0.53"], "domain": "conformance.test",
        "search": ["z.test", "a.test", "m.test"], "options": ["timeout:1", "ndots:5", "attempts:2"]
    });
    hands_on(&container, &prev)
}

fn newest_keys(stage: &Stage) -> Verdict {
    stage.lists("1.1.0")?;
    let container = stage.container_at("c1", "1.1.0");
    let mut prev = prev_of(&container);
    let link = json!({ "name": "net9", "mtu": 9000, "pciID": "0000:04:00.5", "socketPath": "/run/vhost/net9.sock",
        "sandbox": container.ns.path().display().to_string() });
    push(&mut prev, "interfaces", vec![link]);
    let route = json!({ "dst": "192.0.2.0/24", "gw": "10.99.0.1", "mtu": 1400, "advmss": 1360, "priority": 100,
        "table": 254, "scope": 253 });
    push(&mut prev, "routes", vec![route]);
    hands_on(&container, &prev)
}

fn large(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    let links = (0..300).map(|n| json!({ "name": format!("far{n}"), "sandbox": "/run/netns/far" }));
    push(&mut prev, "interfaces", links.collect());
    let routes =
        (0..700).map(|n| json!({ "dst": format!("10.{}.{}.0/24", 100 + n / 250, n % 250), "gw": "10.99.0.1" }));
    push(&mut prev, "routes", routes.collect());
    hands_on(&container, &prev)
}

fn del_without_prev(stage: &Stage, version: &'static str) -> Verdict {
    if version >= "0.4.0" {
        return Err(Stop::skip("from 0.4.0 on runtimes give DEL a `prevResult`"));
    }
    let container = stage.container_at("c1", version);
    let before = stage.warm_snapshot()?;
    container.at.add().result()?;
    let mut conf = container.at.conf().clone();
    if let Some(keys) = conf.as_object_mut() {
        keys.retain(|key, _| key != "prevResult");
    }
    container.at.call("DEL").stdin(&conf).run().silence()?;
    // Settings of a link go with the link.
    let [before, after] = [before, stage.snapshot()].map(|snapshot| snapshot.without(&["sysctl"]));
    same(&before, &after, "nothing left of what ADD made")
}

fn other_kind(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let mut prev = prev_of(&container);
    if let Some(links) = prev["interfaces"].as_array_mut() {
        links.retain(|link| !text(&link["sandbox"]).is_empty());
    }
    for ip in prev["ips"].as_array_mut().into_iter().flatten() {
        ip["interface"] = json!(0);
    }
    let own = own_index(&container, &prev);
    demand(own == Some(0), "a `prevResult` with one interface in the container, eth0", prev.to_string())?;
    let addresses =
        items(&prev["ips"]).iter().map(|ip| format!("ip addr add {} dev eth0 nodad\n", text(&ip["address"])));
    container.ns.sh(&format!(
        "ip link del eth0; ip link add eth0 type bridge; ip link set eth0 address {} up\n{}",
        text(&prev["interfaces"][0]["mac"]),
        addresses.collect::<String>()
    ));
    if hands_on_or_refuses(&container, &prev)? { Ok(()) } else { Err(Stop::skip("minds what kind of interface it is")) }
}
