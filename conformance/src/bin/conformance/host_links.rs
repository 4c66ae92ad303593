//! Links of the host, for plugins that build upon one or take one: `hostLinks` in a configuration, a list of names.
//!
//! Each is one end of a veth pair whose other end is up in a network namespace of its own: any kernel has these, and they
//! have a carrier.

use serde_json::Value;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
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

/// How many containers have theirs from the beginning, so that a host does not change when a container comes. Few cases have more.
pub const READY: u64 = 20;

/// Makes the namespace of the other ends.
pub fn prepare(sandbox: &Sandbox) {
    sandbox.netns(BEYOND).sh("ip link set lo up");
}

/// Makes these links and brings them up.
pub fn make<'a>(sandbox: &Sandbox, names: impl IntoIterator<Item = &'a str>) {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for name in names {
        here.push(format!("link add {name} address {} type veth peer name {name} netns {BEYOND}", address(name)));
        here.push(format!("link set {name} up"));
        there.push(format!("link set {name} up"));
    }
    let [here, there] = [here, there].map(|commands| commands.join("\n"));
    sandbox.sh(&format!("ip -b - <<'END'\n{here}\nEND\nip -n {BEYOND} -b - <<'END'\n{there}\nEND"));
}

/// Makes those of these links anew that have gone with a container's namespace: hardware would come back.
pub fn replace<'a>(sandbox: &Sandbox, names: impl IntoIterator<Item = &'a str>) {
    let listed = sandbox.sh(&format!("ip -n {BEYOND} -br link"));
    // `lent1@if7  UP  ...`
    let there: BTreeSet<&str> = listed.lines().filter_map(|line| line.split(['@', ' ']).next()).collect();
    let lost: Vec<&str> = names.into_iter().filter(|name| !there.contains(name)).collect();
    if !lost.is_empty() {
        make(sandbox, lost);
    }
}

/// Always the same one for a name, so that a link that is made anew looks as it did.
fn address(name: &str) -> String {
    let mut hash = DefaultHasher::new();
    name.hash(&mut hash);
    let [rest @ .., _, _, _] = hash.finish().to_be_bytes();
    format!("02:{}", rest.map(|octet| format!("{octet:02x}")).join(":"))
}
