//! DEL, in all its ugly forms.

pub mod changed;
pub mod gone;
pub mod others;

use crate::case::{Case, Needs, Verdict};
use crate::demand::{Demands, demand, same};
use crate::layout;
use crate::life::{self, Attached};
use crate::stage::Stage;
use crate::truth;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once("del::twice", "3.15a", Needs::Config, "a second and a third DEL succeed", twice),
    Case::once("del::before_add", "3.15b", Needs::Config, "DEL succeeds where there was never an ADD", before_add),
    Case::once(
        "del::before_add_changes_nothing",
        "3.19a",
        Needs::Config,
        "a DEL without an ADD before it changes nothing",
        before_add_changes_nothing,
    ),
    Case::each_version(
        "del_leaves_nothing",
        "3.19a C.7",
        Needs::Config,
        "after DEL the host is as it was before ADD",
        leaves_nothing,
    ),
    Case::once("del::removes_interface", "3.19a", Needs::Interface, "DEL removes the interface", removes_interface),
    Case::once("del::repeated_changes_nothing", "3.19a", Needs::Config, "a second DEL changes nothing", repeated),
    Case::once("del::without_prev", "3.16a", Needs::Config, "DEL succeeds without prevResult", |stage| {
        Attached::new(stage)?.without_prev("DEL").run().silence()
    }),
    Case::once("del::null_prev", "3.16a", Needs::Config, "DEL succeeds with null as prevResult", |stage| {
        Attached::new(stage)?.with_prev("DEL", &Value::Null).run().silence()
    }),
    Case::once("del::empty_prev", "3.16a", Needs::Config, "DEL succeeds with an empty prevResult", |stage| {
        Attached::new(stage)?.with_prev("DEL", &json!({})).run().silence()
    }),
    Case::once("del::bare_prev", "3.16a", Needs::Config, "DEL succeeds with a prevResult of only a version", |stage| {
        Attached::new(stage)?.with_prev("DEL", &bare(stage)).run().silence()
    }),
    Case::once(
        "del::without_prev_leaves_nothing",
        "3.16b",
        Needs::Config,
        "DEL without prevResult removes everything",
        |stage| cleaned_with(stage, None),
    ),
    Case::once(
        "del::bare_prev_leaves_nothing",
        "3.16b",
        Needs::Config,
        "DEL with a prevResult that has nothing in it removes everything",
        |stage| cleaned_with(stage, Some(&bare(stage))),
    ),
    Case::once("del::final_result", "3.17", Needs::Config, "DEL works with a prevResult of many plugins", final_result),
    Case::once(
        "del::stale_prev",
        "5.41",
        Needs::Config,
        "DEL succeeds with a prevResult of things that are no more",
        stale_prev,
    ),
    Case::once(
        "del::failure_is_no_absence",
        "C.13",
        Needs::Config,
        "a DEL that fails does not say `not found`",
        failure_is_no_absence,
    ),
];

fn bare(stage: &Stage) -> Value {
    json!({ "cniVersion": stage.version() })
}

fn cleaned_with(stage: &Stage, prev: Option<&Value>) -> Verdict {
    let attached = Attached::new(stage)?;
    let del = prev.map_or_else(|| attached.without_prev("DEL"), |prev| attached.with_prev("DEL", prev));
    attached.cleaned(stage, &del)
}

fn twice(stage: &Stage) -> Verdict {
    let del = Attached::new(stage)?.call("DEL");
    (0..3).try_for_each(|_| del.run().silence())
}

/// On a host that has never seen the plugin, and on one that has.
fn before_add(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    container.at.del().silence()?;
    life::without_prev(&container, "DEL").run().silence()?;
    stage.warm_snapshot()?;
    life::without_prev(&container, "DEL").run().silence()
}

fn before_add_changes_nothing(stage: &Stage) -> Verdict {
    let container = stage.container("c1");
    let before = stage.warm_snapshot()?;
    life::without_prev(&container, "DEL").run().silence()?;
    same(&life::before(stage, &before), &stage.snapshot(), "a DEL that changes nothing, since there was no ADD")
}

fn leaves_nothing(stage: &Stage, version: &'static str) -> Verdict {
    let attached = Attached::in_version(stage, version)?;
    attached.cleaned(stage, &attached.call("DEL"))
}

fn removes_interface(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let output = attached.call("DEL").run();
    output.silence()?;
    output.demand(truth::link(&attached.container.ns, "eth0").is_none(), "no link eth0 in CNI_NETNS after DEL")
}

fn repeated(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let del = attached.call("DEL");
    del.run().silence()?;
    attached.cleaned(stage, &del)
}

/// What plugins behind this one may have added: their interfaces, addresses, routes, and names of servers.
fn final_result(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let sandbox = attached.container.ns.path().display().to_string();
    let mut prev = attached.result.clone();
    let others = [
        ("interfaces", json!({ "name": "ifb0later", "mac": "02:00:00:00:00:77" })),
        ("interfaces", json!({ "name": "later0", "mac": "02:00:00:00:00:78", "sandbox": sandbox })),
        ("ips", json!({ "address": "192.0.2.7/24", "gateway": "192.0.2.1", "version": "4" })),
        ("routes", json!({ "dst": "198.51.100.0/24", "gw": "192.0.2.1" })),
    ];
    for (list, entry) in others {
        match prev[list].as_array_mut() {
            Some(entries) => entries.push(entry),
            None => prev[list] = json!([entry]),
        }
    }
    prev["dns"] = json!({ "nameservers": ["192.0.2.1"], "domain": "later.test" });
    attached.cleaned(stage, &attached.with_prev("DEL", &prev))
}

/// A runtime's cache survives a reboot.
fn stale_prev(stage: &Stage) -> Verdict {
    let before = stage.warm_snapshot()?;
    let container = stage.container("c1");
    life::lose(stage, &container);
    let prev = json!({
        "interfaces": [
            { "name": "oldbridge0", "mac": "02:00:00:00:00:01" },
            { "name": "veth0ddba11", "mac": "02:00:00:00:00:02" },
            { "name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": container.ns.path() }
        ],
        "ips": [{ "interface": 2, "address": "198.18.0.9/24", "gateway": "198.18.0.1" }],
        "routes": [{ "dst": "0.0.0.0/0", "gw": "198.18.0.1" }]
    });
    let prev = layout::convert(&prev, stage.version());
    container.at.with_prev(&prev).del().silence()?;
    life::cleared(stage, &before, "a DEL that changes nothing, since there is nothing of that attachment")
}

/// Clients take errors with these words for success, and forget the attachment.
fn failure_is_no_absence(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let del = attached.call("DEL");
    let nowhere = stage.sandbox.dir().join("nowhere");
    let calls = [
        del.clone().env_remove("CNI_CONTAINERID"),
        del.clone().stdin("{"),
        del.clone().stdin(attached.container.at.with_key("cniVersion", json!("99.0.0")).conf()),
        del.path([nowhere]),
    ];
    let mut failed = 0;
    for call in calls {
        let output = call.run();
        if output.status.success() {
            continue;
        }
        failed += 1;
        let text = output.stdout.to_lowercase();
        let absent = text.contains("not found") || text.contains("no such file or directory");
        output.demand(!absent, "an error without `not found` and `no such file or directory`")?;
    }
    demand(failed > 0, "a DEL without CNI_CONTAINERID that fails", "")
}
