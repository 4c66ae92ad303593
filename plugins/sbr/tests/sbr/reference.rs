//! Beside the plugin of containernetworking: what one side's ADD has made, the other side's DEL removes.

use serde_json::{Value, json};
use testkit::{Attachment, Facility, require};

use crate::stage::{Place, Stage, assert_reached_from_the_right, attach_at, leaves_by, prev, rules, table};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn stage() -> Option<(Stage, Place, Attachment)> {
    if !require(Facility::Script("test -x /usr/lib/cni/sbr")) {
        return None;
    }
    let stage = Stage::new();
    let place = stage.place("c1");
    let ours = attach(&place, json!({}));
    Some((stage, place, ours))
}

/// Attaches `net1` by ours. Theirs would not see that another container's `net1` is another one.
fn attach(place: &Place, keys: Value) -> Attachment {
    let mut told = prev("1.0.0", &place.ns);
    for list in ["interfaces", "ips"] {
        told[list].as_array_mut().unwrap().pop();
    }
    attach_at("1.0.0", place, keys).with_prev(&told)
}

#[test]
fn both_lead_packets_the_same_way() {
    let Some((stage, place, ours)) = stage() else { return };
    let other = stage.place("c2");
    let theirs = attach(&other, json!({})).bin_dir(DIR);
    assert_eq!(theirs.add().success()["ips"], ours.add().success()["ips"]);
    assert_eq!(rules(&place.ns), rules(&other.ns));
    for place in [&place, &other] {
        assert_eq!(leaves_by(&place.ns, "203.0.113.9", "10.1.0.2"), "net1");
        assert_eq!(leaves_by(&place.ns, "203.0.113.9", "10.0.0.2"), "eth0");
        assert_reached_from_the_right(place);
    }
    // Theirs makes a second default route, puts IPv6 routes into the table of the IPv4 address too, and takes what neighbours talk
    // by out of the main table.
    let both = table(&other.ns, "100");
    assert!(table(&place.ns, "100").iter().all(|route| both.contains(route)), "{both:?}");
    assert_eq!((table(&place.ns, "main"), table(&other.ns, "main")), (vec!["fe80::/64 metric 256".into()], vec![]));
}

#[test]
fn what_theirs_has_made_is_checked_and_removed_by_ours() {
    let Some((_stage, place, ours)) = stage() else { return };
    let theirs = ours.clone().bin_dir(DIR);
    let result = theirs.add().success();
    ours.with_prev(&result).check().silent();
    ours.with_prev(&result).del().silent();
    assert!(rules(&place.ns).is_empty(), "{:?}", rules(&place.ns));
}

#[test]
fn what_theirs_has_made_is_removed_by_ours_without_its_result_or_its_interface() {
    let Some((stage, place, ours)) = stage() else { return };
    ours.clone().bin_dir(DIR).add().success();
    ours.with_key("prevResult", Value::Null).del().silent();
    assert!(rules(&place.ns).is_empty(), "{:?}", rules(&place.ns));
    let place = stage.place("c2");
    let ours = attach(&place, json!({}));
    ours.clone().bin_dir(DIR).add().success();
    place.ns.sh("ip link del net1");
    ours.del().silent();
    assert!(rules(&place.ns).is_empty(), "{:?}", rules(&place.ns));
}

#[test]
fn what_ours_has_made_is_removed_by_theirs() {
    let Some((stage, ..)) = stage() else { return };
    for (n, keys) in [json!({}), json!({ "addSourceHints": true }), json!({ "table": 5001 })].into_iter().enumerate() {
        let place = stage.place(&format!("c{}", n + 2));
        let ours = attach(&place, keys);
        let result = ours.add().success();
        let theirs = ours.with_prev(&result).bin_dir(DIR);
        theirs.check().silent();
        theirs.del().silent();
        assert!(rules(&place.ns).is_empty(), "{:?}", rules(&place.ns));
    }
}
