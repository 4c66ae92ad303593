//! The plugin under test, and what the suite knows of it.

use crate::case::{Needs, VERSIONS};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// A plugin, where it is, and how to use it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Subject {
    /// Its file name, which is its CNI type.
    pub name: String,
    /// The directory of the binary and of its delegates.
    pub dir: PathBuf,
    /// A configuration that works, with placeholders; see [`crate::profile`].
    pub config: Option<Value>,
    /// What asking it and trying it out has shown.
    #[serde(default)]
    pub facts: Facts,
}

/// What is found out of a plugin before the cases are run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Facts {
    /// What VERSION lists.
    pub versions: Vec<String>,
    /// What its ADD turned out to do; none without a configuration that works.
    pub kind: Option<Kind>,
    /// Why the configuration does not work.
    pub refusal: Option<String>,
    /// Why nothing could be found out: it does not end, it cannot be started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a plugin does on ADD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Creates `CNI_IFNAME`.
    Interface,
    /// Works on the result of a plugin before it.
    Chained,
    /// Hands out addresses.
    Ipam,
    /// Sets up what is there already, as loopback does.
    Other,
}

impl Facts {
    /// Whether asking and trying worked, as far as there was something to try.
    pub fn are_whole(&self) -> bool {
        self.refusal.is_none() && self.trouble.is_none()
    }
}

impl Subject {
    /// The newest version that both the plugin and the suite know. Of a plugin that lists none, the suite's newest.
    pub fn newest(&self) -> &'static str {
        VERSIONS.into_iter().rev().find(|version| self.lists(version)).unwrap_or("1.1.0")
    }

    /// Whether the plugin lists this version.
    pub fn lists(&self, version: &str) -> bool {
        self.facts.versions.iter().any(|listed| listed == version)
    }

    /// The delegate that its configuration names, unless that is the plugin itself.
    pub fn delegate(&self) -> Option<&str> {
        let delegate = self.config.as_ref()?["ipam"]["type"].as_str()?;
        (!delegate.is_empty() && delegate != self.name).then_some(delegate)
    }

    /// Whether its configuration is known to work.
    pub fn works(&self) -> bool {
        self.facts.kind.is_some()
    }

    /// Why a case that needs this cannot be run; None when it can.
    pub fn lacks(&self, needs: Needs) -> Option<&'static str> {
        let kind = self.facts.kind;
        let (there, reason) = match needs {
            Needs::Nothing => (true, ""),
            Needs::Config => (kind.is_some(), "needs a configuration that works"),
            Needs::Interface => (kind == Some(Kind::Interface), "for plugins that create an interface"),
            Needs::Chained => (kind == Some(Kind::Chained), "for plugins that follow another in a list"),
            Needs::Ipam => (kind == Some(Kind::Ipam), "for plugins that hand out addresses"),
            Needs::Delegating => (kind.is_some() && self.delegate().is_some(), "for plugins that have a delegate"),
        };
        (!there).then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject(config: Value, versions: &[&str]) -> Subject {
        let versions = versions.iter().map(ToString::to_string).collect();
        let facts = Facts { versions, kind: Some(Kind::Interface), ..Facts::default() };
        Subject { name: "bridge".into(), dir: "/opt/cni/bin".into(), config: Some(config), facts }
    }

    #[test]
    fn the_newest_version_is_one_that_the_suite_knows() {
        assert_eq!(subject(json!({}), &["0.4.0", "1.0.0", "9.0.0"]).newest(), "1.0.0");
        assert_eq!(subject(json!({}), &[]).newest(), "1.1.0");
    }

    #[test]
    fn an_ipam_plugin_is_not_its_own_delegate() {
        assert_eq!(subject(json!({ "ipam": { "type": "static" } }), &[]).delegate(), Some("static"));
        for ipam in [json!({ "type": "bridge" }), json!({ "type": "" }), json!({}), json!(null)] {
            assert_eq!(subject(json!({ "ipam": ipam }), &[]).delegate(), None);
        }
    }

    #[test]
    fn a_plugin_of_unknown_kind_gets_the_cases_of_the_protocol_only() {
        let mut subject = subject(json!({}), &[]);
        subject.facts.kind = None;
        assert_eq!(subject.lacks(Needs::Nothing), None);
        assert!(subject.lacks(Needs::Config).is_some() && subject.lacks(Needs::Interface).is_some());
    }
}
