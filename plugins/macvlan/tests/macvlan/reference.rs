//! Beside the plugins of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attached, Attachment, Facility, Lan, Plugin, require};

use crate::stage::network;

/// Where Debian's package puts them.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/macvlan -a -x /usr/lib/cni/host-local"))
}

#[test]
fn either_side_removes_what_the_other_has_made() {
    if !is_there() {
        return;
    }
    let lan = Lan::enter();
    let (theirs, ours) = (Path::new(DIR), Plugin::bin_dir());
    let network = |keys: Value| {
        let mut conf = network(&lan, keys);
        conf["cniVersion"] = "1.0.0".into();
        conf
    };
    lan.is_handed_over(&network(json!({ "mtu": 1400 })), theirs, &ours);
    lan.is_handed_over(&network(json!({})), &ours, theirs);
    // Theirs waits a second or two for an IPv6 address.
    let ipam = json!({ "type": "host-local", "dataDir": lan.leases(), "subnet": "10.1.0.0/24" });
    for mode in ["private", "passthru"] {
        let conf = network(json!({ "mode": mode, "ipam": ipam }));
        lan.is_handed_over(&conf, theirs, &ours);
        lan.is_handed_over(&conf, &ours, theirs);
    }
    let layer_2 = network(json!({ "ipam": null }));
    let c2 = lan.sandbox.netns("c2");
    let made = Attached::new(Attachment::new(layer_2, &c2).bin_dir(theirs));
    let taken = Attached { attachment: made.attachment.bin_dir(&ours), result: made.result };
    taken.check().silent();
    taken.del();
}

#[test]
fn containers_of_both_talk_on_one_master() {
    if !is_there() {
        return;
    }
    let lan = Lan::enter();
    let [c1, c2] = ["c1", "c2"].map(|name| lan.sandbox.netns(name));
    let conf = network(&lan, json!({ "cniVersion": "1.0.0" }));
    let one = Attached::new(Attachment::new(conf.clone(), &c1).bin_dir(DIR));
    let two = Attached::new(Attachment::new(conf, &c2));
    for place in [0, 1] {
        c2.ping(one.ip(place)).unwrap();
    }
    two.del();
    one.check().silent();
}

#[test]
fn what_theirs_has_made_goes_with_whatever_hardware_address() {
    if !is_there() {
        return;
    }
    let lan = Lan::enter();
    let c1 = lan.sandbox.netns("c1");
    let conf = network(&lan, json!({ "cniVersion": "1.0.0" }));
    let made = Attached::new(Attachment::new(conf, &c1).bin_dir(DIR));
    // As after a DEL of tuning, which has given an address back that the result does not know.
    c1.sh("ip link set eth0 address 02:00:00:00:00:99");
    Attached { attachment: made.attachment.bin_dir(Plugin::bin_dir()), result: made.result }.del();
    assert!(!c1.sh("ip link").contains("eth0"));
}
