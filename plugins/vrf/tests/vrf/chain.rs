//! Behind `bridge`, as most lists have it: whose CHECK finds its routes where they have gone.

use serde_json::{Value, json};
use testkit::{Chain, assert_same};

use crate::stage::{Stage, master, vrfs};

/// A list of `bridge` and vrf on a network of both families; `n` tells networks apart.
fn list(stage: &Stage, n: usize) -> Value {
    let ipam = json!({ "type": "host-local", "dataDir": stage.sandbox.dir().join("leases"),
        "ranges": [[{ "subnet": format!("10.{n}.0.0/24") }], [{ "subnet": format!("fd0{n}::/64") }]],
        "routes": [{ "dst": "192.168.0.0/16" }, { "dst": "fd99::/64" }] });
    json!({ "cniVersion": "1.1.0", "name": format!("net-{n}"), "plugins": [
        { "type": "bridge", "bridge": format!("br{n}"), "isGateway": true, "ipam": ipam },
        { "type": "vrf", "vrfname": format!("vrf{n}") } ]})
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn two_networks_of_a_container_are_checked_reached_and_removed() {
    let stage = Stage::new();
    let warm_up = stage.sandbox.netns("warm-up");
    for n in [1, 2] {
        let chain = Chain::new(&list(&stage, n), &warm_up).each(|plugin| plugin.ifname(&format!("net{n}")));
        chain.del(Some(&chain.add()));
    }
    let container = stage.sandbox.netns("c1");
    let (host, inside) = (stage.sandbox.snapshot(&[]), container.snapshot());
    let chains =
        [1, 2].map(|n| Chain::new(&list(&stage, n), &container).each(|plugin| plugin.ifname(&format!("net{n}"))));
    let results = chains.each_ref().map(Chain::add);
    for (n, (chain, result)) in chains.iter().zip(&results).enumerate() {
        let n = n + 1;
        chain.check(result);
        assert_eq!(master(&container, &format!("net{n}")), Some(format!("vrf{n}")));
        for ip in result["ips"].as_array().unwrap() {
            let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
            stage.sandbox.host().ping(address).unwrap();
        }
        // What bridge has put there is looked for wherever it is, and missed.
        let route = container.sh(&format!("ip route show 192.168.0.0/16 table {n}"));
        container.sh(&format!("ip route del 192.168.0.0/16 table {n}"));
        if n == 2 {
            // The other network has one, too.
            container.sh("ip route del 192.168.0.0/16 table 1");
        }
        let check = |place: usize| chain.plugins()[place].with_prev(result).check();
        assert!(!check(1).status.success());
        if n == 2 {
            let error = check(0).failure_code(103);
            assert!(error["msg"].as_str().unwrap().contains("192.168.0.0/16"), "{error}");
        }
        container.sh(&format!("ip route add {} table {n}", route.trim()));
        chain.check(result);
    }
    for (chain, result) in chains.iter().zip(&results) {
        chain.del(Some(result));
    }
    assert!(vrfs(&container).is_empty());
    container.sh("ip link set lo down");
    assert_same(&host, &stage.sandbox.snapshot(&[]));
    assert_same(&inside, &container.snapshot());
}
