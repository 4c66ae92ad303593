//! `runtimeConfig`: what plugins that declare a capability get.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::effect;
use crate::lease;
use crate::stage::{Container, Stage};
use crate::subject::Kind;
use crate::told::{Told, items, text};
use serde_json::{Map, Value, json};
use testkit::{Attachment, Plugin};

pub mod ports;

pub const CASES: &[Case] = &[
    Case::once(
        "capabilities::not_asked_for",
        "7.11b",
        Needs::Config,
        "capabilities that the plugin does not declare are ignored",
        not_asked_for,
    ),
    Case::once(
        "capabilities::nothing",
        "7.13",
        Needs::Config,
        "`runtimeConfig` null, empty or absent, and capabilities null or empty, are no error",
        nothing,
    ),
    Case::once(
        "capabilities::capitals",
        "7.12",
        Needs::Config,
        "keys that begin with a capital, as containerd sends them, are the same keys",
        capitals,
    ),
    Case::once(
        "capabilities::malformed",
        "7.11a",
        Needs::Config,
        "a capability of the plugin that is malformed is refused, before anything is done",
        malformed,
    ),
    Case::once(
        "capabilities::aliases",
        "7.3.aliases",
        Needs::Config,
        "`aliases` as a list, and as an object of lists, are accepted",
        aliases,
    ),
    Case::once(
        "capabilities::pod_annotations",
        "7.3.pod-annotations",
        Needs::Config,
        "pod annotations, null included, are accepted",
        pod_annotations,
    ),
    Case::once("capabilities::mac", "7.3.mac", Needs::Interface, "`mac` is the interface's hardware address", mac),
    Case::once("capabilities::ips", "7.3.ips", Needs::Config, "`ips` are the addresses that are assigned", ips),
    Case::once(
        "capabilities::ip_ranges",
        "7.3.ipRanges",
        Needs::Config,
        "`ipRanges` is where an address comes from",
        ip_ranges,
    ),
    Case::once("capabilities::dns", "7.3.dns", Needs::Config, "`dns` comes out as `dns` of the result", dns),
    Case::once("capabilities::bandwidth", "7.3.bandwidth", Needs::Config, "`bandwidth` sets up queues", bandwidth),
    Case::once("capabilities::burst", "7.14c", Needs::Config, "a burst far beyond 32 bits is accepted", burst),
];

/// The container's attachment with this value for a capability.
fn with(container: &Container, capability: &str, value: Value) -> Attachment {
    let mut runtime = container.at.conf().get("runtimeConfig").cloned().unwrap_or_else(|| json!({}));
    runtime[capability] = value;
    container.at.with_key("runtimeConfig", runtime)
}

/// Well-formed values, as runtimes send them.
fn samples() -> Vec<(&'static str, Value)> {
    let rates = json!({ "ingressRate": 2_048_000, "ingressBurst": 1_600_000, "egressRate": 4_096_000,
        "egressBurst": 1_600_000 });
    vec![
        ("portMappings", json!([{ "hostPort": 18080, "containerPort": 80, "protocol": "tcp" }])),
        ("ipRanges", json!([[{ "subnet": "fd00:c6::/64" }]])),
        ("bandwidth", rates),
        ("dns", json!({ "servers": ["192.0.2.53"], "searches": ["a.test"], "options": ["ndots:5"] })),
        ("ips", json!(["198.18.8.9/24"])),
        ("mac", json!("02:00:5e:10:00:07")),
        ("infinibandGUID", json!("c2:11:22:33:44:55:66:77")),
        ("deviceID", json!("0000:04:00.5")),
        ("aliases", json!(["my-container", "db"])),
        ("cgroupPath", json!("/kubelet.slice/pod1")),
        ("CNIDeviceInfoFile", json!("/run/k8s.cni.cncf.io/devinfo/cni/x.json")),
        ("io.kubernetes.cri.pod-annotations", json!({ "a/b": "c" })),
        ("unheard-of", json!({ "a": [1, null] })),
    ]
}

/// The samples of the capabilities that the plugin declares.
fn declared(stage: &Stage) -> Vec<(&'static str, Value)> {
    samples().into_iter().filter(|(name, _)| stage.declares(name).is_ok()).collect()
}

fn not_asked_for(stage: &Stage) -> Verdict {
    effect::same(stage, "what it does without capabilities that it does not declare", |container| {
        // A delegate may know what the plugin does not declare for it.
        let leases = stage.subject.delegate().is_some() || stage.subject.facts.kind == Some(Kind::Ipam);
        let unknown = |name: &str| !(leases && ["ips", "ipRanges"].contains(&name)) && stage.declares(name).is_err();
        let others = samples().into_iter().filter(|(name, _)| unknown(name));
        let mut runtime = container.at.conf().get("runtimeConfig").cloned().unwrap_or_else(|| json!({}));
        others.for_each(|(name, value)| runtime[name] = value);
        container.at.with_key("runtimeConfig", runtime).call("ADD")
    })
}

fn nothing(stage: &Stage) -> Verdict {
    for (id, empty) in [json!(null), json!({})].into_iter().enumerate() {
        let container = stage.container(&format!("empty{id}"));
        container.at.with_key("runtimeConfig", empty).add().result()?;
    }
    for (name, sample) in declared(stage) {
        let mut empty = vec![Value::Null];
        empty.extend(sample.as_array().map(|_| json!([])));
        for (id, empty) in empty.into_iter().enumerate() {
            let container = stage.container(&format!("{name}{id}"));
            let output = with(&container, name, empty).add();
            output.result()?;
        }
    }
    Ok(())
}

fn capitals(stage: &Stage) -> Verdict {
    let own = stage.subject.config.as_ref().is_some_and(|config| config["runtimeConfig"].is_object());
    if !own {
        return Err(Stop::skip("its configuration has no `runtimeConfig`"));
    }
    effect::same(stage, "what it does with the keys as they are documented", |container| {
        let mut runtime = container.at.conf()["runtimeConfig"].clone();
        for value in runtime.as_object_mut().into_iter().flatten().map(|(_, value)| value) {
            *value = capitalised(value.take());
        }
        container.at.with_key("runtimeConfig", runtime).call("ADD")
    })
}

/// With `HostPort` for `hostPort` and `HostIP` for `hostIP`, and null or empty in the place of what is not said.
fn capitalised(value: Value) -> Value {
    match value {
        Value::Array(entries) => entries.into_iter().map(capitalised).collect(),
        Value::Object(keys) => {
            let capital = |key: String| {
                let mut letters = key.chars();
                letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
            };
            let mut keys: Map<_, _> = keys.into_iter().map(|(key, value)| (capital(key), capitalised(value))).collect();
            if keys.contains_key("HostPort") && !keys.contains_key("HostIP") {
                keys.insert("HostIP".to_owned(), json!(""));
            }
            Value::Object(keys)
        }
        other => other,
    }
}

fn malformed(stage: &Stage) -> Verdict {
    let wrong = [
        ("portMappings", json!("8080:80")),
        ("portMappings", json!([{ "hostPort": "http", "containerPort": 80, "protocol": "tcp" }])),
        ("portMappings", json!([{ "hostPort": 70000, "containerPort": 80, "protocol": "tcp" }])),
        ("portMappings", json!([{ "hostPort": 18080, "containerPort": -1, "protocol": "tcp" }])),
        ("portMappings", json!([{ "hostPort": 18080, "containerPort": 80, "protocol": "xtp" }])),
        ("portMappings", json!([{ "hostPort": 18080, "containerPort": 80, "protocol": "tcp", "hostIP": "nonsense" }])),
        ("ipRanges", json!([[{ "subnet": "nonsense" }]])),
        ("ipRanges", json!([[{ "subnet": "198.18.7.0/24", "rangeStart": "10.0.0.1" }]])),
        ("bandwidth", json!({ "ingressRate": "fast", "ingressBurst": 1000 })),
        ("bandwidth", json!({ "ingressRate": -1, "ingressBurst": 1000 })),
        ("ips", json!(["nonsense"])),
        ("ips", json!(["10.0.0.999/24"])),
        ("mac", json!("nonsense")),
        ("mac", json!(5)),
    ];
    let wrong: Vec<_> = wrong.into_iter().filter(|(name, _)| stage.declares(name).is_ok()).collect();
    if wrong.is_empty() {
        return Err(Stop::skip("declares no capability whose form is known"));
    }
    let containers: Vec<_> = (0..wrong.len()).map(|id| stage.container(&format!("c{id}"))).collect();
    let calls = containers.iter().zip(wrong);
    let calls: Vec<Plugin> = calls.map(|(container, (name, value))| with(container, name, value).call("ADD")).collect();
    effect::refused(stage, calls)
}

fn aliases(stage: &Stage) -> Verdict {
    let forms = [json!(["my-container", "db"]), json!({ "conformance": ["my-container"], "other": [] })];
    accepted(stage, "aliases", forms)
}

fn pod_annotations(stage: &Stage) -> Verdict {
    accepted(
        stage,
        "io.kubernetes.cri.pod-annotations",
        [json!({ "kubernetes.io/ingress-bandwidth": "1M" }), json!(null)],
    )
}

fn accepted(stage: &Stage, name: &str, forms: [Value; 2]) -> Verdict {
    for (id, form) in forms.into_iter().enumerate() {
        with(&stage.container(&format!("c{id}")), name, form).add().result()?;
    }
    Ok(())
}

fn mac(stage: &Stage) -> Verdict {
    stage.declares("mac")?;
    let container = stage.container("c1");
    let output = with(&container, "mac", json!("02:00:5e:10:00:07")).add();
    let result = output.result()?;
    let there = &container.ns.json("ip -j link show dev eth0")[0]["address"];
    output.demand(there == "02:00:5e:10:00:07", "an interface with this hardware address")?;
    let told = items(&result["interfaces"]).iter().find(|link| link["name"] == "eth0");
    let told = told.is_none_or(|link| text(&link["mac"]).eq_ignore_ascii_case("02:00:5e:10:00:07"));
    output.demand(told, "this hardware address in the result")
}

fn ips(stage: &Stage) -> Verdict {
    stage.declares("ips")?;
    lease::asked(stage, |container, ips| with(container, "ips", json!(ips)).call("ADD"))
}

fn ip_ranges(stage: &Stage) -> Verdict {
    stage.declares("ipRanges")?;
    // Of IPv6, since there are gateways that cannot have two addresses of IPv4.
    let range = json!({ "subnet": "fd00:c6::/64", "rangeStart": "fd00:c6::50", "rangeEnd": "fd00:c6::51",
        "gateway": "fd00:c6::9" });
    let output = with(&stage.container("c1"), "ipRanges", json!([[range]])).add();
    let ips = Told::of(&output.result()?).ips;
    let within = |ip: &&Value| ["fd00:c6::50/64", "fd00:c6::51/64"].contains(&text(&ip["address"]));
    let ip = ips.iter().find(within);
    output.demand(ip.is_some(), "fd00:c6::50/64 or fd00:c6::51/64 in the result")?;
    output.demand(ip.is_some_and(|ip| ip["gateway"] == "fd00:c6::9"), "fd00:c6::9 as its gateway")
}

fn dns(stage: &Stage) -> Verdict {
    stage.declares("dns")?;
    let servers = json!({ "servers": ["192.0.2.53"], "searches": ["b.test", "a.test"], "options": ["ndots:5"] });
    let output = with(&stage.container("c1"), "dns", servers).add();
    let told = Value::Object(Told::of(&output.result()?).dns);
    let wanted = json!({ "nameservers": ["192.0.2.53"], "search": ["b.test", "a.test"], "options": ["ndots:5"] });
    output.demand(told == wanted, "the servers, search domains and options as `dns` of the result")
}

fn bandwidth(stage: &Stage) -> Verdict {
    stage.declares("bandwidth")?;
    let container = stage.container("c1");
    let queues = || stage.sandbox.sh("tc qdisc show") + &container.ns.sh("tc qdisc show");
    let before = queues();
    let rates = json!({ "ingressRate": 2_048_000, "ingressBurst": 1_600_000, "egressRate": 4_096_000,
        "egressBurst": 1_600_000 });
    let output = with(&container, "bandwidth", rates).add();
    output.result()?;
    output.demand(queues() != before, "queueing disciplines that were not there before")
}

fn burst(stage: &Stage) -> Verdict {
    stage.declares("bandwidth")?;
    let rates = json!({ "ingressRate": 1_000_000, "ingressBurst": 34_359_738_359_u64, "egressRate": 1_000_000,
        "egressBurst": 34_359_738_359_u64 });
    with(&stage.container("c1"), "bandwidth", rates).add().result().map(drop)
}
