//! DEL beside other attachments: it takes nothing of theirs away.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, same};
use crate::layout;
use crate::life::{self, Attached};
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use serde_json::json;
use testkit::{Attachment, Plugin, Snapshot};

pub const CASES: &[Case] = &[
    Case::once(
        "del::spares_other_interface",
        "3.19b 1.34c",
        Needs::Config,
        "DEL of one interface leaves another of the container alone",
        spares_other_interface,
    ),
    Case::once(
        "del::spares_other_container",
        "1.34b",
        Needs::Config,
        "DEL of one container leaves another alone",
        spares_other_container,
    ),
    Case::once(
        "del::spares_other_network",
        "1.34a",
        Needs::Config,
        "DEL leaves an attachment of the same name on another network alone",
        spares_other_network,
    ),
    Case::once(
        "del::anothers_prev",
        "1.34b",
        Needs::Config,
        "DEL with the prevResult of another container takes nothing from that one",
        anothers_prev,
    ),
    Case::once(
        "del::spares_later_owner",
        "1.34b",
        Needs::Delegating,
        "a late DEL takes nothing from the container that has the address now",
        spares_later_owner,
    ),
];

/// An attachment that has to stay as it is.
struct Bystander {
    host: Snapshot,
    inside: Snapshot,
}

impl Bystander {
    fn new(stage: &Stage, container: &Container) -> Self {
        Self { host: stage.snapshot(), inside: container.ns.snapshot() }
    }

    fn untouched(&self, stage: &Stage, container: &Container) -> Verdict {
        same(&self.host, &stage.snapshot(), "a DEL that leaves what another attachment has on the host")?;
        same(&self.inside, &container.ns.snapshot(), "a DEL that leaves what another attachment has in its container")
    }
}

/// Attaches and detaches beside what there is, twice detached.
fn comes_and_goes(at: &Attachment) -> Verdict {
    let result = at.add().result()?;
    at.with_prev(&result).del().silence()?;
    at.del().silence()
}

fn spares_other_interface(stage: &Stage) -> Verdict {
    if stage.subject.facts.kind == Some(Kind::Other) {
        return Err(Stop::skip("sets up what a container has once, whatever CNI_IFNAME is"));
    }
    let container = stage.container("c1");
    let second = stage.second(&container, "net1");
    container.at.add().result()?;
    let bystander = Bystander::new(stage, &container);
    comes_and_goes(&second)?;
    bystander.untouched(stage, &container)
}

fn spares_other_container(stage: &Stage) -> Verdict {
    let (first, second) = (stage.container("c1"), stage.container("c2"));
    first.at.add().result()?;
    let bystander = Bystander::new(stage, &first);
    comes_and_goes(&second.at)?;
    bystander.untouched(stage, &first)
}

/// The container of the same ID has another namespace, as if it lived on another machine.
fn spares_other_network(stage: &Stage) -> Verdict {
    let (first, second) = (stage.container("c1"), stage.container("c2"));
    let elsewhere = second.at.container("c1").with_key("name", json!("conformance-too"));
    // What the other network has once and for all.
    elsewhere.add().result()?;
    elsewhere.del().silence()?;
    first.at.add().result()?;
    let bystander = Bystander::new(stage, &first);
    comes_and_goes(&elsewhere)?;
    bystander.untouched(stage, &first)
}

fn anothers_prev(stage: &Stage) -> Verdict {
    let first = Attached::new(stage)?;
    let container = stage.container("c2");
    let bystander = Bystander::new(stage, &first.container);
    container.at.add().result()?;
    container.at.with_prev(&first.result).del().silence()?;
    container.at.del().silence()?;
    bystander.untouched(stage, &first.container)
}

/// The delegate hands out the address of the first container again, whose DEL is late.
fn spares_later_owner(stage: &Stage) -> Verdict {
    let address = json!({ "ips": [{ "address": "10.203.0.7/24", "gateway": "10.203.0.1" }] });
    let stub = stage.stub("conformance-ipam");
    stub.answer("ADD", layout::convert(&address, stage.version()));
    let path = [stage.stub_dir(), stage.subject.dir.clone()];
    let [first, second] = ["c1", "c2"].map(|id| stage.container(id));
    let [early, late] = [&first, &second].map(|c| c.at.with_key("ipam", json!({ "type": "conformance-ipam" })));
    let call = |at: &Attachment, command: &str| at.call(command).path(&path);

    // What the second has by itself. The names of links may be others each time.
    let alone = gained(stage, &call(&late, "ADD"))?;
    call(&late, "DEL").run().silence()?;
    let before = stage.snapshot();
    let result = call(&early, "ADD").run().result()?;
    life::lose(stage, &first);
    life::links_go(stage, &before);
    let beside = gained(stage, &call(&late, "ADD"))?;
    let inside = second.ns.snapshot();
    let dels = [
        call(&early.with_prev(&result), "DEL"),
        call(&early.with_prev(&result), "DEL").netns(""),
        call(&early, "DEL").netns("").ifname("late0"),
    ];
    for del in dels {
        let output = del.run();
        output.silence()?;
        let host = stage.snapshot();
        let lost: Vec<_> = (alone.iter().filter(|line| is_rule(line)).chain(&beside))
            .filter(|line| !host.lines().contains(line))
            .map(String::as_str)
            .collect();
        output
            .demand(lost.is_empty(), &format!("a late DEL that leaves what the next one has: {}", lost.join("\n")))?;
        same(&inside, &second.ns.snapshot(), "a late DEL that leaves the next one's container alone")?;
    }
    Ok(())
}

/// The lines that this ADD brings.
fn gained(stage: &Stage, add: &Plugin) -> Result<Vec<String>, Stop> {
    let before = stage.snapshot();
    add.run().result()?;
    let after = stage.snapshot();
    Ok(after.lines().iter().filter(|line| !before.lines().contains(line)).cloned().collect())
}

/// Whether a line of a snapshot tells of something that is named after no link.
fn is_rule(line: &str) -> bool {
    ["nft ", "ip", "rule "].iter().any(|kind| line.starts_with(kind)) && !line.contains("veth")
}
