//! DEL in its ugly forms.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Stage, attach, master, vrfs};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(attachment: &Attachment) -> Vec<(&'static str, Attachment)> {
    vec![
        ("all that ADD was told", attachment.clone()),
        ("no prevResult", attachment.with_key("prevResult", Value::Null)),
        ("an unreadable prevResult", attachment.with_key("prevResult", json!({ "ips": "x" }))),
        ("another name", attachment.with_key("vrfname", json!("red"))),
        ("no name", attachment.with_key("vrfname", Value::Null)),
        ("another table", attachment.with_key("table", json!(77))),
        ("invalid values", attachment.with_key("vrfname", json!("a/b")).with_key("table", json!(-1))),
    ]
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn every_form_of_del_leaves_all_as_before_add() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue", "table": 1001 }));
    for (form, del) in forms(&attachment) {
        attachment.add().success();
        for _ in 0..2 {
            del.del().silent();
            let diff = before.diff(&ns.snapshot());
            assert!(diff.is_empty(), "DEL with {form}\n{diff}");
        }
    }
    attachment.add().success();
    for netns in ["", "/run/netns/absent"] {
        attachment.clone().netns(netns).del().silent();
    }
    assert_eq!(master(&ns, "net1").as_deref(), Some("blue"), "nobody has touched the container");
    ns.remove();
    attachment.del().silent();
}

/// The reference fails here if another interface keeps the VRF.
#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn interface_that_has_gone_is_no_error_and_its_vrf_goes_with_the_last() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    stage.link(&ns, "net2", 2);
    let [net1, net2] = [(1, "net1"), (2, "net2")].map(|(n, name)| attach(&ns, name, n, json!({ "vrfname": "blue" })));
    net1.add().success();
    net2.add().success();
    for _ in 0..2 {
        net1.del().silent();
        ns.sh("ip link del net1 2>/dev/null || true");
    }
    net2.check().silent();
    ns.sh("ip link del net2");
    assert_eq!(vrfs(&ns).len(), 1);
    net2.with_key("prevResult", Value::Null).del().silent();
    assert!(vrfs(&ns).is_empty(), "{:?}", vrfs(&ns));
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn interface_and_vrf_that_have_other_names_by_now_are_found() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    attachment.add().success();
    ns.sh("ip link set net1 down; ip link set net1 name net9; ip link set blue down; ip link set blue name navy");
    attachment.del().silent();
    assert_eq!((master(&ns, "net9"), vrfs(&ns)), (None, vec![]));
}
