//! The administrator's list of sysctls: asked on ADD alone.

use serde_json::json;
use testkit::assert_same;

use crate::stage::{Stage, everything, state, sysctl};

fn keys(key: &str) -> serde_json::Value {
    json!({ "mtu": 1400, "sysctl": { key: "1" } })
}

#[test]
fn what_no_line_matches_is_refused_before_any_effect() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.allow("\n  ^net\\.ipv4\\.conf\\.IFNAME\\.[a-z_]*$  \r\n\t\nforward\n# net.core.somaxconn|net\n");
    let (host, inside) = (stage.snapshot(), container.snapshot());
    for refused in ["net.ipv4.conf.eth0.arp_notify", "net.ipv4.ip_local_reserved_ports", "net.core.somaxconn"] {
        let attachment = stage.attach(&container, keys(refused));
        for attachment in
            [attachment.clone(), stage.attach(&container, json!({ "args": { "cni": { "sysctl": { refused: "1" } } } }))]
        {
            let error = attachment.add().failure_code(7);
            let told = error["msg"].as_str().unwrap();
            assert!(told.contains(refused) && told.contains("is not allowed") && told.contains("forward"), "{told}");
            attachment.del().silent();
        }
    }
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
    for (allowed, path) in
        [("net.ipv4.conf.IFNAME.arp_notify", "ipv4/conf/eth0/arp_notify"), ("net/ipv4/ip_forward", "ipv4/ip_forward")]
    {
        let attachment = stage.attach(&container, keys(allowed));
        attachment.add().success();
        assert_eq!(sysctl(&container, path), "1");
        attachment.del().silent();
        assert_eq!(sysctl(&container, path), "0");
    }
}

#[test]
fn a_list_that_came_later_keeps_nobody_from_being_checked_and_detached() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    stage.allow("nothing\n");
    attachment.check().silent();
    attachment.del().silent();
    assert_eq!(state(&container), before);
    attachment.add().failure_code(7);
    // Who sets no sysctl is not concerned.
    stage.attach(&container, json!({ "mtu": 1400 })).add().success();
}

#[test]
fn an_empty_list_allows_nothing_and_a_bad_line_is_named() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.allow("");
    let attachment = stage.attach(&container, keys("net.ipv4.ip_forward"));
    attachment.add().failure_code(7);
    stage.sandbox.sh("printf 'net\\n\\nnet(\\n' > /etc/cni/tuning/allowlist.conf");
    let error = attachment.add().failure_code(7);
    let told = error["msg"].as_str().unwrap();
    assert!(told.contains("/etc/cni/tuning/allowlist.conf line 3 \"net(\""), "{told}");
    for junk in ["mkfifo", "mkdir", "ln -s /nonexistent"] {
        stage.sandbox.sh(&format!("cd /etc/cni/tuning; rm -rf allowlist.conf; {junk} allowlist.conf"));
        let error = attachment.add().failure_code(5);
        assert!(error["msg"].as_str().unwrap().contains("allowlist.conf"), "{junk}: {error}");
    }
    // As Kubernetes puts files in place.
    stage.sandbox.sh("cd /etc/cni/tuning; rm allowlist.conf; echo forward > list; ln -s list allowlist.conf");
    attachment.add().success();
}
