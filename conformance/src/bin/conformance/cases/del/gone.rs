//! DEL of a container whose namespace, or interface, is gone.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::life::{self, Attached};
use crate::stage::Stage;
use testkit::Plugin;

pub const CASES: &[Case] = &[
    Case::once("del::unset_netns", "2.4a", Needs::Config, "DEL succeeds without CNI_NETNS", |stage| {
        succeeds(stage, vanish, unset)
    }),
    Case::once("del::empty_netns", "2.4b", Needs::Config, "DEL succeeds with an empty CNI_NETNS", |stage| {
        succeeds(stage, vanish, empty)
    }),
    Case::once("del::netns_gone", "2.4c 3.15c", Needs::Config, "DEL succeeds when the namespace is gone", |stage| {
        succeeds(stage, vanish, as_it_was)
    }),
    Case::once(
        "del::netns_is_a_file",
        "3.15c",
        Needs::Config,
        "DEL succeeds when the namespace is gone and its mount point left",
        |stage| succeeds(stage, unmount, as_it_was),
    ),
    Case::once(
        "del::netns_is_anothers",
        "3.15c",
        Needs::Config,
        "DEL succeeds when there is another namespace in the place of the one that is gone",
        |stage| succeeds(stage, replace, as_it_was),
    ),
    Case::once(
        "del::unset_netns_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL without CNI_NETNS removes everything",
        |stage| leaves_nothing(stage, vanish, unset),
    ),
    Case::once(
        "del::empty_netns_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL with an empty CNI_NETNS removes everything",
        |stage| leaves_nothing(stage, vanish, empty),
    ),
    Case::once(
        "del::netns_gone_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL removes everything when the namespace is gone",
        |stage| leaves_nothing(stage, vanish, as_it_was),
    ),
    Case::once(
        "del::netns_is_a_file_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL removes everything when the namespace is gone and its mount point left",
        |stage| leaves_nothing(stage, unmount, as_it_was),
    ),
    Case::once(
        "del::netns_is_anothers_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL removes everything when there is another namespace in the place of the one that is gone",
        |stage| leaves_nothing(stage, replace, as_it_was),
    ),
    Case::once(
        "del::without_anything",
        "C.11",
        Needs::Config,
        "DEL with an empty CNI_NETNS and without prevResult removes everything",
        |stage| leaves_nothing(stage, vanish, |attached| attached.without_prev("DEL").netns("")),
    ),
    Case::once("del::interface_gone", "3.15d", Needs::Config, "DEL succeeds when the interface is gone", |stage| {
        without_interface(stage, "ip link del eth0").map(drop)
    }),
    Case::once(
        "del::interface_gone_leaves_nothing",
        "3.19a",
        Needs::Config,
        "DEL removes everything when the interface is gone",
        interface_gone_leaves_nothing,
    ),
    Case::once(
        "del::interface_renamed",
        "3.15d",
        Needs::Config,
        "DEL succeeds when the interface has another name",
        |stage| without_interface(stage, "ip link set eth0 down; ip link set eth0 name renamed0").map(drop),
    ),
];

fn succeeds(stage: &Stage, lose: fn(&Stage, &Attached), del: fn(&Attached) -> Plugin) -> Verdict {
    let attached = Attached::new(stage)?;
    lose(stage, &attached);
    del(&attached).run().silence()?;
    del(&attached).run().silence()
}

fn leaves_nothing(stage: &Stage, lose: fn(&Stage, &Attached), del: fn(&Attached) -> Plugin) -> Verdict {
    let attached = Attached::new(stage)?;
    lose(stage, &attached);
    attached.cleaned_of_all(stage, &del(&attached))
}

fn vanish(stage: &Stage, attached: &Attached) {
    life::lose(stage, &attached.container);
}

fn unmount(stage: &Stage, attached: &Attached) {
    stage.sandbox.sh(&format!("umount -l {}", attached.container.ns.path().display()));
}

fn replace(stage: &Stage, attached: &Attached) {
    vanish(stage, attached);
    stage.sandbox.netns(attached.container.ns.name());
}

fn as_it_was(attached: &Attached) -> Plugin {
    attached.call("DEL")
}

fn unset(attached: &Attached) -> Plugin {
    attached.call("DEL").env_remove("CNI_NETNS")
}

fn empty(attached: &Attached) -> Plugin {
    attached.call("DEL").netns("")
}

/// Demands that DEL succeeds after this was done to the interface.
fn without_interface(stage: &Stage, done: &str) -> Result<Attached, Stop> {
    let attached = Attached::new(stage)?;
    life::needs_interface(&attached.container)?;
    attached.container.ns.sh(done);
    attached.call("DEL").run().silence()?;
    Ok(attached)
}

fn interface_gone_leaves_nothing(stage: &Stage) -> Verdict {
    let attached = without_interface(stage, "ip link del eth0")?;
    life::cleared(stage, &attached.empty, "a DEL that leaves nothing of the attachment, whose interface is gone")
}
