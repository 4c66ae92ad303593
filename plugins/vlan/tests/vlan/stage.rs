//! A host whose link carries VLANs.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attachment, Lan, TestNs};

/// Longer than any packet takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(10);

/// The network `net`, which is VLAN 100 of the host's link.
pub fn network(lan: &Lan, keys: Value) -> Value {
    let mut conf = lan.network("vlan", keys);
    if conf["vlanId"].is_null() {
        conf["vlanId"] = json!(100);
    }
    conf
}

/// The `eth0` of `container` on it.
pub fn eth0(lan: &Lan, container: &TestNs, keys: Value) -> Attachment {
    Attachment::new(network(lan, keys), container)
}

/// A host where `outside` has its addresses in VLAN 100 alone, and 10.2.0.1/24 in VLAN 200.
pub fn tagged() -> Lan {
    let lan = Lan::enter();
    lan.outside.sh("ip addr flush dev eth0 scope global
        for id in 100 200; do ip link add link eth0 name eth0.$id type vlan id $id; ip link set eth0.$id up; done
        ip addr add 10.1.0.1/24 dev eth0.100; ip addr add fd01::1/64 dev eth0.100 nodad
        ip addr add 10.2.0.1/24 dev eth0.200");
    lan
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("not text: {value}")).to_owned()
}
