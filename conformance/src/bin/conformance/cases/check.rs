//! CHECK: silent right after ADD, loud when something is gone.

pub mod tolerance;

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::life::{self, Attached};
use crate::stage::Stage;
use crate::subject::Kind;
use crate::truth::{self, items};
use serde_json::Value;
use testkit::{Plugin, Snapshot};

pub const CASES: &[Case] = &[
    Case::each_version("check_after_add", "3.24 3.27", Needs::Config, "CHECK after ADD is silent", after_add)
        .from("0.4.0"),
    Case::once("check::changes_nothing", "3.24", Needs::Config, "CHECK changes nothing", changes_nothing),
    Case::once("check::beside_others", "3.24", Needs::Config, "CHECK passes beside other containers", beside_others),
    Case::once("check::without_prev", "3.21b", Needs::Config, "CHECK without prevResult fails", without_prev),
    Case::once(
        "check::other_address",
        "3.21a",
        Needs::Interface,
        "CHECK fails when prevResult has an address that never was",
        other_address,
    ),
    Case::once(
        "check::other_interface",
        "3.21a",
        Needs::Interface,
        "CHECK fails when prevResult has an interface that never was",
        other_interface,
    ),
    Case::once("check::never_added", "3.22a", Needs::Interface, "CHECK fails before ADD", never_added),
    Case::once("check::interface_gone", "3.22a", Needs::Interface, "CHECK fails when the interface is gone", |stage| {
        fails_after(stage, "ip link del eth0")
    }),
    Case::once(
        "check::interface_renamed",
        "3.22a",
        Needs::Interface,
        "CHECK fails when the interface has another name",
        |stage| fails_after(stage, "ip link set eth0 down; ip link set eth0 name renamed0; ip link set renamed0 up"),
    ),
    Case::once("check::netns_gone", "3.22a", Needs::Interface, "CHECK fails when the namespace is gone", netns_gone),
    Case::once("check::netns_is_anothers", "3.22a", Needs::Interface, "CHECK fails in an empty namespace", replaced),
    Case::once("check::address_gone", "3.22b", Needs::Interface, "CHECK fails when an address is gone", address_gone),
    Case::once("check::route_gone", "3.22c", Needs::Interface, "CHECK fails when a route is gone", route_gone),
    Case::once(
        "check::other_mac",
        "3.22d",
        Needs::Interface,
        "CHECK fails when the interface has another mac",
        |stage| {
            let attached = Attached::new(stage)?;
            if own_mac(&attached).is_none() {
                return Err(Stop::skip("the result has no mac of the container's interface"));
            }
            set_mac(&attached)?;
            fails(&attached.call("CHECK"), "after the mac of the interface was changed")
        },
    ),
    Case::once("check::rules_gone", "3.22e", Needs::Config, "CHECK fails when its firewall rules are gone", rules_gone),
    Case::once("check::after_del", "3.22e 3.22f", Needs::Config, "CHECK fails after DEL", after_del),
];

/// Demands that a CHECK fails.
fn fails(check: &Plugin, when: &str) -> Verdict {
    let output = check.run();
    output.demand(output.status.code().is_some_and(|code| code != 0), &format!("a CHECK that fails {when}"))?;
    output.error().map(drop)
}

/// Demands that CHECK passes, and fails after this was done in the container.
fn fails_after(stage: &Stage, done: &str) -> Verdict {
    let attached = Attached::new(stage)?;
    attached.container.ns.sh(done);
    fails(&attached.call("CHECK"), &format!("after `{done}`"))
}

fn after_add(stage: &Stage, version: &'static str) -> Verdict {
    let container = stage.container_at("c1", version);
    let result = container.at.add().result()?;
    let check = container.at.with_prev(&result).call("CHECK");
    check.run().silence()?;
    check.run().silence()
}

fn changes_nothing(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let (host, inside) = (stage.snapshot(), attached.container.ns.snapshot());
    attached.call("CHECK").run().silence()?;
    same(&host, &stage.snapshot(), "a CHECK that changes nothing on the host")?;
    same(&inside, &attached.container.ns.snapshot(), "a CHECK that changes nothing in the container")
}

/// What comes and goes must not look like damage.
fn beside_others(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let (second, third) = (stage.container("c2"), stage.container("c3"));
    second.at.add().result()?;
    attached.call("CHECK").run().silence()?;
    third.at.add().result()?;
    second.at.del().silence()?;
    attached.call("CHECK").run().silence()
}

/// Not of those that find everything in what they keep, or in the namespace.
fn without_prev(stage: &Stage) -> Verdict {
    if matches!(stage.subject.facts.kind, Some(Kind::Ipam | Kind::Other)) {
        return Err(Stop::skip("the reference's plugins of this kind have no use for a prevResult"));
    }
    fails(&Attached::new(stage)?.without_prev("CHECK"), "without a prevResult")
}

fn other_address(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let mut prev = attached.result.clone();
    let Some(ip) = prev["ips"].as_array_mut().and_then(|ips| ips.first_mut()) else {
        return Err(Stop::skip("the result has no addresses"));
    };
    let is_v6 = ip["address"].as_str().is_some_and(|address| address.contains(':'));
    ip["address"] = if is_v6 { "2001:db8:77::9/64" } else { "198.18.77.9/24" }.into();
    fails(&attached.with_prev("CHECK", &prev), "with an address in prevResult that never was")
}

fn other_interface(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let mut prev = attached.result.clone();
    let inside = |link: &&mut Value| link["sandbox"].as_str().is_some_and(|sandbox| !sandbox.is_empty());
    let Some(own) = prev["interfaces"].as_array_mut().into_iter().flatten().find(inside) else {
        return Err(Stop::skip("the result has no interface in the container"));
    };
    own["name"] = "never0".into();
    fails(&attached.with_prev("CHECK", &prev).ifname("never0"), "with an interface in prevResult that never was")
}

fn never_added(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let other = stage.container("c2");
    fails(&other.at.with_prev(&attached.result).call("CHECK"), "for a container that was never attached")
}

fn netns_gone(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    life::lose(stage, &attached.container);
    fails(&attached.call("CHECK"), "without the namespace")
}

fn replaced(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    life::lose(stage, &attached.container);
    let _empty = stage.sandbox.netns(attached.container.ns.name());
    fails(&attached.call("CHECK"), "in an empty namespace")
}

/// Each in a container of its own: with the last IPv4 address of a link its routes go as well.
fn address_gone(stage: &Stage) -> Verdict {
    let told = truth::addresses(&stage.container("plain").at.add().result()?).len();
    if told == 0 {
        return Err(Stop::skip("the result has no addresses"));
    }
    for place in 0..told {
        let attached = Attached::beside(stage, stage.container(&format!("c{place}")))?;
        let address = truth::addresses(&attached.result).into_iter().nth(place).unwrap_or_default();
        attached.call("CHECK").run().silence()?;
        attached.container.ns.sh(&format!("ip addr del {address} dev eth0"));
        fails(&attached.call("CHECK"), &format!("after the address {address} was removed"))?;
    }
    Ok(())
}

fn route_gone(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let routes: Vec<_> = items(&attached.result["routes"]).iter().filter_map(|route| route["dst"].as_str()).collect();
    if routes.is_empty() {
        return Err(Stop::skip("the result has no routes"));
    }
    for dst in routes {
        let ns = &attached.container.ns;
        let family = if dst.contains(':') { "-6" } else { "-4" };
        let kept = ns.sh(&format!("ip {family} route show {dst}"));
        ns.sh(&format!("ip {family} route del {dst}"));
        fails(&attached.call("CHECK"), &format!("after the route to {dst} was removed"))?;
        for route in kept.lines() {
            // The state of a link that nobody is at the other end of is told, and cannot be given.
            ns.sh(&format!("ip {family} route add {}", route.replace("linkdown", "")));
        }
        attached.call("CHECK").run().silence()?;
    }
    Ok(())
}

/// The hardware address that the result tells of the container's interface.
fn own_mac(attached: &Attached) -> Option<&str> {
    let own = |link: &&Value| link["sandbox"].is_string() && link["name"] == "eth0";
    items(&attached.result["interfaces"]).iter().find(own)?["mac"].as_str()
}

/// Gives the interface another hardware address, if the kernel lets it have one of its own.
fn set_mac(attached: &Attached) -> Verdict {
    let set = attached.container.ns.try_sh("ip link set eth0 address 02:00:00:00:00:99");
    if set.status.success() { Ok(()) } else { Err(Stop::skip("the interface cannot be given another mac")) }
}

/// How many rules, elements of sets, and rules of iptables there are. What is left of tables and chains does no harm.
fn rules(snapshot: &Snapshot) -> usize {
    let is_rule = |line: &&String| {
        let nft = line.starts_with("nft rule ") || line.starts_with("nft element ");
        nft || line.contains("tables-nft-save -A ") || line.contains("tables-legacy-save -A ")
    };
    snapshot.lines().iter().filter(is_rule).count()
}

fn rules_gone(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let virgin = rules(&stage.snapshot());
    let result = container.at.add().result()?;
    if rules(&stage.snapshot()) == virgin {
        return Err(Stop::skip("ADD makes no firewall rules"));
    }
    let check = container.at.with_prev(&result).call("CHECK");
    check.run().silence()?;
    stage.sandbox.sh("nft flush ruleset");
    for program in ["iptables-legacy", "ip6tables-legacy"] {
        stage
            .sandbox
            .try_sh(&format!("for t in filter nat mangle raw; do {program} -t $t -F; {program} -t $t -X; done"));
    }
    if rules(&stage.snapshot()) > virgin {
        return Err(Stop::skip("there are rules that the suite cannot flush"));
    }
    fails(&check, "after the firewall rules were flushed")
}

/// DEL takes everything away that CHECK could find to be there.
fn after_del(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let (host, inside) = (stage.snapshot(), attached.container.ns.snapshot());
    attached.call("DEL").run().silence()?;
    let gone = host.diff(&stage.snapshot()) + &inside.diff(&attached.container.ns.snapshot());
    if gone.is_empty() {
        return Err(Stop::skip("DEL changes nothing"));
    }
    fails(&attached.call("CHECK"), "after DEL")
}
