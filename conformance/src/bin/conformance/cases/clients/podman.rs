//! podman, CRI-O, Multus.

use super::{CONFIG, INTERFACE, POD, gc, nothing_left, prepared};
use crate::case::{Case, Verdict};
use crate::demand::Demands;
use crate::stage::Stage;
use serde_json::json;

pub const CASES: &[Case] = &[
    Case::once(
        "clients::podman",
        "C.18 7.8a",
        INTERFACE,
        "a container of podman, in 0.4.0, has a hardware address",
        podman,
    ),
    Case::once(
        "clients::podman_empty_texts",
        "C.8",
        CONFIG,
        "empty texts in optional keys, as podman writes them, do no harm",
        podman_empty_texts,
    ),
    Case::once(
        "clients::crio_pod",
        "3.24",
        CONFIG,
        "CRI-O's CHECK right behind ADD, with the same arguments, succeeds",
        crio_pod,
    ),
    Case::once(
        "clients::crio_start",
        "3.30b",
        CONFIG,
        "CRI-O's GC with null on a new host succeeds, and ADD behind it",
        crio_start,
    ),
    Case::once(
        "clients::crio_restart",
        "3.29b",
        CONFIG,
        "CRI-O's GC with the pods that it knows leaves them as they are",
        crio_restart,
    ),
    Case::once("clients::multus", "7.11b 1.19a", CONFIG, "what Multus adds to a configuration does no harm", multus),
];

fn podman(stage: &Stage) -> Verdict {
    stage.lists("0.4.0")?;
    let container = stage.container_at("podman", "0.4.0");
    let at = container.at.clone().args("IgnoreUnknown=1;K8S_POD_NAME=web");
    let output = at.call("ADD").env("XDG_RUNTIME_DIR", "").run();
    let result = output.result()?;
    let interfaces = result["interfaces"].as_array().into_iter().flatten();
    let mut inside = interfaces.filter(|interface| interface["sandbox"].as_str().is_some_and(|path| !path.is_empty()));
    let mac = inside.next().and_then(|interface| interface["mac"].as_str()).unwrap_or_default();
    let bytes: Vec<_> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    output.demand(
        bytes.len() == 6 && bytes.iter().all(Result::is_ok),
        "an interface with `sandbox` and a `mac` of six bytes",
    )?;
    at.with_prev(&result).call("DEL").env("XDG_RUNTIME_DIR", "").run().silence()
}

fn podman_empty_texts(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "podman")?;
    let mut at = container.at.clone();
    for key in ["backend", "ipMasqBackend", "master", "mac", "domainName"] {
        if at.conf().get(key).is_none() {
            at = at.with_key(key, json!(""));
        }
    }
    at.add().result()?;
    at.del().silence()?;
    nothing_left(stage, &before)
}

/// The result comes from the cache afterwards, and so does what DEL gets.
fn crio_pod(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "crio")?;
    let at = container.at.clone().args(POD);
    let at = at.with_prev(&at.add().result()?);
    at.check().silence()?;
    at.check().silence()?;
    at.del().silence()?;
    nothing_left(stage, &before)
}

fn crio_start(stage: &Stage) -> Verdict {
    stage.since("1.1.0")?;
    let container = stage.container("crio");
    gc(&container.at, json!(null)).run().silence()?;
    container.at.status().silence()?;
    let at = container.at.with_prev(&container.at.add().result()?);
    at.check().silence()?;
    at.del().silence()
}

fn crio_restart(stage: &Stage) -> Verdict {
    let pods = [stage.container("pod1"), stage.container("pod2")];
    let mut attached = Vec::new();
    for pod in &pods {
        attached.push(pod.at.with_prev(&pod.at.add().result()?));
    }
    let before = stage.snapshot();
    let known = json!([{ "containerID": "pod1", "ifname": "eth0" }, { "containerID": "pod2", "ifname": "eth0" }]);
    gc(&pods[0].at, known).run().silence()?;
    nothing_left(stage, &before)?;
    attached.iter().try_for_each(|at| at.check().silence())
}

fn multus(stage: &Stage) -> Verdict {
    let (container, before) = prepared(stage, "multus")?;
    let mut at = container.at.clone().args("IgnoreUnknown=true;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web");
    let mut runtime = at.conf().get("runtimeConfig").cloned().unwrap_or_else(|| json!({}));
    runtime["CNIDeviceInfoFile"] = json!("/var/run/k8s.cni.cncf.io/devinfo/cni/default-net1");
    runtime["io.kubernetes.cri.pod-annotations"] = json!(null);
    at = at.with_key("runtimeConfig", runtime);
    let mut args = at.conf().get("args").cloned().unwrap_or_else(|| json!({}));
    args["conformance"] = json!({ "logLevel": "debug", "namespaceIsolation": true });
    at = at.with_key("args", args).with_key("resourceName", json!("example.com/nic"));
    at.add().result()?;
    at.del().silence()?;
    nothing_left(stage, &before)
}
