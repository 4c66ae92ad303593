//! ADD with a real server, and without.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Plugin, Stdout, assert_same, eventually, require};

use crate::stage::{LONG, Stage, addresses, told};

#[test]
fn container_gets_address_gateway_routes_and_name_servers() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[
        "--dhcp-option=option:dns-server,10.1.0.53",
        "--domain=example.com",
        "--dhcp-option=option:domain-search,a.example.com,b.example.com",
        "--dhcp-option=option:mtu,1400",
    ]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container);
    let result = attachment.add().success();
    assert_eq!(told(&result), addresses(&container, 4));
    assert_eq!((&result["ips"][0]["interface"], &result["ips"][0]["gateway"]), (&json!(2), &json!("10.1.0.1")));
    assert_eq!(result["routes"], json!([{ "dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400 }]));
    let dns =
        json!({ "nameservers": ["10.1.0.53"], "domain": "example.com", "search": ["a.example.com", "b.example.com"] });
    assert_eq!(result["dns"], dns);
    container.ping("10.1.0.1").unwrap();
    assert!(!server.log().contains("broadcast response"), "{}", server.log());
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    assert!(stage.records().is_empty());
    stage.await_given(0);
}

#[test]
fn server_sees_what_is_provided_and_what_is_asked_for() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let ipam = json!({
        "provide": [
            { "option": "host-name", "fromArg": "K8S_POD_NAME" },
            { "option": "vendor-class-identifier", "value": "mooring" },
            { "option": "user-class", "value": "pods" },
        ],
        "request": [{ "option": "42" }, { "option": "subnet-mask", "skipDefault": true }],
        "broadcast": true, "priority": 77,
    });
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(ipam), &container).args("IgnoreUnknown=1;K8S_POD_NAME=web-1");
    let result = attachment.add().success();
    let log = server.log();
    for expected in ["client provides name: web-1", "vendor class: mooring", "user class: pods", "broadcast response"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(log.contains("requested options: 42:ntp-server, 1:netmask\n"), "{log}");
    assert!(result["routes"].is_null(), "routers were not asked for: {result}");
    let leases = std::fs::read_to_string(stage.file("dnsmasq.leases")).unwrap();
    // `c1/net/eth0`, behind the type.
    assert!(leases.contains(" web-1 00:63:31:2f:6e:65:74:2f:65:74:68:30"), "{leases}");
}

#[test]
fn classless_routes_go_into_the_container_in_every_version() {
    let Some(stage) = Stage::new() else { return };
    let routes = "--dhcp-option=121,192.0.2.0/24,10.1.0.9,172.20.0.0/16,0.0.0.0,0.0.0.0/0,10.1.0.8";
    let _server = stage.dnsmasq(&[routes, "--dhcp-option=3,10.1.0.1"]);
    let _daemon = stage.daemon();
    for version in ["0.1.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let container = stage.sandbox.netns(&format!("c{version}"));
        let conf = stage.network(json!({ "priority": 77 }));
        let attachment = Attachment::new(conf, &container).with_key("cniVersion", version.into());
        let result = attachment.add().success();
        let inside = container.sh("ip route show");
        for expected in ["default via 10.1.0.8", "192.0.2.0/24 via 10.1.0.9"] {
            assert!(inside.contains(expected), "{version}: {inside}");
        }
        if version >= "0.3.0" {
            assert!(inside.contains("172.20.0.0/16 dev eth0 scope link metric 77"), "{version}: {inside}");
            assert_eq!(result["ips"][0]["gateway"], "10.1.0.1", "{version}");
        } else {
            assert_eq!(result["ip4"]["gateway"], "10.1.0.1");
        }
        attachment.del().silent();
    }
}

#[test]
fn broadcast_answers_are_asked_for_by_the_daemons_flag() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon_with(&["-broadcast"]);
    let container = stage.sandbox.netns("c1");
    Attachment::new(stage.network(json!({})), &container).add().success();
    assert!(server.log().contains("broadcast response"), "{}", server.log());
}

#[test]
fn attachments_get_addresses_of_their_own_and_an_add_again_the_same() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let containers: Vec<_> = (1..=3).map(|n| stage.sandbox.netns(&format!("c{n}"))).collect();
    let mut attachments: Vec<_> =
        containers.iter().map(|container| Attachment::new(stage.network(json!({})), container)).collect();
    attachments.push(attachments[0].clone().ifname("net1"));
    // All at once.
    let mut given: Vec<String> = thread::scope(|scope| {
        let adds: Vec<_> = attachments.iter().map(|attachment| scope.spawn(|| attachment.add().success())).collect();
        adds.into_iter().flat_map(|add| told(&add.join().unwrap())).collect()
    });
    given.sort();
    given.dedup();
    assert_eq!(given.len(), 4);

    // What a plugin that calls it again would get.
    let again = attachments[0].with_key("type", "dhcp".into());
    let requests = server.log().matches("DHCPREQUEST").count();
    assert_eq!(told(&again.add().success()), addresses(&containers[0], 4));
    assert_eq!(server.log().matches("DHCPREQUEST").count(), requests, "nobody was asked");
    assert_eq!(again.call("ADD").stdout(Stdout::Full).run().status.code(), Some(1));
    assert_eq!(stage.records().len(), 4, "it is not this ADD's to give back");
    for attachment in &attachments {
        attachment.del().silent();
    }
    stage.await_given(0);
}

#[test]
fn container_of_the_same_id_in_another_namespace_gets_another_lease() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let [first, second] = ["a", "b"].map(|name| stage.sandbox.netns(name));
    let attach = |netns| Attachment::new(stage.network(json!({})), netns).container("c1");
    attach(&first).add().success();
    stage.sandbox.sh("ip link del $(ip -br link show master br0 | grep -o '^vet[^@ ]*')");
    let result = attach(&second).add().success();
    assert_eq!(told(&result), addresses(&second, 4));
    assert_eq!(stage.records().len(), 1);
}

#[test]
fn without_a_server_add_fails_in_time_and_leaves_nothing() {
    let Some(stage) = Stage::new() else { return };
    let daemon = stage.daemon_with(&["-resendtimeout", "700ms"]);
    let container = stage.sandbox.netns("c1");
    let before = (stage.sandbox.snapshot(&[]), container.snapshot());
    let attachment = Attachment::new(stage.network(json!({})), &container);
    let error = attachment.add().failure_code(11);
    assert_eq!(error["msg"], "get a lease for \"eth0\" by DHCPv4: no server has answered in 0.7 seconds");
    assert_same(&before.0, &stage.sandbox.snapshot(&[]));
    assert_same(&before.1, &container.snapshot());
    assert!(stage.records().is_empty(), "{}", daemon.log());

    // By itself: the interface is somebody else's, and was down.
    stage.sandbox.sh("ip link add veth1 type veth peer name eth0 netns c1; ip link set veth1 up");
    attachment.with_key("type", "dhcp".into()).add().failure_code(11);
    assert!(!container.sh("ip link show dev eth0").contains(",UP"));
}

#[test]
fn exhausted_servers_are_told_and_the_others_keep_what_they_have() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq_with(&["--dhcp-range=10.1.0.10,10.1.0.10,255.255.255.0,2m"]);
    let _daemon = stage.daemon_with(&["-resendtimeout", "1s"]);
    let containers = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
    let [one, two] = containers.each_ref().map(|container| Attachment::new(stage.network(json!({})), container));
    one.add().success();
    two.add().failure_code(11);
    one.with_key("type", "dhcp".into()).add().success();
    two.del().silent();
    assert_eq!(stage.given(), ["10.1.0.10"]);
    one.del().silent();
    two.add().success();
}

#[test]
fn answer_without_a_mask_is_refused_and_given_back() {
    let Some(stage) = Stage::new() else { return };
    // The mask is sent because it is asked for; nobody asks here.
    let _server = stage.dnsmasq(&["--dhcp-option=1"]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let ipam = json!({ "request": [{ "option": "3", "skipDefault": true }] });
    let error = Attachment::new(stage.network(ipam), &container).add().failure();
    assert!(error["msg"].as_str().unwrap().ends_with("DHCP option Subnet Mask not found in DHCPACK"), "{error}");
    stage.await_given(0);
}

#[test]
fn result_that_nobody_takes_is_given_back() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add veth1 type veth peer name eth0 netns c1; ip link set veth1 up master br0");
    let attachment = Attachment::new(stage.network(json!({})), &container).with_key("type", "dhcp".into());
    let output = attachment.call("ADD").stdout(Stdout::BrokenPipe).run();
    assert!(!output.status.success(), "{output}");
    assert!(stage.records().is_empty());
    stage.await_given(0);
}

/// A runtime that has lost its patience kills the plugin: the daemon does not go on asking.
#[test]
fn plugin_that_is_killed_wants_no_lease_any_more() {
    let Some(stage) = Stage::new() else { return };
    let daemon = stage.daemon_with(&["-resendtimeout", "1h"]);
    let container = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add veth1 type veth peer name eth0 netns c1; ip link set veth1 up master br0");
    let attachment = Attachment::new(stage.network(json!({})), &container).with_key("type", "dhcp".into());
    let killed = attachment.call("ADD").under(["timeout", "-s", "KILL", "1"]).run();
    assert!(!killed.status.success() && killed.stdout.is_empty(), "{killed}");
    eventually(LONG, || if daemon.log().contains("wanted no more") { Ok(()) } else { Err(daemon.log()) });
    attachment.del().silent();
}

/// DEL does not wait until ADD has lost its patience.
#[test]
fn del_stops_an_add_that_is_under_way() {
    let Some(stage) = Stage::new() else { return };
    let daemon = stage.daemon_with(&["-resendtimeout", "1h"]);
    let container = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add veth1 type veth peer name eth0 netns c1; ip link set veth1 up master br0");
    let attachment = Attachment::new(stage.network(json!({})), &container).with_key("type", "dhcp".into());
    thread::scope(|scope| {
        let add = scope.spawn(|| attachment.add().failure_code(11));
        daemon.await_log("asking for a lease for eth0 of container c1");
        let error = attachment.add().failure_code(11);
        assert!(error["msg"].as_str().unwrap().ends_with("another ADD of it is under way"), "{error}");
        attachment.del().silent();
        let error = add.join().unwrap();
        assert!(error["msg"].as_str().unwrap().contains("it is wanted no more"), "{error}");
    });
}

#[test]
fn without_a_daemon_add_says_so_at_once() {
    let Some(stage) = Stage::new() else { return };
    let container = stage.sandbox.netns("c1");
    let before = stage.sandbox.snapshot(&[]);
    let begin = Instant::now();
    let error = Attachment::new(stage.network(json!({})), &container).add().failure_code(11);
    let msg = error["msg"].as_str().unwrap();
    assert!(msg.starts_with("ask daemon at ") && msg.contains("No such file or directory"), "{error}");
    assert!(begin.elapsed() < Duration::from_secs(25), "it has not waited for one");
    assert_same(&before, &stage.sandbox.snapshot(&[]));
}

#[test]
fn interface_that_is_not_there_is_named() {
    let Some(stage) = Stage::new() else { return };
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container).with_key("type", "dhcp".into());
    let error = attachment.add().failure_code(100);
    assert_eq!(error["msg"], "find link \"eth0\" in /run/netns/c1: there is none");
    attachment.clone().ifname("lo").add().failure_code(100);
    attachment.clone().netns("/run/netns/absent").add().failure_code(100);
    let wrong = |ipam: Value| attachment.with_key("ipam", ipam).add().failure_code(7);
    wrong(json!({ "type": "dhcp", "provide": [{ "option": "nope", "value": "x" }] }));
    wrong(Value::Null);
}

/// `macvlan` of the reference: a plugin that leaves the interface down until it has an address.
#[test]
fn plugins_of_others_can_use_it() {
    let Some(stage) = Stage::new() else { return };
    if !require(Facility::Program("/usr/lib/cni/macvlan")) || !require(Facility::Link("macvlan mode bridge")) {
        return;
    }
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    stage.sandbox.sh(
        "ip link add uplink0 type veth peer name uplink1; ip link set uplink1 up master br0; ip link set uplink0 up",
    );
    let container = stage.sandbox.netns("c1");
    let mut conf = stage.network(json!({}));
    conf["type"] = "macvlan".into();
    conf["master"] = "uplink0".into();
    conf["cniVersion"] = "1.0.0".into();
    let attachment = Attachment::new(conf, &container).bin_dir("/usr/lib/cni");
    let ours = [Plugin::bin_dir(), "/usr/lib/cni".into()];
    let result = attachment.call("ADD").path(&ours).run().success();
    assert_eq!(told(&result), addresses(&container, 4));
    container.ping("10.1.0.1").unwrap();
    attachment.with_prev(&result).call("DEL").path(&ours).run().silent();
    assert!(stage.records().is_empty());
    stage.await_given(0);
}
