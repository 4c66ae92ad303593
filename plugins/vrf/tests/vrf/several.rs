//! Several interfaces of a container, in one VRF or in several.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, assert_reached, attach, master, table, vrfs};

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn vrf_is_shared_and_goes_with_its_last_port() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    stage.link(&ns, "net2", 2);
    let before = ns.snapshot();
    let [net1, net2] = [(1, "net1"), (2, "net2")].map(|(n, name)| attach(&ns, name, n, json!({ "vrfname": "blue" })));
    net1.add().success();
    let between = ns.snapshot();
    net2.add().success();
    assert_eq!(vrfs(&ns), [("blue".to_owned(), 1)]);
    for (attachment, n) in [(&net1, 1), (&net2, 2)] {
        attachment.check().silent();
        assert_reached(&ns, "blue", n);
    }
    net2.del().silent();
    assert_same(&between, &ns.snapshot());
    net2.add().success();
    // The maker goes first.
    net1.del().silent();
    net1.del().silent();
    assert_eq!((vrfs(&ns).len(), master(&ns, "net2")), (1, Some("blue".into())));
    net2.check().silent();
    net2.del().silent();
    assert_same(&before, &ns.snapshot());
}

/// What VRFs are for.
#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn two_interfaces_may_have_the_same_address_in_different_vrfs() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let red = attach(&ns, "net1", 1, json!({ "vrfname": "red" }));
    red.add().success();
    // The same network once more, with the same routes.
    let there = stage.link(&ns, "net2", 1);
    there.sh("ip link set eth0 address 02:00:00:00:77:77");
    let blue = attach(&ns, "net2", 1, json!({ "vrfname": "blue" }));
    blue.add().success();
    assert_eq!(vrfs(&ns), [("red".to_owned(), 1), ("blue".to_owned(), 2)]);
    assert_eq!(table(&ns, "1", "net1"), table(&ns, "2", "net2"));
    for vrf in ["red", "blue"] {
        assert_reached(&ns, vrf, 1);
    }
    red.check().silent();
    blue.check().silent();
    red.del().silent();
    blue.check().silent();
    assert_eq!(vrfs(&ns), [("blue".to_owned(), 2)]);
    blue.del().silent();
    assert!(vrfs(&ns).is_empty());
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn a_free_table_is_one_that_nobody_uses() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip link add other type vrf table 1; ip rule add fwmark 7 lookup 2; ip route add blackhole 203.0.113.0/24 table 3
        for table in $(seq 4 252); do echo rule add fwmark $table lookup $table; done | ip -batch -");
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    assert_eq!(vrfs(&ns), [("other".to_owned(), 1), ("blue".to_owned(), 256)], "253 to 255 are the kernel's");
    attachment.del().silent();
    assert_same(&before, &ns.snapshot());
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn tables_that_do_not_fit_are_refused() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    stage.link(&ns, "net2", 2);
    attach(&ns, "net1", 1, json!({ "vrfname": "red", "table": 1001 })).add().success();
    let before = ns.snapshot();
    let add = |keys| attach(&ns, "net2", 2, keys).add();
    let error = add(json!({ "vrfname": "red", "table": 1002 })).failure_code(101);
    assert_eq!(error["msg"], "use vrf \"red\": it has routing table 1001, not \"table\" 1002");
    let error = add(json!({ "vrfname": "blue", "table": 1001 })).failure_code(101);
    assert_eq!(error["msg"], "make vrf \"blue\": \"table\" 1001 is that of vrf \"red\"");
    assert_same(&before, &ns.snapshot());
    add(json!({ "vrfname": "red", "table": 1001 })).success();
}
