//! What runtimes got used to.

pub mod answers;
pub mod containerd;
pub mod nerdctl;
pub mod podman;

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::{Demands, demand, same};
use crate::layout;
use crate::stage::{Container, Stage, arranged};
use serde_json::{Value, json};
use std::os::unix::fs::symlink;
use testkit::{Attachment, Plugin, Snapshot};

const CONFIG: Needs = Needs::Config;

const INTERFACE: Needs = Needs::Interface;

pub const CASES: &[Case] = &[
    Case::once(
        "clients::linked_netns",
        "3.6a",
        INTERFACE,
        "a namespace behind a symbolic link is told as it was given",
        linked_netns,
    ),
    Case::once(
        "clients::bare_cycle",
        "2.8b",
        CONFIG,
        "all commands work in an environment of CNI's variables only",
        bare_cycle,
    ),
    Case::once(
        "clients::final_result",
        "3.17",
        CONFIG,
        "DEL with the result of a whole list as prevResult removes everything",
        final_result,
    ),
    Case::once(
        "clients::final_result_netns_gone",
        "3.17 3.15c",
        CONFIG,
        "DEL with the result of a whole list as prevResult succeeds when the namespace is gone",
        final_result_netns_gone,
    ),
];

/// What kubelet's clients send, in an order that a Go map might have.
const POD: &str = "K8S_POD_UID=f1c2-0a;IgnoreUnknown=1;K8S_POD_NAME=web-0.example;K8S_POD_INFRA_CONTAINER_ID=ab12;\
                   K8S_POD_NAMESPACE=kube-system";

/// The host before the container, which is yet to be attached.
fn prepared(stage: &Stage, id: &str) -> Result<(Container, Snapshot), Stop> {
    let container = stage.container(id);
    Ok((container, stage.warm_snapshot()?))
}

fn nothing_left(stage: &Stage, before: &Snapshot) -> Verdict {
    same(before, &stage.snapshot(), "a host as it was before the container")
}

fn has_sandbox(result: &Value, path: &str) -> Verdict {
    let mut interfaces = result["interfaces"].as_array().into_iter().flatten();
    let told = interfaces.any(|interface| interface["name"] == "eth0" && interface["sandbox"] == path);
    demand(told, &format!("an interface eth0 with the `sandbox` {path}"), result.to_string())
}

fn gc(at: &Attachment, list: Value) -> Plugin {
    let at = at.with_key("cni.dev/valid-attachments", list.clone()).with_key("cni.dev/attachments", list);
    at.call("GC").container("").netns("").ifname("").args("")
}

fn linked_netns(stage: &Stage) -> Verdict {
    stage.since("0.3.0")?;
    let (container, before) = prepared(stage, "linked")?;
    let link = stage.sandbox.dir().join("link-to-netns");
    arranged("a link to the namespace", symlink(container.ns.path(), &link));
    let path = link.display().to_string();
    let at = container.at.clone().netns(&path);
    let result = at.add().result()?;
    has_sandbox(&result, &path)?;
    if stage.version() >= "0.4.0" {
        at.with_prev(&result).check().silence()?;
    }
    at.del().silence()?;
    nothing_left(stage, &before)
}

fn bare_cycle(stage: &Stage) -> Verdict {
    let container = stage.container("bare");
    let result = container.at.call("ADD").args("").env_isolated().run().result()?;
    let at = container.at.with_prev(&result);
    if stage.version() >= "0.4.0" {
        at.call("CHECK").env_isolated().run().silence()?;
    }
    if stage.version() >= "1.1.0" {
        at.call("STATUS").env_isolated().run().silence()?;
        let valid = json!([{ "containerID": "bare", "ifname": "eth0" }]);
        gc(&at, valid).env_isolated().run().silence()?;
    }
    container.at.call("DEL").env_isolated().run().silence()
}

/// The result of a list in which other plugins have added interfaces, addresses and routes.
fn of_list(stage: &Stage, container: &Container) -> Result<Attachment, Stop> {
    let mut result = container.at.add().result()?;
    let more = layout::convert(
        &json!({
            "interfaces": [{ "name": "tap-c0nf", "mac": "02:00:00:00:c0:01" },
                { "name": "net1", "mac": "02:00:00:00:c0:02", "sandbox": container.ns.path() }],
            "ips": [{ "address": "192.0.2.77/24", "gateway": "192.0.2.1" }, { "address": "2001:db8:77::77/64" }],
            "routes": [{ "dst": "198.51.100.0/24", "gw": "192.0.2.1" }],
            "dns": { "nameservers": ["192.0.2.53"] }
        }),
        stage.version(),
    );
    for key in ["interfaces", "ips", "routes"] {
        let added = more[key].as_array().into_iter().flatten().cloned();
        let own = result[key].as_array().into_iter().flatten().cloned();
        result[key] = own.chain(added).collect();
    }
    result["dns"] = more["dns"].clone();
    Ok(container.at.with_prev(&result))
}

fn final_result(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "listed")?;
    of_list(stage, &container)?.del().silence()?;
    nothing_left(stage, &before)
}

fn final_result_netns_gone(stage: &Stage) -> Verdict {
    let container = stage.container("listed");
    let at = of_list(stage, &container)?;
    container.ns.remove();
    at.del().silence()
}
