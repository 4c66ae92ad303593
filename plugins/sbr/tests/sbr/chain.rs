//! Behind `bridge`, as most lists have it: whose CHECK finds its routes where they have gone.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Chain, assert_same};

use crate::stage::{Stage, rules};

/// A list of `bridge` and sbr on a network of both families; `n` tells networks apart.
fn list(stage: &Stage, n: usize, keys: &Value) -> Value {
    let mut sbr = json!({ "type": "sbr" });
    for (key, value) in keys.as_object().unwrap() {
        sbr[key] = value.clone();
    }
    let ipam = json!({ "type": "host-local", "dataDir": stage.sandbox.dir().join("leases"),
        "ranges": [[{ "subnet": format!("10.{n}.0.0/24") }], [{ "subnet": format!("fd0{n}::/64") }]],
        "routes": [{ "dst": format!("192.168.{n}.0/24") }, { "dst": format!("fd99:{n}::/64") }] });
    json!({ "cniVersion": "1.1.0", "name": format!("net-{n}"), "plugins": [
        { "type": "bridge", "bridge": format!("br{n}"), "isDefaultGateway": true, "ipam": ipam }, sbr ]})
}

#[test]
fn two_networks_of_a_container_are_checked_reached_and_removed() {
    let stage = Stage::new();
    for keys in [json!({}), json!({ "addSourceHints": true })] {
        let warm_up = stage.sandbox.netns("warm-up");
        for n in [1, 2] {
            let chain = Chain::new(&list(&stage, n, &keys), &warm_up).each(|plugin| plugin.ifname(&format!("net{n}")));
            chain.del(Some(&chain.add()));
        }
        warm_up.remove();
        let container = stage.sandbox.netns("c1");
        let (host, inside) = (stage.sandbox.snapshot(&[]), container.snapshot());
        let chains = [1, 2]
            .map(|n| Chain::new(&list(&stage, n, &keys), &container).each(|plugin| plugin.ifname(&format!("net{n}"))));
        let results = chains.each_ref().map(Chain::add);
        assert_eq!(rules(&container).len(), 4);
        for (chain, result) in chains.iter().zip(&results) {
            chain.check(result);
            chain.status();
            for ip in result["ips"].as_array().unwrap() {
                let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
                stage.sandbox.host().ping(address).unwrap();
            }
        }
        for (n, (chain, result)) in chains.iter().zip(&results).enumerate().rev() {
            // What bridge has put there is looked for wherever it is, and missed.
            let (dst, number) =
                (format!("192.168.{}.0/24", n + 1), rules(&container)[n].rsplit(' ').next().unwrap().to_owned());
            let route = container.sh(&format!("ip route show {dst} table {number}"));
            container.sh(&format!("ip route del {dst} table {number}"));
            let error = chain.plugins()[0].with_prev(result).check().failure_code(103);
            assert!(error["msg"].as_str().unwrap().contains(&dst), "{error}");
            container.sh(&format!("ip route add {} table {number}", route.trim()));
            chain.check(result);
            chain.del(if n == 0 { Some(result) } else { None });
        }
        container.sh("ip link set lo down");
        assert_same(&host, &stage.sandbox.snapshot(&[]));
        assert_same(&inside, &container.snapshot());
        container.remove();
    }
}

/// Source-based routing is what makes a service reachable by both networks.
#[test]
fn answers_go_back_the_way_that_questions_came() {
    let stage = Stage::new();
    let container = stage.sandbox.netns("c1");
    let routers = [1, 2].map(|n| {
        let chain =
            Chain::new(&list(&stage, n, &json!({})), &container).each(|plugin| plugin.ifname(&format!("net{n}")));
        chain.add();
        // A host on each bridge that is the network's way to one address.
        let router = stage.sandbox.netns(&format!("router{n}"));
        stage.sandbox.sh(&format!(
            "ip link add r{n} type veth peer name eth0 netns router{n}; ip link set r{n} up master br{n}"
        ));
        router.sh(&format!(
            "ip link set lo up; ip link set eth0 up; ip addr add 10.{n}.0.200/24 dev eth0
             ip addr add 198.51.100.{n}/32 dev lo; ip route add 10.{n}.0.2/32 dev eth0 src 198.51.100.{n}"
        ));
        container.sh(&format!("ip route replace default via 10.{n}.0.200 dev net{n} table {}", 98 + 2 * n));
        router
    });
    let _server = container.listen_tcp("0.0.0.0:80");
    for (n, router) in [1, 2].into_iter().zip(&routers) {
        let reply = router.connect_tcp(format!("10.{n}.0.2:80"), Duration::from_secs(5)).unwrap();
        assert_eq!(reply.peer.ip().to_string(), format!("198.51.100.{n}"));
    }
}
