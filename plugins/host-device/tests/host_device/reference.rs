//! Beside the plugin of containernetworking: what one side's ADD has lent, the other side's DEL returns.

use serde_json::json;
use testkit::{Facility, assert_same, require};

use crate::stage::{Stage, is_up, link, links};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/host-device"))
}

#[test]
fn what_theirs_has_lent_is_checked_and_returned_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::with_device();
    stage.sandbox.sh("ip link set d0 alias ''");
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let ours = stage.attach(&c1, json!({ "cniVersion": "1.0.0" }));
    let result = ours.clone().bin_dir(DIR).add().success();
    ours.with_prev(&result).check().silent();
    ours.with_prev(&result).del().silent();
    // Whether it was up is nowhere written down.
    assert!(!is_up(stage.sandbox.host(), "d0"));
    stage.sandbox.sh("ip link set d0 up");
    assert_same(&before, &stage.snapshot());
    assert!(links(&c1).is_empty());
}

#[test]
fn what_ours_has_lent_is_checked_and_returned_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let ours = stage.attach(&c1, json!({ "cniVersion": "1.0.0" }));
    let result = ours.add().success();
    ours.with_prev(&result).bin_dir(DIR).check().silent();
    ours.with_prev(&result).bin_dir(DIR).del().silent();
    assert_eq!((links(&c1).len(), stage.links()), (0, vec!["d0".to_owned()]));
    assert!(!is_up(stage.sandbox.host(), "d0"));
    // Theirs knows no marks, and 1.1.1 leaves its alias: the next of ours finishes.
    let c2 = stage.sandbox.netns("c2");
    let next = stage.attach(&c2, json!({ "name": "net2", "ipam": null }));
    next.add().success();
    assert_eq!(link(&c2, "eth0")["altnames"].to_string().matches("was:").count(), 1);
    next.del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn gc_finishes_what_their_del_leaves() {
    if !is_there() {
        return;
    }
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let ours = stage.attach(&c1, json!({ "cniVersion": "1.0.0" }));
    let result = ours.add().success();
    ours.with_prev(&result).bin_dir(DIR).del().silent();
    ours.with_key("cniVersion", json!("1.1.0")).gc(&[]).silent();
    assert_same(&before, &stage.snapshot());
}
