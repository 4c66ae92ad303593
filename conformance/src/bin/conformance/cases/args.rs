//! What runtimes say beside the configuration: `CNI_ARGS`, and `args`.
//!
//! Nothing tells from outside whether a plugin reads `CNI_ARGS`, but for this: a reader refuses a key that it does not know.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::effect::{self, settled};
use crate::lease;
use crate::stage::Stage;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once("args::empty", "7.2c", Needs::Config, "an empty CNI_ARGS is none", empty),
    Case::once("args::ignore_unknown", "7.3b", Needs::Config, "IgnoreUnknown is set by 1 and true", ignore_unknown),
    Case::once("args::position", "7.3e", Needs::Config, "IgnoreUnknown works in every place", position),
    Case::once("args::characters", "7.1", Needs::Config, "values may have any character but ; and =", characters),
    Case::once("args::empty_value", "7.2b", Needs::Config, "a pair may have an empty value", empty_value),
    Case::once("args::kubernetes", "7.8a", Needs::Config, "what Kubernetes says is accepted in any order", kubernetes),
    Case::once("args::multus", "7.8b", Needs::Config, "what Multus says is accepted", multus),
    Case::once(
        "args::unknown",
        "7.3a",
        Needs::Config,
        "an unknown key is an error that does nothing, or CNI_ARGS is not read",
        unknown,
    ),
    Case::once(
        "args::malformed",
        "7.2a 7.6b",
        Needs::Config,
        "who reads CNI_ARGS refuses what is no pair, and nobody else does",
        malformed,
    ),
    Case::once(
        "args::not_ignored",
        "7.3c 7.6b",
        Needs::Config,
        "who reads CNI_ARGS refuses unknown keys with IgnoreUnknown=0, and nobody else does",
        not_ignored,
    ),
    Case::once(
        "args::odd_boolean",
        "7.3d 7.6b",
        Needs::Config,
        "who reads CNI_ARGS refuses IgnoreUnknown=maybe, and nobody else does",
        odd_boolean,
    ),
    Case::once(
        "args::case",
        "7.3f 7.6b",
        Needs::Config,
        "to who reads CNI_ARGS ignoreunknown is an unknown key",
        other_case,
    ),
    Case::once("args::duplicates", "7.5", Needs::Config, "of IgnoreUnknown twice, the last counts", duplicates),
    Case::once("args::bad_value", "7.4", Needs::Config, "a value that is none of its key's is refused", bad_value),
    Case::once("args::labels", "7.9b", Needs::Config, "`args.cni.labels` is accepted", labels),
    Case::once("args::ips", "7.9a", Needs::Config, "`args.cni.ips` are the addresses that are assigned", ips),
    Case::once(
        "args::args_before_cni_args",
        "7.7a",
        Needs::Config,
        "where `args` has addresses, those in CNI_ARGS do not count",
        args_before_cni_args,
    ),
];

/// What containerd, CRI-O and Kubernetes' old runtime say of a pod, in some of the orders in which they may.
const KUBERNETES: [&str; 4] = [
    "IgnoreUnknown=1;K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=coredns-5d78c9869d-x7k2p;\
     K8S_POD_INFRA_CONTAINER_ID=4c6f3d8e0a;K8S_POD_UID=0b1e8f6e-1c1d-4f7e-9d53-5f8f2b6f0c11",
    "K8S_POD_INFRA_CONTAINER_ID=4c6f3d8e0a;K8S_POD_UID=0b1e8f6e-1c1d-4f7e-9d53-5f8f2b6f0c11;\
     K8S_POD_NAMESPACE=my-ns;IgnoreUnknown=1;K8S_POD_NAME=web.v1-0",
    "K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=default;K8S_POD_INFRA_CONTAINER_ID=a;K8S_POD_UID=u;IgnoreUnknown=1",
    "IgnoreUnknown=1;K8S_POD_NAMESPACE=;K8S_POD_NAME=;K8S_POD_INFRA_CONTAINER_ID=",
];

/// ADDs with each of these as `CNI_ARGS` succeed.
fn accepted(stage: &Stage, all: &[&str]) -> Verdict {
    for (id, args) in all.iter().enumerate() {
        let container = stage.container(&format!("accepted{id}"));
        container.at.clone().args(args).add().result()?;
    }
    Ok(())
}

/// Who reads `CNI_ARGS` refuses each of these, everybody else accepts them.
fn refused_by_readers(stage: &Stage, all: &[&str]) -> Verdict {
    if !reads(stage)? {
        return accepted(stage, all);
    }
    let containers: Vec<_> = (0..all.len()).map(|id| stage.container(&format!("refused{id}"))).collect();
    let calls = containers.iter().zip(all).map(|(container, args)| container.at.call("ADD").args(args));
    effect::refused(stage, calls.collect::<Vec<_>>())
}

/// Whether the plugin, or its delegate, reads `CNI_ARGS`.
fn reads(stage: &Stage) -> Result<bool, Stop> {
    settled(&stage.container("reader").at.clone().args("Unheard=of").add()).map(|accepted| !accepted)
}

fn empty(stage: &Stage) -> Verdict {
    accepted(stage, &[""])
}

fn ignore_unknown(stage: &Stage) -> Verdict {
    let values = ["1", "true", "True", "TRUE"].map(|value| format!("IgnoreUnknown={value};Unheard=of"));
    accepted(stage, &values.each_ref().map(String::as_str))
}

fn position(stage: &Stage) -> Verdict {
    accepted(stage, &["IgnoreUnknown=1;A=b;C=d", "A=b;IgnoreUnknown=1;C=d", "A=b;C=d;IgnoreUnknown=1"])
}

fn characters(stage: &Stage) -> Verdict {
    accepted(
        stage,
        &[
            "IgnoreUnknown=1;Unheard=a.b-c/d_e:f,g+h@i j\"k\\l{m}n[o]",
            "IgnoreUnknown=1;un.heard-of/key=x;Ünerhört=größer 中;1=2",
        ],
    )
}

fn empty_value(stage: &Stage) -> Verdict {
    accepted(stage, &["IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=", "NERDCTL_CNI_DHCP_HOSTNAME=;IgnoreUnknown=1"])
}

fn kubernetes(stage: &Stage) -> Verdict {
    accepted(stage, &KUBERNETES)
}

fn multus(stage: &Stage) -> Verdict {
    accepted(stage, &KUBERNETES.map(|args| args.replace("=1", "=true")).each_ref().map(String::as_str))
}

fn unknown(stage: &Stage) -> Verdict {
    refused_by_readers(stage, &["Unheard=of", "K8S_POD_NAME=web"])
}

fn malformed(stage: &Stage) -> Verdict {
    refused_by_readers(
        stage,
        &["Unheard", "A=B=C", "IgnoreUnknown=1;", ";IgnoreUnknown=1", "IgnoreUnknown=1;;A=b", "IgnoreUnknown=1;A"],
    )
}

fn not_ignored(stage: &Stage) -> Verdict {
    refused_by_readers(stage, &["IgnoreUnknown=0;Unheard=of", "Unheard=of;IgnoreUnknown=false"])
}

fn odd_boolean(stage: &Stage) -> Verdict {
    refused_by_readers(stage, &["IgnoreUnknown=maybe", "IgnoreUnknown=", "IgnoreUnknown=2"])
}

fn other_case(stage: &Stage) -> Verdict {
    refused_by_readers(stage, &["ignoreunknown=1;Unheard=of", "IGNOREUNKNOWN=1"])
}

fn duplicates(stage: &Stage) -> Verdict {
    stage.container("last").at.clone().args("IgnoreUnknown=0;IgnoreUnknown=1;Unheard=of").add().result()?;
    refused_by_readers(stage, &["IgnoreUnknown=1;IgnoreUnknown=0;Unheard=of"])
}

/// The one key whose values are known: that it takes IP shows by its assigning one.
fn bad_value(stage: &Stage) -> Verdict {
    let wanted = lease::wanted(stage)?;
    let first = wanted.first().map(|(ip, _)| ip.to_string()).unwrap_or_default();
    let output = stage.container("asks").at.clone().args(&format!("IgnoreUnknown=1;IP={first}")).add();
    if !settled(&output)? || !lease::has(&output.result()?, &first) {
        return Err(Stop::skip("does not take addresses from CNI_ARGS"));
    }
    let container = stage.container("c1");
    effect::refused(stage, [container.at.call("ADD").args("IgnoreUnknown=1;IP=10.0.0.999")])
}

fn labels(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without labels", |container| {
        let labels = json!([{ "key": "app", "value": "myapp" }, { "key": "env", "value": "prod" }]);
        let args = json!({ "cni": { "labels": labels } });
        container.at.with_key("args", args).call("ADD")
    })
}

fn ips(stage: &Stage) -> Verdict {
    stage.declares("ips")?;
    lease::asked(stage, |container, ips| container.at.with_key("args", with_ips(container.at.conf(), ips)).call("ADD"))
}

fn args_before_cni_args(stage: &Stage) -> Verdict {
    stage.declares("ips")?;
    let wanted = lease::wanted(stage)?;
    let Some((ip, length)) = wanted.first() else { return Err(Stop::skip("assigns no addresses")) };
    let other = lease::next(*ip, 3).to_string();
    let container = stage.container("c1");
    let args = with_ips(container.at.conf(), &[format!("{ip}/{length}")]);
    let at = container.at.with_key("args", args).args(&format!("IgnoreUnknown=1;IP={other}/{length}"));
    let output = at.add();
    let result = output.result()?;
    output.demand(lease::has(&result, &ip.to_string()), &format!("{ip}, which `args` asks for"))?;
    output.demand(!lease::has(&result, &other), &format!("not {other}, which CNI_ARGS asks for"))
}

fn with_ips(conf: &Value, ips: &[String]) -> Value {
    let mut args = conf.get("args").cloned().unwrap_or_else(|| json!({}));
    args["cni"]["ips"] = json!(ips);
    args
}
