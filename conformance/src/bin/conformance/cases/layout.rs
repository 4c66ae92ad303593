//! Results: the layout of each version, that they are true, and what becomes of a delegate's result of another version.

use crate::case::Stop;
use crate::demand::Demands;
use crate::stage::{Container, Stage};
use crate::told::items;
use serde_json::Value;
use testkit::Output;

pub mod convert;
pub mod fields;
pub mod kernel;
pub mod life;

/// A container that was attached, and what ADD printed.
struct Attached {
    container: Container,
    output: Output,
    result: Value,
}

/// Attaches a container in this version.
fn attach(stage: &Stage, version: &str) -> Result<Attached, Stop> {
    let container = stage.container_at("c1", version);
    let output = container.at.add();
    match output.result() {
        Ok(result) => Ok(Attached { container, output, result }),
        Err(_) if is_old(version) && has_no_address(stage)? => {
            Err(Stop::skip(format!("has no addresses to tell, and version {version} has nothing else")))
        }
        Err(refusal) => Err(refusal),
    }
}

/// Whether results of the version have places for addresses only.
fn is_old(version: &str) -> bool {
    version < "0.3.0"
}

/// Whether the plugin's result has no addresses in its newest version either.
fn has_no_address(stage: &Stage) -> Result<bool, Stop> {
    let result = stage.container("newest").at.add().result()?;
    Ok(items(&result["ips"]).is_empty())
}

/// The interface that the result tells of in the container.
fn own_interface<'a>(container: &Container, result: &'a Value) -> Option<&'a Value> {
    let netns = container.ns.path().to_str()?;
    items(&result["interfaces"]).iter().find(|link| link["name"] == "eth0" && link["sandbox"] == netns)
}

/// The link of this name as `ip -j -d addr` of a namespace tells it.
fn link<'a>(links: &'a Value, name: &Value) -> Option<&'a Value> {
    items(links).iter().find(|link| link["ifname"] == *name)
}
