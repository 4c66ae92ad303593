//! ADD that fails, and what it must not leave behind.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::life::{self, Attached};
use crate::stage::{Container, Stage};
use crate::truth;
use testkit::{Plugin, Snapshot};

pub const CASES: &[Case] = &[
    Case::once("add::taken_name", "3.2b", Needs::Interface, "a name that is taken is refused", taken_name),
    Case::once(
        "add::taken_name_leaves_nothing",
        "3.12a",
        Needs::Interface,
        "nothing is left of an ADD whose name is taken",
        taken_name_leaves_nothing,
    ),
    Case::once(
        "add::impossible_names",
        "3.2a",
        Needs::Interface,
        "names that no link can have are refused",
        impossible,
    ),
    Case::once(
        "add::unusable_netns",
        "3.1a",
        Needs::Interface,
        "a CNI_NETNS that is no namespace is refused",
        |stage| UNUSABLE.iter().try_for_each(|netns| refused(stage, netns).map(drop)),
    ),
    Case::once(
        "add::unusable_netns_leaves_nothing",
        "3.12a",
        Needs::Interface,
        "nothing is left of an ADD without a namespace",
        unusable_netns_leaves_nothing,
    ),
    Case::once(
        "add::del_after_taken_name",
        "3.12b",
        Needs::Interface,
        "DEL after an ADD whose name was taken succeeds",
        del_after_taken_name,
    ),
    Case::once(
        "add::del_after_missing_netns",
        "3.12b",
        Needs::Interface,
        "DEL after an ADD in vain succeeds",
        |stage| refused(stage, MISSING)?.command("DEL").run().silence(),
    ),
    Case::once(
        "add::del_after_unusable_netns",
        "3.12b",
        Needs::Interface,
        "DEL after an ADD in no namespace succeeds",
        |stage| UNUSABLE.iter().try_for_each(|netns| refused(stage, netns)?.command("DEL").run().silence()),
    ),
    Case::once("add::second_is_refused", "3.10a", Needs::Interface, "a second ADD fails", second_is_refused),
    Case::once("add::second_does_no_damage", "3.10b", Needs::Config, "a second ADD leaves the first intact", second),
    Case::once("add::own_netns", "3.14a", Needs::Config, "the host's own namespace is refused", own_netns),
    Case::once(
        "add::own_netns_leaves_nothing",
        "3.14b",
        Needs::Config,
        "the host's own namespace is refused before anything is done",
        own_netns_leaves_nothing,
    ),
];

/// What may stand in the place of a namespace's path: how it is made, below the sandbox's directory, and where it is.
struct Unusable {
    what: &'static str,
    path: &'static str,
}

const MISSING: &Unusable = &Unusable { what: "", path: "/run/netns/missing" };

/// What there is instead of a namespace.
const UNUSABLE: [Unusable; 4] = [
    Unusable { what: "", path: "/run/netns/missing" },
    Unusable { what: "touch", path: "/run/netns/file" },
    Unusable { what: "mkdir", path: "/run/netns/directory" },
    Unusable { what: "", path: "/proc/self/ns/uts" },
];

/// Demands that ADD for such a path fails; the call.
fn refused(stage: &Stage, netns: &Unusable) -> Result<Plugin, Stop> {
    let Unusable { what, path } = netns;
    if !what.is_empty() {
        stage.sandbox.sh(&format!("{what} {path}"));
    }
    let id = format!("c-{}", path.rsplit('/').next().unwrap_or_default());
    let call = stage.container(&id).at.call("ADD").netns(path);
    call.run().error()?;
    Ok(call)
}

fn unusable_netns_leaves_nothing(stage: &Stage) -> Verdict {
    let before = stage.warm_snapshot()?;
    for netns in &UNUSABLE {
        drop(refused(stage, netns)?);
        same(&before, &stage.snapshot(), &format!("a failed ADD for {} that leaves nothing behind", netns.path))?;
    }
    Ok(())
}

/// A container that has a link of the name already, with an address.
fn occupied(stage: &Stage) -> Container {
    let container = stage.container("c1");
    container
        .ns
        .sh("ip link add eth0 type veth peer name other0; ip link set eth0 up; ip addr add 192.0.2.1/24 dev eth0");
    container
}

fn taken_name(stage: &Stage) -> Verdict {
    let container = occupied(stage);
    let before = container.ns.snapshot();
    container.at.add().error()?;
    same(&before, &container.ns.snapshot(), "an ADD that leaves the link alone that has the name already")
}

fn taken_name_leaves_nothing(stage: &Stage) -> Verdict {
    let before = stage.warm_snapshot()?;
    occupied(stage).at.add().error()?;
    same(&before, &stage.snapshot(), "a failed ADD that leaves nothing behind")
}

fn del_after_taken_name(stage: &Stage) -> Verdict {
    let container = occupied(stage);
    container.at.add().error()?;
    container.at.del().silence()
}

/// The kernel expands `%d` and refuses other patterns; `all` and `default` are directories of sysctls.
fn impossible(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let before = container.ns.snapshot();
    for name in ["sixteen-bytes-xx", "a/b", "a:b", "a b", "..", "eth%d", "eth%s", "all", "default"] {
        container.at.clone().ifname(name).add().error()?;
        same(&before, &container.ns.snapshot(), &format!("a refusal of {name:?} that leaves the container alone"))?;
    }
    Ok(())
}

fn second_is_refused(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    container.at.add().result()?;
    container.at.add().error().map(drop)
}

/// Whether it fails or not, it takes nothing away, and DEL leaves nothing of either.
fn second(stage: &Stage) -> Verdict {
    let first = Attached::new(stage)?;
    let (host, inside) = (stage.snapshot(), first.container.ns.snapshot());
    let failed = first.container.at.add().error().is_ok();
    let (host_now, inside_now) = (stage.snapshot(), first.container.ns.snapshot());
    if failed {
        same(&host, &host_now, "a refused second ADD that changes nothing on the host")?;
        same(&inside, &inside_now, "a refused second ADD that changes nothing in the container")?;
    }
    keeps(&host, &host_now)?;
    keeps(&inside, &inside_now)?;
    first.cleaned(stage, &first.call("DEL"))
}

fn keeps(before: &Snapshot, after: &Snapshot) -> Verdict {
    let difference = before.diff(after);
    let lost = difference.lines().any(|line| line.starts_with("- "));
    demand(!lost, "a second ADD that takes nothing of the first away", difference)
}

fn own_netns(stage: &Stage) -> Verdict {
    let own = stage.sandbox.host().path();
    let output = stage.container("c1").at.netns(own).add();
    // Skeletons that compare after the work print a result before their error; that is not this case's.
    output.demand(output.status.code().is_some_and(|code| code != 0), "an exit status other than 0")
}

fn own_netns_leaves_nothing(stage: &Stage) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let container = stage.container("c1");
    let before = life::before(stage, &empty);
    let output = container.at.netns(stage.sandbox.host().path()).add();
    output.demand(!output.status.success(), "an exit status other than 0")?;
    same(&before, &stage.snapshot(), "a refusal before anything is done")?;
    output.demand(truth::link(stage.sandbox.host(), "eth0").is_none(), "no link eth0 on the host")
}
