//! What an ADD did: what it told, and what it changed on the host; without what differs from one container to the next.

use crate::case::{Stop, Verdict};
use crate::demand::{self, Demands};
use crate::stage::{Container, Stage};
use crate::told::Told;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use testkit::{Output, Plugin, Snapshot};

/// Demands that ADD with `altered`, made from a container's working call, does what ADD with that call does.
pub fn same(stage: &Stage, expected: &str, altered: impl FnOnce(&Container) -> Plugin) -> Verdict {
    let (control, other) = (stage.container("control"), stage.container("other"));
    let before = stage.warm_snapshot()?;
    let wanted = told(&control.at.add().result()?, &before, &stage.snapshot());
    control.at.del().silence()?;
    let before = stage.snapshot();
    let output = altered(&other).run();
    let found = told(&output.result()?, &before, &stage.snapshot());
    let found = if found == wanted { String::new() } else { format!("{found}\nas against {wanted}") };
    output.demand_none(found, expected)
}

/// Demands that each of the calls fails with an error object, and that nothing is left on the host but what every ADD leaves.
/// The containers of the calls have to be there.
pub fn refused(stage: &Stage, calls: impl IntoIterator<Item = Plugin>) -> Verdict {
    let before = stage.warm_snapshot()?;
    for call in calls {
        call.run().error()?;
    }
    demand::same(&before, &stage.snapshot(), "a host that is as it was, behind calls that were refused")
}

/// A result or an error object; whether it is a result.
pub fn settled(output: &Output) -> Result<bool, Stop> {
    let success = output.status.success();
    if success {
        output.result()?
    } else {
        output.error()?
    };
    Ok(success)
}

/// The result's sketch, and how many lines of which kind are new on the host.
fn told(result: &Value, before: &Snapshot, after: &Snapshot) -> Value {
    let mut changes: BTreeMap<String, u32> = BTreeMap::new();
    for line in before.diff(after).lines() {
        let kind: Vec<_> = line.split(' ').take(2).collect();
        *changes.entry(kind.join(" ")).or_default() += 1;
    }
    json!({ "result": Told::of(result).sketch(), "host": changes })
}
