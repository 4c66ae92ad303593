//! Who reaches containers of networks with a gateway mode, and what these reach, by packets.

use serde_json::{Value, json};
use testkit::{Server, TestNs, eventually};

use crate::stage::{LONG, Proto, SHORT, Stage, Web, mapping};

/// The host's addresses on its uplink, and those of the host outside.
const HOST: [&str; 2] = ["203.0.113.1", "2001:db8:ffff::1"];
const OUTSIDE: [&str; 2] = ["203.0.113.2", "2001:db8:ffff::2"];

/// What can be asked of a container, as bits that are told as a text: `P` a published port at the host's address, `d` that port
/// at the container's own, `u` a port that is not published, `i` an echo; `-` is no answer.
fn reached(from: &TestNs, web: &Web, family: usize) -> String {
    let own = web.ip(family);
    let at = |address: &str, port: u16| {
        let to = if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") };
        from.connect_tcp(to, SHORT).is_ok_and(|reply| reply.server == web.netns.name())
    };
    let all = [
        ('P', at(HOST[family], 8080)),
        ('d', at(&own, 80)),
        ('u', at(&own, 81)),
        ('i', from.try_sh(&format!("ping -n -q -c 1 -W 0.3 {own}")).status.success()),
    ];
    all.map(|(sign, answered)| if answered { sign } else { '-' }).iter().collect()
}

/// Network `number` with these keys of the bridge, and portmap's mapping 8080 to 80.
fn network(stage: &Stage, number: u8, keys: Value) -> Value {
    let mut list = stage.network(number, json!({ "runtimeConfig": { "portMappings": [mapping(8080, 80, "tcp")] } }));
    let bridge = &mut list["plugins"][0];
    bridge.as_object_mut().unwrap().remove("isDefaultGateway");
    for (key, value) in keys.as_object().unwrap() {
        bridge[key] = value.clone();
    }
    list
}

/// The same, publishing nothing.
fn quiet(stage: &Stage, number: u8, keys: Value) -> Value {
    let mut list = network(stage, number, keys);
    list["plugins"].as_array_mut().unwrap().pop();
    list
}

struct Scene {
    stage: Stage,
    web: Web,
    _unpublished: Server,
    neighbour: Web,
    stranger: Web,
}

impl Scene {
    /// A container on network 1 with these keys, a neighbour there, and one on network 2, which is as the reference has it.
    fn new(keys: Value) -> Self {
        Self::beside(keys, json!({ "isDefaultGateway": true }))
    }

    fn beside(keys: Value, others: Value) -> Self {
        let stage = Stage::new();
        stage.sandbox.sh("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1");
        let web = stage.run("web", &network(&stage, 1, keys.clone()));
        let unpublished = web.netns.listen_tcp("[::]:81");
        let neighbour = stage.run("neighbour", &quiet(&stage, 1, keys));
        let stranger = stage.run("stranger", &quiet(&stage, 2, others));
        Self { stage, web, _unpublished: unpublished, neighbour, stranger }
    }

    /// What is reached from outside, the host, the same network and another, in both families.
    #[track_caller]
    fn expect(&self, outside: &str, host: &str, neighbour: &str, stranger: &str) {
        let froms = [
            ("outside", &self.stage.outside, outside),
            ("host", self.stage.host(), host),
            ("neighbour", &self.neighbour.netns, neighbour),
            ("stranger", &self.stranger.netns, stranger),
        ];
        for family in [0, 1] {
            for (name, from, expected) in froms {
                assert_eq!(reached(from, &self.web, family), expected, "from {name}, to {}", self.web.ip(family));
            }
        }
    }
}

/// Whether a container reaches the host outside.
fn gets_out(web: &Web, stage: &Stage, family: usize) -> Option<String> {
    let at = if family == 0 { "203.0.113.2:0" } else { "[2001:db8:ffff::2]:0" };
    let server = stage.outside.listen_tcp(at);
    web.netns.connect_tcp(server.address(), SHORT).ok().map(|reply| reply.peer.ip().to_string())
}

#[test]
fn without_a_mode_all_is_open_that_has_a_route() {
    Scene::new(json!({ "isDefaultGateway": true })).expect("Pdui", "Pdui", "Pdui", "Pdui");
}

#[test]
fn nat_lets_published_ports_in_and_nothing_else() {
    let scene = Scene::new(json!({ "gatewayMode": "nat" }));
    scene.expect("P---", "Pdui", "Pdui", "P---");
    for family in [0, 1] {
        assert_eq!(gets_out(&scene.web, &scene.stage, family).as_deref(), Some(HOST[family]));
    }
}

#[test]
fn unprotected_is_open_and_translated() {
    let scene = Scene::new(json!({ "gatewayMode": "nat-unprotected" }));
    scene.expect("Pdui", "Pdui", "Pdui", "Pdui");
    assert_eq!(gets_out(&scene.web, &scene.stage, 0).as_deref(), Some(HOST[0]));
}

#[test]
fn routed_opens_published_ports_at_the_containers_own_address() {
    let scene = Scene::new(json!({ "gatewayMode": "routed" }));
    scene.expect("-d-i", "-dui", "-dui", "-d-i");
    for family in [0, 1] {
        assert_eq!(gets_out(&scene.web, &scene.stage, family), Some(scene.web.ip(family)));
    }
    assert_eq!(scene.stage.elements("exposure_ports").len(), 2);
    assert_eq!(scene.stage.elements(" ports").len(), 0);
    let Scene { stage, web, .. } = scene;
    web.chain.check(&web.result);
    web.stop();
    assert_eq!(stage.elements("exposure_ports"), [""; 0]);
}

#[test]
fn families_have_modes_of_their_own() {
    let scene = Scene::new(json!({ "gatewayModeIPv4": "nat", "gatewayModeIPv6": "routed" }));
    let outside = &scene.stage.outside;
    assert_eq!([0, 1].map(|family| reached(outside, &scene.web, family)), ["P---", "-d-i"]);
}

#[test]
fn internal_reaches_its_own_network_and_the_host() {
    let scene = Scene::new(json!({ "internal": true }));
    scene.expect("----", "-dui", "-dui", "----");
    let routes = scene.web.netns.sh("ip route; ip -6 route");
    assert!(!routes.contains("default"), "{routes}");
    // A container that may do so has made itself a route.
    scene.web.netns.sh("ip route add default via 10.1.0.1; ip -6 route add default via fd01::1");
    for family in [0, 1] {
        assert_eq!(gets_out(&scene.web, &scene.stage, family), None);
        assert_eq!(reached(&scene.web.netns, &scene.stranger, family), "----");
    }
}

/// What accepts at the destination is not asked before the source has been (the order of the chains in Docker's backend).
#[test]
fn internal_does_not_reach_what_others_open() {
    for mode in ["routed", "nat", "nat-unprotected"] {
        let scene = Scene::beside(json!({ "gatewayMode": mode }), json!({ "internal": true }));
        let inside = &scene.stranger.netns;
        inside.sh("ip route add default via 10.2.0.1; ip -6 route add default via fd02::1");
        for family in [0, 1] {
            assert_eq!(reached(inside, &scene.web, family), "----", "{mode}");
        }
    }
}

#[test]
fn isolated_has_not_even_the_host() {
    let scene = Scene::new(json!({ "gatewayMode": "isolated" }));
    let host = scene.stage.host();
    let addresses = host.addresses("br1");
    assert_eq!(addresses, [""; 0]);
    assert!(scene.web.result["ips"].as_array().unwrap().iter().all(|ip| ip.get("gateway").is_none()));
    for family in [0, 1] {
        assert_eq!(reached(&scene.neighbour.netns, &scene.web, family), "-dui");
    }
    // Nor where root has given it an address, nor by those that a link has by itself, nor by those of other links.
    host.sh("ip addr add 10.1.0.1/24 dev br1; ip addr add fd01::1/64 dev br1 nodad");
    let web = &scene.web.netns;
    let local = host.sh("ip -6 -o addr show dev br1 scope link | grep -o 'fe80[^/]*'");
    web.sh("ip route add 203.0.113.0/24 dev eth0; ip -6 route add 2001:db8:ffff::/64 dev eth0");
    for to in ["10.1.0.1", "fd01::1", "203.0.113.1", "2001:db8:ffff::1", &format!("{}%eth0", local.trim())] {
        assert!(!web.try_sh(&format!("ping -n -q -c 1 -W 0.3 {to}")).status.success(), "{to}");
    }
    for family in [0, 1] {
        assert_eq!(reached(host, &scene.web, family), "----");
        assert_eq!(reached(&scene.stage.outside, &scene.web, family), "----");
    }
}

/// Where bridges hand frames to iptables, what is translated to a neighbour stays on the bridge, which keeps it from its ports.
#[test]
fn containers_that_are_apart_reach_published_ports_only() {
    let scene = Scene::new(json!({ "gatewayMode": "nat", "icc": false }));
    let by_bridges = |on: u8| {
        scene.stage.sandbox.sh(&format!(
            "for family in ip ip6; do f=/proc/sys/net/bridge/bridge-nf-call-${{family}}tables; [ ! -e $f ] || echo {on} >$f; done"
        ));
    };
    by_bridges(0);
    scene.expect("P---", "Pdui", "P---", "P---");
    by_bridges(1);
    for family in [0, 1] {
        let reached = reached(&scene.neighbour.netns, &scene.web, family);
        assert_eq!(&reached[1..], "---", "with bridge netfilter, to {}", scene.web.ip(family));
    }
    by_bridges(0);
    // By way of the gateway, too.
    let neighbour = &scene.neighbour.netns;
    neighbour.sh("ip route add 10.1.0.2/32 via 10.1.0.1; ip -6 route add fd01::2/128 via fd01::1");
    for family in [0, 1] {
        assert_eq!(reached(neighbour, &scene.web, family), "P---");
    }
}

#[test]
fn isolated_networks_reach_each_others_published_ports_only() {
    let scene = Scene::beside(
        json!({ "gatewayMode": "nat-unprotected", "isolated": true }),
        json!({ "gatewayMode": "nat-unprotected" }),
    );
    scene.expect("Pdui", "Pdui", "Pdui", "P---");
    for family in [0, 1] {
        let back = scene.stranger.ip(family);
        assert!(!scene.web.netns.try_sh(&format!("ping -n -q -c 1 -W 0.3 {back}")).status.success());
    }
}

#[test]
fn trusted_interfaces_reach_published_ports_at_the_containers_own_address() {
    let scene = Scene::new(json!({ "gatewayMode": "nat", "trustedInterfaces": ["uplink0"] }));
    scene.expect("Pd--", "Pdui", "Pdui", "P---");
}

#[test]
fn source_is_the_one_that_is_asked_for() {
    let stage = Stage::new();
    stage.sandbox.sh(
        // Deprecated, so that nothing has it for a source unless it is asked for.
        "ip addr add 203.0.113.77/24 dev uplink0; ip addr add 2001:db8:ffff::77/64 dev uplink0 nodad preferred_lft 0",
    );
    let fixed = json!({ "gatewayMode": "nat", "snatTo": ["203.0.113.77", "2001:db8:ffff::77"] });
    let one = stage.run("one", &network(&stage, 1, fixed));
    let other = stage.run("other", &quiet(&stage, 2, json!({ "gatewayMode": "nat" })));
    for (family, source) in ["203.0.113.77", "2001:db8:ffff::77"].into_iter().enumerate() {
        assert_eq!(gets_out(&one, &stage, family).as_deref(), Some(source));
        // It does not know the neighbours, and these know it by its own address.
        assert_ne!(gets_out(&other, &stage, family).as_deref(), Some(source));
        let server = other.netns.listen_tcp("[::]:0");
        assert!(one.netns.connect_tcp(server.address(), SHORT).is_err());
    }
    assert_eq!(reached(&stage.outside, &one, 0), "P---");
}

/// Rules of an administrator come first, to published ports as well, and stay.
#[test]
fn users_chain_goes_before_everything_and_is_never_touched() {
    let scene = Scene::new(json!({ "gatewayMode": "nat" }));
    let (stage, outside) = (&scene.stage, &scene.stage.outside);
    assert_eq!(reached(outside, &scene.web, 0), "P---");
    stage.sandbox.sh(&format!("nft add rule inet mooring user ip saddr {} drop", OUTSIDE[0]));
    assert_eq!([0, 1].map(|family| reached(outside, &scene.web, family)), ["----", "P---"]);
    stage.sandbox.sh("nft flush chain inet mooring user; nft add rule inet mooring user tcp dport 81 accept");
    assert_eq!(reached(outside, &scene.web, 0), "P-u-");
    let Scene { stage, web, neighbour, stranger, .. } = scene;
    for gone in [neighbour, stranger, web] {
        gone.stop();
    }
    let again = stage.run("again", &network(&stage, 1, json!({ "gatewayMode": "nat" })));
    assert!(stage.sandbox.sh("nft list chain inet mooring user").contains("tcp dport 81 accept"));
    again.stop();
}

/// A packet to 127.0.0.1 from outside would be delivered, as `route_localnet` lets it in.
#[test]
fn ports_published_at_localhost_are_not_reached_from_elsewhere() {
    let stage = Stage::new();
    let mut list = network(&stage, 1, json!({ "gatewayMode": "nat" }));
    list["plugins"][1]["hostIP"] = json!("127.0.0.1");
    let web = stage.run("web", &list);
    let neighbour = stage.run("neighbour", &quiet(&stage, 1, json!({ "gatewayMode": "nat" })));
    Proto::Tcp.ask(stage.host(), "127.0.0.1:8080");
    for (from, way) in [(&stage.outside, "203.0.113.1"), (&neighbour.netns, "10.1.0.1")] {
        from.sh(&format!(
            "ip addr del 127.0.0.1/8 dev lo 2>/dev/null || true; sysctl -qw net.ipv4.conf.eth0.route_localnet=1
             ip route del local 127.0.0.0/8 table local 2>/dev/null || true; ip route add 127.0.0.1/32 via {way} dev eth0"
        ));
        assert!(from.connect_tcp("127.0.0.1:8080", SHORT).is_err());
        assert_eq!(reached(from, &web, 0).chars().next(), Some('-'));
    }
}

#[test]
fn a_bridge_has_one_exposure() {
    let stage = Stage::new();
    let web = stage.run("web", &quiet(&stage, 1, json!({ "gatewayMode": "nat" })));
    let mut other = quiet(&stage, 2, json!({ "gatewayMode": "routed", "bridge": "br1", "forceAddress": true }));
    other["name"] = json!("other");
    let before = stage.snapshot();
    let chain = stage.chain("c2", &other);
    let error = chain.plugins()[0].add().failure_code(101);
    let msg = error["msg"].as_str().unwrap();
    assert!(
        msg.contains("expose bridge \"br1\" as network \"other\" has it: network \"net1\" has it otherwise"),
        "{msg}"
    );
    testkit::assert_same(&before, &stage.snapshot());
    // What a crash has left of a network is in nobody's way.
    let left = quiet(&stage, 3, json!({ "gatewayMode": "nat" }));
    let gone = stage.run("gone", &left);
    gone.netns.sh("ip link del eth0");
    let mut next = quiet(&stage, 3, json!({ "gatewayMode": "routed" }));
    next["name"] = json!("next");
    next["plugins"][0]["ipam"]["dataDir"] = json!(stage.sandbox.dir().join("next"));
    stage.run("next", &next);
    // The same network may change its mind, for all its containers.
    let open = stage.run("c3", &quiet(&stage, 1, json!({ "gatewayMode": "nat-unprotected" })));
    assert_eq!(reached(&stage.outside, &open, 0), "-d-i");
    assert_eq!(reached(&stage.outside, &web, 0), "-d-i");
}

#[test]
fn exposure_goes_with_the_last_container_and_check_and_gc_see_to_it() {
    let stage = Stage::new();
    let list = network(&stage, 1, json!({ "gatewayMode": "nat", "icc": false, "trustedInterfaces": ["uplink0"] }));
    stage.warm_snapshot(&list);
    stage.chain("collected", &list).gc(&[]);
    let before = stage.snapshot();
    let [one, two] = [("one", 8081), ("two", 8082)].map(|(name, port)| stage.run(name, &at_port(&list, port)));
    one.chain.check(&one.result);
    one.stop();
    assert_eq!(stage.elements("exposure_into").len(), 2);
    two.chain.check(&two.result);
    stage.sandbox.sh("nft flush map inet mooring exposure_into");
    let bridge = two.chain.plugins()[0].with_prev(&two.result).check().failure_code(103);
    assert!(bridge["msg"].as_str().unwrap().contains("check exposure of \"br1\""), "{bridge}");
    // The next one mends it.
    let three = stage.run("three", &at_port(&list, 8083));
    two.chain.check(&two.result);
    for web in [&two, &three] {
        web.netns.sh("ip link del eth0");
    }
    eventually(
        LONG,
        || if stage.host().links().iter().any(|link| link.starts_with("veth")) { Err(()) } else { Ok(()) },
    );
    two.chain.gc(&[]);
    testkit::assert_same(&before, &stage.snapshot());
}

/// The list with another port of the host.
fn at_port(list: &Value, port: u16) -> Value {
    let mut list = list.clone();
    list["plugins"][1]["runtimeConfig"]["portMappings"] = json!([mapping(port, 80, "tcp")]);
    list
}
