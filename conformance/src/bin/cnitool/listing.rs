//! `cnitool ls`: what the cache knows.

use crate::{ports, table};
use conformance::{Entry, Success, Version};
use serde::Serialize;

/// A line of the list.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    network: String,
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
    netns: String,
    addresses: Vec<String>,
    ports: Vec<String>,
}

impl From<&Entry> for Line {
    fn from(entry: &Entry) -> Self {
        // Only the layout matters, and a result that does not state its version is read as the newest.
        let result = entry.result.clone().and_then(|value| Success::from_value(value, Version::V1_1_0).ok());
        Self {
            network: entry.network.clone(),
            container_id: entry.container_id.clone(),
            ifname: entry.ifname.clone(),
            netns: entry.netns.clone(),
            addresses: result.as_ref().map(Success::addresses).unwrap_or_default(),
            ports: ports::of(entry),
        }
    }
}

/// The list as a table.
pub fn table(lines: &[Line]) -> String {
    let cells = |line: &Line| {
        let (addresses, ports) = (line.addresses.join(", "), line.ports.join(", "));
        [line.network.clone(), line.container_id.clone(), line.ifname.clone(), addresses, ports]
    };
    let rows: Vec<_> = lines.iter().map(cells).collect();
    table::render(["NETWORK", "CONTAINER", "INTERFACE", "ADDRESSES", "PORTS"], &rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use conformance::{AttachmentKey, Object};
    use serde_json::json;

    fn entry() -> Entry {
        let key = AttachmentKey { container_id: "c1".into(), ifname: "eth0".into() };
        let mut entry = Entry::new("net", &key, "{}");
        entry.netns = "/run/netns/x".into();
        entry.result = Some(json!({"ips": [{"address": "10.0.0.2/24"}, {"address": "fd00::2/64"}]}));
        let args = br#"{"portMappings":[{"hostPort":80,"containerPort":80},{"hostPort":81,"containerPort":81}]}"#;
        entry.capability_args = Object::parse(args).unwrap();
        entry
    }

    #[test]
    fn line_tells_addresses_and_ports() {
        assert_eq!(
            table(&[Line::from(&entry())]),
            "NETWORK   CONTAINER   INTERFACE   ADDRESSES                 PORTS\n\
             net       c1          eth0        10.0.0.2/24, fd00::2/64   0.0.0.0:80->80/tcp, 0.0.0.0:81->81/tcp\n"
        );
    }

    #[test]
    fn json_has_the_words_of_the_specification() {
        assert_eq!(
            serde_json::to_value(Line::from(&entry())).unwrap(),
            json!({"network": "net", "containerID": "c1", "ifname": "eth0", "netns": "/run/netns/x",
                "addresses": ["10.0.0.2/24", "fd00::2/64"], "ports": ["0.0.0.0:80->80/tcp", "0.0.0.0:81->81/tcp"]})
        );
    }

    #[test]
    fn result_that_cannot_be_read_leaves_the_line() {
        let mut entry = entry();
        entry.result = Some(json!({"ips": 7}));
        assert!(Line::from(&entry).addresses.is_empty());
    }
}
