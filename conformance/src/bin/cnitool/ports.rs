//! Published ports: from what a plugin has chosen, or else from the arguments of the `portMappings` capability.

use conformance::{Entry, Object};
use serde_json::Value;

/// The published ports of an attachment. A plugin to which the choice was left tells in its result what it has published.
pub fn of(entry: &Entry) -> Vec<String> {
    let told = entry.result.as_ref().and_then(|result| Object::parse(result.to_string().as_bytes()).ok());
    let told = told.map(|result| published(&result)).unwrap_or_default();
    if told.is_empty() { published(&entry.capability_args) } else { told }
}

/// The ports of a list of mappings, like `0.0.0.0:8080->80/tcp`. Entries that publish nothing are left out.
///
/// Keys are matched in any case: containerd writes `HostPort` (CONVENTIONS.md: "Dynamic Plugin specific fields").
fn published(keys: &Object) -> Vec<String> {
    let mappings = keys.get_any_case("portMappings");
    let mappings: Vec<Object> = mappings.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    mappings.iter().filter_map(publication).collect()
}

fn publication(mapping: &Object) -> Option<String> {
    let value = |key| mapping.get_any_case(key).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let port = |key| value(key).as_ref().and_then(Value::as_u64).filter(|port| *port != 0);
    let text = |key| value(key).as_ref().and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned);
    let host_ip = match text("hostIP") {
        None => "0.0.0.0".to_owned(),
        Some(ip) if ip.contains(':') => format!("[{ip}]"),
        Some(ip) => ip,
    };
    let protocol = text("protocol").map_or("tcp".to_owned(), |protocol| protocol.to_ascii_lowercase());
    let ports = |first, last| {
        let (first, last) = (port(first)?, port(last));
        Some(last.filter(|last| *last != first).map_or(first.to_string(), |last| format!("{first}-{last}")))
    };
    let (from, to) = (ports("hostPort", "hostPortEnd")?, ports("containerPort", "containerPortEnd")?);
    Some(format!("{host_ip}:{from}->{to}/{protocol}"))
}

#[cfg(test)]
mod tests {
    use conformance::AttachmentKey;
    use serde_json::json;

    use super::*;

    fn ports(capability_args: &str) -> Vec<String> {
        published(&Object::parse(capability_args.as_bytes()).unwrap())
    }

    #[test]
    fn mapping_is_told_like_docker_does() {
        let args = r#"{"portMappings":[{"hostPort":8080,"containerPort":80,"protocol":"TCP"},
            {"hostPort":53,"containerPort":5353,"protocol":"udp","hostIP":"127.0.0.1"},
            {"hostPort":81,"containerPort":82,"hostIP":"::1"}]}"#;
        assert_eq!(ports(args), ["0.0.0.0:8080->80/tcp", "127.0.0.1:53->5353/udp", "[::1]:81->82/tcp"]);
    }

    #[test]
    fn range_is_told_by_its_ends() {
        let args = r#"{"portMappings":[{"hostPort":8000,"hostPortEnd":8010,"containerPort":9000,"containerPortEnd":9010},
            {"hostPort":8000,"hostPortEnd":8010,"containerPort":80,"protocol":"udp"},
            {"hostPort":81,"hostPortEnd":81,"containerPort":81,"containerPortEnd":81}]}"#;
        let told = ["0.0.0.0:8000-8010->9000-9010/tcp", "0.0.0.0:8000-8010->80/udp", "0.0.0.0:81->81/tcp"];
        assert_eq!(ports(args), told);
    }

    #[test]
    fn port_that_a_plugin_has_chosen_is_told() {
        let key = AttachmentKey { container_id: "c1".into(), ifname: "eth0".into() };
        let mut entry = Entry::new("net", &key, "{}");
        entry.capability_args = Object::parse(br#"{"portMappings":[{"hostPort":0,"containerPort":80}]}"#).unwrap();
        assert!(of(&entry).is_empty());
        entry.result = Some(json!({"portMappings":[{"hostPort":40000,"containerPort":80,"protocol":"tcp"}]}));
        assert_eq!(of(&entry), ["0.0.0.0:40000->80/tcp"]);
    }

    #[test]
    fn keys_of_containerd_are_understood() {
        let args = r#"{"portMappings":[{"HostPort":8080,"ContainerPort":80,"Protocol":"tcp","HostIP":""}]}"#;
        assert_eq!(ports(args), ["0.0.0.0:8080->80/tcp"]);
    }

    #[test]
    fn what_publishes_nothing_is_left_out() {
        for args in [
            "{}",
            r#"{"portMappings":null}"#,
            r#"{"portMappings":7}"#,
            r#"{"portMappings":[{"hostPort":0,"containerPort":80},{}]}"#,
        ] {
            assert!(ports(args).is_empty(), "{args}");
        }
    }
}
