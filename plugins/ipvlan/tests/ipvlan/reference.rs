//! Beside the plugins of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::json;
use testkit::{Facility, Lan, Plugin, require};

use crate::stage::network;

#[test]
#[ignore = "needs ipvlan links: scripts/vm-test"]
fn either_side_removes_what_the_other_has_made() {
    if !require(Facility::Script("test -x /usr/lib/cni/ipvlan -a -x /usr/lib/cni/host-local")) {
        return;
    }
    let lan = Lan::enter();
    let (theirs, ours) = (Path::new("/usr/lib/cni"), Plugin::bin_dir());
    let ipam = json!({ "type": "host-local", "dataDir": lan.leases(), "subnet": "10.1.0.0/24" });
    let conf = network(&lan, json!({ "cniVersion": "1.0.0", "mode": "l3", "ipam": ipam }));
    lan.is_handed_over(&conf, theirs, &ours);
    lan.is_handed_over(&conf, &ours, theirs);
}
