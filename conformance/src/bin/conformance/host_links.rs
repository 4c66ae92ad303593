//! Links of the host, for plugins that build upon one or take one: `hostLinks` in a configuration, a list of names.
//!
//! Each is one end of a veth pair whose other end is up in a network namespace of its own: any kernel has these, and they
//! have a carrier.

use serde_json::Value;
use testkit::Sandbox;

/// The key in a configuration. It is the suite's, and no plugin gets to see it.
pub const KEY: &str = "hostLinks";

/// What the other ends are in.
const BEYOND: &str = "beyond";

/// The names in a configuration.
pub fn named(config: &Value) -> Vec<String> {
    let names = config[KEY].as_array().into_iter().flatten();
    names.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Whether each container has one of its own: the name has a placeholder.
pub fn is_own(name: &str) -> bool {
    name.contains('{')
}

/// Makes the namespace of the other ends.
pub fn prepare(sandbox: &Sandbox) {
    sandbox.netns(BEYOND).sh("ip link set lo up");
}

/// Makes a link and brings it up.
pub fn make(sandbox: &Sandbox, name: &str) {
    sandbox.sh(&format!(
        "ip link add {name} type veth peer name {name} netns {BEYOND}
         ip -n {BEYOND} link set {name} up; ip link set {name} up"
    ));
}
