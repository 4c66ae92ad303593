//! A network of dummies.

use serde_json::Value;
use testkit::{Attachment, Lan, TestNs};

/// The network `net`, with addresses of both families.
pub fn network(lan: &Lan, keys: Value) -> Value {
    lan.network("dummy", keys)
}

/// The `eth0` of `container` on it.
pub fn eth0(lan: &Lan, container: &TestNs, keys: Value) -> Attachment {
    Attachment::new(network(lan, keys), container)
}
