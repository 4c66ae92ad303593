//! ADD with a real server.

use serde_json::json;
use testkit::Attachment;

use crate::stage::{Stage, addresses};

#[test]
fn container_gets_address_gateway_routes_and_name_servers() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[
        "--dhcp-option=option:dns-server,10.1.0.53",
        "--domain=example.com",
        "--dhcp-option=option:domain-search,a.example.com,b.example.com",
        "--dhcp-option=option:mtu,1400",
    ]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let begin = std::time::Instant::now();
    let attachment = Attachment::new(stage.network(json!({})), &container);
    let result = attachment.add().success();
    eprintln!("{:?} {result}", begin.elapsed());
    assert_eq!(addresses(&container, 4), [result["ips"][0]["address"].as_str().unwrap()]);
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    eprintln!("{:?}", begin.elapsed());
    eprintln!("{}\n{}", _server.log(), _daemon.log());
    assert!(stage.records().is_empty() && stage.given().is_empty());
}
