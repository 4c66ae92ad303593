//! The keys of a network configuration that every plugin shares (spec: section 1, "Configuration format").
//!
//! The rest is the plugin's own: its `Conf` type reads the same document.

use std::{collections::BTreeSet, sync::Arc};

use serde::Deserialize;
use serde_json::Value;

use crate::{
    Attachment, Code, Command, Error, Result, Success, Version, check_network_name, delegate::Delegate, json, repeated,
    version, wire,
};

/// A request configuration: the bytes as received, and what they say to everybody.
#[derive(Debug, Clone)]
pub(crate) struct Envelope {
    pub(crate) bytes: Arc<[u8]>,
    pub(crate) document: Value,
    pub(crate) name: String,
    version: String,
}

impl Envelope {
    /// Reads a request; code 6 if it is not a JSON object with text in `name` and `cniVersion`, code 7 for a bad name.
    pub(crate) fn parse(bytes: Vec<u8>) -> Result<Self> {
        let undecodable = |why: String| Error::new(Code::Decode, format!("error unmarshall network config: {why}"));
        let document = json::parse(&bytes).map_err(|error| undecodable(error.to_string()))?;
        if !document.is_object() && !document.is_null() {
            return Err(undecodable("it must be one JSON object".into()));
        }
        let text = |key: &str| match json::lookup(&document, key) {
            None => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(undecodable(format!("\"{key}\": {other} is not a string"))),
        };
        let (name, version) = (text("name")?, text("cniVersion")?);
        check_network_name(&name)?;
        Ok(Self { bytes: bytes.into(), document, name, version })
    }

    /// The configuration's version, if it is among `supported` and allows `command`.
    pub(crate) fn version(&self, command: Command, supported: &[Version]) -> Result<Version> {
        if matches!(command, Command::Check | Command::Gc | Command::Status) {
            self.check_allows(command, supported)?;
        }
        let stated = Version::parse(&self.version).filter(|version| supported.contains(version));
        stated.ok_or_else(|| {
            let supported: Vec<String> = supported.iter().map(|version| format!("\"{version}\"")).collect();
            Error::new(Code::IncompatibleVersion, "incompatible CNI versions").details(format!(
                "config is \"{}\", plugin supports [{}]",
                self.version,
                supported.join(" ")
            ))
        })
    }

    fn check_allows(&self, command: Command, supported: &[Version]) -> Result<()> {
        let stated = version::numbers(&self.version).ok_or_else(|| {
            Error::new(Code::Decode, format!("decode \"cniVersion\": \"{}\" is no version", self.version))
        })?;
        let refuse = |whose: &str| {
            Err(Error::new(Code::IncompatibleVersion, format!("{whose} version does not allow {command}"))
                .details(format!("{command} needs {}, config is \"{}\"", command.since(), self.version)))
        };
        if Some(stated) < version::numbers(command.since().as_str()) {
            return refuse("config");
        }
        if supported.iter().all(|version| version::numbers(version.as_str()) < Some(stated)) {
            return refuse("plugin");
        }
        Ok(())
    }

    /// Fails with code 7 if one of these objects has a key twice, of which the document holds only the last.
    pub(crate) fn refuse_duplicates(&self, objects: &[&[&str]]) -> Result<()> {
        for path in objects {
            if let Some(key) = repeated::key(&self.bytes, path) {
                let (whole, last) = (path.join("."), path.last().unwrap_or(&""));
                return Err(Error::invalid(format!(
                    "\"{whole}\": it has \"{key}\" twice: duplicated {last} keys are not allowed"
                )));
            }
        }
        Ok(())
    }

    /// The result that the plugin before us, or on DEL and CHECK the last one, has printed.
    pub(crate) fn prev_result(&self, version: Version) -> Result<Option<Success>> {
        json::lookup(&self.document, "prevResult")
            .map(|value| wire::decode(value, version).map_err(|error| error.context("prevResult")))
            .transpose()
    }

    /// The plugin that `ipam.type` names; none if `ipam` or its type is absent, `null` or empty.
    pub(crate) fn ipam(&self, path: String, version: Version) -> Result<Option<Delegate>> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Ipam {
            r#type: Option<String>,
        }
        let Some(ipam) = json::lookup(&self.document, "ipam") else { return Ok(None) };
        let ipam: Ipam = json::decode(ipam)
            .map_err(|misfit| Error::new(Code::Decode, format!("decode network configuration \"ipam\": {misfit}")))?;
        Ok(ipam.r#type.map(|plugin| Delegate::new(plugin, path, Arc::clone(&self.bytes), version)))
    }

    /// The place of the network among those of a container: 1 goes before 2. Code 7 for what is no such number.
    pub(crate) fn gateway_priority(&self) -> Result<Option<u16>> {
        let Some(value) = json::lookup(&self.document, "gatewayPriority") else { return Ok(None) };
        let priority = value.as_u64().and_then(|number| u16::try_from(number).ok()).filter(|number| *number > 0);
        priority.map(Some).ok_or_else(|| Error::invalid(format!("\"gatewayPriority\" {value}: must be 1 to 65535")))
    }

    /// The attachments that stay (spec: section 2, "GC"). `None` if the key is absent, which says nothing; `null` and
    /// `[]` say that none stays. The first release of 1.1.0 called the key `cni.dev/attachments`.
    pub(crate) fn valid_attachments(&self) -> Result<Option<BTreeSet<Attachment>>> {
        #[derive(Deserialize)]
        struct Valid {
            #[serde(rename = "containerID")]
            container_id: String,
            ifname: String,
        }
        let of =
            |key: &str| self.document.as_object().and_then(|map| map.get(key)).map(|value| (key.to_owned(), value));
        let Some((key, list)) = of("cni.dev/valid-attachments").or_else(|| of("cni.dev/attachments")) else {
            return Ok(None);
        };
        let valid: Vec<Valid> = json::decode(list)
            .map_err(|misfit| Error::new(Code::Decode, format!("decode network configuration \"{key}\": {misfit}")))?;
        let attachment = |Valid { container_id, ifname }| Attachment { container_id, ifname };
        Ok(Some(valid.into_iter().map(attachment).collect()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn envelope(document: &Value) -> Envelope {
        Envelope::parse(document.to_string().into_bytes()).unwrap()
    }

    fn refusal(bytes: &str) -> Error {
        Envelope::parse(bytes.into()).unwrap_err()
    }

    #[test]
    fn what_is_not_one_object_is_undecodable() {
        for bytes in ["", "{", "[]", "1", "\"x\"", "{} x", r#"{"name":1}"#, r#"{"name":"n","cniVersion":1}"#] {
            assert_eq!(refusal(bytes).code, Code::Decode, "{bytes}");
        }
    }

    #[test]
    fn missing_and_illegal_names_are_invalid() {
        for bytes in ["null", "{}", r#"{"name":""}"#, r#"{"name":null}"#] {
            assert_eq!(refusal(bytes).msg, "missing network name", "{bytes}");
        }
        let illegal = refusal(r#"{"name":"a/b"}"#);
        assert_eq!((illegal.code, illegal.details.as_str()), (Code::InvalidConfig, "a/b"));
    }

    #[test]
    fn shared_keys_match_in_any_case() {
        let envelope = envelope(&json!({"NAME": "n", "CNIVersion": "1.0.0", "IPAM": {"Type": "host-local"}}));
        let version = envelope.version(Command::Add, &Version::ALL).unwrap();
        assert_eq!(version, Version::V1_0_0);
        assert!(envelope.ipam("/x".into(), version).unwrap().is_some());
    }

    #[test]
    fn gateway_priority_is_a_small_number() {
        let priority = |value: Value| {
            envelope(&json!({"name": "n", "cniVersion": "1.0.0", "gatewayPriority": value})).gateway_priority()
        };
        assert_eq!(priority(json!(7)).unwrap(), Some(7));
        assert_eq!(priority(Value::Null).unwrap(), None);
        for value in [json!(0), json!(-1), json!(65536), json!(1.5), json!("1")] {
            let error = priority(value.clone()).unwrap_err();
            assert_eq!(error.msg, format!("\"gatewayPriority\" {value}: must be 1 to 65535"));
        }
    }

    #[test]
    fn duplicates_are_refused_where_a_plugin_wants_that() {
        let bytes = br#"{"name":"n","sysctl":{"a":"1","a":"1"}}"#.to_vec();
        let envelope = Envelope::parse(bytes).unwrap();
        assert_eq!(envelope.refuse_duplicates(&[]), Ok(()));
        let error = envelope.refuse_duplicates(&[&["args"], &["sysctl"]]).unwrap_err();
        assert_eq!(error, Error::invalid("\"sysctl\": it has \"a\" twice: duplicated sysctl keys are not allowed"));
    }

    #[test]
    fn version_gate_is_the_skeletons() {
        let gate = |stated: &str, command| {
            envelope(&json!({"name": "n", "cniVersion": stated})).version(command, &Version::ALL)
        };
        assert_eq!(gate("", Command::Add), Ok(Version::V0_1_0));
        for (stated, command, code, msg) in [
            ("99.0.0", Command::Add, Code::IncompatibleVersion, "incompatible CNI versions"),
            ("1.0", Command::Del, Code::IncompatibleVersion, "incompatible CNI versions"),
            ("junk", Command::Add, Code::IncompatibleVersion, "incompatible CNI versions"),
            ("junk", Command::Check, Code::Decode, "decode \"cniVersion\": \"junk\" is no version"),
            ("0.3.1", Command::Check, Code::IncompatibleVersion, "config version does not allow CHECK"),
            ("1.0.0", Command::Gc, Code::IncompatibleVersion, "config version does not allow GC"),
            ("1.0.0", Command::Status, Code::IncompatibleVersion, "config version does not allow STATUS"),
            ("99.0.0", Command::Status, Code::IncompatibleVersion, "plugin version does not allow STATUS"),
            ("1.0", Command::Check, Code::IncompatibleVersion, "incompatible CNI versions"),
        ] {
            let error = gate(stated, command).unwrap_err();
            assert_eq!((error.code, error.msg.as_str()), (code, msg), "{command} {stated}");
        }
        let details = gate("99.0.0", Command::Add).unwrap_err().details;
        assert!(details.starts_with("config is \"99.0.0\", plugin supports [\"0.1.0\" \"0.2.0\""), "{details}");
    }

    #[test]
    fn ipam_without_a_type_is_none() {
        for ipam in [json!(null), json!({}), json!({"type": ""}), json!({"type": null, "subnet": "x"})] {
            let envelope = envelope(&json!({"name": "n", "ipam": ipam}));
            assert!(envelope.ipam(String::new(), Version::V1_0_0).unwrap().is_none());
        }
    }

    #[test]
    fn valid_attachments_tell_absent_from_none() {
        let keep = |document: Value| envelope(&document).valid_attachments();
        assert_eq!(keep(json!({"name": "n"})), Ok(None));
        for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
            assert_eq!(keep(json!({"name": "n", key: null})), Ok(Some(BTreeSet::new())));
            assert_eq!(keep(json!({"name": "n", key: []})), Ok(Some(BTreeSet::new())));
            let one = keep(json!({"name": "n", key: [{"containerID": "c", "ifname": "eth0"}]})).unwrap().unwrap();
            assert!(one.contains(&Attachment { container_id: "c".into(), ifname: "eth0".into() }));
        }
        let both = json!({"name": "n", "cni.dev/attachments": [{"containerID": "c", "ifname": "e"}],
            "cni.dev/valid-attachments": []});
        assert_eq!(keep(both), Ok(Some(BTreeSet::new())));
        assert_eq!(keep(json!({"name": "n", "cni.dev/attachments": 3})).unwrap_err().code, Code::Decode);
    }
}
