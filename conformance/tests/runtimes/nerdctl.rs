//! nerdctl: its default network as it generates it, and its calls in their order.
//!
//! Every ADD comes after a DEL without a namespace, and the DEL when a container has stopped has none either, nor
//! `IgnoreUnknown` in its arguments. Port mappings have go-cni's capital letters.

use serde_json::{Value, json};
use std::thread;
use testkit::{Chain, TestNs, assert_same};

use crate::stage::{Limit, Stage, readable};

/// `NAMESPACE-ID`, longer than any name of the kernel's.
const ID: &str = "default-5f0c8a8b21f1ea5c1b0f2f2a6ed1ff6e9bbd0cb9d8c1c6cc4b5ce0dfb2a97a10";
const OTHER: &str = "default-00ff8a8b21f1ea5c1b0f2f2a6ed1ff6e9bbd0cb9d8c1c6cc4b5ce0dfb2a97a10";

/// `nerdctl network inspect bridge --mode native` shows it. `published` is what go-cni makes of `-p 8080:80`.
fn default_network(published: &Value) -> Value {
    json!({ "cniVersion": "1.0.0", "name": "bridge",
    "nerdctlID": "17f29b073143d8cd97b5bbe492bdeffec1c5fee55cc1fe2112c8b9335f8b6121",
    "nerdctlLabels": { "nerdctl/default-network": "true" },
    "plugins": [
        { "type": "bridge", "bridge": "nerdctl0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
          "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.4.0.0/24", "gateway": "10.4.0.1" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }] } },
        { "type": "portmap", "capabilities": { "portMappings": true },
          "runtimeConfig": { "portMappings": published } },
        { "type": "firewall", "ingressPolicy": "same-bridge" },
        { "type": "tuning" },
    ]})
}

fn web() -> Value {
    json!([{ "HostPort": 8080, "ContainerPort": 80, "Protocol": "tcp", "HostIP": "" }])
}

/// `nerdctl network create --subnet ... --ipv6 -o ...`: a name of all 15 characters, keys that host-local does not know.
fn created_network() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "backend",
    "nerdctlID": "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab", "nerdctlLabels": {},
    "plugins": [
        { "type": "bridge", "bridge": "br-9c56cc51b374", "mtu": 1400, "isGateway": true, "ipMasq": true, "hairpinMode": true,
          "ipam": { "type": "host-local",
                    "ranges": [[{ "subnet": "10.4.1.0/24", "rangeStart": "10.4.1.128", "rangeEnd": "10.4.1.191",
                                  "gateway": "10.4.1.1", "ipRange": "10.4.1.128/26" }],
                               [{ "subnet": "fd00:4::/64", "gateway": "fd00:4::1" }]],
                    "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "::/0" }] },
          "capabilities": { "ips": true }, "runtimeConfig": { "ips": ["fd00:4::5"] } },
        { "type": "portmap", "capabilities": { "portMappings": true }, "runtimeConfig": { "portMappings": web() } },
        { "type": "firewall", "ingressPolicy": "isolated" },
        { "type": "tuning" },
    ]})
}

/// `nerdctl network create --internal`.
fn internal_network() -> Value {
    json!({ "cniVersion": "1.0.0", "name": "inner",
    "nerdctlID": "1a9f1f6bb98c5f0d07e5e1ef9ab9e2d6e7ae9ab4e8e3bb9bd2f5b7e1e4c2d3a1", "nerdctlLabels": {},
    "plugins": [
        { "type": "bridge", "bridge": "br-1a9f1f6bb98c", "hairpinMode": true,
          "ipam": { "type": "host-local", "ranges": [[{ "subnet": "10.4.2.0/24", "gateway": "10.4.2.1" }]] } },
        { "type": "firewall", "ingressPolicy": "same-bridge" },
        { "type": "tuning" },
    ]})
}

/// The hook `createRuntime`.
#[track_caller]
fn start(list: &Value, netns: &TestNs, id: &str, ifname: &str, args: &str) -> Value {
    let chain = Chain::new(list, netns).each(|plugin| plugin.container(id).ifname(ifname).args(args));
    chain.clone().each(|plugin| plugin.netns("")).del(None);
    let result = chain.add();
    readable(&result, netns, ifname);
    result
}

/// The hook `postStop`, with or without what libcni has cached.
#[track_caller]
fn stop(list: &Value, netns: TestNs, id: &str, result: Option<&Value>) {
    let chain = Chain::new(list, &netns).each(|plugin| plugin.container(id).netns(""));
    netns.remove();
    chain.del(result);
}

#[test]
fn container_is_started_published_and_stopped() {
    let stage = Stage::new();
    let list = default_network(&web());
    stage.warm_up(&list);
    let before = stage.snapshot();
    for cached in [true, false] {
        let netns = stage.sandbox.netns("web");
        let result = start(&list, &netns, ID, "eth0", "IgnoreUnknown=1;NERDCTL_CNI_DHCP_HOSTNAME=");
        assert!(stage.publishes(&netns, Limit::Arrives));
        stop(&list, netns, ID, cached.then_some(&result));
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn del_before_the_first_add_of_a_host_changes_nothing() {
    let stage = Stage::new();
    let before = stage.snapshot();
    for list in [default_network(&web()), created_network(), internal_network()] {
        let chain = Chain::new(&list, &stage.sandbox.netns(list["name"].as_str().unwrap()));
        chain.each(|plugin| plugin.container(ID).netns("").args("IgnoreUnknown=1")).del(None);
    }
    assert_same(&before, &stage.snapshot());
}

#[test]
fn container_that_ended_with_the_machine_starts_again_on_its_port_and_address() {
    let stage = Stage::new();
    let list = default_network(&web());
    stage.warm_up(&list);
    let before = stage.snapshot();
    let args = "IgnoreUnknown=1;IP=10.4.0.77;MAC=02:00:00:00:00:77";
    let first = stage.sandbox.netns("first");
    start(&list, &first, ID, "eth0", args);
    // No hook was run.
    first.remove();
    let second = stage.sandbox.netns("second");
    let result = start(&list, &second, ID, "eth0", args);
    assert_eq!(result["ips"][0]["address"], "10.4.0.77/24");
    let own = result["interfaces"].as_array().unwrap().iter().find(|interface| interface["name"] == "eth0").unwrap();
    assert_eq!(own["mac"], "02:00:00:00:00:77");
    assert!(second.sh("ip link show eth0").contains("02:00:00:00:00:77"));
    assert!(stage.publishes(&second, Limit::Arrives));
    stop(&list, second, ID, Some(&result));
    assert_same(&before, &stage.snapshot());
}

#[test]
fn del_before_the_add_of_one_container_leaves_its_neighbours_alone() {
    let stage = Stage::new();
    let list = default_network(&web());
    let netns = stage.sandbox.netns("web");
    start(&list, &netns, ID, "eth0", "IgnoreUnknown=1");
    let other = stage.sandbox.netns("other");
    let result = start(&default_network(&Value::Null), &other, OTHER, "eth0", "IgnoreUnknown=1");
    assert!(stage.publishes(&netns, Limit::Arrives));
    stop(&default_network(&Value::Null), other, OTHER, Some(&result));
    assert!(stage.publishes(&netns, Limit::Arrives));
    stop(&list, netns, ID, None);
    let netns = stage.sandbox.netns("nobody");
    assert!(!stage.publishes(&netns, Limit::IsLost));
}

#[test]
fn networks_of_one_container_are_attached_at_the_same_time() {
    let stage = Stage::new();
    let networks = [("eth0", default_network(&web())), ("eth1", created_network()), ("eth2", internal_network())];
    for (_, list) in &networks {
        stage.warm_up(list);
    }
    let before = stage.snapshot();
    let netns = stage.sandbox.netns("web");
    let results: Vec<Value> = thread::scope(|scope| {
        let netns = &netns;
        let attach = |(ifname, list)| scope.spawn(move || start(list, netns, ID, ifname, "IgnoreUnknown=1"));
        let calls: Vec<_> = networks.iter().map(|(ifname, list)| attach((*ifname, list))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(stage.publishes(&netns, Limit::Arrives));
    // The second each: the warm-up had the first.
    assert_eq!(results[1]["ips"][0]["address"], "10.4.1.129/24");
    assert_eq!(results[1]["ips"][1]["address"], "fd00:4::5/64");
    assert_eq!(results[2]["ips"][0]["address"], "10.4.2.3/24");
    netns.remove();
    for ((ifname, list), result) in networks.iter().zip(&results) {
        let nowhere = stage.sandbox.netns(ifname);
        let chain = Chain::new(list, &nowhere).each(|plugin| plugin.container(ID).ifname(ifname).netns(""));
        chain.del(Some(result));
    }
    assert_same(&before, &stage.snapshot());
}
