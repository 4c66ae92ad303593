//! Beside the plugin of containernetworking: what one side's ADD has made, the other side's DEL removes.

use serde_json::{Value, json};
use testkit::{Facility, require};

use crate::stage::{Stage, attach_at, master, vrfs};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/vrf"))
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn what_theirs_has_made_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    stage.link(&ns, "net2", 2);
    let [net1, net2] =
        [(1, "net1"), (2, "net2")].map(|(n, name)| attach_at("1.0.0", &ns, name, n, json!({ "vrfname": "blue" })));
    let result = net1.clone().bin_dir(DIR).add().success();
    // 1.1.1 loses routes.
    net1.with_prev(&result).with_key("prevResult", json!({ "cniVersion": "1.0.0" })).check().silent();
    // One of ours joins it.
    net2.add().success();
    net2.check().silent();
    net2.del().silent();
    assert_eq!(vrfs(&ns).len(), 1);
    for _ in 0..2 {
        net1.with_key("prevResult", Value::Null).del().silent();
        assert_eq!((master(&ns, "net1"), vrfs(&ns)), (None, vec![]));
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn what_ours_has_made_is_checked_and_removed_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    for keys in [json!({ "vrfname": "blue" }), json!({ "vrfname": "blue", "table": 1001 })] {
        let ours = attach_at("1.0.0", &ns, "net1", 1, keys);
        let result = ours.add().success();
        let theirs = ours.with_prev(&result).bin_dir(DIR);
        theirs.check().silent();
        theirs.del().silent();
        assert_eq!((master(&ns, "net1"), vrfs(&ns)), (None, vec![]));
        ns.sh("ip -6 addr add fd01::2/64 dev net1 nodad 2>/dev/null || true");
    }
}
