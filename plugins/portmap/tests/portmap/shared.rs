//! What a container shares with others, or with the host itself, is not its own: its DEL leaves that alone.

use serde_json::json;
use testkit::Attachment;

use crate::stage::{Proto, Stage, web};

/// As the bridge plugin tells it with `vlan`: an interface of the host's in the VLAN comes last, and leads to the container.
#[test]
fn interface_of_a_vlan_is_nobodys_own() {
    let stage = Stage::new();
    let container = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add br9 type bridge; ip link set br9 up
         ip link add port9 type veth peer name br9.100; ip link set port9 master br9 up; ip link set br9.100 up
         ip addr add 10.9.0.1/24 dev br9.100
         ip link add out9 type veth peer name eth0 netns c1; ip link set out9 master br9 up
         echo 1 > /proc/sys/net/ipv4/ip_forward");
    container.sh("ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ip route add default via 10.9.0.1");
    let sandbox = container.path();
    let portmap = Attachment::new(
        json!({ "cniVersion": "1.0.0", "name": "vlans", "type": "portmap", "runtimeConfig": { "portMappings": web() },
            "prevResult": { "cniVersion": "1.0.0", "interfaces": [{ "name": "br9" }, { "name": "out9" },
                { "name": "eth0", "sandbox": sandbox }, { "name": "br9.100" }],
                "ips": [{ "interface": 2, "address": "10.9.0.2/24" }] } }),
        &container,
    );
    portmap.add().success();
    let homes = stage.elements("hairpin_links4");
    assert!(homes[0].contains("10.9.0.0") && homes[0].contains("24"), "neighbours are locals too: {homes:?}");
    portmap.del().silent();
    let kept = stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/br9.100/route_localnet");
    assert_eq!(kept.trim(), "1", "others in the VLAN use it");

    // An owner who has gone without a DEL is known by its own link, not by one that stays.
    portmap.add().success();
    stage.sandbox.sh("ip link del out9");
    let successor = portmap.clone().container("c2");
    successor.add().success();
}

#[test]
fn hosts_way_out_is_no_containers_link() {
    let stage = Stage::new();
    let container = stage.sandbox.netns("c1");
    let before = stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/uplink0/route_localnet");
    stage.sandbox.sh("ip route replace default via 203.0.113.2 dev uplink0");
    let portmap = Attachment::new(
        json!({ "cniVersion": "1.0.0", "name": "far", "type": "portmap", "runtimeConfig": { "portMappings": web() },
            "prevResult": { "cniVersion": "1.0.0", "ips": [{ "address": "10.77.0.2/24" }] } }),
        &container,
    );
    portmap.add().success();
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/uplink0/route_localnet"), before);
    assert!(stage.elements("localnet_links").is_empty() && stage.elements("hairpin_links").is_empty());
    portmap.del().silent();
}

#[test]
fn later_owner_of_an_address_keeps_its_connections() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    let web = stage.run("c1", &list);
    Proto::Udp.ask(&stage.outside, "203.0.113.1:8080");
    // Not through the published port, but to a port of the same number.
    let address = format!("{}:8080", web.ip(0));
    let server = web.netns.listen_udp("0.0.0.0:8080");
    stage.host().ask_udp(&address, std::time::Duration::from_secs(2)).unwrap();
    web.portmap().del().silent();
    let tracked = stage.sandbox.sh("conntrack -L -p udp 2>/dev/null");
    assert!(tracked.contains(&format!("dst={} ", web.ip(0))) && !tracked.contains("src=203.0.113.2"), "{tracked}");
    drop(server);
}

#[test]
fn rules_that_somebody_flushed_come_back_with_the_next_add() {
    let stage = Stage::new();
    let list = stage.publishing(web());
    stage.chain("c1", &list).add();
    let whole = stage.sandbox.sh("nft list table inet mooring | grep -cE 'dnat|masquerade|drop|jump'");
    stage.sandbox.sh("nft flush table inet mooring");
    let other = stage.publishing(json!([{ "hostPort": 8081, "containerPort": 80, "protocol": "tcp" }]));
    stage.chain("c2", &other).add();
    assert_eq!(stage.sandbox.sh("nft list table inet mooring | grep -cE 'dnat|masquerade|drop|jump'"), whole);
}

#[test]
fn rules_that_an_administrator_added_stay() {
    let stage = Stage::new();
    stage.chain("c1", &stage.publishing(web())).add();
    stage.sandbox.sh("nft insert rule inet mooring portmap_prerouting counter comment mine");
    let other = stage.publishing(json!([{ "hostPort": 8081, "containerPort": 80, "protocol": "tcp" }]));
    stage.chain("c2", &other).add();
    assert!(stage.sandbox.sh("nft list chain inet mooring portmap_prerouting").contains("mine"));
}
