use cni::json;
use serde_json::{Value, json};

use super::*;

fn network(version: Version, document: &Value) -> Network<Conf> {
    Network {
        name: "n".into(),
        version,
        conf: json::decode(document).unwrap(),
        ipam: None,
        gateway_priority: None,
        prev_result: None,
    }
}

fn plan_with(document: &Value, args: &str) -> Result<Plan> {
    Plan::new(&network(Version::V1_0_0, document), args, &Subnets::default())
}

fn sets(document: &Value) -> Vec<String> {
    plan_with(document, "").unwrap().sets.iter().map(|set| set.ranges.to_string()).collect()
}

fn requested(document: &Value, args: &str) -> Vec<Option<String>> {
    plan_with(document, args).unwrap().sets.iter().map(|set| set.requested.map(|ip| ip.to_string())).collect()
}

fn refusal(document: &Value, args: &str) -> Error {
    plan_with(document, args).unwrap_err()
}

fn two_ranges() -> Value {
    json!({"ipam": {"ranges": [
        [{"subnet": "10.1.2.0/24"}, {"subnet": "10.1.4.0/24"}],
        [{"subnet": "2001:db8:1::/64"}],
    ]}})
}

#[test]
fn old_style_is_a_set_of_one_range() {
    let plan = plan_with(
        &json!({"ipam": {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9", "rangeEnd": "10.1.2.20",
            "gateway": "10.1.2.30", "resolvConf": "/etc/x", "routes": [{"dst": "0.0.0.0/0", "mtu": 1400}]}}),
        "",
    )
    .unwrap();
    assert_eq!(plan.sets.len(), 1);
    assert_eq!(plan.sets[0].ranges.to_string(), "10.1.2.9-10.1.2.20");
    assert_eq!(plan.dir, PathBuf::from("/var/lib/cni/networks/n"));
    assert_eq!(plan.resolv_conf, Some("/etc/x".into()));
    assert_eq!(plan.routes[0].mtu, Some(1400));
}

#[test]
fn runtime_ranges_go_first_then_the_old_style_then_the_new() {
    let document = json!({
        "ipam": {"subnet": "10.1.0.0/24", "ranges": [[{"subnet": "10.2.0.0/24"}], [{"subnet": "10.3.0.0/24"}]]},
        "runtimeConfig": {"ipRanges": [[{"subnet": "10.4.0.0/24"}], [{"subnet": "10.5.0.0/24"}]]},
    });
    let expected: Vec<String> = [4, 5, 1, 2, 3].iter().map(|n| format!("10.{n}.0.1-10.{n}.0.254")).collect();
    assert_eq!(sets(&document), expected);
}

#[test]
fn unknown_keys_of_clients_are_ignored() {
    let document =
        json!({"ipam": {"ranges": [[{"subnet": "10.4.0.0/24", "ipRange": "10.4.0.128/25", "gateway": ""}]]}});
    assert_eq!(sets(&document), ["10.4.0.1-10.4.0.254"]);
}

#[test]
fn start_and_gateway_without_subnet_are_ignored() {
    let document = json!({"ipam": {"gateway": "10.9.9.9", "ranges": [[{"subnet": "10.4.0.0/24"}]]}});
    assert_eq!(sets(&document), ["10.4.0.1-10.4.0.254"]);
}

#[test]
fn no_ranges_are_refused_but_by_status() {
    for document in [json!({"ipam": {}}), json!({"ipam": {"ranges": null}}), json!({"ipam": {"ranges": []}})] {
        assert!(refusal(&document, "").msg.starts_with("no IP ranges specified"));
        assert_eq!(Plan::check(&network(Version::V1_1_0, &document), &Subnets::default()), Ok(()));
    }
    assert_eq!(refusal(&json!({}), "").details, "IPAM config missing 'ipam' key");
    assert!(Plan::check(&network(Version::V1_1_0, &json!({"ipam": {"subnet": "x"}})), &Subnets::default()).is_err());
}

#[test]
fn errors_of_a_range_name_set_and_key() {
    let document = json!({"ipam": {"subnet": "10.0.0.0/24", "ranges": [[{"subnet": "10.1.0.0/24"}, {"subnet": "x"}]]}});
    let error = refusal(&document, "");
    assert_eq!(error.code, Code::InvalidConfig);
    assert!(error.msg.starts_with("invalid range set 1: \"ipam.ranges[0][1].subnet\": \"x\""), "{error}");
    let legacy = refusal(&json!({"ipam": {"subnet": "10.0.0.0/24", "rangeStart": "10.0.1.1"}}), "");
    assert!(legacy.msg.starts_with("invalid range set 0: \"ipam.rangeStart\": 10.0.1.1 is not in"), "{legacy}");
    let empty = refusal(&json!({"ipam": {"ranges": [[]]}}), "");
    assert_eq!(empty.msg, "invalid range set 0: \"ipam.ranges[0]\": empty range set, at least one range is needed");
}

#[test]
fn sets_must_not_overlap() {
    let document = json!({"ipam": {"ranges": [
        [{"subnet": "10.1.2.0/24", "rangeEnd": "10.1.2.128"}],
        [{"subnet": "10.1.3.0/24"}, {"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.128"}],
    ]}});
    assert!(refusal(&document, "").msg.starts_with("range set 0 overlaps with 1: "));
}

#[test]
fn old_versions_take_one_set_per_family() {
    let two_v4 = json!({"ipam": {"ranges": [[{"subnet": "10.1.0.0/24"}], [{"subnet": "10.2.0.0/24"}]]}});
    for version in [Version::V0_1_0, Version::V0_2_0] {
        let error = Plan::new(&network(version, &two_v4), "", &Subnets::default()).unwrap_err();
        assert!(
            error.msg.starts_with(&format!("CNI version {version} does not support more than 1 address per family"))
        );
        assert!(Plan::new(&network(version, &two_ranges()), "", &Subnets::default()).is_ok());
    }
    assert!(Plan::new(&network(Version::V0_3_0, &two_v4), "", &Subnets::default()).is_ok());
}

#[test]
fn addresses_are_requested_in_three_ways_that_add_up() {
    let mut document = two_ranges();
    document["args"] = json!({"cni": {"ips": ["2001:db8:1::9/64"]}});
    assert_eq!(requested(&document, "IP=10.1.2.8/24"), [Some("10.1.2.8".into()), Some("2001:db8:1::9".into())]);
    assert_eq!(requested(&document, "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.4.8")[0], Some("10.1.4.8".into()));
    assert_eq!(requested(&document, "IP=")[0], None);
    document["runtimeConfig"] = json!({"ips": ["::ffff:10.1.2.10", "2001:db8:1::9", ""]});
    assert_eq!(requested(&document, ""), [Some("10.1.2.10".into()), Some("2001:db8:1::9".into())]);
}

#[test]
fn args_go_before_cni_args() {
    let mut document = two_ranges();
    document["args"] = json!({"cni": {"ips": ["10.1.2.8"]}});
    let both = requested(&document, "IP=10.1.4.9,2001:db8:1::9");
    assert_eq!(both, [Some("10.1.2.8".into()), Some("2001:db8:1::9".into())], "one of the same set is ignored");
    assert_eq!(refusal(&document, "IP=x").code, Code::InvalidEnvironment);
}

#[test]
fn list_in_cni_args_requests_all_of_it() {
    assert_eq!(
        requested(&two_ranges(), "IP=2001:db8:1::9,10.1.2.8"),
        [Some("10.1.2.8".into()), Some("2001:db8:1::9".into())]
    );
}

#[test]
fn requests_that_fit_no_set_are_refused() {
    let error = refusal(&two_ranges(), "IP=10.9.9.9");
    assert_eq!(error.details, "failed to allocate all requested IPs: 10.9.9.9");
    assert!(error.msg.contains("10.1.2.1-10.1.2.254,10.1.4.1-10.1.4.254"), "{error}");
    let mut document = two_ranges();
    document["args"] = json!({"cni": {"ips": ["10.1.2.5", "10.1.4.5"]}});
    assert_eq!(refusal(&document, "").details, "failed to allocate all requested IPs: 10.1.4.5", "one per set");
}

#[test]
fn junk_requests_are_refused_with_their_key() {
    let error = refusal(&two_ranges(), "IP=10.1.2");
    assert_eq!(error.code, Code::InvalidEnvironment);
    assert_eq!(error.msg, "ARGS: \"IP=10.1.2\" is not an IP address, with or without a prefix length");
    assert_eq!(refusal(&two_ranges(), "MAC=x").msg, "ARGS: unknown args [\"MAC=x\"]");
    for (key, document) in [
        ("args.cni.ips", json!({"args": {"cni": {"ips": ["x"]}}})),
        ("runtimeConfig.ips", json!({"runtimeConfig": {"ips": ["x"]}})),
    ] {
        let mut all = two_ranges();
        all.as_object_mut().unwrap().extend(document.as_object().unwrap().clone());
        let error = refusal(&all, "");
        assert_eq!(error.code, Code::InvalidConfig);
        assert_eq!(error.msg, format!("\"{key}[0]\": \"x\" is not an IP address, with or without a prefix length"));
    }
}

#[test]
fn gateway_and_excluded_addresses_cannot_be_requested() {
    let mut document = two_ranges();
    assert_eq!(refusal(&document, "IP=10.1.2.1").details, "requested ip 10.1.2.1 is subnet's gateway");
    document["ipam"]["exclude"] = json!(["10.1.2.0/28"]);
    assert_eq!(
        refusal(&document, "IP=10.1.2.5").msg,
        "requested address 10.1.2.5 is excluded from range 10.1.2.1-10.1.2.254 by \"exclude\""
    );
    assert_eq!(requested(&document, "IP=10.1.2.16")[0], Some("10.1.2.16".into()));
}

#[test]
fn junk_in_exclude_is_refused() {
    let error = refusal(&json!({"ipam": {"subnet": "10.0.0.0/24", "exclude": ["10.0.0.x"]}}), "");
    assert_eq!(error.msg, "\"ipam.exclude[0]\": \"10.0.0.x\" is neither an IP address nor a CIDR");
    let inner = refusal(&json!({"ipam": {"ranges": [[{"subnet": "10.0.0.0/24", "exclude": ["y"]}]]}}), "");
    assert!(inner.msg.contains("\"ipam.ranges[0][0].exclude[0]\": \"y\""), "{inner}");
}

#[test]
fn exclude_outside_of_every_range_is_harmless() {
    assert_eq!(
        sets(&json!({"ipam": {"subnet": "10.0.0.0/24", "exclude": ["192.168.0.0/16", "fd00::1"]}})),
        ["10.0.0.1-10.0.0.254"]
    );
}

#[test]
fn lease_dir_needs_no_valid_ranges() {
    let document = json!({"ipam": {"dataDir": "/run/leases", "subnet": "junk", "ranges": 5}});
    assert_eq!(lease_dir(&network(Version::V1_0_0, &document)), Ok("/run/leases/n".into()));
    assert_eq!(lease_dir(&network(Version::V1_0_0, &json!({}))), Ok("/var/lib/cni/networks/n".into()));
}
