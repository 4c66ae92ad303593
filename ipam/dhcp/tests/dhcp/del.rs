//! DEL in its ugly forms.

use std::fs;

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::Stage;

#[test]
fn del_works_with_whatever_is_left() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let ways = ["usual", "twice", "no netns", "no interface", "odd configuration"];
    for (n, how) in ways.into_iter().enumerate() {
        let (container, attachment) = stage.bare(&format!("c{n}"));
        if how != "twice" {
            attachment.del().silent();
        }
        attachment.add().success();
        match how {
            "no netns" => attachment.clone().netns("").del().silent(),
            "no interface" => {
                container.sh("ip link del eth0");
                attachment.del().silent();
            }
            "odd configuration" => {
                let ipam = json!({ "type": "dhcp", "daemonSocketPath": stage.socket(), "provide": 5, "priority": "x" });
                attachment.with_key("ipam", ipam).del().silent();
            }
            _ => attachment.del().silent(),
        }
        assert!(stage.records().is_empty(), "{how}");
        attachment.del().silent();
        attachment.with_key("ipam", Value::Null).del().silent();
    }
}

#[test]
fn without_the_daemon_del_tells_the_server_itself() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let containers = ["c1", "c2", "c3"].map(|name| stage.sandbox.netns(name));
    let attachments = containers.each_ref().map(|container| Attachment::new(stage.network(json!({})), container));
    for attachment in &attachments {
        attachment.add().success();
    }
    daemon.kill();
    attachments[0].del().silent();
    server.await_log("DHCPRELEASE");
    assert_eq!(stage.records().len(), 2);
    stage.await_given(2);
    // Its namespace has gone: the server finds out by itself.
    let [_, second, _third] = containers;
    second.remove();
    attachments[1].del().silent();
    assert_eq!(stage.records().len(), 1);
    // What a disk has spoilt.
    fs::write(&stage.records()[0], "{").unwrap();
    attachments[2].del().silent();
    assert!(stage.records().is_empty());
    for attachment in &attachments {
        attachment.del().silent();
    }
}

#[test]
fn del_takes_nothing_from_others() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let one = Attachment::new(stage.network(json!({})), &container);
    one.add().success();
    let other_network = one.with_key("name", "other".into());
    for other in [one.clone().ifname("net1"), one.clone().container("c2"), other_network] {
        other.with_key("type", "dhcp".into()).del().silent();
    }
    assert_eq!(stage.records().len(), 1);
    stage.await_given(1);
    daemon.kill();
    one.clone().container("c2").with_key("type", "dhcp".into()).del().silent();
    assert_eq!(stage.records().len(), 1);
}
