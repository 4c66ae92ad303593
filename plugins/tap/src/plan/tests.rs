use cni::Code;
use serde_json::{Value, json};

use super::*;

fn plan(json: Value) -> Result<Plan> {
    Plan::new(&cni::json::decode(&json).unwrap(), "")
}

fn refusal(json: Value) -> String {
    let error = plan(json).unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    error.msg
}

#[test]
fn defaults_are_the_references() {
    let nothing = Plan { tap: Tap::default(), mac: None, mtu: None, bridge: None, context: None };
    let empty = json!({ "mac": "", "mtu": 0, "bridge": "", "selinuxContext": "", "owner": null, "multiQueue": false });
    for conf in [json!({}), empty] {
        assert_eq!(plan(conf), Ok(nothing.clone()));
    }
}

#[test]
fn every_key_is_taken() {
    let conf = json!({ "multiQueue": true, "mac": "02:00:00:00:00:01", "mtu": 65521, "owner": 0, "group": 4_294_967_294_u32,
        "bridge": "br0", "selinuxcontext": "system_u:system_r:container_t:s0:c1,c2" });
    let expected = Plan {
        tap: Tap { owner: Some(0), group: Some(4_294_967_294), multi_queue: true },
        mac: Some(Mac([2, 0, 0, 0, 0, 1])),
        mtu: Some(65521),
        bridge: Some("br0".into()),
        context: Some("system_u:system_r:container_t:s0:c1,c2".into()),
    };
    assert_eq!(plan(conf), Ok(expected));
}

#[test]
fn what_cannot_be_is_refused() {
    for (conf, words) in [
        (json!({ "mtu": -1 }), "\"mtu\" -1: must be 0 (the kernel's choice) or 68 to 65521"),
        (json!({ "mtu": 65522 }), "\"mtu\" 65522: must be"),
        (json!({ "mac": "junk" }), "\"mac\" \"junk\": must be the hardware address of one station"),
        (json!({ "owner": -1 }), "\"owner\" -1: must be a number from 0 to 4294967294"),
        (json!({ "group": 4_294_967_295_u32 }), "\"group\" 4294967295: must be a number from 0 to 4294967294"),
        (json!({ "bridge": "a/b" }), "\"bridge\" \"a/b\": interface name contains /"),
        (json!({ "selinuxContext": "a b" }), "\"selinuxContext\" \"a b\": must be a context like"),
        (json!({ "selinuxContext": "a\0b" }), "\"selinuxContext\" \"a\0b\": must be a context like"),
    ] {
        let msg = refusal(conf);
        assert!(msg.starts_with(words), "{msg}");
    }
}

#[test]
fn capability_goes_before_cni_args_and_those_before_the_configuration() {
    let mac = |conf: Value, args| {
        Plan::new(&cni::json::decode(&conf).unwrap(), args).map(|plan| plan.mac.map(|mac| mac.to_string()))
    };
    let [a, b, c] = ["02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c"];
    assert_eq!(mac(json!({ "mac": a }), ""), Ok(Some(a.into())));
    assert_eq!(mac(json!({ "mac": a }), "MAC=02:00:00:00:00:0b"), Ok(Some(b.into())));
    assert_eq!(mac(json!({ "mac": a, "RuntimeConfig": { "MAC": c } }), "MAC=02:00:00:00:00:0b"), Ok(Some(c.into())));
    assert_eq!(mac(json!({ "mac": a }), "K8S_POD_NAME=x;IgnoreUnknown=1"), Ok(Some(a.into())));
    assert_eq!(mac(json!({}), "K8S_POD_NAME=x").unwrap_err().code, Code::InvalidEnvironment);
}
