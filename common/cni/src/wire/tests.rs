//! Golden results, one per version, and the way back.

use serde_json::{Value, json};

use super::*;

/// A result that uses every field.
fn dual_stack() -> Success {
    decode(
        &json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "veth0", "mac": "0a:00:00:00:00:01", "mtu": 1450},
                {"name": "eth0", "mac": "0a:00:00:00:00:02", "mtu": 1450, "sandbox": "/run/netns/x"}
            ],
            "ips": [
                {"interface": 1, "address": "10.99.0.6/24", "gateway": "10.99.0.1"},
                {"interface": 1, "address": "fd99::6/64", "gateway": "fd99::1"}
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.99.0.1", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 254, "scope": 0},
                {"dst": "::/0"}
            ],
            "dns": {"nameservers": ["10.99.0.1"], "domain": "example", "search": ["a", "b"], "options": ["ndots:5"]}
        }),
        Version::V1_1_0,
    )
    .unwrap()
}

fn golden(version: Version, expected: &Value) {
    let encoded = encode(&dual_stack(), version).unwrap();
    assert_eq!(&encoded, expected);
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(&encoded), keys(expected), "the order of the keys");
}

fn golden_by_family(version: Version) {
    golden(
        version,
        &json!({
            "cniVersion": version.as_str(),
            "ip4": {"ip": "10.99.0.6/24", "gateway": "10.99.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.99.0.1"}]},
            "ip6": {"ip": "fd99::6/64", "gateway": "fd99::1", "routes": [{"dst": "::/0"}]},
            "dns": {"nameservers": ["10.99.0.1"], "domain": "example", "search": ["a", "b"], "options": ["ndots:5"]}
        }),
    );
}

fn golden_with_ip_versions(version: Version) {
    golden(
        version,
        &json!({
            "cniVersion": version.as_str(),
            "interfaces": [
                {"name": "veth0", "mac": "0a:00:00:00:00:01"},
                {"name": "eth0", "mac": "0a:00:00:00:00:02", "sandbox": "/run/netns/x"}
            ],
            "ips": [
                {"version": "4", "interface": 1, "address": "10.99.0.6/24", "gateway": "10.99.0.1"},
                {"version": "6", "interface": 1, "address": "fd99::6/64", "gateway": "fd99::1"}
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.99.0.1", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 254, "scope": 0},
                {"dst": "::/0"}
            ],
            "dns": {"nameservers": ["10.99.0.1"], "domain": "example", "search": ["a", "b"], "options": ["ndots:5"]}
        }),
    );
}

#[test]
fn v0_1_0_is_by_family() {
    golden_by_family(Version::V0_1_0);
}

#[test]
fn v0_2_0_is_by_family() {
    golden_by_family(Version::V0_2_0);
}

#[test]
fn v0_3_0_has_ip_versions() {
    golden_with_ip_versions(Version::V0_3_0);
}

#[test]
fn v0_3_1_has_ip_versions() {
    golden_with_ip_versions(Version::V0_3_1);
}

#[test]
fn v0_4_0_has_ip_versions() {
    golden_with_ip_versions(Version::V0_4_0);
}

#[test]
fn v1_0_0_has_no_ip_versions_and_no_mtu() {
    let mut expected = encode(&dual_stack(), Version::V1_1_0).unwrap();
    expected["cniVersion"] = json!("1.0.0");
    for interface in expected["interfaces"].as_array_mut().unwrap() {
        interface.as_object_mut().unwrap().shift_remove("mtu");
    }
    golden(Version::V1_0_0, &expected);
}

#[test]
fn v1_1_0_has_everything() {
    golden(
        Version::V1_1_0,
        &json!({
            "cniVersion": "1.1.0",
            "interfaces": [
                {"name": "veth0", "mac": "0a:00:00:00:00:01", "mtu": 1450},
                {"name": "eth0", "mac": "0a:00:00:00:00:02", "mtu": 1450, "sandbox": "/run/netns/x"}
            ],
            "ips": [
                {"interface": 1, "address": "10.99.0.6/24", "gateway": "10.99.0.1"},
                {"interface": 1, "address": "fd99::6/64", "gateway": "fd99::1"}
            ],
            "routes": [
                {"dst": "0.0.0.0/0", "gw": "10.99.0.1", "mtu": 1400, "advmss": 1360, "priority": 100, "table": 254, "scope": 0},
                {"dst": "::/0"}
            ],
            "dns": {"nameservers": ["10.99.0.1"], "domain": "example", "search": ["a", "b"], "options": ["ndots:5"]}
        }),
    );
}

#[test]
fn every_version_reads_back_what_it_can_say() {
    for version in Version::ALL {
        let encoded = encode(&dual_stack(), version).unwrap();
        let decoded = decode(&encoded, Version::V0_1_0).unwrap();
        assert_eq!(decoded.ips.len(), 2, "{version}");
        assert_eq!(decoded.dns, dual_stack().dns, "{version}");
        assert_eq!(encode(&decoded, version).unwrap(), encoded, "{version}");
    }
}

#[test]
fn result_without_addresses_needs_a_list_layout() {
    let empty = Success::default();
    for version in Version::ALL {
        let told = encode(&empty, version);
        assert_eq!(told.is_ok(), version >= Version::V0_3_0, "{version}");
        assert_eq!(check_expressible(false, version).is_ok(), version >= Version::V0_3_0, "{version}");
    }
    assert_eq!(encode(&empty, Version::V0_4_0).unwrap(), json!({"cniVersion": "0.4.0", "dns": {}}));
    assert_eq!(encode(&empty, Version::V1_0_0).unwrap(), json!({"cniVersion": "1.0.0"}));
}

#[test]
fn only_first_address_of_a_family_fits_the_oldest_layout() {
    let mut success = dual_stack();
    success.ips.insert(1, IpConfig { interface: None, address: "10.1.0.1/8".parse().unwrap(), gateway: None });
    let encoded = encode(&success, Version::V0_2_0).unwrap();
    assert_eq!(encoded["ip4"]["ip"], "10.99.0.6/24");
}

#[test]
fn decoding_takes_the_stated_version_before_the_default() {
    let value = json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.0.0.2/24", "gateway": ""}});
    assert_eq!(decode(&value, Version::V1_0_0).unwrap().ips[0].address.to_string(), "10.0.0.2/24");
    let unstated = json!({"ips": [{"address": "10.0.0.2/24", "interface": null}]});
    assert_eq!(decode(&unstated, Version::V1_0_0).unwrap().ips.len(), 1);
    let unknown = decode(&json!({"cniVersion": "2.0.0"}), Version::V1_0_0).unwrap_err();
    assert_eq!(unknown.code, Code::IncompatibleVersion);
}

#[test]
fn decoding_refuses_junk_with_the_key() {
    let refused = |value| decode(&value, Version::V1_0_0).unwrap_err().msg;
    assert_eq!(
        refused(json!({"ips": [{"address": "10.0.0.2"}]})),
        "decode result: \"ips[0].address\": \"10.0.0.2\" is not an address with a prefix length (CIDR)"
    );
    assert!(refused(json!({"interfaces": [{"name": "x", "mtu": "big"}]})).contains("interfaces[0].mtu"));
}

#[test]
fn documents_are_written_like_go_does() {
    let mut out = Vec::new();
    write(&mut out, &json!({"a": [1], "b": {}})).unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "{\n    \"a\": [\n        1\n    ],\n    \"b\": {}\n}");
}
