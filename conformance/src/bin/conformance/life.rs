//! The life of an attachment: how cases about ADD, CHECK and DEL begin and end.

use crate::case::{Stop, VERSIONS, Verdict};
use crate::demand::{Demands, same};
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};
use testkit::{Plugin, Snapshot};

/// How long the kernel may take to remove the links of a namespace that is gone: one after the other, of all the machine.
const CLEARING: Duration = Duration::from_secs(15);

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// How often to look whether what remains, when the links are gone, remains for good.
const LOOKS: u32 = 3;

/// The first version that has a `prevResult` at DEL.
const PREV_AT_DEL: &str = "0.4.0";

/// A container that is attached.
#[derive(Debug)]
pub struct Attached {
    /// The host before there was the container: as it is to be when that has been detached and its namespace is gone.
    pub empty: Snapshot,
    /// The host before ADD: as it is to be after DEL.
    pub before: Snapshot,
    /// The container.
    pub container: Container,
    /// What ADD printed.
    pub result: Value,
}

impl Attached {
    /// `c1`, in the newest version, on a host that has seen another container come and go.
    pub fn new(stage: &Stage) -> Result<Self, Stop> {
        Self::in_version(stage, stage.version())
    }

    /// The same, in this version.
    pub fn in_version(stage: &Stage, version: &str) -> Result<Self, Stop> {
        let empty = stage.warm_snapshot()?;
        Self::attach(stage, empty, stage.container_at("c1", version))
    }

    /// This one, beside what there is.
    pub fn beside(stage: &Stage, container: Container) -> Result<Self, Stop> {
        let before = stage.snapshot();
        let result = container.at.add().result()?;
        Ok(Self { empty: before.clone(), before, container, result })
    }

    fn attach(stage: &Stage, empty: Snapshot, container: Container) -> Result<Self, Stop> {
        let before = before(stage, &empty);
        let result = container.at.add().result()?;
        Ok(Self { empty, before, container, result })
    }

    /// The call as a runtime makes it: with the result of ADD, in the versions in which it is handed on.
    pub fn call(&self, command: &str) -> Plugin {
        let at = &self.container.at;
        if has_prev_at_del(at.conf()) { at.with_prev(&self.result).call(command) } else { self.without_prev(command) }
    }

    /// The same with another `prevResult`.
    pub fn with_prev(&self, command: &str, prev: &Value) -> Plugin {
        self.container.at.with_prev(prev).call(command)
    }

    /// The same without `prevResult`.
    pub fn without_prev(&self, command: &str) -> Plugin {
        without_prev(&self.container, command)
    }

    /// Demands that DEL, called so, succeeds, and that the host is then as it was before ADD.
    pub fn cleaned(&self, stage: &Stage, del: &Plugin) -> Verdict {
        del.run().silence()?;
        same(&self.before, &stage.snapshot(), "a DEL that leaves nothing of the attachment on the host")
    }

    /// Demands that DEL, called so, succeeds, and that nothing of the container, which is gone, is left.
    pub fn cleaned_of_all(&self, stage: &Stage, del: &Plugin) -> Verdict {
        del.run().silence()?;
        cleared(stage, &self.empty, "a DEL that leaves nothing of the attachment on the host, whose namespace is gone")
    }
}

/// The host with the container on it: a plugin before this one may have made links.
pub fn before(stage: &Stage, empty: &Snapshot) -> Snapshot {
    let chained = stage.subject.facts.kind == Some(Kind::Chained);
    if chained { stage.snapshot() } else { empty.clone() }
}

/// A call as of a runtime that has no result.
pub fn without_prev(container: &Container, command: &str) -> Plugin {
    container.at.call(command).stdin(without(container.at.conf(), "prevResult"))
}

/// Demands that the host is as it was, as soon as the kernel has cleared up after a namespace.
pub fn cleared(stage: &Stage, before: &Snapshot, expected: &str) -> Verdict {
    let deadline = Instant::now() + CLEARING;
    let mut looks = 0;
    loop {
        let after = stage.snapshot();
        looks += u32::from(links(before) == links(&after));
        if *before == after || looks == LOOKS || Instant::now() > deadline {
            return same(before, &after, expected);
        }
        sleep(PAUSE);
    }
}

/// Waits until the kernel has removed the links that a namespace, now gone, brought to the host; a plugin may have others.
pub fn links_go(stage: &Stage, before: &Snapshot) {
    let deadline = Instant::now() + CLEARING;
    while has_new_link(before, &stage.snapshot()) && Instant::now() < deadline {
        sleep(PAUSE);
    }
}

fn has_new_link(before: &Snapshot, after: &Snapshot) -> bool {
    !links(after).is_subset(&links(before))
}

/// The links that a snapshot has something of: one that is being removed loses its addresses, settings and routes one after
/// the other.
fn links(snapshot: &Snapshot) -> BTreeSet<&str> {
    snapshot.lines().iter().filter_map(|line| link_of(line)).collect()
}

/// The link that a line of a snapshot is about.
fn link_of(line: &str) -> Option<&str> {
    let kinds = ["link ", "addr ", "vlan ", "qdisc ", "sysctl ipv4/conf/", "sysctl ipv6/conf/"];
    let own = kinds.iter().find_map(|kind| line.strip_prefix(kind));
    let route = || line.strip_prefix("route ")?.split_once(" dev=").map(|(_, device)| device);
    own.or_else(route)?.split_whitespace().next()
}

/// Takes a container's namespace away, its path with it.
pub fn lose(stage: &Stage, container: &Container) {
    let path = container.ns.path().display();
    stage.sandbox.sh(&format!("umount -l {path}; rm {path}"));
}

/// The configuration without one key.
pub fn without(conf: &Value, key: &str) -> Value {
    let mut conf = conf.clone();
    if let Some(fields) = conf.as_object_mut() {
        fields.remove(key);
    }
    conf
}

/// Whether a runtime hands on the result at DEL, in the version of this configuration.
pub fn has_prev_at_del(conf: &Value) -> bool {
    let place = |wanted: &Value| VERSIONS.iter().position(|version| wanted == version);
    place(&conf["cniVersion"]) >= place(&json!(PREV_AT_DEL))
}

/// Skips the case where the plugin made nothing in the container that bears `CNI_IFNAME`.
pub fn needs_interface(container: &Container) -> Verdict {
    let there = container.ns.try_sh("ip link show eth0").status.success();
    if there { Ok(()) } else { Err(Stop::skip("no interface in the container has the name CNI_IFNAME")) }
}
