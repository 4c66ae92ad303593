//! VERSION: which versions of the specification a plugin speaks.

use crate::case::{Case, Needs, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use testkit::Stdin;

pub const CASES: &[Case] = &[
    Case::once("version::object", "3.41a", Needs::Nothing, "VERSION prints cniVersion and supportedVersions", object),
    Case::once("version::closed_stdin", "3.42b", Needs::Nothing, "VERSION works without a stdin", closed_stdin),
];

fn object(stage: &Stage) -> Verdict {
    let output = stage.call("VERSION").run();
    let version = output.result()?;
    output.demand(version["cniVersion"].is_string(), "text as `cniVersion`")?;
    let supported = version["supportedVersions"].as_array();
    output.demand(supported.is_some_and(|list| !list.is_empty()), "a list of `supportedVersions` with an entry")
}

fn closed_stdin(stage: &Stage) -> Verdict {
    stage.plugin().command("VERSION").stdin(Stdin::Closed).run().result().map(drop)
}
