//! Calls at the same time.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::life;
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use crate::truth::{self, Cidr};
use serde_json::Value;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Barrier;
use std::thread;
use testkit::{Output, Plugin};

/// How many containers come at once.
const CONTAINERS: usize = 8;

pub const CASES: &[Case] = &[
    Case::once(
        "parallel::first_adds",
        "3.11a",
        Needs::Config,
        "the first ADDs on a host succeed although they come at once",
        first_adds,
    ),
    Case::once(
        "parallel::adds_then_dels",
        "3.11a 3.19a",
        Needs::Config,
        "ADDs at once, then DELs at once, leave nothing behind",
        adds_then_dels,
    ),
    Case::once(
        "parallel::adds_and_dels",
        "3.11b",
        Needs::Config,
        "DELs of some containers and ADDs of others at once do their work",
        adds_and_dels,
    ),
    Case::once(
        "parallel::interfaces",
        "3.11c",
        Needs::Config,
        "several interfaces of one container may come and go at once",
        interfaces,
    ),
    Case::once("parallel::dels", "3.15a", Needs::Config, "DELs of one container at once all succeed", dels),
];

/// The outcomes of calls that are made at once, in the order of the calls.
fn at_once(calls: &[Plugin]) -> Vec<Output> {
    let barrier = Barrier::new(calls.len());
    let start = |call: &Plugin| {
        barrier.wait();
        call.run()
    };
    thread::scope(|scope| {
        let threads: Vec<_> = calls.iter().map(|call| scope.spawn(|| start(call))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

fn containers(stage: &Stage, prefix: &str, count: usize) -> Vec<Container> {
    (0..count).map(|number| stage.container(&format!("{prefix}{number}"))).collect()
}

/// Demands that ADDs of all of these at once succeed, with addresses that are each container's own.
fn added(containers: &[Container]) -> Result<Vec<Value>, Stop> {
    let adds: Vec<_> = containers.iter().map(|container| container.at.call("ADD")).collect();
    let results: Vec<_> = at_once(&adds).iter().map(Demands::result).collect::<Result<_, _>>()?;
    distinct(&results)?;
    Ok(results)
}

fn distinct(results: &[Value]) -> Verdict {
    let cidrs = results.iter().flat_map(truth::addresses).filter_map(|text| truth::cidr(&text));
    let own: Vec<Cidr> = cidrs.filter(|(address, _)| !address.is_loopback()).collect();
    let different: BTreeSet<_> = own.iter().collect();
    demand(different.len() == own.len(), "addresses that are given out once", format!("{own:?}"))
}

/// The calls of these, with their results.
fn calls(command: &str, containers: &[Container], results: &[Value]) -> Vec<Plugin> {
    let pairs = containers.iter().zip(results);
    pairs.map(|(container, result)| container.at.with_prev(result).call(command)).collect()
}

fn silent(calls: &[Plugin]) -> Verdict {
    at_once(calls).iter().try_for_each(Demands::silence)
}

/// Whoever comes first makes what all share. CHECK, where there is one, tells whether each attachment is whole.
fn first_adds(stage: &Stage) -> Verdict {
    let containers = containers(stage, "c", CONTAINERS);
    let results = added(&containers)?;
    if containers.iter().all(|container| life::has_prev_at_del(container.at.conf())) {
        calls("CHECK", &containers, &results).iter().try_for_each(|check| check.run().silence())?;
    }
    silent(&calls("DEL", &containers, &results))
}

fn adds_then_dels(stage: &Stage) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let containers = containers(stage, "c", CONTAINERS);
    let before = life::before(stage, &empty);
    for _ in 0..2 {
        let results = added(&containers)?;
        silent(&calls("DEL", &containers, &results))?;
    }
    same(&before, &stage.snapshot(), "ADDs and DELs at once that leave nothing behind")
}

fn adds_and_dels(stage: &Stage) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let (going, coming) = (containers(stage, "going", CONTAINERS / 2), containers(stage, "coming", CONTAINERS / 2));
    let before = life::before(stage, &empty);
    let old = added(&going)?;
    let adds = coming.iter().map(|container| container.at.call("ADD"));
    let both: Vec<_> = calls("DEL", &going, &old).into_iter().chain(adds).collect();
    let outputs = at_once(&both);
    let (dels, adds) = outputs.split_at(going.len());
    dels.iter().try_for_each(Demands::silence)?;
    let new: Vec<_> = adds.iter().map(Demands::result).collect::<Result<_, _>>()?;
    distinct(&new)?;
    calls("DEL", &coming, &new).iter().try_for_each(|del| del.run().silence())?;
    same(&before, &stage.snapshot(), "ADDs and DELs at once that leave nothing behind")
}

/// As containerd does it with the networks of a pod.
fn interfaces(stage: &Stage) -> Verdict {
    if stage.subject.facts.kind == Some(Kind::Other) {
        return Err(Stop::skip("sets up what a container has once, whatever CNI_IFNAME is"));
    }
    let empty = stage.warm_snapshot()?;
    let container = stage.container("c1");
    let others = ["net1", "net2"].map(|ifname| stage.second(&container, ifname));
    let before = life::before(stage, &empty);
    let all = [&container.at, &others[0], &others[1]];
    let outputs = at_once(&all.map(|at| at.call("ADD")));
    let results: Vec<_> = outputs.iter().map(Demands::result).collect::<Result<_, _>>()?;
    distinct(&results)?;
    let dels: Vec<_> = all.iter().zip(&results).map(|(at, result)| at.with_prev(result).call("DEL")).collect();
    silent(&dels)?;
    same(&before, &stage.snapshot(), "ADDs and DELs at once that leave nothing behind")
}

/// A runtime that gave up waiting may ask again while the first DEL is still at work.
fn dels(stage: &Stage) -> Verdict {
    let attached = life::Attached::new(stage)?;
    silent(&vec![attached.call("DEL"); CONTAINERS / 2])?;
    attached.cleaned(stage, &attached.call("DEL"))
}
