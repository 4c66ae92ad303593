//! What a plugin gets on stdin (spec: section 3, "Execution of network configurations").

use crate::{
    list::{NetworkList, PluginConf},
    object::Object,
    result::Success,
};
use serde::Serialize;
use serde_json::json;

/// An attachment as GC names it: of one network, so without the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct AttachmentKey {
    /// `CNI_CONTAINERID`.
    #[serde(rename = "containerID")]
    pub container_id: String,
    /// `CNI_IFNAME`.
    pub ifname: String,
}

/// What the runtime adds to the configuration of a plugin, by command.
#[derive(Clone, Copy, Debug)]
pub enum Extra<'a> {
    /// ADD, CHECK and DEL: the arguments of this attachment, and the result that came before.
    Attachment {
        /// By capability; a plugin gets those that it has declared.
        capability_args: &'a Object,
        /// The result of the plugin before (ADD) or of the last plugin (CHECK, DEL).
        prev_result: Option<&'a Success>,
    },
    /// GC: the attachments that stay.
    Gc(&'a [AttachmentKey]),
    /// STATUS.
    Nothing,
}

/// The request for one plugin of a list, as JSON.
///
/// `name` and `cniVersion` are the list's. What only a runtime may say is taken out of the file's object before it is said:
/// `runtimeConfig`, `prevResult`, `cni.dev/...`; `capabilities` is for the runtime alone. All in any case, since plugins
/// match keys in any case. Everything else stays as it was written.
///
/// # Errors
/// None that a list and a result which were decoded could cause.
pub fn request(list: &NetworkList, plugin: &PluginConf, extra: Extra<'_>) -> serde_json::Result<Vec<u8>> {
    let mut request = Object::new();
    request.set_value("cniVersion", list.version.as_str())?;
    request.set_value("name", &list.name)?;
    let mut own = plugin.object.clone();
    own.retain(|key| !is_reserved(key));
    for (key, value) in own.iter() {
        request.set(key, value.to_owned());
    }
    match extra {
        Extra::Attachment { capability_args, prev_result } => {
            let runtime_config = runtime_config(plugin, capability_args);
            if !runtime_config.is_empty() {
                request.set_value("runtimeConfig", &runtime_config)?;
            }
            if let Some(result) = prev_result {
                request.set_value("prevResult", &result.to_value())?;
            }
        }
        // The key that version 1.1.0 published, and the one that it was renamed to: plugins know either.
        Extra::Gc(valid) => {
            request.set_value("cni.dev/valid-attachments", valid)?;
            request.set_value("cni.dev/attachments", valid)?;
        }
        Extra::Nothing => {}
    }
    serde_json::to_vec(&request)
}

/// The request for VERSION, which has no configuration.
pub fn version_request(list: &NetworkList) -> Vec<u8> {
    json!({ "cniVersion": list.version.as_str() }).to_string().into_bytes()
}

fn is_reserved(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key.starts_with("cni.dev/")
        || ["cniversion", "name", "capabilities", "runtimeconfig", "prevresult"].contains(&key.as_str())
}

fn runtime_config(plugin: &PluginConf, capability_args: &Object) -> Object {
    let mut declared = capability_args.clone();
    declared.retain(|name| plugin.capabilities.contains(name));
    declared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn list(plugin: &str) -> NetworkList {
        let text = format!(r#"{{"cniVersion":"0.4.0","cniVersions":["1.1.0"],"name":"net","plugins":[{plugin}]}}"#);
        NetworkList::parse(&text, &[]).unwrap()
    }

    fn sent(plugin: &str, extra: Extra<'_>) -> String {
        let list = list(plugin);
        String::from_utf8(request(&list, &list.plugins[0], extra).unwrap()).unwrap()
    }

    fn args(text: &str) -> Object {
        Object::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn name_and_version_are_the_lists() {
        assert_eq!(
            sent(r#"{"type":"a","name":"x","CNIVersion":"0.1.0"}"#, Extra::Nothing),
            r#"{"cniVersion":"1.1.0","name":"net","type":"a"}"#
        );
    }

    #[test]
    fn everything_else_stays_as_written() {
        let plugin = r#"{"type":"a","big":12345678901234567890,"one":1.0,"huge":1234567890123456789012,"deep":{"x": [ 1.50 ]},"t":"<\u0026>"}"#;
        let rest = plugin.strip_prefix('{').unwrap();
        assert_eq!(sent(plugin, Extra::Nothing), format!(r#"{{"cniVersion":"1.1.0","name":"net",{rest}"#));
    }

    #[test]
    fn what_only_a_runtime_may_say_is_taken_out() {
        let plugin = r#"{"type":"a","prevResult":{},"RuntimeConfig":{"ips":[]},"capabilities":{"ips":true},
            "cni.dev/attachments":[],"CNI.dev/x":1,"args":{"cni":{}}}"#;
        assert_eq!(sent(plugin, Extra::Nothing), r#"{"cniVersion":"1.1.0","name":"net","type":"a","args":{"cni":{}}}"#);
    }

    #[test]
    fn capability_args_reach_only_plugins_that_declare_them() {
        let capability_args =
            args(r#"{"ips":["10.0.0.1"],"mac":"02::","portMappings":[{"hostPort":12345678901234567890}]}"#);
        let extra = Extra::Attachment { capability_args: &capability_args, prev_result: None };
        assert_eq!(
            sent(r#"{"type":"a","capabilities":{"portMappings":true,"ips":false,"aliases":true}}"#, extra),
            r#"{"cniVersion":"1.1.0","name":"net","type":"a","runtimeConfig":{"portMappings":[{"hostPort":12345678901234567890}]}}"#
        );
        assert_eq!(sent(r#"{"type":"a"}"#, extra), r#"{"cniVersion":"1.1.0","name":"net","type":"a"}"#);
    }

    #[test]
    fn previous_result_follows() {
        let result = Success::from_value(json!({"ips": [{"address": "10.0.0.1/8"}]}), Version::V1_1_0).unwrap();
        let extra = Extra::Attachment { capability_args: &Object::new(), prev_result: Some(&result) };
        assert_eq!(
            sent(r#"{"type":"a"}"#, extra),
            r#"{"cniVersion":"1.1.0","name":"net","type":"a","prevResult":{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.1/8"}]}}"#
        );
    }

    #[test]
    fn gc_names_valid_attachments_under_both_keys() {
        let valid = [AttachmentKey { container_id: "c1".into(), ifname: "eth0".into() }];
        assert_eq!(
            sent(r#"{"type":"a"}"#, Extra::Gc(&valid)),
            r#"{"cniVersion":"1.1.0","name":"net","type":"a","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"}],"cni.dev/attachments":[{"containerID":"c1","ifname":"eth0"}]}"#
        );
    }

    #[test]
    fn gc_with_nothing_valid_sends_empty_lists() {
        assert_eq!(
            sent(r#"{"type":"a"}"#, Extra::Gc(&[])),
            r#"{"cniVersion":"1.1.0","name":"net","type":"a","cni.dev/valid-attachments":[],"cni.dev/attachments":[]}"#
        );
    }
}
