use serde_json::{Value, json};

use super::*;

fn conf(json: Value) -> Conf {
    cni::json::decode(&json).unwrap()
}

fn plan(json: Value) -> Result<Plan> {
    Plan::new(&conf(json), "", true)
}

fn refusal(json: Value) -> String {
    plan(json).unwrap_err().msg
}

fn lease(json: Value) -> Success {
    cni::wire::decode(&json, cni::Version::V1_1_0).unwrap()
}

#[test]
fn defaults_are_the_references() {
    let plan = plan(json!({})).unwrap();
    assert_eq!(plan.bridge, "cni0");
    assert_eq!((plan.mtu, plan.mac), (None, None));
    assert!(
        !plan.reach.gateway()
            && plan.masquerade.is_none()
            && !plan.promisc
            && !plan.spoof_check
            && !plan.detect_duplicates
    );
    assert!(plan.up && plan.port.is_empty() && !plan.vlans.filtering);
}

#[test]
fn conflicting_flags_are_refused() {
    assert!(
        refusal(json!({"hairpinMode": true, "promiscMode": true}))
            .starts_with("cannot set hairpin mode and promiscuous mode at the same time")
    );
    assert!(
        refusal(json!({"disableContainerInterface": true}))
            .starts_with("cannot use IPAM when DisableContainerInterface flag is set")
    );
    assert!(!Plan::new(&conf(json!({"disableContainerInterface": true})), "", false).unwrap().up);
}

#[test]
fn masquerade_backend_is_one_of_two() {
    let backend = |name| plan(json!({"ipMasq": true, "ipMasqBackend": name})).unwrap().masquerade;
    assert_eq!(plan(json!({"ipMasq": true})).unwrap().masquerade, Some(Backend::Any));
    assert_eq!((backend(""), backend("nftables")), (Some(Backend::Any), Some(Backend::Nftables)));
    assert_eq!(backend("iptables"), Some(Backend::Iptables));
    assert_eq!(plan(json!({"ipMasqBackend": "iptables"})).unwrap().masquerade, None);
    let unknown = refusal(json!({"ipMasq": true, "ipMasqBackend": "x"}));
    assert_eq!(unknown, "unknown ipmasq backend \"x\": \"ipMasqBackend\" must be \"nftables\" or \"iptables\"");
}

#[test]
fn mtu_has_limits() {
    assert_eq!(plan(json!({"mtu": 1400})).unwrap().mtu, Some(1400));
    assert_eq!(plan(json!({"mtu": 0})).unwrap().mtu, None);
    for mtu in [-1, 67, 65536, i64::MAX] {
        assert!(refusal(json!({"mtu": mtu})).starts_with(&format!("\"mtu\" {mtu}: must be 0")), "{mtu}");
    }
}

#[test]
fn later_sources_of_the_mac_win() {
    let mac = |json, args| Plan::new(&conf(json), args, true).map(|plan| plan.mac.map(|mac| mac.to_string()));
    let (a, b, c) = ("02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:0c");
    let by_args = format!("MAC={a}");
    assert_eq!(mac(json!({}), &by_args), Ok(Some(a.into())));
    assert_eq!(mac(json!({"args": {"cni": {"mac": b}}}), &by_args), Ok(Some(b.into())));
    let all = json!({"args": {"cni": {"mac": b}}, "RuntimeConfig": {"mac": c}});
    assert_eq!(mac(all, &by_args), Ok(Some(c.into())));
    let bad = mac(json!({"runtimeConfig": {"mac": "01:00:00:00:00:01"}}), "").unwrap_err().msg;
    assert!(bad.starts_with("runtimeConfig.mac \"01:00:00:00:00:01\""), "{bad}");
    assert!(mac(json!({}), "MAC=x").unwrap_err().msg.starts_with("CNI_ARGS MAC \"x\""));
    assert!(mac(json!({}), "K8S_POD_NAME=x").unwrap_err().msg.starts_with("ARGS: unknown args"));
}

#[test]
fn names_must_fit_the_kernel() {
    assert!(refusal(json!({"bridge": "a-very-long-bridge"})).starts_with("\"bridge\" \"a-very-long-bridge\""));
    assert!(refusal(json!({"bridge": "a/b"})).contains("contains /"));
    let long = refusal(json!({"bridge": "a-longer-name", "vlan": 100, "isGateway": true}));
    assert!(long.starts_with("name gateway interface \"a-longer-name.100\""), "{long}");
    assert!(
        plan(json!({"bridge": "a-longer-name", "vlan": 100})).is_ok(),
        "without a gateway there is no such interface"
    );
    let long = refusal(json!({"bridge": "a-longer-name", "vlan": 100, "ipMasq": true}));
    assert!(long.starts_with("name gateway interface"), "it is what masquerading goes by: {long}");
}

#[test]
fn gateway_is_the_first_host_where_the_delegate_names_none() {
    let plan = plan(json!({"isGateway": true})).unwrap();
    let done = plan
        .complete(lease(json!({"ips": [{"address": "10.1.2.9/24"}, {"address": "fd00::9/64", "gateway": "fd00::f"}]})));
    let gateways: Vec<String> = done.ips.iter().map(|ip| ip.gateway.unwrap().to_string()).collect();
    assert_eq!(gateways, ["10.1.2.1", "fd00::f"]);
    assert!(done.routes.is_empty());
    let addresses: Vec<String> = plan.gateway_addresses(&done.ips).iter().map(ToString::to_string).collect();
    assert_eq!(addresses, ["10.1.2.1/24", "fd00::f/64"]);
}

#[test]
fn default_gateway_adds_one_default_route_a_family() {
    let plan = plan(json!({"isDefaultGateway": true})).unwrap();
    assert!(plan.reach.gateway(), "it implies isGateway");
    let routes = |routes: Value| {
        let ips = json!([{"address": "10.1.2.9/24"}, {"address": "fd00::9/64"}, {"address": "10.2.0.9/24"}]);
        let done = plan.complete(lease(json!({"ips": ips, "routes": routes})));
        done.routes
            .iter()
            .map(|r| format!("{} {}", r.dst, r.gw.map_or("-".into(), |gw| gw.to_string())))
            .collect::<Vec<_>>()
    };
    assert_eq!(routes(json!([])), ["0.0.0.0/0 10.1.2.1", "::/0 fd00::1"]);
    assert_eq!(routes(json!([{"dst": "0.0.0.0/0"}])), ["0.0.0.0/0 10.1.2.1", "::/0 fd00::1"]);
    assert_eq!(
        routes(json!([{"dst": "0.0.0.0/0", "gw": "10.1.2.254"}, {"dst": "10.0.0.0/8"}])),
        ["0.0.0.0/0 10.1.2.254", "10.0.0.0/8 -", "::/0 fd00::1"]
    );
}

#[test]
fn addresses_in_the_gateways_way_are_found() {
    let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNetwork>>();
    let decide = |wanted: &str, present: &[&str]| gateway_address(&wanted.parse().unwrap(), &networks(present));
    assert_eq!(decide("10.1.0.1/24", &["10.2.0.1/24", "10.1.0.1/24"]), Address::Present);
    assert_eq!(decide("10.1.0.1/24", &[]), Address::Missing(vec![]));
    assert_eq!(decide("10.1.0.1/24", &["10.1.0.1/16", "fe80::1/64"]), Address::Missing(networks(&["10.1.0.1/16"])));
    assert_eq!(decide("fd00::1/64", &["fd01::1/64", "10.0.0.1/8", "fe80::1/64"]), Address::Missing(vec![]));
    assert_eq!(decide("fd00::1/64", &["fd00::2/48"]), Address::Missing(networks(&["fd00::2/48"])));
}
