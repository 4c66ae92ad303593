//! 127.0.0.1: open to the host itself, closed to everybody else.

use serde_json::json;
use testkit::{Facility, TestNs, require};

use crate::stage::{Proto, Stage, mapping, web, web_at};

/// Makes a container or another host send what is for 127.0.0.1 to us.
fn reach_for_loopback(from: &TestNs, gateway: &str) {
    from.sh(&format!(
        "ip link set lo up; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
         ip addr del 127.0.0.1/8 dev lo
         ip route add 127.0.0.0/8 via {gateway} dev eth0"
    ));
}

#[test]
fn mapping_to_loopback_is_for_the_host_alone() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web_at("127.0.0.1")));
    let neighbour = stage.run("c2", &stage.network(1, json!({})));
    for proto in Proto::BOTH {
        assert_eq!(proto.ask(stage.host(), "127.0.0.1:8080").server, "c1");
        proto.ask_in_vain(stage.host(), "127.0.0.2:8080");
        proto.ask_in_vain(stage.host(), "203.0.113.1:8080");
        proto.ask_in_vain(&stage.outside, "203.0.113.1:8080");
    }
    // Not even where an administrator lets 127.0.0.0/8 in.
    stage.sandbox.sh("echo 1 > /proc/sys/net/ipv4/conf/uplink0/route_localnet");
    reach_for_loopback(&stage.outside, "203.0.113.1");
    reach_for_loopback(&neighbour.netns, "10.1.0.1");
    reach_for_loopback(&web.netns, "10.1.0.1");
    for proto in Proto::BOTH {
        for from in [&stage.outside, &neighbour.netns, &web.netns] {
            proto.ask_in_vain(from, "127.0.0.1:8080");
        }
    }
}

#[test]
fn services_on_loopback_stay_closed_to_containers() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/br1/route_localnet").trim(), "1");
    let _private = [stage.host().listen_tcp("127.0.0.1:6443"), stage.host().listen_tcp("127.9.9.9:6443")];
    reach_for_loopback(&web.netns, "10.1.0.1");
    Proto::Tcp.ask_in_vain(&web.netns, "127.0.0.1:6443");
    Proto::Tcp.ask_in_vain(&web.netns, "127.9.9.9:6443");
    // It is the guard that keeps them out, and nothing else.
    stage.sandbox.sh("nft flush chain inet mooring portmap_guard");
    assert_eq!(Proto::Tcp.ask(&web.netns, "127.0.0.1:6443").server, "host");
}

#[test]
fn address_of_the_host_itself_does_not_close_127_0_0_1_to_it() {
    let stage = Stage::new();
    let (chain, _) = stage.bridged("c1", &stage.publishing(web()));
    let odd = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "203.0.113.1/24" }] });
    let portmap = chain.plugins()[1].with_prev(&odd);
    portmap.add().success();
    portmap.check().silent();
    assert_eq!(stage.sandbox.sh("cat /proc/sys/net/ipv4/conf/lo/route_localnet").trim(), "0");
    let _private = stage.host().listen_tcp("127.0.0.1:6443");
    assert_eq!(Proto::Tcp.ask(stage.host(), "127.0.0.1:6443").server, "host");
    portmap.del().silent();
    assert!(stage.elements("").is_empty(), "{:?}", stage.elements(""));
}

#[test]
fn nobody_from_outside_pretends_to_be_loopback() {
    let stage = Stage::new();
    let web = stage.run("c1", &stage.publishing(web()));
    stage.sandbox.sh("nft add table inet probe; nft add counter inet probe seen
         nft add chain inet probe input '{ type filter hook input priority 0; }'
         nft add rule inet probe input iifname br1 ip saddr 127.0.0.5 counter name seen");
    let pretend = || {
        web.netns.sh("ip link set lo up; echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
             ping -n -q -c 1 -W 1 -I 127.0.0.5 10.1.0.1 || true");
        let counters = stage.sandbox.json("nft -j list counter inet probe seen");
        counters["nftables"][1]["counter"]["packets"].as_u64().unwrap()
    };
    assert_eq!(pretend(), 0);
    stage.sandbox.sh("nft flush chain inet mooring portmap_guard");
    assert_eq!(pretend(), 1, "the probe sees what is let in");
}

#[test]
fn loopback_is_not_routed_without_the_guard() {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let list = stage.publishing(web());
    let (chain, result) = stage.bridged("c1", &list);
    // Killed when it first looks at the sysctl; musl has `open` for it where there is one.
    let sysctl = "/proc/sys/net/ipv4/conf/br1/route_localnet";
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", sysctl, "-e", "inject=?open,openat:signal=KILL"];
    let killed = chain.plugins()[1].with_prev(&result).call("ADD").under(strace).run();
    assert!(!killed.status.success(), "{killed}");
    assert_eq!(stage.elements("localnet_links").len(), 1);
    assert_eq!(stage.sandbox.sh(&format!("cat {sysctl}")).trim(), "0");
}

#[test]
fn link_of_a_pair_gets_its_loopback_back_when_it_stays() {
    let stage = Stage::new();
    // As behind Calico: a pair without a bridge that another plugin made and will remove.
    let container = stage.sandbox.netns("c1");
    stage.sandbox.sh("ip link add cali1 type veth peer name eth0 netns c1; ip link set cali1 up
         ip route add 10.65.0.2 dev cali1; echo 1 > /proc/sys/net/ipv4/ip_forward
         echo 1 > /proc/sys/net/ipv4/conf/cali1/proxy_arp");
    container.sh("ip link set eth0 up; ip addr add 10.65.0.2/32 dev eth0
         ip route add 169.254.1.1 dev eth0; ip route add default via 169.254.1.1");
    let before = stage.snapshot();
    let conf = serde_json::json!({ "cniVersion": "0.3.1", "name": "k8s", "type": "portmap", "snat": true,
        "runtimeConfig": { "portMappings": web() },
        "prevResult": { "cniVersion": "0.3.1", "interfaces": [{ "name": "cali1" }],
            "ips": [{ "version": "4", "address": "10.65.0.2/32" }] } });
    let portmap = testkit::Attachment::new(conf, &container);
    portmap.add().success();
    let _servers = [container.listen_tcp("[::]:80"), container.listen_udp("[::]:80")];
    for proto in Proto::BOTH {
        assert_eq!(proto.ask(&stage.outside, "203.0.113.1:8080").peer.ip().to_string(), "203.0.113.2");
        assert_eq!(proto.ask(stage.host(), "127.0.0.1:8080").server, "c1");
        assert_eq!(proto.ask(&container, "203.0.113.1:8080").server, "c1");
    }
    portmap.del().silent();
    testkit::assert_same(&before, &stage.snapshot().without(&[" inet mooring"]));
    assert!(stage.elements("").is_empty(), "{:?}", stage.elements(""));
}

/// A pair to a new container, as Calico makes it, and portmap behind it. In version 0.2.0 results have no interfaces.
pub fn behind_pair(stage: &Stage, number: u8, version: &str) -> testkit::Attachment {
    let (name, link) = (format!("c{number}"), format!("cali{number}"));
    let container = stage.sandbox.netns(&name);
    let address = format!("10.65.0.{number}/32");
    stage.sandbox.sh(&format!(
        "ip link add {link} type veth peer name eth0 netns {name}; ip link set {link} up
         ip route add {address} dev {link}"
    ));
    container.sh(&format!("ip link set eth0 up; ip addr add {address} dev eth0"));
    let prev = match version {
        "0.2.0" => serde_json::json!({ "cniVersion": version, "ip4": { "ip": address } }),
        _ => {
            serde_json::json!({ "cniVersion": version, "interfaces": [{ "name": link }], "ips": [{ "address": address }] })
        }
    };
    let mapping = serde_json::json!([mapping(8000 + u16::from(number), 80, "tcp")]);
    let conf = serde_json::json!({ "cniVersion": version, "name": "k8s", "type": "portmap",
        "runtimeConfig": { "portMappings": mapping }, "prevResult": prev });
    testkit::Attachment::new(conf, &container)
}

#[test]
fn link_of_a_pair_that_the_result_does_not_tell_gets_its_loopback_back() {
    let stage = Stage::new();
    let portmap = behind_pair(&stage, 2, "0.2.0");
    let before = stage.snapshot();
    portmap.add().success();
    assert_eq!(stage.elements("localnet_links").len(), 1);
    portmap.with_key("prevResult", serde_json::json!(null)).del().silent();
    testkit::assert_same(&before, &stage.snapshot().without(&[" inet mooring"]));
    assert!(stage.elements("").is_empty(), "{:?}", stage.elements(""));
}

#[test]
fn another_attachments_result_takes_no_loopback_from_its_link() {
    let stage = Stage::new();
    let [first, second] = [2, 3].map(|number| behind_pair(&stage, number, "1.0.0"));
    let result = first.add().success();
    let before = stage.snapshot();
    second.add().success();
    second.with_prev(&result).del().silent();
    testkit::assert_same(&before, &stage.snapshot());
    first.with_prev(&result).check().silent();
}

#[test]
fn gc_gives_the_loopback_back_to_the_links_of_what_is_not_valid() {
    let stage = Stage::new();
    let [first, second] = [2, 3].map(|number| behind_pair(&stage, number, "1.1.0"));
    let result = first.add().success();
    let before = stage.snapshot();
    second.add().success();
    first.gc(&[("c2", "eth0")]).silent();
    testkit::assert_same(&before, &stage.snapshot());
    first.with_prev(&result).check().silent();
}
