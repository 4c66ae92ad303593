//! The plan of a configuration, and what is refused.

use attach::parent::Place;
use serde_json::{Value, json};

use super::*;

fn conf(keys: Value) -> Conf {
    serde_json::from_value(keys).unwrap()
}

fn refusal(keys: Value) -> String {
    link(&conf(keys)).unwrap_err().msg
}

fn result(value: Value) -> Success {
    serde_json::from_value(value).unwrap()
}

#[test]
fn nothing_is_needed() {
    let expected = Upper {
        parent: Parent { name: None, place: Place::Host },
        kind: Kind::Ipvlan { mode: IpvlanMode::L2, flag: IpvlanFlag::Bridge },
        mac: None,
        mtu: None,
        dns: cni::Dns::default(),
    };
    for keys in [json!({}), json!({ "master": "", "mode": "", "flag": "", "mtu": 0, "linkInContainer": false })] {
        assert_eq!(link(&conf(keys)), Ok(expected.clone()));
    }
}

#[test]
fn every_key_is_taken() {
    let keys = json!({ "master": "uplink0", "mode": "l3s", "flag": "vepa", "mtu": 1400, "linkInContainer": true,
        "dns": { "nameservers": ["10.0.0.1"] } });
    let expected = Upper {
        parent: Parent { name: Some("uplink0".into()), place: Place::Container },
        kind: Kind::Ipvlan { mode: IpvlanMode::L3s, flag: IpvlanFlag::Vepa },
        mac: None,
        mtu: Some(1400),
        dns: cni::Dns { nameservers: vec!["10.0.0.1".into()], ..cni::Dns::default() },
    };
    assert_eq!(link(&conf(keys)), Ok(expected));
}

#[test]
fn refusals_name_key_value_and_what_is_allowed() {
    for (keys, msg) in [
        (
            json!({ "mode": "bridge" }),
            "unknown ipvlan mode: \"bridge\", \"mode\" must be one of \"l2\", \"l3\", \"l3s\"",
        ),
        (
            json!({ "flag": "isolated" }),
            "unknown ipvlan flag: \"isolated\", \"flag\" must be one of \"bridge\", \"private\", \"vepa\"",
        ),
        (
            json!({ "mtu": 67 }),
            "\"mtu\" 67: must be 0 (the kernel's choice) or 68 to 65535, at most that of the master",
        ),
    ] {
        assert_eq!(refusal(keys), msg);
    }
    assert!(refusal(json!({ "master": "a b" })).starts_with("\"master\" \"a b\": "));
}

#[test]
fn master_is_the_one_interface_of_the_plugin_before_unless_it_is_named() {
    let master = |keys: Value, prev: Option<Value>| {
        let prev = prev.map(result);
        link_behind(&conf(keys), prev.as_ref()).map(|link| link.parent.name.unwrap_or_default())
    };
    let one = json!({ "interfaces": [{ "name": "ens5" }] });
    assert_eq!(master(json!({}), Some(one.clone())).unwrap(), "ens5");
    assert_eq!(master(json!({ "master": "uplink0" }), Some(one)).unwrap(), "uplink0");
    assert_eq!(master(json!({}), None).unwrap(), "");
    let two = json!({ "interfaces": [{ "name": "ens5" }, { "name": "ens6" }] });
    for prev in [json!({}), json!({ "interfaces": [{ "name": "" }] }), two.clone()] {
        let error = master(json!({}), Some(prev)).unwrap_err();
        let words = "chained master failure. PrevResult lacks a single named interface";
        assert!(error.msg.starts_with(words), "{error}");
    }
    assert_eq!(master(json!({ "master": "uplink0" }), Some(two)).unwrap(), "uplink0");
}

#[test]
fn addresses_come_from_the_delegate_or_else_from_the_plugin_before() {
    let prev = result(json!({ "ips": [{ "address": "10.1.0.2/24" }] }));
    assert_eq!(Source::new(true, None), Ok(Source::Delegate));
    assert_eq!(Source::new(true, Some(&prev)), Ok(Source::Delegate));
    assert_eq!(Source::new(false, Some(&prev)), Ok(Source::Previous(&prev)));
    let taken = result(json!({ "interfaces": [{ "name": "eth0", "sandbox": "/n" }],
        "ips": [{ "address": "10.1.0.2/24", "interface": 0 }] }));
    for prev in [None, Some(&Success::default()), Some(&taken)] {
        let error = Source::new(false, prev).unwrap_err();
        assert!(error.msg.starts_with("\"ipam\" is missing: it must name a plugin"), "{error}");
    }
}
