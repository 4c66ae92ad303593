//! Every version that is listed, in use: all commands that it has, and requests that name none.

use super::attach;
use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::each_version(
        "life",
        "3.44",
        Needs::Config,
        "ADD, CHECK, DEL, GC and STATUS, as far as the version has them, work one after the other",
        life,
    ),
    Case::once(
        "layout::no_version",
        "3.4b 1.6",
        Needs::Config,
        "a configuration without `cniVersion` is one of 0.1.0",
        no_version,
    ),
    Case::once(
        "layout::empty_version",
        "1.6 3.60b",
        Needs::Config,
        "a configuration with an empty `cniVersion` is one of 0.1.0",
        empty_version,
    ),
];

fn life(stage: &Stage, version: &'static str) -> Verdict {
    let done = attach(stage, version)?;
    let at = &done.container.at;
    let later = if version < "0.4.0" { at.clone() } else { at.with_prev(&done.result) };
    if version >= "0.4.0" {
        later.check().silence()?;
    }
    if version >= "1.1.0" {
        at.status().silence()?;
        at.gc(&[("c1", "eth0")]).silence()?;
        later.check().silence()?;
    }
    later.del().silence()
}

fn no_version(stage: &Stage) -> Verdict {
    oldest(stage, |conf| {
        if let Some(keys) = conf.as_object_mut() {
            keys.retain(|key, _| key != "cniVersion");
        }
    })
}

fn empty_version(stage: &Stage) -> Verdict {
    oldest(stage, |conf| conf["cniVersion"] = json!(""))
}

/// ADD of 0.1.0 with a configuration that does not say so; refused by a plugin that does not list 0.1.0.
fn oldest(stage: &Stage, forget: impl Fn(&mut Value)) -> Verdict {
    let container = stage.container_at("c1", "0.1.0");
    let mut conf = container.at.conf().clone();
    forget(&mut conf);
    let output = container.at.call("ADD").stdin(conf).run();
    if !stage.subject.lists("0.1.0") {
        return output.error().map(drop);
    }
    let result = match output.result() {
        Ok(result) => result,
        Err(refusal) => {
            let named = stage.container_at("named", "0.1.0").at.add().result();
            return Err(named.err().map_or(refusal, |_| Stop::skip("its ADD does not work in 0.1.0")));
        }
    };
    output.demand(result["cniVersion"] == "0.1.0", "0.1.0 as `cniVersion`")?;
    output.demand(result["ip4"].is_object() || result["ip6"].is_object(), "`ip4` or `ip6`, as in 0.1.0")
}
