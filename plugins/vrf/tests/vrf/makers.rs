//! VRFs that others have made stay, and are as they were.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{Stage, assert_reached, attach, vrfs};

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn a_vrf_that_was_there_is_used_and_stays_as_it_was() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    for made in [
        "ip link add blue type vrf table 10; ip link set blue up",
        "ip link add blue type vrf table 10; ip link set blue up alias customers",
    ] {
        ns.sh(made);
        let before = ns.snapshot();
        for keys in [json!({ "vrfname": "blue" }), json!({ "vrfname": "blue", "table": 10 })] {
            let attachment = attach(&ns, "net1", 1, keys);
            // Without an ADD, too.
            attachment.del().silent();
            assert_same(&before, &ns.snapshot());
            attachment.add().success();
            attachment.check().silent();
            assert_reached(&ns, "blue", 1);
            for del in [&attachment, &attachment.with_key("prevResult", Value::Null)] {
                del.del().silent();
                assert_same(&before, &ns.snapshot());
            }
        }
        ns.sh("ip link del blue");
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn a_vrf_with_ports_of_others_stays() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip link add blue type vrf table 10; ip link set blue up; ip link add own type dummy; ip link set own master blue up");
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    attachment.del().silent();
    assert_same(&before, &ns.snapshot());
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn a_vrf_that_is_down_is_brought_up_and_a_failing_add_takes_that_back() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip link add blue type vrf table 10");
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    assert!(!attachment.call("ADD").stdout(testkit::Stdout::Full).run().status.success());
    assert_same(&before, &ns.snapshot());
    attachment.add().success();
    assert!(ns.sh("ip link show blue").contains(",UP"));
    attachment.del().silent();
    assert_eq!(vrfs(&ns), [("blue".to_owned(), 10)]);
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn interface_that_somebody_has_put_elsewhere_stays_there() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    ns.sh("ip link add mine type vrf table 77; ip link set mine up; ip link set net1 nomaster; ip link set net1 master mine");
    attachment.del().silent();
    assert_eq!((crate::stage::master(&ns, "net1"), vrfs(&ns)), (Some("mine".into()), vec![("mine".into(), 77)]));
}
