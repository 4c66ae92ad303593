//! DEL with something else than what ADD got.

use crate::case::{Case, Needs, Stop, VERSIONS, Verdict};
use crate::demand::{Demands, same};
use crate::layout;
use crate::life::{self, Attached};
use crate::stage::Stage;
use serde_json::json;
use testkit::{Attachment, Plugin};

pub const CASES: &[Case] = &[
    Case::each_version(
        "del_in_another_version",
        "3.20a",
        Needs::Config,
        "ADD and DEL may differ in their version, one being the newest",
        in_another_version,
    ),
    Case::once(
        "del::prev_in_another_layout",
        "3.20a",
        Needs::Config,
        "DEL accepts a prevResult in the layout of any version",
        prev_in_another_layout,
    ),
    Case::once(
        "del::changed_details",
        "3.20b",
        Needs::Config,
        "DEL works with a configuration that has lost its details",
        changed_details,
    ),
    Case::once(
        "del::unknown_keys",
        "3.20b",
        Needs::Config,
        "DEL works with unknown keys in the configuration and in prevResult",
        unknown_keys,
    ),
    Case::once(
        "del::other_args",
        "C.9",
        Needs::Config,
        "DEL removes everything without the CNI_ARGS of ADD",
        |stage| with_args(stage, None),
    ),
    Case::once(
        "del::unknown_args",
        "C.9",
        Needs::Config,
        "DEL removes everything with CNI_ARGS that the plugin does not know",
        |stage| with_args(stage, Some("SOMETHING_ELSE=1")),
    ),
    Case::once(
        "del::without_runtime_config",
        "C.10",
        Needs::Config,
        "DEL removes everything without the runtimeConfig of ADD",
        without_runtime_config,
    ),
    Case::once("del::long_id", "3.19a 1.32d", Needs::Config, "DEL removes everything of a very long ID", long_id),
];

/// The calls of this attachment in another version: the result is handed on if that version has it.
fn del_in(attached: &Attached, version: &str) -> Plugin {
    let at = attached.container.at.with_key("cniVersion", version.into());
    if life::has_prev_at_del(at.conf()) {
        return at.with_prev(&layout::convert(&attached.result, version)).call("DEL");
    }
    let conf = life::without(at.conf(), "prevResult");
    at.call("DEL").stdin(conf)
}

fn in_another_version(stage: &Stage, version: &'static str) -> Verdict {
    if version == stage.version() {
        return Err(Stop::skip("is the newest version"));
    }
    let newer = Attached::new(stage)?;
    newer.cleaned(stage, &del_in(&newer, version))?;
    let older = Attached::beside(stage, stage.container_at("c2", version))?;
    let at = older.container.at.with_key("cniVersion", stage.version().into());
    let conf = life::without(at.conf(), "prevResult");
    older.cleaned(stage, &at.call("DEL").stdin(conf))
}

/// A list's version may change while a container is there, and not every runtime converts what it has stored.
fn prev_in_another_layout(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    if attached.result["ips"].is_null() || stage.version() < "1.0.0" {
        return Err(Stop::skip("has no result of version 1.0.0 or later with addresses"));
    }
    for version in VERSIONS {
        let prev = layout::convert(&attached.result, version);
        attached.with_prev("DEL", &prev).run().silence()?;
    }
    same(&attached.before, &stage.snapshot(), "a DEL that leaves nothing of the attachment on the host")
}

/// All but what names the network and the delegate, who has its own state.
fn changed_details(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let mut conf = attached.container.at.with_prev(&attached.result).conf().clone();
    // Where state is kept is no detail: nobody looks everywhere. (In "ipam", too.)
    let kept = ["cniVersion", "name", "type", "ipam", "dataDir", "prevResult"];
    let fields = conf.as_object().map(serde_json::Map::len).unwrap_or_default();
    if let Some(fields) = conf.as_object_mut() {
        fields.retain(|key, _| kept.contains(&key.as_str()));
    }
    if conf.as_object().map(serde_json::Map::len).unwrap_or_default() == fields {
        return Err(Stop::skip("the configuration has no details"));
    }
    attached.cleaned(stage, &attached.container.at.call("DEL").stdin(conf))
}

fn unknown_keys(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let mut prev = attached.result.clone();
    prev["unheardOf"] = json!({ "a": [1] });
    for list in ["interfaces", "ips", "routes"] {
        for entry in prev[list].as_array_mut().into_iter().flatten() {
            entry["unheardOf"] = json!("x");
        }
    }
    let at = attached.container.at.with_prev(&prev).with_key("unheardOf", json!({ "b": null }));
    attached.cleaned(stage, &at.call("DEL"))
}

/// ADD with what Kubernetes sends, DEL with this.
fn with_args(stage: &Stage, args: Option<&str>) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let container = stage.container("c1");
    let before = life::before(stage, &empty);
    let at = container.at.clone().args("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web-0");
    let prev = at.add().result()?;
    let del = container.at.with_prev(&prev).call("DEL");
    args.iter().fold(del, |del, args| del.args(args)).run().silence()?;
    same(&before, &stage.snapshot(), "a DEL that leaves nothing of the attachment on the host")
}

fn without_runtime_config(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let at = attached.container.at.with_prev(&attached.result);
    if at.conf()["runtimeConfig"].is_null() {
        return Err(Stop::skip("the configuration has no runtimeConfig"));
    }
    attached.cleaned(stage, &at.call("DEL").stdin(life::without(at.conf(), "runtimeConfig")))
}

/// No length limits an ID; a plugin may have to shorten it in what it keeps.
fn long_id(stage: &Stage) -> Verdict {
    let empty = stage.warm_snapshot()?;
    let container = stage.container("c1");
    let before = life::before(stage, &empty);
    let named = |last: char| -> Attachment { container.at.clone().container(&format!("{}{last}", "l".repeat(230))) };
    let prev = named('a').add().result()?;
    // One that is different in its last character only is another one.
    let there = stage.snapshot();
    named('b').netns("").del().silence()?;
    same(&there, &stage.snapshot(), "a DEL of another ID, equal but for the end, that takes nothing away")?;
    named('a').with_prev(&prev).del().silence()?;
    same(&before, &stage.snapshot(), "a DEL that leaves nothing of the attachment on the host")
}
