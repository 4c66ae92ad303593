//! Beside the plugin of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::json;
use testkit::{Facility, Plugin, require};

use crate::stage::{network, tagged};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

#[test]
#[ignore = "needs vlan links: scripts/vm-test"]
fn either_side_removes_what_the_other_has_made() {
    if !require(Facility::Script("test -x /usr/lib/cni/vlan -a -x /usr/lib/cni/host-local")) {
        return;
    }
    let lan = tagged();
    let (theirs, ours) = (Path::new(DIR), Plugin::bin_dir());
    // Theirs waits a second or two for an IPv6 address.
    let ipam = json!({ "type": "host-local", "dataDir": lan.leases(), "subnet": "10.1.0.0/24" });
    let conf = network(&lan, json!({ "cniVersion": "1.0.0", "mtu": 1400, "ipam": ipam }));
    lan.is_handed_over(&conf, theirs, &ours);
    lan.is_handed_over(&conf, &ours, theirs);
}
