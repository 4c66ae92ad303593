//! The plan of a configuration, and what is refused.

use attach::parent::Place;
use serde_json::{Value, json};

use super::*;

fn conf(keys: Value) -> Conf {
    serde_json::from_value(keys).unwrap()
}

fn refusal(keys: Value) -> String {
    link(&conf(keys), "").unwrap_err().msg
}

#[test]
fn nothing_is_needed() {
    let expected = Upper {
        parent: Parent { name: None, place: Place::Host },
        kind: Kind::Macvlan { mode: MacvlanMode::Bridge, bc_queue_len: None },
        mac: None,
        mtu: None,
        dns: cni::Dns::default(),
    };
    for keys in [
        json!({}),
        json!({ "master": "", "mode": "", "mtu": 0, "mac": "", "bcqueuelen": 0, "linkInContainer": false }),
        json!({ "master": null, "mode": null, "mtu": null, "mac": null, "bcqueuelen": null }),
    ] {
        assert_eq!(link(&conf(keys), ""), Ok(expected.clone()));
    }
}

#[test]
fn every_key_is_taken() {
    let keys = json!({ "master": "uplink0", "mode": "private", "mtu": 1400, "mac": "02:00:00:00:00:01",
        "linkInContainer": true, "bcqueuelen": u32::MAX, "dns": { "domain": "example" } });
    let expected = Upper {
        parent: Parent { name: Some("uplink0".into()), place: Place::Container },
        kind: Kind::Macvlan { mode: MacvlanMode::Private, bc_queue_len: Some(u32::MAX) },
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: Some(1400),
        dns: cni::Dns { domain: Some("example".into()), ..cni::Dns::default() },
    };
    assert_eq!(link(&conf(keys), ""), Ok(expected));
}

#[test]
fn later_source_of_the_hardware_address_wins() {
    let mac = |keys, args| link(&conf(keys), args).unwrap().mac.unwrap().0[5];
    let own = || json!({ "mac": "02:00:00:00:00:01" });
    assert_eq!(mac(own(), ""), 1);
    assert_eq!(mac(own(), "IgnoreUnknown=1;K=V;MAC=02:00:00:00:00:02"), 2);
    let runtime = json!({ "mac": "02:00:00:00:00:01", "runtimeConfig": { "mac": "02:00:00:00:00:03" } });
    assert_eq!(mac(runtime, "MAC=02:00:00:00:00:02"), 3);
}

#[test]
fn refusals_name_key_value_and_what_is_allowed() {
    let modes = "must be one of \"bridge\", \"private\", \"vepa\", \"passthru\"";
    for (keys, msg) in [
        (json!({ "mode": "l2" }), format!("unknown macvlan mode: \"l2\", \"mode\" {modes}")),
        (
            json!({ "mtu": 60 }),
            "\"mtu\" 60: must be 0 (the kernel's choice) or 68 to 65535, at most that of the master".into(),
        ),
        (json!({ "bcqueuelen": -1 }), "\"bcqueuelen\" -1: must be 0 (the kernel's choice) or 1 to 4294967295".into()),
        (
            json!({ "mac": "x" }),
            "\"mac\" \"x\": must be the hardware address of one station, like 02:00:00:12:34:56".into(),
        ),
    ] {
        assert_eq!(refusal(keys), msg);
    }
    assert!(refusal(json!({ "master": "a/b" })).starts_with("\"master\" \"a/b\": "));
    let bad = link(&conf(json!({ "mac": "02:00:00:00:00:01" })), "MAC=x").unwrap_err().msg;
    assert!(bad.starts_with("CNI_ARGS MAC \"x\": must be"), "{bad}");
    assert_eq!(link(&conf(json!({})), "K=V").unwrap_err().code, cni::Code::InvalidEnvironment);
}
