//! Plugins that hand out addresses.

pub mod result;

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::life;
use crate::stage::{Container, Stage};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::thread;
use testkit::{Attachment, Output, Snapshot, Stdout};

const IPAM: Needs = Needs::Ipam;

pub const CASES: &[Case] = &[
    Case::once("ipam::containers", "1.34b", IPAM, "containers get addresses of their own", containers),
    Case::once("ipam::ifnames", "1.34c", IPAM, "interfaces of one container get addresses of their own", ifnames),
    Case::once("ipam::networks", "1.34a", IPAM, "networks do not share their reservations", networks),
    Case::once(
        "ipam::parallel",
        "3.11a",
        IPAM,
        "containers that are added at the same time get addresses of their own",
        parallel,
    ),
    Case::once(
        "ipam::parallel_ifnames",
        "3.11c",
        IPAM,
        "interfaces that are added at the same time get addresses of their own",
        parallel_ifnames,
    ),
    Case::once("ipam::second_add", "3.10a", IPAM, "a second ADD is refused, or has the same addresses", second_add),
    Case::once(
        "ipam::second_add_harmless",
        "3.10b",
        IPAM,
        "a second ADD leaves the reservation alone, and one DEL is enough",
        second_add_harmless,
    ),
    Case::once("ipam::unwritten", "3.12a", IPAM, "an ADD whose result cannot be written reserves nothing", unwritten),
    Case::once("ipam::del", "3.19a", IPAM, "DEL gives the addresses back", del),
    Case::once("ipam::cycles", "3.19a", IPAM, "ADD and DEL again and again leave nothing behind", cycles),
    Case::once(
        "ipam::del_other_container",
        "1.34b 3.19a",
        IPAM,
        "DEL of a container leaves the addresses of others alone",
        del_other_container,
    ),
    Case::once(
        "ipam::del_other_ifname",
        "3.19b",
        IPAM,
        "DEL of an interface leaves the addresses of the container's others alone",
        del_other_ifname,
    ),
    Case::once(
        "ipam::del_empty_netns",
        "C.11",
        IPAM,
        "DEL with an empty CNI_NETNS gives the addresses back",
        del_empty_netns,
    ),
    Case::once(
        "ipam::del_netns_gone",
        "3.16b 3.15c",
        IPAM,
        "DEL without namespace and prevResult gives the addresses back",
        del_netns_gone,
    ),
    Case::once("ipam::check_gone", "3.22f", IPAM, "CHECK fails when the address has been given back", check_gone),
    Case::once("ipam::check_other", "3.22f", IPAM, "CHECK fails for a container that has no address", check_other),
];

/// The addresses of a result, in whatever layout.
fn addresses(result: &Value) -> Vec<String> {
    let listed = result["ips"].as_array().into_iter().flatten().map(|ip| &ip["address"]);
    let old = [&result["ip4"]["ip"], &result["ip6"]["ip"]];
    listed.chain(old).filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The addresses that an ADD that succeeded hands out: one at least.
fn handed_out(output: &Output) -> Result<Vec<String>, Stop> {
    let addresses = addresses(&output.result()?);
    output.demand(!addresses.is_empty(), "a result with an address")?;
    Ok(addresses)
}

/// Skips the case for plugins that remember nothing here: they have nothing to keep apart or to give back.
fn keeps_state(before: &Snapshot, after: &Snapshot) -> Verdict {
    if before == after { Err(Stop::skip("keeps no reservations on this host")) } else { Ok(()) }
}

/// A container with an address, behind another one that has come and gone; the snapshot is from between the two.
fn reserved(stage: &Stage, id: &str) -> Result<(Snapshot, Container, Value), Stop> {
    let before = stage.warm_snapshot()?;
    let container = stage.container(id);
    let result = container.at.add().result()?;
    keeps_state(&before, &stage.snapshot())?;
    Ok((before, container, result))
}

/// Demands that these are all different, and at least this many.
fn distinct(addresses: &[String], least: usize) -> Verdict {
    let different: BTreeSet<_> = addresses.iter().collect();
    let holds = different.len() == addresses.len() && addresses.len() >= least;
    demand(holds, "a plugin that hands out each address once", format!("{addresses:?}"))
}

fn containers(stage: &Stage) -> Verdict {
    let (_, _, first) = reserved(stage, "c0")?;
    let mut all = addresses(&first);
    for number in 1..5 {
        all.extend(handed_out(&stage.container(&format!("c{number}")).at.add())?);
    }
    distinct(&all, 5)
}

fn ifnames(stage: &Stage) -> Verdict {
    let (_, container, first) = reserved(stage, "several")?;
    let mut all = addresses(&first);
    for ifname in ["eth1", "net1", "eth0.1"] {
        all.extend(handed_out(&stage.another(&container, ifname).add())?);
    }
    distinct(&all, 4)
}

fn networks(stage: &Stage) -> Verdict {
    let (_, container, _) = reserved(stage, "shared")?;
    let other = container.at.with_key("name", json!("other"));
    other.add().result()?;
    other.del().silence()?;
    container.at.del().silence()?;
    for (staying, going) in [(&container.at, &other), (&other, &container.at)] {
        staying.add().result()?;
        let before = stage.snapshot();
        going.add().result()?;
        keeps_state(&before, &stage.snapshot())?;
        going.del().silence()?;
        same(&before, &stage.snapshot(), "a DEL that leaves the reservation of another network alone")?;
        staying.del().silence()?;
    }
    Ok(())
}

/// How many lines are not there any more.
fn lost(before: &Snapshot, after: &Snapshot) -> usize {
    before.lines().iter().filter(|line| !after.lines().contains(line)).count()
}

/// The addresses of ADDs at the same time.
fn at_once(all: &[Attachment]) -> Result<Vec<String>, Stop> {
    let outputs: Vec<_> = thread::scope(|scope| {
        let calls: Vec<_> = all.iter().map(|at| scope.spawn(|| at.add())).collect();
        calls.into_iter().map(|call| call.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    });
    let mut addresses = Vec::new();
    for output in &outputs {
        addresses.extend(handed_out(output)?);
    }
    Ok(addresses)
}

fn parallel(stage: &Stage) -> Verdict {
    let (before, container, first) = reserved(stage, "c0")?;
    let others: Vec<_> = (1..9).map(|number| stage.container(&format!("c{number}")).at).collect();
    let mut all = at_once(&others)?;
    all.extend(addresses(&first));
    distinct(&all, 9)?;
    for at in others.iter().chain([&container.at]) {
        at.del().silence()?;
    }
    same(&before, &stage.snapshot(), "DELs that give all addresses back")
}

fn parallel_ifnames(stage: &Stage) -> Verdict {
    let (_, container, first) = reserved(stage, "several")?;
    let others: Vec<_> = (1..7).map(|number| stage.another(&container, &format!("eth{number}"))).collect();
    let mut all = at_once(&others)?;
    all.extend(addresses(&first));
    distinct(&all, 7)
}

fn second_add(stage: &Stage) -> Verdict {
    let (_, container, first) = reserved(stage, "again")?;
    let output = container.at.add();
    if !output.status.success() {
        return output.error().map(drop);
    }
    output.demand(addresses(&output.result()?) == addresses(&first), "an error, or the addresses of the first ADD")
}

fn second_add_harmless(stage: &Stage) -> Verdict {
    let (before, container, _) = reserved(stage, "again")?;
    let once = stage.snapshot();
    let output = container.at.add();
    output.demand(output.status.code().is_some(), "an exit by itself, not by a signal")?;
    demand(lost(&once, &stage.snapshot()) == 0, "a second ADD that takes nothing away", once.diff(&stage.snapshot()))?;
    container.at.del().silence()?;
    same(&before, &stage.snapshot(), "one DEL that gives everything back")
}

fn unwritten(stage: &Stage) -> Verdict {
    let (before, container, _) = reserved(stage, "reader")?;
    container.at.del().silence()?;
    let output = stage.container("unread").at.call("ADD").stdout(Stdout::Full).run();
    output.demand(!output.status.success(), "an exit status other than 0: the result cannot be written")?;
    same(&before, &stage.snapshot(), "an ADD that reserves nothing if it cannot say what")
}

fn del(stage: &Stage) -> Verdict {
    let (before, container, result) = reserved(stage, "leaving")?;
    container.at.with_prev(&result).del().silence()?;
    same(&before, &stage.snapshot(), "a DEL that leaves nothing behind")
}

fn cycles(stage: &Stage) -> Verdict {
    let (before, container, _) = reserved(stage, "cycling")?;
    container.at.del().silence()?;
    for _ in 0..10 {
        handed_out(&container.at.add())?;
        container.at.del().silence()?;
    }
    same(&before, &stage.snapshot(), "a host as it was before ten ADDs and DELs")
}

fn del_other_container(stage: &Stage) -> Verdict {
    let (_, _staying, _) = reserved(stage, "ab")?;
    let before = stage.snapshot();
    // IDs that begin alike, so that none is taken for the other.
    for id in ["a", "abc"] {
        let going = stage.container(id);
        going.at.add().result()?;
        going.at.del().silence()?;
        same(&before, &stage.snapshot(), &format!("a DEL of {id} that leaves the reservation of \"ab\" alone"))?;
    }
    Ok(())
}

fn del_other_ifname(stage: &Stage) -> Verdict {
    let (_, container, _) = reserved(stage, "several")?;
    let before = stage.snapshot();
    for ifname in ["eth", "eth01"] {
        let going = stage.another(&container, ifname);
        going.add().result()?;
        going.del().silence()?;
        same(&before, &stage.snapshot(), &format!("a DEL of {ifname} that leaves the reservation of eth0 alone"))?;
    }
    Ok(())
}

fn del_empty_netns(stage: &Stage) -> Verdict {
    let (before, container, _) = reserved(stage, "leaving")?;
    container.at.call("DEL").netns("").run().silence()?;
    same(&before, &stage.snapshot(), "a DEL that leaves nothing behind")
}

fn del_netns_gone(stage: &Stage) -> Verdict {
    let (before, container, _) = reserved(stage, "leaving")?;
    container.ns.remove();
    container.at.del().silence()?;
    life::cleared(stage, &before, "a DEL that leaves nothing behind")
}

fn check_gone(stage: &Stage) -> Verdict {
    let (_, container, result) = reserved(stage, "checked")?;
    let at = container.at.with_prev(&result);
    at.check().silence()?;
    container.at.del().silence()?;
    at.check().error().map(drop)
}

fn check_other(stage: &Stage) -> Verdict {
    let (_, container, result) = reserved(stage, "checked")?;
    let at = container.at.with_prev(&result);
    at.clone().container("stranger").check().error()?;
    at.check().silence()
}
