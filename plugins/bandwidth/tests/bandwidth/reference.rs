//! Beside the plugin of containernetworking: what one side's ADD has made, the other side's DEL removes.

use serde_json::{Value, json};
use testkit::{Facility, assert_same, require};

use crate::stage::{Stage, attach_at, attach_second, both, egress, ingress};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/bandwidth"))
}

#[test]
fn what_theirs_has_made_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    for keys in [both(), ingress(), egress()] {
        let ours = attach_at("1.0.0", &container, keys);
        let result = ours.clone().bin_dir(DIR).add().success();
        let made = stage.snapshot();
        ours.with_prev(&result).check().silent();
        ours.with_key("cniVersion", json!("1.1.0")).gc(&[]).silent();
        assert_same(&made, &stage.snapshot());
        ours.with_prev(&result).del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn what_theirs_has_made_goes_with_a_namespace_that_went() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let before = stage.snapshot();
    let container = stage.container("c1");
    let ours = attach_at("1.0.0", &container, both());
    let result = ours.clone().bin_dir(DIR).add().success();
    container.remove();
    ours.with_prev(&result).netns("").del().silent();
    stage.sandbox.try_sh("ip link del v-c1");
    assert_same(&before, &stage.snapshot());
}

/// Versions before 0.4.0 have no result on DEL.
#[test]
fn what_theirs_has_made_is_removed_without_its_result() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = stage.snapshot();
    let ours = attach_at("0.3.1", &container, both());
    ours.clone().bin_dir(DIR).add().success();
    ours.with_key("prevResult", Value::Null).del().silent();
    assert_same(&before, &stage.snapshot());
}

/// Of a network whose ADD failed because the container has an interface of that name already.
#[test]
fn what_theirs_has_made_on_another_network_stays() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let ours = attach_at("1.0.0", &container, both());
    let result = ours.clone().bin_dir(DIR).add().success();
    let before = stage.snapshot();
    let other = ours.with_key("name", json!("net2"));
    for del in [other.with_key("prevResult", Value::Null), other.with_prev(&json!({ "cniVersion": "1.0.0" }))] {
        del.del().silent();
        assert_same(&before, &stage.snapshot());
    }
    ours.with_prev(&result).check().silent();
}

#[test]
fn what_theirs_has_made_for_another_interface_stays() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.interface(&container, "eth1", "v-second");
    let first = attach_at("1.0.0", &container, both());
    let result = first.clone().bin_dir(DIR).add().success();
    let second = attach_second(&container, "eth1", "v-second", both());
    let before = stage.snapshot();
    let second_result = second.add().success();
    assert_eq!(stage.ifbs().len(), 2, "its name is taken");
    second.with_prev(&second_result).check().silent();
    second.with_prev(&second_result).del().silent();
    assert_same(&before, &stage.snapshot());
    // One without a limit, whose result does not tell of an ifb.
    attach_second(&container, "eth1", "v-second", ingress()).del().silent();
    assert_same(&before, &stage.snapshot());
    first.with_prev(&result).check().silent();
}

#[test]
fn what_ours_has_made_is_checked_and_removed_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    for (rate, burst) in [(20_000_000, 1_600_000), (10_000_000, 2_147_483_647_u64), (1_000_000_000, 4_294_967_295)] {
        let limits = json!({ "ingressRate": rate, "ingressBurst": burst, "egressRate": rate, "egressBurst": burst });
        let ours = attach_at("1.0.0", &container, limits);
        let result = ours.add().success();
        let theirs = ours.with_prev(&result).bin_dir(DIR);
        theirs.check().silent();
        theirs.del().silent();
        assert!(stage.ifbs().is_empty());
        // Theirs leaves the limits on the host's link, which goes with the container.
        ours.del().silent();
        assert!(stage.qdiscs("v-c1").is_empty());
    }
}
