//! What tests ask about again and again.

use std::time::Duration;

use serde_json::Value;
use testkit::Lan;

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(5);

/// An ipvlan network on the link of the host.
pub fn network(lan: &Lan, keys: Value) -> Value {
    lan.network("ipvlan", keys)
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
