//! CHECK: silent about what is as ADD made it, and about what later plugins may change; else it names what is wrong.

use serde_json::{Value, json};

use crate::stage::{Attached, Stage};

#[test]
fn every_kind_of_attachment_passes_right_after_add() {
    let stage = Stage::new();
    let no_routes =
        json!({ "type": "host-local", "dataDir": stage.leases(), "ranges": [[{ "subnet": "10.9.0.0/24" }]] });
    let kinds = [
        stage.masquerading(),
        stage.network(json!({ "cniVersion": "0.4.0", "ipMasq": true })),
        stage.network(json!({ "cniVersion": "1.0.0" })),
        stage.network(json!({ "ipam": no_routes, "mtu": 1300 })),
    ];
    for (number, conf) in kinds.into_iter().enumerate() {
        let mut conf = conf;
        conf["name"] = json!(format!("net{number}"));
        let (_, attached) = stage.attach(&conf, &format!("c{number}"));
        attached.check().silent();
        attached.del();
    }
}

/// What CHECK says once `script` has run in the container (`in_container`) or on the host; `NEAR` is the host's end.
fn complaint(in_container: bool, script: &str) -> String {
    let stage = Stage::new();
    let (c1, attached) = stage.attach(&stage.masquerading(), "c1");
    attached.check().silent();
    let script = script.replace("NEAR", &attached.near());
    if in_container {
        c1.sh(&script)
    } else {
        stage.sandbox.sh(&script)
    };
    attached.complaint()
}

#[test]
fn loss_inside_the_container_is_named() {
    for (script, words) in [
        ("ip addr del 10.1.0.2/24 dev eth0", "\"eth0\": address 10.1.0.2/24 has gone"),
        ("ip addr del fd01::2/64 dev eth0", "\"eth0\": address fd01::2/64 has gone"),
        ("ip route del default", "route to 0.0.0.0/0 has gone"),
        ("ip -6 route del default", "route to ::/0 has gone"),
        ("ip route del 10.1.0.0/24", "\"eth0\": route to 10.1.0.0/24 via 10.1.0.1 has gone"),
        ("ip -6 route del fd01::/64", "\"eth0\": route to fd01::/64 via fd01::1 has gone"),
        (
            "ip route del 10.1.0.1; ip route add 10.1.0.1 via 10.1.0.1 dev eth0 onlink",
            "route to gateway 10.1.0.1 has gone",
        ),
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
        ("ip addr del 10.1.0.1/32 dev NEAR", "of the host: address 10.1.0.1/32 has gone"),
        ("ip addr del fd01::1/128 dev NEAR", "of the host: address fd01::1/128 has gone"),
        ("ip route del 10.1.0.2", "there is no route to 10.1.0.2"),
        ("ip -6 route del fd01::2", "there is no route to fd01::2"),
        (
            "ip route del 10.1.0.2; ip link set spare up; ip route add 10.1.0.2 dev spare",
            "10.1.0.2 is behind \"spare\" instead",
        ),
        ("ip link set NEAR down", "of the host: it is down"),
        ("nft flush set inet mooring masquerade_within4_24", "check masquerade of \"eth0\""),
        ("nft flush set inet mooring masquerade_within6_64", "check masquerade of \"eth0\""),
        ("nft delete table inet mooring", "check masquerade of \"eth0\""),
    ] {
        let msg = complaint(false, script);
        assert!(msg.contains(words), "{script}: {msg}");
    }
}

#[test]
fn other_end_that_is_not_on_this_host_is_named() {
    let stage = Stage::new();
    let (c1, attached) = stage.attach(&stage.network(json!({})), "c1");
    let mac = attached.result["interfaces"][1]["mac"].as_str().unwrap();
    c1.sh(&format!(
        "ip link del eth0; ip link add eth0 address {mac} type veth peer name far; ip link set eth0 up; ip link set far up
         ip addr add 10.1.0.2/24 dev eth0 noprefixroute; ip addr add fd01::2/64 dev eth0 nodad noprefixroute
         ip route add 10.1.0.1 dev eth0; ip route add 10.1.0.0/24 via 10.1.0.1; ip route add default via 10.1.0.1
         ip -6 route add fd01::1 dev eth0; ip -6 route add fd01::/64 via fd01::1; ip -6 route add default via fd01::1"
    ));
    assert_eq!(attached.complaint(), "check link of \"eth0\": its other end is not on this host");
}

/// CHECK passes after a later plugin did this inside; the result may have grown too.
fn tolerated(script: &str, grow: impl FnOnce(&mut Value)) {
    let stage = Stage::new();
    let (c1, Attached { attachment, mut result }) = stage.attach(&stage.masquerading(), "c1");
    c1.sh(script);
    grow(&mut result);
    attachment.with_prev(&result).check().silent();
}

#[test]
fn changes_of_later_plugins_are_accepted() {
    let unchanged = |_: &mut Value| {};
    tolerated("ip route add 192.168.0.0/16 via 10.1.0.1; ip addr add 10.1.0.99/24 dev eth0", unchanged);
    tolerated("ip route del default; ip route add default via 10.1.0.1 dev eth0 table 100", unchanged);
    // As sbr and vrf do.
    tolerated(
        "ip route add 10.1.0.1 dev eth0 table 100; ip route add 10.1.0.0/24 via 10.1.0.1 dev eth0 table 100
         ip route add default via 10.1.0.1 dev eth0 table 100; ip route flush table main",
        unchanged,
    );
    tolerated("ip link set eth0 promisc on; ip link set eth0 mtu 1300", unchanged);
    tolerated("ip link add net1 type veth; ip addr add 172.20.0.5/16 dev net1", |result| {
        let interfaces = result["interfaces"].as_array_mut().unwrap();
        interfaces.push(json!({ "name": "net1", "sandbox": "/run/netns/c1", "mac": "02:00:00:00:00:55" }));
        let ip = json!({ "interface": 2, "address": "172.20.0.5/16", "gateway": "172.20.0.1" });
        result["ips"].as_array_mut().unwrap().push(ip);
    });
}

#[test]
fn previous_result_is_required_and_the_lease_is_the_delegates() {
    let stage = Stage::new();
    let (_, attached) = stage.attach(&stage.network(json!({})), "c1");
    assert_eq!(attached.attachment.check().failure_code(7)["msg"], "required prevResult missing");
    stage.sandbox.sh(&format!("rm {}/net/10.1.0.2", stage.leases().display()));
    attached.check().failure();
}
