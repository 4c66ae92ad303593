//! A network of taps, and what tests ask about again and again.

use std::time::Duration;

use serde_json::Value;
use testkit::{Attachment, Facility, Lan, TestNs, require};

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(10);

/// A host where taps can be made, if this is one.
pub fn host() -> Option<Lan> {
    require(Facility::Device("/dev/net/tun")).then(Lan::enter)
}

/// The network `net`, with addresses of both families.
pub fn network(lan: &Lan, keys: Value) -> Value {
    lan.network("tap", keys)
}

/// The `eth0` of `container` on it.
pub fn eth0(lan: &Lan, container: &TestNs, keys: Value) -> Attachment {
    Attachment::new(network(lan, keys), container)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
