//! Junk on the daemon's socket, and in what a configuration says.

use std::{
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    time::Duration,
};

use serde_json::{Value, json};

use crate::stage::{LONG, Stage};

/// What the daemon says to this.
fn answer(stage: &Stage, junk: &[u8]) -> String {
    let mut stream = UnixStream::connect(stage.socket()).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    // It may have hung up before all is written.
    let _ = stream.write_all(junk);
    let _ = stream.shutdown(Shutdown::Write);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8(said).unwrap()
}

#[test]
fn daemon_survives_junk_and_says_that_it_is_some() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let mut daemon = stage.daemon();
    let (_container, attachment) = stage.bare("c1");
    let result = attachment.add().success();
    let key = json!({ "network": "net", "containerID": "c1", "ifname": "eth0" });
    let odd: [Value; 7] = [
        json!(null),
        json!({ "mooring": 2, "ask": "status" }),
        json!({ "mooring": 1, "ask": "nonsense" }),
        json!({ "mooring": 1, "ask": { "release": {} } }),
        json!({ "mooring": 1, "ask": { "acquire": { "key": key, "netns": "/run/netns/c1" } } }),
        json!({ "mooring": -1, "ask": { "gc": { "network": "net", "keep": [["c1"]] } } }),
        json!([[[[]]]]),
    ];
    for junk in odd {
        let said = answer(&stage, format!("{junk}\n").as_bytes());
        assert!(said.contains("\"code\":6"), "{junk}: {said}");
    }
    let long = vec![b'x'; 100_000];
    for junk in [b"".as_slice(), b"half a line", b"\xff\xfe\n", &long, b"GET / HTTP/1.1\r\n\r\n"] {
        answer(&stage, junk);
    }
    let nothing = json!({ "mooring": 1, "ask": { "acquire": { "key": key, "netns": "/run/netns/c1",
        "wanted": { "v4": null, "v6": null, "priority": null } } } });
    answer(&stage, format!("{nothing}\n").as_bytes());
    attachment.with_prev(&result).check().silent();
    // Who says nothing does not keep others from being served.
    let silent: Vec<UnixStream> = (0..50).map(|_| UnixStream::connect(stage.socket()).unwrap()).collect();
    attachment.with_prev(&result).call("CHECK").limit(Duration::from_secs(5)).run().silent();
    drop(silent);
    assert!(daemon.ended().is_none() && !daemon.log().contains("panicked"), "{}", daemon.log());
}

#[test]
fn odd_configurations_are_refused_before_the_daemon_is_asked() {
    let Some(stage) = Stage::new() else { return };
    let (_container, attachment) = stage.bare("c1");
    let refused = |key: &str, value: Value| {
        let ipam = json!({ "type": "dhcp", "daemonSocketPath": stage.socket(), key: value });
        attachment.with_key("ipam", ipam).add().failure()["code"].clone()
    };
    for value in [json!(5), json!([5]), json!([{ "option": 12 }]), json!({ "option": "12" })] {
        assert_eq!(refused("provide", value.clone()), 6, "{value}");
        assert_eq!(refused("request", value.clone()), 6, "{value}");
    }
    for (key, value) in [("priority", json!(-1)), ("families", json!(["ipv5"])), ("prefixDelegation", json!(999))] {
        assert_eq!(refused(key, value), 7, "{key}");
    }
    for (key, value) in [("priority", json!("x")), ("families", json!("ipv4")), ("broadcast", json!("yes"))] {
        assert_eq!(refused(key, value), 6, "{key}");
    }
    // Nothing of that is wrong; the daemon is not there.
    for (key, value) in
        [("provide", json!(null)), ("request", json!([])), ("families", json!([])), ("type", json!("x"))]
    {
        assert_eq!(refused(key, value), 11, "{key}");
    }
}
