//! What clients read out of VERSION and the about text.

use crate::case::{Case, Needs, Stop, VERSIONS, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use serde_json::{Value, json};
use testkit::Output;

pub const CASES: &[Case] = &[
    Case::once(
        "clients::version_stable",
        "C.15",
        Needs::Nothing,
        "VERSION gives the same answer whoever asks",
        version_stable,
    ),
    Case::once(
        "clients::version_spelling",
        "C.16",
        Needs::Nothing,
        "`supportedVersions` has released versions only",
        version_spelling,
    ),
    Case::once(
        "clients::version_list",
        "C.17",
        Needs::Nothing,
        "`supportedVersions` has what clients have in their configurations",
        version_list,
    ),
    Case::once("clients::about", "C.23", Needs::Nothing, "nerdctl can read the version in the about text", about),
];

/// What VERSION lists, and the call.
fn listed(stage: &Stage) -> Result<(Vec<String>, Output), Stop> {
    let output = stage.plugin().command("VERSION").stdin(json!({ "cniVersion": stage.version() })).run();
    let answer = output.result()?;
    let listed = answer["supportedVersions"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let listed: Vec<_> = listed.map(str::to_owned).collect();
    output.demand(!listed.is_empty(), "a list of `supportedVersions` with an entry")?;
    Ok((listed, output))
}

fn version_stable(stage: &Stage) -> Verdict {
    let (first, _) = listed(stage)?;
    let plugin = stage.plugin().command("VERSION");
    let calls = [
        plugin.clone(),
        plugin.clone().stdin(json!({ "cniVersion": "0.4.0" })),
        plugin.clone().stdin(json!({ "cniVersion": "9.9.9" })),
        plugin.clone().container("c").netns("/nowhere").ifname("eth0").args("a=b"),
        plugin.env_isolated(),
    ];
    for call in calls {
        let output = call.run();
        let answer = output.result()?;
        output
            .demand(answer["supportedVersions"] == json!(first), &format!("the same `supportedVersions`: {first:?}"))?;
    }
    Ok(())
}

/// Versions that are newer than the suite are taken on trust, if they look like one.
fn version_spelling(stage: &Stage) -> Verdict {
    let (listed, output) = listed(stage)?;
    for version in &listed {
        let numbers: Vec<_> = version.split('.').map(str::parse::<u32>).collect();
        let shaped = numbers.len() == 3 && numbers.iter().all(Result::is_ok);
        let known = VERSIONS.contains(&version.as_str()) || version.as_str() > "1.1.0";
        output.demand(shaped && known, &format!("versions that were released, which {version:?} was not"))?;
    }
    Ok(())
}

fn version_list(stage: &Stage) -> Verdict {
    let (listed, output) = listed(stage)?;
    let missing: Vec<_> =
        VERSIONS.iter().filter(|known| **known >= "0.3.0" && !listed.iter().any(|v| v == *known)).collect();
    output.demand(missing.is_empty(), &format!("`supportedVersions` with {missing:?}"))
}

/// It looks for a line `CNI NAME plugin VERSION`.
fn about(stage: &Stage) -> Verdict {
    let output = stage.plugin().run();
    let line = output.stderr.lines().find(|line| line.starts_with("CNI ") && line.contains(" plugin "));
    let Some((_, version)) = line.and_then(|line| line.rsplit_once(' ')) else {
        return Err(Stop::skip("has no about text with a line `CNI NAME plugin VERSION`"));
    };
    let version = version.strip_prefix('v').unwrap_or(version);
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').map(str::parse::<u64>).collect();
    let semantic = numbers.len() == 3 && numbers.iter().all(Result::is_ok);
    output.demand(semantic, "an about text with a semantic version")
}
