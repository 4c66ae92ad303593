//! Behind `bridge`, as most lists have it.

use serde_json::json;
use testkit::{Chain, assert_same};

use crate::stage::{Stage, settings};

#[test]
fn an_interface_of_bridge_is_tuned_checked_reached_and_removed() {
    let stage = Stage::new();
    let ipam = json!({ "type": "host-local", "dataDir": stage.sandbox.dir().join("leases"),
        "ranges": [[{ "subnet": "10.2.0.0/24" }], [{ "subnet": "fd02::/64" }]] });
    let list = json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [
        { "type": "bridge", "bridge": "br0", "isDefaultGateway": true, "ipam": ipam },
        { "type": "tuning", "dataDir": stage.data_dir(), "mtu": 1400,
          "runtimeConfig": { "mac": "02:00:00:00:00:0a" }, "sysctl": { "net.ipv4.conf.IFNAME.proxy_arp": "1" } },
        { "type": "tuning", "dataDir": stage.data_dir(), "mtu": 1300, "allmulti": true },
    ]});
    let warm_up = Chain::new(&list, &stage.sandbox.netns("warm-up"));
    warm_up.del(Some(&warm_up.add()));
    let container = stage.sandbox.netns("c1");
    let (host, inside) = (stage.snapshot(), container.snapshot());
    let chain = Chain::new(&list, &container);
    let result = chain.add();
    let told = &result["interfaces"][2];
    assert_eq!(
        (&told["name"], &told["mac"], &told["mtu"]),
        (&json!("eth0"), &json!("02:00:00:00:00:0a"), &json!(1300))
    );
    let has = settings(&container, "eth0");
    assert_eq!((&has["mac"], &has["mtu"], &has["allmulti"]), (&told["mac"], &told["mtu"], &json!(true)));
    for ip in result["ips"].as_array().unwrap() {
        let address = ip["address"].as_str().unwrap().split('/').next().unwrap();
        stage.sandbox.host().ping(address).unwrap();
    }
    chain.check(&result);
    chain.status();
    chain.gc(&[("c1", "eth0")]);
    chain.del(Some(&result));
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
}
