//! Knowing of chains of iptables without asking iptables.
#![allow(clippy::unwrap_used, reason = "a test reports by panicking")]

use attach::may_have_chain;
use iptables::Iptables;
use testkit::{Facility, Sandbox, require};

#[test]
fn chain_of_the_variant_on_nf_tables_is_known() {
    let sandbox = Sandbox::enter();
    let has = |family| may_have_chain(family, "nat", &["CNI-A", "CNI-B"]).unwrap();
    assert!(!has(Iptables::V4) && !has(Iptables::V6));
    sandbox.sh("iptables-nft -t nat -N CNI-B; ip6tables-nft -t filter -N CNI-B");
    assert!(has(Iptables::V4) && !has(Iptables::V6));
    sandbox.sh("iptables-nft -t nat -X CNI-B; ip6tables-nft -t nat -N CNI-A");
    assert!(!has(Iptables::V4) && has(Iptables::V6));
}

#[test]
fn legacy_table_may_have_any_chain() {
    if !require(Facility::Program("iptables-legacy")) {
        return;
    }
    let sandbox = Sandbox::enter();
    sandbox.sh("iptables-legacy -t nat -S >/dev/null");
    let has = |family, table| may_have_chain(family, table, &["CNI-A"]).unwrap();
    assert!(has(Iptables::V4, "nat") && !has(Iptables::V4, "filter") && !has(Iptables::V6, "nat"));
}
