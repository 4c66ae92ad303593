//! CRI-O: GC once at start-up, CHECK right after every ADD, DEL by what it has cached.

use serde_json::{Value, json};
use testkit::{Chain, Sandbox, TestNs, assert_same};

use crate::stage::{Limit, Stage, readable};

const ID: &str = "c4b5ce0dfb2a97a105f0c8a8b21f1ea5c1b0f2f2a6ed1ff6e9bbd0cb9d8c1c6c";

/// What it installs as `10-crio-bridge.conflist`.
fn sample(version: &str) -> Value {
    json!({ "cniVersion": version, "name": "crio", "plugins": [
        { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
          "ipam": { "type": "host-local", "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }],
                    "ranges": [[{ "subnet": "10.85.0.0/16" }], [{ "subnet": "1100:200::/24" }]] } },
    ]})
}

/// The same with what operators add behind it.
fn chained(version: &str) -> Value {
    let mut list = sample(version);
    list["plugins"].as_array_mut().unwrap().extend([
        json!({ "type": "portmap", "capabilities": { "portMappings": true }, "runtimeConfig": { "portMappings": [
            { "hostPort": 8080, "containerPort": 80, "protocol": "tcp", "hostIP": "" }] } }),
        json!({ "type": "firewall" }),
        json!({ "type": "tuning", "mtu": 1400, "sysctl": { "net.ipv4.conf.IFNAME.arp_filter": "1" } }),
    ]);
    list
}

fn pod(list: &Value, netns: &TestNs) -> Chain {
    let args = format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_INFRA_CONTAINER_ID={ID};K8S_POD_UID=41fb-12"
    );
    Chain::new(list, netns).each(|plugin| plugin.container(ID).args(&args))
}

/// `"cni.dev/valid-attachments": null`: CRI-O knows of no pod.
#[track_caller]
fn gc_of_everything(list: &Value, sandbox: &Sandbox, name: &str) {
    let netns = sandbox.netns(name);
    for plugin in Chain::new(list, &netns).plugins() {
        plugin.with_key("cni.dev/valid-attachments", Value::Null).call("GC").run().silent();
    }
}

#[test]
fn check_right_after_add_passes() {
    for version in ["0.4.0", "1.0.0", "1.1.0"] {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let stage = Stage::new();
                for (number, list) in [sample(version), chained(version)].iter().enumerate() {
                    let netns = stage.sandbox.netns(&format!("pod{number}"));
                    let chain = pod(list, &netns);
                    let result = chain.add();
                    chain.check(&result);
                    readable(&result, &netns, "eth0");
                    assert_eq!(result["ips"].as_array().unwrap().len(), 2);
                    chain.del(Some(&result));
                }
            });
        });
    }
}

#[test]
fn start_up_collects_what_a_dead_daemon_has_left() {
    let stage = Stage::new();
    let list = chained("1.1.0");
    // Nothing has ever been attached.
    let empty = stage.snapshot();
    gc_of_everything(&list, &stage.sandbox, "nothing");
    assert_same(&empty, &stage.snapshot());
    // The bridge goes with what a GC that keeps nobody takes.
    stage.warm_up(&list);
    gc_of_everything(&list, &stage.sandbox, "warm-up");
    let before = stage.snapshot();
    let netns = stage.sandbox.netns("pod");
    let chain = pod(&list, &netns);
    chain.status();
    let result = chain.add();
    chain.check(&result);
    assert!(stage.publishes(&netns, Limit::Arrives));
    gc_of_everything(&list, &stage.sandbox, "start-up");
    assert_same(&before, &stage.snapshot());
    // The pod's sandbox is removed later on.
    chain.del(Some(&result));
    assert_same(&before, &stage.snapshot());
    chain.status();
}

#[test]
fn pod_is_removed_by_the_cache_when_its_namespace_is_gone() {
    let stage = Stage::new();
    let list = chained("1.0.0");
    stage.warm_up(&list);
    let before = stage.snapshot();
    for path in ["", "/run/netns/gone"] {
        let netns = stage.sandbox.netns("pod");
        let chain = pod(&list, &netns);
        let result = chain.add();
        chain.check(&result);
        netns.remove();
        chain.each(|plugin| plugin.netns(path)).del(Some(&result));
        assert_same(&before, &stage.snapshot());
    }
}
