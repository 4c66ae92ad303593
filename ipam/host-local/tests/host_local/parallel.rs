//! Many at once.

use std::collections::BTreeSet;

use serde_json::json;

use crate::host::{Host, finish};

#[test]
fn two_hundred_at_once_get_two_hundred_addresses() {
    let host = Host::new();
    let conf = host.conf(&json!({"ranges": [[{"subnet": "10.1.0.0/23"}], [{"subnet": "fd00::/64"}]]}));
    let children: Vec<_> = (0..200).map(|n| host.call("ADD", &format!("c{n}"), &conf).start()).collect();
    let addresses: BTreeSet<String> = children.into_iter().flat_map(|child| finish(child).addresses()).collect();
    assert_eq!(addresses.len(), 400);
    assert_eq!(host.leases().len(), 400);
    let children: Vec<_> = (0..200).map(|n| host.call("DEL", &format!("c{n}"), &conf).start()).collect();
    for child in children {
        finish(child).silent();
    }
    assert!(host.leases().is_empty());
}

#[test]
fn pool_that_is_too_small_serves_as_many_as_it_has() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/28"}));
    let children: Vec<_> = (0..40).map(|n| host.call("ADD", &format!("c{n}"), &conf).start()).collect();
    let served = children.into_iter().map(finish).filter(|output| output.success || output.error().0 != 102).count();
    assert_eq!(served, 13);
    assert_eq!(host.leases().len(), 13);
}
