//! containerd for Kubernetes: the loopback network that it brings along, at the same time as the first of the directory.

use serde_json::{Value, json};
use std::thread;
use testkit::{Chain, TestNs, assert_same};

use crate::stage::{Limit, Stage, readable};

const ID: &str = "d1c6cc4b5ce0dfb2a97a105f0c8a8b21f1ea5c1b0f2f2a6ed1ff6e9bbd0cb9d8";

/// Built into go-cni.
fn loopback() -> Value {
    json!({ "cniVersion": "0.3.1", "name": "cni-loopback", "plugins": [{ "type": "loopback" }] })
}

/// What its script installs, with go-cni's port mappings.
fn network() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "containerd-net", "plugins": [
        { "type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "promiscMode": true,
          "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.88.0.0/16" }], [{ "subnet": "2001:4860:4860::/64" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] } },
        { "type": "portmap", "capabilities": { "portMappings": true }, "runtimeConfig": { "portMappings": [
            { "HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }] } },
    ]})
}

fn pod(list: &Value, netns: &TestNs, ifname: &str) -> Chain {
    // Its arguments come in any order.
    let args = format!(
        "K8S_POD_INFRA_CONTAINER_ID={ID};K8S_POD_UID=41fb-12;IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web"
    );
    Chain::new(list, netns).each(|plugin| plugin.container(ID).ifname(ifname).args(&args))
}

#[test]
fn loopback_and_the_network_are_attached_at_the_same_time_and_removed_without_a_namespace() {
    let stage = Stage::new();
    stage.warm_up(&network());
    let before = stage.snapshot();
    let netns = stage.sandbox.netns("pod");
    let (lo, eth0) = (pod(&loopback(), &netns, "lo"), pod(&network(), &netns, "eth0"));
    let (of_lo, of_eth0) = thread::scope(|scope| {
        let calls = (scope.spawn(|| lo.add()), scope.spawn(|| eth0.add()));
        (calls.0.join().unwrap(), calls.1.join().unwrap())
    });
    assert_eq!(of_lo["interfaces"][0]["name"], "lo");
    readable(&of_eth0, &netns, "eth0");
    netns.ping("127.0.0.1").unwrap();
    assert!(stage.publishes(&netns, Limit::Arrives));
    netns.remove();
    lo.each(|plugin| plugin.netns("")).del(None);
    eth0.each(|plugin| plugin.netns("")).del(Some(&of_eth0));
    assert_same(&before, &stage.snapshot());
}
