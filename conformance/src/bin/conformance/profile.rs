//! Working configurations: those of well-known plugins, and the one that a user gives.
//!
//! A configuration is a plugin object as in a network configuration list. Texts in it may contain placeholders, since each
//! container of each case needs something of its own:
//!
//! * `{dir}`: a directory for state, empty at the start of a case.
//! * `{netns}`: the path of the container's network namespace.
//! * `{i}`: the container's number in the case, from 1 to 250: `"10.0.{i}.0/24"`.
//! * `{ii}`: the same as two hexadecimal digits, for hardware addresses: `"02:00:00:00:00:{ii}"`.
//! * `"{8000+i}"`, as a whole text: a number, for ports.
//!
//! `hostLinks`, `hostProgram` and `containerBridge` in it are the suite's own: see [`crate::host_links`] and [`crate::host_program`].

use serde_json::{Map, Value};

/// Working configurations of plugins that everybody knows, so that they can be judged without `--config`.
const KNOWN: &[(&str, &str)] = &[
    ("bandwidth", include_str!("profiles/bandwidth.json")),
    ("bridge", include_str!("profiles/bridge.json")),
    ("dhcp", include_str!("profiles/dhcp.json")),
    ("dummy", include_str!("profiles/dummy.json")),
    ("firewall", include_str!("profiles/firewall.json")),
    ("host-device", include_str!("profiles/host-device.json")),
    ("host-local", include_str!("profiles/host-local.json")),
    ("ipvlan", include_str!("profiles/ipvlan.json")),
    ("loopback", include_str!("profiles/loopback.json")),
    ("macvlan", include_str!("profiles/macvlan.json")),
    ("portmap", include_str!("profiles/portmap.json")),
    ("ptp", include_str!("profiles/ptp.json")),
    ("sbr", include_str!("profiles/sbr.json")),
    ("static", include_str!("profiles/static.json")),
    ("tap", include_str!("profiles/tap.json")),
    ("tuning", include_str!("profiles/tuning.json")),
    ("vlan", include_str!("profiles/vlan.json")),
    ("vrf", include_str!("profiles/vrf.json")),
];

/// What takes the places of the placeholders.
#[derive(Clone, Debug)]
pub struct Places {
    /// `{dir}`.
    pub dir: String,
    /// `{netns}`.
    pub netns: String,
    /// `{i}`.
    pub number: u64,
}

/// The configuration of a well-known plugin.
pub fn known(name: &str) -> Option<Value> {
    let text = KNOWN.iter().find(|(known, _)| *known == name)?.1;
    serde_json::from_str(text).ok()
}

/// The plugin objects of a user's file: one, or all of a list.
pub fn from_file(text: &str) -> Result<Vec<Value>, String> {
    let file: Value = serde_json::from_str(text).map_err(|e| format!("not JSON: {e}"))?;
    let objects = match &file["plugins"] {
        Value::Null => vec![file],
        Value::Array(plugins) => plugins.clone(),
        other => return Err(format!("\"plugins\" is {other} and should be a list")),
    };
    match objects.iter().find(|object| object["type"].as_str().is_none_or(str::is_empty)) {
        Some(nameless) => Err(format!("a plugin without a \"type\": {nameless}")),
        None => Ok(objects),
    }
}

/// The configuration with its placeholders filled.
pub fn fill(config: &Value, places: &Places) -> Value {
    match config {
        Value::String(text) => number(text, places.number).unwrap_or_else(|| Value::String(places.fill(text))),
        Value::Array(items) => items.iter().map(|item| fill(item, places)).collect(),
        Value::Object(fields) => {
            let filled = fields.iter().map(|(key, value)| (key.clone(), fill(value, places)));
            Value::Object(filled.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// `{8000+i}` as a number.
fn number(text: &str, n: u64) -> Option<Value> {
    let base: u64 = text.strip_prefix('{')?.strip_suffix("+i}")?.parse().ok()?;
    Some((base + n).into())
}

impl Places {
    /// A text with its placeholders filled.
    pub fn fill(&self, text: &str) -> String {
        let (number, octet) = (self.number.to_string(), format!("{:02x}", self.number));
        let text = text.replace("{dir}", &self.dir).replace("{netns}", &self.netns);
        text.replace("{i}", &number).replace("{ii}", &octet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn known_configurations_are_of_their_plugin() {
        for (name, _) in KNOWN {
            assert_eq!(known(name).unwrap()["type"], *name);
        }
        assert_eq!(known("no-such-plugin"), None);
    }

    #[test]
    fn placeholders_are_filled_at_any_depth() {
        let places = Places { dir: "/d".into(), netns: "/run/netns/c".into(), number: 10 };
        let config = json!({ "a": [{ "b": "{dir}/x" }], "net": "10.0.{i}.0/24", "sandbox": "{netns}", "port": "{8000+i}",
            "mac": "02:00:00:00:00:{ii}", "n": 1 });
        let filled = json!({ "a": [{ "b": "/d/x" }], "net": "10.0.10.0/24", "sandbox": "/run/netns/c", "port": 8010,
            "mac": "02:00:00:00:00:0a", "n": 1 });
        assert_eq!(fill(&config, &places), filled);
    }

    #[test]
    fn a_file_holds_a_plugin_or_a_list() {
        assert_eq!(from_file(r#"{"type":"a"}"#).unwrap().len(), 1);
        assert_eq!(from_file(r#"{"name":"n","plugins":[{"type":"a"},{"type":"b"}]}"#).unwrap().len(), 2);
        for bad in ["", "[]", "{}", r#"{"type":""}"#, r#"{"plugins":[{}]}"#, r#"{"plugins":1}"#] {
            assert!(from_file(bad).is_err(), "{bad}");
        }
    }
}
