//! Published ports, from the arguments of the `portMappings` capability.

use conformance::Object;
use serde_json::Value;

/// The ports that were asked to be published, like `0.0.0.0:8080->80/tcp`. Entries that publish nothing are left out.
///
/// Keys are matched in any case: containerd writes `HostPort` (CONVENTIONS.md: "Dynamic Plugin specific fields").
pub fn published(capability_args: &Object) -> Vec<String> {
    let mappings = capability_args.get_any_case("portMappings");
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
    Some(format!("{host_ip}:{}->{}/{protocol}", port("hostPort")?, port("containerPort")?))
}

#[cfg(test)]
mod tests {
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
