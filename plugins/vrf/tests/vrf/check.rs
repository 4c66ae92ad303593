//! CHECK: the interface in its VRF, its routes in the VRF's table.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{Stage, attach};

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn what_is_missing_or_different_is_told() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue", "table": 10 }));
    attachment.check().failure_code(103);
    let result = attachment.add().success();
    let check = attachment.with_prev(&result);
    for (done, words, undone) in [
        (
            "ip route del 198.51.100.1 table 10",
            "route to 198.51.100.1/32 via 10.1.0.1 is not in its table 10",
            "ip route add 198.51.100.1 via 10.1.0.1 dev net1 table 10",
        ),
        (
            "ip -6 route del 2001:db8::1 table 10",
            "route to 2001:db8::1/128 via fd01::1 is not in its table 10",
            "ip -6 route add 2001:db8::1 via fd01::1 dev net1 table 10",
        ),
        ("ip link set blue down", "\"blue\": it is down", "ip link set blue up"),
    ] {
        check.check().silent();
        ns.sh(done);
        let error = check.check().failure_code(103);
        assert!(error["msg"].as_str().unwrap().contains(words), "{done}: {error}");
        ns.sh(undone);
    }
    check.check().silent();
    check.with_key("table", json!(11)).check().failure_code(103);
    check.with_key("vrfname", json!("red")).check().failure_code(103);
    check.with_key("vrfname", json!("eth0")).check().failure_code(103);
    check.with_key("prevResult", Value::Null).check().failure_code(7);
    ns.sh("ip link set net1 nomaster");
    let error = check.check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().contains("\"net1\" is no port of it"), "{error}");
    ns.sh("ip link del net1");
    check.check().failure_code(100);
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn what_came_later_is_fine_and_nothing_is_changed() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let mut result = attachment.add().success();
    ns.sh("ip route add 10.88.0.0/16 dev net1 table 1; ip addr add 10.77.0.2/24 dev net1; ip link set net1 mtu 1400");
    result["routes"].as_array_mut().unwrap().push(json!({ "dst": "192.168.0.0/16", "gw": "10.0.0.1" }));
    let before = ns.snapshot();
    attachment.with_prev(&result).check().silent();
    assert_same(&before, &ns.snapshot());
}
