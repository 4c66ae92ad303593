use attach::parent::Place;
use cni::Code;
use serde_json::{Value, json};

use super::*;

fn plan(keys: Value) -> Result<Upper> {
    link(&cni::json::decode(&keys).unwrap())
}

#[test]
fn nothing_but_a_master_is_needed() {
    let expected = Upper {
        parent: Parent { name: Some("eth0".into()), place: Place::Host },
        kind: Kind::Vlan { id: 0 },
        mac: None,
        mtu: None,
        dns: cni::Dns::default(),
    };
    for keys in [
        json!({ "MASTER": "eth0" }),
        json!({ "master": "eth0", "vlanId": 0, "mtu": 0, "linkInContainer": false, "dns": {} }),
        json!({ "master": "eth0", "vlanID": null, "mtu": null, "linkInContainer": null, "dns": null }),
    ] {
        assert_eq!(plan(keys), Ok(expected.clone()));
    }
}

#[test]
fn every_key_is_taken() {
    let keys =
        json!({ "master": "eth0", "vlanId": 4094, "mtu": 1400, "linkInContainer": true, "dns": { "domain": "a" } });
    let expected = Upper {
        parent: Parent { name: Some("eth0".into()), place: Place::Container },
        kind: Kind::Vlan { id: 4094 },
        mac: None,
        mtu: Some(1400),
        dns: cni::Dns { domain: Some("a".into()), ..cni::Dns::default() },
    };
    assert_eq!(plan(keys), Ok(expected));
}

#[test]
fn what_cannot_be_is_refused() {
    let refusal = |keys: Value| {
        let error = plan(keys).unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig);
        error.msg
    };
    for unset in [json!({}), json!({ "master": "" }), json!({ "master": null })] {
        assert!(refusal(unset).starts_with("\"master\" field is required"));
    }
    assert!(refusal(json!({ "master": "a/b" })).starts_with("\"master\" \"a/b\": "));
    for id in [-1, 4095, 65536, i64::MAX] {
        let expected = format!("invalid VLAN ID {id}: \"vlanId\" must be 0 to 4094");
        assert_eq!(refusal(json!({ "master": "eth0", "vlanId": id })), expected);
    }
    assert!(refusal(json!({ "master": "eth0", "mtu": -1 })).starts_with("\"mtu\" -1: must be 0"));
}
