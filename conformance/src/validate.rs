//! Whether a network could be used: every plugin is there and knows the version of the list.

use crate::{
    exec::Call,
    failure::Failure,
    list::NetworkList,
    request::version_request,
    run::Runner,
    version::{Command, Version},
};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// What a list wants a plugin for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An element of the list.
    Plugin,
    /// The IPAM delegate of the element before it.
    Ipam,
}

/// What was found out about one plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The `type`.
    pub plugin_type: String,
    /// What it is for.
    pub role: Role,
    /// Where it is, if it was found.
    pub path: Option<PathBuf>,
    /// The versions that it says it supports.
    pub versions: Vec<String>,
    /// Why it cannot be used for this list, a sentence; `None` if it can.
    pub problem: Option<String>,
}

impl Runner<'_> {
    /// Looks up every plugin and IPAM delegate of a list and asks it for its versions. Nothing is changed.
    pub fn validate(&self, list: &NetworkList) -> Vec<Finding> {
        let mut findings = Vec::new();
        for plugin in &list.plugins {
            findings.push(self.examine(list, &plugin.plugin_type, Role::Plugin));
            if let Some(ipam) = &plugin.ipam_type {
                findings.push(self.examine(list, ipam, Role::Ipam));
            }
        }
        findings
    }

    fn examine(&self, list: &NetworkList, plugin_type: &str, role: Role) -> Finding {
        let plugin_type = plugin_type.to_owned();
        let mut finding = Finding { plugin_type, role, path: None, versions: Vec::new(), problem: None };
        match self.executor.find(&finding.plugin_type) {
            Err(error) => finding.problem = Some(error.to_string()),
            Ok(path) => {
                match self.versions(list, &finding.plugin_type, &path) {
                    Ok(versions) => {
                        finding.problem = unsupported(list.version, &versions);
                        finding.versions = versions;
                    }
                    Err(sentence) => finding.problem = Some(format!("ask for versions: {sentence}")),
                }
                finding.path = Some(path);
            }
        }
        finding
    }

    fn versions(&self, list: &NetworkList, plugin_type: &str, path: &Path) -> Result<Vec<String>, String> {
        let call = Call::plain(Command::Version);
        match self.answer(path, plugin_type, &call, &version_request(list)) {
            Ok(stdout) => supported_versions(&stdout),
            // 0.1.0 did not have the command; this is what the plugins of that time say.
            Err(Failure::Answered(object)) if object.msg == "unknown CNI_COMMAND: VERSION" => Ok(vec!["0.1.0".into()]),
            Err(failure) => Err(failure.to_string()),
        }
    }
}

/// Plugins compare versions as text.
fn unsupported(version: Version, supported: &[String]) -> Option<String> {
    let listed = supported.iter().any(|text| text == version.as_str());
    (!listed).then(|| format!("it does not support version {version}, but {}", supported.join(", ")))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionAnswer {
    cni_version: String,
    #[serde(default)]
    supported_versions: Vec<String>,
}

fn supported_versions(stdout: &[u8]) -> Result<Vec<String>, String> {
    let wrong = |cause| format!("its answer is not one version object: {cause}");
    let answer: VersionAnswer = serde_json::from_slice(stdout).map_err(wrong)?;
    match answer.supported_versions.as_slice() {
        // The key came with 0.3.0.
        [] if answer.cni_version == "0.2.0" => Ok(vec!["0.1.0".into(), "0.2.0".into()]),
        [] => Err("its answer has no supportedVersions".into()),
        _ => Ok(answer.supported_versions),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(stdout: &str) -> Result<Vec<String>, String> {
        supported_versions(stdout.as_bytes())
    }

    #[test]
    fn answer_lists_versions() {
        let answer = versions(r#"{"cniVersion":"1.1.0","supportedVersions":["0.4.0","1.0.0"]}"#);
        assert_eq!(answer.unwrap(), ["0.4.0", "1.0.0"]);
    }

    #[test]
    fn answer_without_list_is_understood_from_0_2_0_only() {
        assert_eq!(versions(r#"{"cniVersion":"0.2.0"}"#).unwrap(), ["0.1.0", "0.2.0"]);
        assert!(versions(r#"{"cniVersion":"1.0.0","supportedVersions":[]}"#).is_err());
    }

    #[test]
    fn answer_that_is_no_version_object_is_refused() {
        for stdout in ["", "1.0.0", "{}", r#"{"supportedVersions":["1.0.0"]}"#] {
            assert!(versions(stdout).unwrap_err().starts_with("its answer is not one version object"), "{stdout}");
        }
    }

    #[test]
    fn version_has_to_be_listed_to_the_letter() {
        assert_eq!(unsupported(Version::V1_0_0, &["1.0.0".into()]), None);
        let problem = unsupported(Version::V1_0_0, &["0.4.0".into(), "1.0".into()]).unwrap();
        assert_eq!(problem, "it does not support version 1.0.0, but 0.4.0, 1.0");
    }
}
