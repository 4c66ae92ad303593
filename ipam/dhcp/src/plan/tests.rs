use cni::Code;
use serde_json::{Value, json};

use super::*;

const DEFAULT: [u8; 8] = [1, 121, 3, 33, 6, 15, 119, 26];

fn plan_with(ipam: &Value, args: &str) -> Result<Plan> {
    Plan::new(&cni::json::decode(&json!({ "ipam": ipam })).unwrap(), args)
}

fn plan(ipam: &Value) -> Plan {
    plan_with(ipam, "").unwrap()
}

fn provided(ipam: &Value, args: &str) -> Vec<(u8, String)> {
    let options = plan_with(ipam, args).unwrap().wanted.v4.unwrap().provide;
    options.into_iter().map(|(code, value)| (code, String::from_utf8(value).unwrap())).collect()
}

fn requested(ipam: &Value) -> Vec<u8> {
    plan(ipam).wanted.v4.unwrap().request
}

#[test]
fn without_keys_an_ipv4_address_is_asked_for_as_the_reference_does() {
    for ipam in [json!({}), json!({ "type": "dhcp", "provide": null, "request": [], "priority": 0, "families": [] })] {
        let Plan { socket, wanted } = plan(&ipam);
        assert_eq!(socket, PathBuf::from("/run/cni/dhcp.sock"));
        let v4 = Wanted4 { request: DEFAULT.to_vec(), ..Wanted4::default() };
        assert_eq!(wanted, Wanted { v4: Some(v4), v6: None, priority: None });
    }
}

#[test]
fn keys_of_the_configuration_are_taken() {
    let plan = plan(&json!({ "DaemonSocketPath": "/x/y", "priority": 7, "broadcast": true,
        "families": ["ipv6", "ipv4"], "prefixDelegation": 56 }));
    assert_eq!(plan.socket, PathBuf::from("/x/y"));
    assert_eq!(plan.wanted.priority, Some(7));
    assert!(plan.wanted.v4.unwrap().broadcast);
    assert_eq!(plan.wanted.v6, Some(Wanted6 { prefix: Some(56) }));
    let only = super::tests::plan(&json!({ "families": ["ipv6"] })).wanted;
    assert_eq!((only.v4, only.v6), (None, Some(Wanted6 { prefix: None })));
}

#[test]
fn options_are_provided_by_value_or_from_args() {
    let ipam = json!({ "provide": [
        { "option": "host-name", "value": "web", "fromArg": "K8S_POD_NAME" },
        { "option": "77", "value": "class" },
        { "option": "12" }, { "option": "60", "value": "", "fromArg": "ABSENT" }] });
    assert_eq!(provided(&ipam, ""), [(12, "web".into()), (77, "class".into())]);
    assert_eq!(provided(&ipam, "junk;;A=b;K8S_POD_NAME=a=b")[0], (12, "a=b".into()));
    assert_eq!(provided(&ipam, "K8S_POD_NAME=")[0], (12, "web".into()), "nerdctl passes an empty name");
}

#[test]
fn options_are_requested_beside_the_defaults_or_instead() {
    assert_eq!(requested(&json!({ "request": [{ "option": "42" }, { "option": "routers" }] }))[8..], [42]);
    let only = json!({ "request": [{ "option": "subnet-mask" }, { "option": "3", "skipDefault": true }] });
    assert_eq!(requested(&only), [1, 3]);
    assert_eq!(requested(&json!({ "request": [{ "skipDefault": true }] })), [0; 0]);
}

#[test]
fn what_is_not_allowed_is_named() {
    let long = "x".repeat(256);
    for (ipam, expected) in [
        (json!({ "provide": [{ "option": "hostname", "value": "x" }] }), "\"ipam.provide[0].option\": \"hostname\" is"),
        (json!({ "provide": [{ "value": "x" }] }), "\"ipam.provide[0].option\": \"\" is no option"),
        (json!({ "provide": [{ "option": "53", "value": "x" }] }), "option 53 is for the client itself"),
        (json!({ "provide": [{ "option": "12", "value": long }] }), "\"ipam.provide[0].value\": it has 256 bytes"),
        (json!({ "request": [{}] }), "\"ipam.request[0].option\": \"\" is no option"),
        (json!({ "request": [{ "option": "300" }] }), "\"300\" is no option: a number from 1 to 254"),
        (json!({ "daemonSocketPath": "run/x" }), "\"ipam.daemonSocketPath\": run/x must be an absolute path"),
        (json!({ "priority": -1 }), "\"ipam.priority\": -1 must be from 0 to 4294967295"),
        (json!({ "families": ["inet"] }), "\"ipam.families\": \"inet\" must be \"ipv4\" or \"ipv6\""),
        (json!({ "prefixDelegation": 56 }), "\"ipam.prefixDelegation\" needs \"ipv6\" in \"ipam.families\""),
        (json!({ "prefixDelegation": 128, "families": ["ipv6"] }), "128 must be a prefix length from 1 to 127"),
        (json!(null), "\"ipam\" is missing"),
    ] {
        let error = plan_with(&ipam, "").unwrap_err();
        assert_eq!(error.code, Code::InvalidConfig, "{error}");
        assert!(error.msg.contains(expected), "{error}");
    }
    let from_arg = json!({ "provide": [{ "option": "12", "fromArg": "NAME" }] });
    let error = plan_with(&from_arg, &format!("NAME={long}")).unwrap_err();
    assert_eq!((error.code, error.msg.contains("\"NAME\"")), (Code::InvalidEnvironment, true), "{error}");
    assert_eq!(plan_with(&json!({ "priority": "x" }), "").unwrap_err().code, Code::Decode);
}

#[test]
fn the_socket_is_found_in_whatever_there_is() {
    let socket = |ipam: Value| cni::json::decode::<Conf>(&json!({ "ipam": ipam })).unwrap().socket();
    assert_eq!(socket(json!({ "daemonsocketpath": "/x/y", "provide": 5 })), PathBuf::from("/x/y"));
    for ipam in [json!(null), json!(5), json!({ "daemonSocketPath": 5 }), json!({ "daemonSocketPath": "x" })] {
        assert_eq!(socket(ipam), PathBuf::from(SOCKET));
    }
}
