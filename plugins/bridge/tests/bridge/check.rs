//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::{Value, json};

use crate::stage::{Attached, Stage, attach};

/// Everything that CHECK looks at, in one network.
fn everything(stage: &Stage) -> Value {
    stage.dual(json!({ "ipMasq": true, "promiscMode": true, "macspoofchk": true, "portIsolation": true }))
}

#[test]
fn every_kind_of_attachment_passes_right_after_add() {
    let stage = Stage::new();
    let kinds = [
        everything(&stage),
        stage.network(json!({})),
        stage.network(json!({ "isGateway": false, "hairpinMode": true })),
        stage.network(json!({ "ipam": null })),
        stage.network(json!({ "ipam": {}, "macspoofchk": true, "disableContainerInterface": true })),
        stage.network(json!({ "cniVersion": "0.4.0", "ipMasq": true })),
        stage.network(json!({ "cniVersion": "1.0.0", "isDefaultGateway": true })),
        stage.network(json!({ "ipam": stage.ipam(&["fd01::/64"]), "enabledad": true })),
    ];
    for (number, conf) in kinds.iter().enumerate() {
        let container = stage.sandbox.netns(&format!("c{number}"));
        let mut conf = conf.clone();
        conf["bridge"] = json!(format!("br{number}"));
        conf["name"] = json!(format!("net{number}"));
        let attached = attach(&conf, &container);
        attached.check().silent();
        attached.del();
    }
}

/// What CHECK says once `script` has run in the container (`in_container`) or on the host; `PORT` is the port's name.
fn complaint(in_container: bool, script: &str) -> String {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&everything(&stage), &c1);
    attached.check().silent();
    let script = script.replace("PORT", &attached.port());
    if in_container {
        c1.sh(&script)
    } else {
        stage.sandbox.sh(&script)
    };
    attached.check_failure()
}

#[test]
fn loss_inside_the_container_is_named() {
    for (script, words) in [
        ("ip addr del 10.1.0.2/24 dev eth0", "\"eth0\": address 10.1.0.2/24 has gone"),
        ("ip addr del fd01::2/64 dev eth0", "\"eth0\": address fd01::2/64 has gone"),
        ("ip addr add 10.1.0.2/16 dev eth0; ip addr del 10.1.0.2/24 dev eth0", "address 10.1.0.2/24 has gone"),
        ("ip route del default", "route to 0.0.0.0/0 via 10.1.0.1 has gone"),
        ("ip -6 route del default", "route to ::/0 via fd01::1 has gone"),
        ("ip link del eth0", "\"eth0\" in /run/netns/c1: it has gone"),
        ("ip link set eth0 address 02:00:00:00:00:77", "its address is 02:00:00:00:00:77, not "),
        ("ip link del eth0; ip link add eth0 type bridge", "it is bridge, not veth"),
    ] {
        let msg = complaint(true, script);
        assert!(msg.contains(words), "{script}: {msg}");
    }
}

#[test]
fn loss_on_the_host_is_named() {
    for (script, words) in [
        ("ip link set PORT nomaster", "it is not a port of this bridge"),
        ("ip link add other type bridge; ip link set PORT master other", "it is not a port of this bridge"),
        ("bridge link set dev PORT isolated off", "it is not isolated"),
        ("ip link del br0", "check bridge \"br0\": it has gone"),
        ("ip link del br0; ip link add br0 type veth", "\"br0\" already exists but is not a bridge"),
        ("ip link set br0 address 02:00:00:00:00:77", "check interface \"br0\": its address is 02:00:00:00:00:77"),
        ("ip link set br0 promisc off", "check bridge \"br0\": it is not promiscuous"),
        ("ip addr del 10.1.0.1/24 dev br0", "check gateway \"br0\": address 10.1.0.1/24 has gone"),
        ("nft flush set inet mooring masquerade_links4", "check masquerade of \"br0\""),
        ("nft flush set inet mooring masquerade_links6", "check masquerade of \"br0\""),
        ("nft delete table inet mooring", "check masquerade of \"br0\""),
        ("nft flush set bridge mooring restricted_ports", "check spoof protection of port"),
        ("nft flush set bridge mooring allowed_addresses", "check spoof protection of port"),
    ] {
        let msg = complaint(false, script);
        assert!(msg.contains(words), "{script}: {msg}");
    }
}

/// CHECK passes after a later plugin did this inside; the result may have grown too.
fn tolerated(script: &str, grow: impl FnOnce(&mut Value)) {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let Attached { attachment, mut result } = attach(&everything(&stage), &c1);
    c1.sh(script);
    grow(&mut result);
    attachment.with_prev(&result).check().silent();
}

#[test]
fn changes_of_later_plugins_are_accepted() {
    let unchanged = |_: &mut Value| {};
    tolerated("ip route add 192.168.0.0/16 via 10.1.0.1; ip addr add 10.1.0.99/24 dev eth0", unchanged);
    tolerated("echo 1 > /proc/sys/net/ipv4/conf/eth0/proxy_arp; ip link set eth0 mtu 1300", unchanged);
    tolerated("ip route del default; ip route add default via 10.1.0.1 dev eth0 table 100", unchanged);
    tolerated("ip route del default; ip route add default via 10.1.0.1 dev eth0 metric 500", unchanged);
    tolerated(
        "ip link set eth0 promisc on; tc qdisc add dev eth0 root tbf rate 10mbit burst 15k latency 50ms",
        unchanged,
    );
}

#[test]
fn interfaces_of_later_plugins_are_not_taken_for_ours() {
    tolerated("ip link add net1 type veth; ip addr add 172.20.0.5/16 dev net1", |result| {
        let interfaces = result["interfaces"].as_array_mut().unwrap();
        interfaces.push(json!({ "name": "net1", "sandbox": "/run/netns/c1", "mac": "02:00:00:00:00:55" }));
        let ip = json!({ "interface": 3, "address": "172.20.0.5/16", "gateway": "172.20.0.1" });
        result["ips"].as_array_mut().unwrap().push(ip);
    });
}

#[test]
fn previous_result_is_required() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.network(json!({})), &c1);
    assert_eq!(attached.attachment.check().failure_code(7)["msg"], "required prevResult missing");
}

#[test]
fn lost_lease_is_the_delegates_complaint() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let attached = attach(&stage.network(json!({})), &c1);
    stage.sandbox.sh(&format!("rm {}/net/10.1.0.2", stage.leases().display()));
    attached.check().failure();
}
