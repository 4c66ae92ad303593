//! The configuration as JSON: whatever its spelling, and whatever else is in it.

use serde_json::Value;

pub mod keys;
pub mod values;

/// The configuration as text, with more text before its first and behind its last key.
fn around(conf: &Value, before: &str, behind: &str) -> String {
    let text = conf.to_string();
    let inside = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
    format!("{{{before}{inside}{behind}}}")
}
