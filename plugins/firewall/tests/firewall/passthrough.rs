//! What comes out of ADD is what went in.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{By, Stage};

#[test]
fn previous_result_is_printed_unchanged() {
    Stage::each(&By::ALL, |stage| {
        let pod = stage.bridged("c1", &stage.plain());
        assert_eq!(pod.add(stage).success(), pod.result);
    });
}

#[test]
fn keys_are_matched_in_any_case_and_empty_ones_are_unset() {
    let stage = Stage::new(By::Nftables);
    let keys = json!({ "backend": null, "BackEnd": "nftables", "INGRESSPOLICY": "same-bridge", "firewalldZone": "",
        "iptablesAdminChainName": null, "unknown": 1 });
    stage.run("c1", &stage.network(1, keys));
    assert_eq!(stage.elements("ingress_bridges").len(), 1);
}

#[test]
fn container_without_addresses_and_policy_changes_nothing() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.plain());
    let before = stage.snapshot();
    let bare = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "eth0", "sandbox": "/x" }] });
    assert_eq!(pod.bare().with_prev(&bare).add().success(), bare);
    assert_same(&before, &stage.snapshot());
}
