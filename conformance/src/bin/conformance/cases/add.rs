//! ADD: what is there when it returns.

pub mod refusals;

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::life::{self, Attached};
use crate::stage::{Container, Stage};
use crate::truth::{self, Cidr, items};
use serde_json::Value;
use testkit::{Attachment, TestNs};

pub const CASES: &[Case] = &[
    Case::once("add::interface", "3.1a", Needs::Interface, "ADD creates CNI_IFNAME in CNI_NETNS", interface),
    Case::once("add::other_name", "3.1a", Needs::Interface, "the interface is called as CNI_IFNAME says", other_name),
    Case::once("add::longest_name", "3.1a", Needs::Interface, "a name of 15 bytes works", longest_name),
    Case::once("add::in_place", "3.1b 3.2c", Needs::Chained, "an interface that is there stays in its place", in_place),
    Case::once("add::addresses", "3.9a", Needs::Interface, "the result's addresses are on the interface", addresses),
    Case::once("add::routes", "3.9b", Needs::Interface, "the result's routes are in the namespace", routes),
    Case::once("add::default_route", "3.13", Needs::Interface, "another default route is no obstacle", default_route),
    Case::once(
        "add::two_containers",
        "1.34b",
        Needs::Interface,
        "two containers get addresses of their own",
        two_containers,
    ),
    Case::once(
        "add::two_interfaces",
        "1.34c",
        Needs::Interface,
        "two interfaces of a container get addresses of their own",
        two_interfaces,
    ),
    Case::once("add::after_del", "3.19a", Needs::Config, "a container can be attached anew after DEL", after_del),
    Case::once(
        "add::after_del_without_netns",
        "C.12",
        Needs::Config,
        "a container that was detached with an empty CNI_NETNS can be attached",
        after_del_without_netns,
    ),
];

fn interface(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let host = links(stage.sandbox.host());
    let output = container.at.add();
    output.result()?;
    output.demand(truth::link(&container.ns, "eth0").is_some(), "a link eth0 in CNI_NETNS")?;
    let same_name = links(stage.sandbox.host()).contains(&"eth0".to_owned()) && !host.contains(&"eth0".to_owned());
    output.demand(!same_name, "no link eth0 on the host")
}

fn other_name(stage: &Stage) -> Verdict {
    named(stage, "net1")
}

fn longest_name(stage: &Stage) -> Verdict {
    named(stage, "fifteen-bytes-x")
}

fn named(stage: &Stage, name: &str) -> Verdict {
    let container = stage.container("c1");
    let output = container.at.clone().ifname(name).add();
    output.result()?;
    let found = links(&container.ns);
    let expected = format!("a link {name}, and no eth0, in CNI_NETNS");
    output.demand(found.iter().any(|link| link == name) && !found.iter().any(|link| link == "eth0"), &expected)
}

fn in_place(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let index = |link: Option<Value>| link.map_or(Value::Null, |link| link["ifindex"].clone());
    let before = index(truth::link(&container.ns, "eth0"));
    if before.is_null() {
        return Err(Stop::skip("the given prevResult has no interface eth0 in the container"));
    }
    let output = container.at.add();
    output.result()?;
    output.demand(index(truth::link(&container.ns, "eth0")) == before, "the link eth0 of before, with its index")
}

fn addresses(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let output = container.at.add();
    let told = truth::addresses(&output.result()?);
    if told.is_empty() {
        return Err(Stop::skip("the result has no addresses"));
    }
    let there = truth::link(&container.ns, "eth0").map(|link| truth::addresses_of(&link)).unwrap_or_default();
    let on_link = |text: &String| truth::cidr(text).is_some_and(|cidr| there.contains(&cidr));
    output.demand(told.iter().all(on_link), &format!("the result's addresses on eth0, which has {there:?}"))
}

fn routes(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let output = container.at.add();
    let told = truth::routes(&output.result()?);
    if told.is_empty() {
        return Err(Stop::skip("the result has no routes"));
    }
    let there = truth::routes_in(&container.ns);
    for route in told {
        let Some((dst, gateway)) = route else {
            return Err(output.failed("routes that can be read"));
        };
        // Without a gateway in the result it may be the address's, or none.
        let here = there.iter().any(|(to, by)| *to == dst && (gateway.is_none() || *by == gateway));
        output.demand(here, &format!("a route to {dst:?} by {gateway:?} in the container, which has {there:?}"))?;
    }
    Ok(())
}

fn default_route(stage: &Stage) -> Verdict {
    let defaults = ["0.0.0.0/0", "::/0"].map(truth::cidr);
    let plain = stage.container("plain").at.add().result()?;
    if !truth::routes(&plain).into_iter().flatten().any(|(dst, _)| defaults.contains(&Some(dst))) {
        return Err(Stop::skip("the result has no default route"));
    }
    let container = stage.container("c1");
    container.ns.sh("ip link add other0 type veth peer name other1; ip link set other0 up; ip link set other1 up");
    container.ns.sh("ip addr add 192.0.2.1/24 dev other0; ip addr add 2001:db8::1/64 dev other0 nodad");
    container.ns.sh("ip route add default via 192.0.2.254; ip -6 route add default via 2001:db8::254");
    container.at.add().result().map(drop)
}

fn two_containers(stage: &Stage) -> Verdict {
    let first = stage.container("c1").at.add().result()?;
    distinct(&first, &stage.container("c2").at)
}

fn two_interfaces(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let first = container.at.add().result()?;
    distinct(&first, &stage.second(&container, "net1"))
}

/// Demands another ADD with success, and without the addresses of the first result.
fn distinct(first: &Value, second: &Attachment) -> Verdict {
    let output = second.add();
    let cidrs = |result: &Value| -> Vec<Cidr> {
        let cidrs = truth::addresses(result).into_iter().filter_map(|text| truth::cidr(&text));
        cidrs.filter(|(address, _)| !address.is_loopback()).collect()
    };
    let (taken, given) = (cidrs(first), cidrs(&output.result()?));
    output.demand(!given.iter().any(|cidr| taken.contains(cidr)), "addresses that the other one does not have")
}

fn after_del(stage: &Stage) -> Verdict {
    let first = Attached::new(stage)?;
    first.call("DEL").run().silence()?;
    let again = first.container.at.add();
    again.result()?;
    first.container.at.del().silence()
}

/// As nerdctl does it: before any ADD, and in the new namespace of a container that is started again.
fn after_del_without_netns(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let detached = |container: &Container| container.at.clone().netns("").del().silence();
    detached(&container)?;
    container.at.add().result()?;
    life::lose(stage, &container);
    detached(&container)?;
    stage.container("c1").at.add().result().map(drop)
}

fn links(ns: &TestNs) -> Vec<String> {
    items(&ns.json("ip -j link")).iter().map(|link| text(&link["ifname"]).to_owned()).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
