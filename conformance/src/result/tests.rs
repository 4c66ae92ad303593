use super::*;

fn decode(value: Value) -> Result<Success, String> {
    Success::from_value(value, Version::V1_0_0)
}

fn convert(value: Value, version: Version) -> Result<Value, String> {
    decode(value)?.convert(version).map(|success| success.to_value())
}

fn full() -> Value {
    json!({
        "cniVersion": "1.1.0",
        "interfaces": [{"name": "veth1", "mtu": 1450}, {"name": "eth0", "mac": "0e:cc:5b:00:00:01", "mtu": 1450,
            "sandbox": "/run/netns/x", "pciID": "0000:04:00.5", "socketPath": "/s"}],
        "ips": [{"interface": 1, "address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00::5/64"},
            {"address": "10.2.0.5/24"}],
        "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1", "mtu": 1400, "table": 0}, {"dst": "::/0"}],
        "x-unknown": [1.0]
    })
}

#[test]
fn same_version_stays_as_it_came() {
    assert_eq!(convert(full(), Version::V1_1_0), Ok(full()));
}

#[test]
fn down_to_1_0_interface_attributes_go() {
    let value = convert(full(), Version::V1_0_0).unwrap();
    assert_eq!(value["cniVersion"], "1.0.0");
    assert_eq!(
        value["interfaces"],
        json!([{"name": "veth1"}, {"name": "eth0", "mac": "0e:cc:5b:00:00:01", "sandbox": "/run/netns/x"}])
    );
    assert_eq!(value["routes"], full()["routes"]);
    assert_eq!(value.get("dns"), None);
}

#[test]
fn down_to_0_4_ips_get_their_version() {
    let value = convert(full(), Version::V0_4_0).unwrap();
    assert_eq!(
        value["ips"].to_string(),
        r#"[{"version":"4","interface":1,"address":"10.1.0.5/24","gateway":"10.1.0.1"},{"version":"6","address":"fd00::5/64"},{"version":"4","address":"10.2.0.5/24"}]"#
    );
    assert_eq!(value["dns"], json!({}));
    assert_eq!(value["interfaces"][0], json!({"name": "veth1"}));
}

#[test]
fn down_to_0_2_first_address_of_each_family_stays() {
    assert_eq!(
        convert(full(), Version::V0_2_0),
        Ok(json!({
            "cniVersion": "0.2.0",
            "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.0.1"}]},
            "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "::/0"}]},
            "x-unknown": [1.0],
            "dns": {}
        }))
    );
}

#[test]
fn down_to_0_2_without_address_fails() {
    let error = convert(json!({"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]}), Version::V0_1_0).unwrap_err();
    assert!(error.contains("no address"), "{error}");
}

#[test]
fn up_from_0_2_becomes_lists() {
    let old = json!({
        "cniVersion": "0.2.0",
        "ip4": {"ip": "10.1.0.5/24", "gateway": "10.1.0.1", "routes": [{"dst": "0.0.0.0/0"}]},
        "ip6": {"ip": "fd00::5/64", "routes": [{"dst": "::/0", "gw": "fd00::1"}]},
        "dns": {"nameservers": ["10.1.0.1"]}
    });
    let new = json!({
        "cniVersion": "1.0.0",
        "ips": [{"address": "10.1.0.5/24", "gateway": "10.1.0.1"}, {"address": "fd00::5/64"}],
        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0", "gw": "fd00::1"}],
        "dns": {"nameservers": ["10.1.0.1"]}
    });
    assert_eq!(convert(old.clone(), Version::V1_0_0), Ok(new));
    assert_eq!(convert(old, Version::V0_3_1).unwrap()["ips"][1], json!({"version": "6", "address": "fd00::5/64"}));
}

#[test]
fn up_from_0_4_version_of_ips_and_empty_dns_go() {
    let old = json!({"cniVersion": "0.4.0", "ips": [{"version": "4", "address": "10.1.0.5/24"}], "dns": {}});
    let new = json!({"cniVersion": "1.1.0", "ips": [{"address": "10.1.0.5/24"}]});
    assert_eq!(convert(old, Version::V1_1_0), Ok(new));
}

#[test]
fn same_layout_only_the_label_changes() {
    for (from, to) in [("0.1.0", Version::V0_2_0), ("0.2.0", Version::V0_1_0)] {
        let body = json!({"cniVersion": from, "ip4": {"ip": "10.1.0.5/24"}});
        assert_eq!(convert(body, to), Ok(json!({"cniVersion": to.as_str(), "ip4": {"ip": "10.1.0.5/24"}})));
    }
    let body = json!({"cniVersion": "0.3.0", "ips": [{"version": "4", "address": "10.1.0.5/24"}], "dns": {}});
    assert_eq!(convert(body.clone(), Version::V0_4_0).unwrap()["ips"], body["ips"]);
}

#[test]
fn result_without_version_is_of_the_lists_version() {
    for value in [json!({}), json!({"cniVersion": ""}), json!({"cniVersion": null})] {
        assert_eq!(decode(value).unwrap().version(), Version::V1_0_0);
    }
}

#[test]
fn keys_in_another_case_are_known() {
    let value = json!({"CNIVersion": "0.4.0", "IPs": [{"Version": "4", "Address": "10.1.0.5/24"}]});
    assert_eq!(decode(value).unwrap().addresses(), ["10.1.0.5/24"]);
}

#[test]
fn wrong_types_are_refused_by_place() {
    for (value, error) in [
        (json!([]), "it is not an object"),
        (json!({"cniVersion": "9.0.0"}), "cniVersion is \"9.0.0\", which is no released version"),
        (json!({"cniVersion": 1}), "cniVersion is 1, allowed is a string"),
        (
            json!({"ips": [{"address": "10.1.0.5"}]}),
            "ips[0].address is \"10.1.0.5\", allowed is an IP address with prefix length",
        ),
        (json!({"ips": [{"address": "10.1.0.5/24"}, {}]}), "ips[1].address is missing"),
        (json!({"ips": {}}), "ips is {}, allowed is a list of objects"),
        (json!({"ips": [1]}), "ips[0] is 1, allowed is an object"),
        (json!({"interfaces": [{"mtu": "1500"}]}), "interfaces[0].mtu is \"1500\", allowed is a number of 0 or more"),
        (json!({"routes": [{"dst": "0.0.0.0/0", "gw": "x"}]}), "routes[0].gw is \"x\", allowed is an IP address"),
        (json!({"dns": {"search": "a"}}), "dns.search is \"a\", allowed is a list of strings"),
        (json!({"cniVersion": "0.2.0", "ip4": {}}), "ip4.ip is missing"),
    ] {
        assert_eq!(decode(value).unwrap_err(), error);
    }
}

#[test]
fn output_that_is_no_result_is_refused() {
    for (text, error) in [("", "it is empty"), (" \n", "it is empty"), ("null", "it is not an object")] {
        assert_eq!(Success::decode(text.as_bytes(), Version::V1_0_0).unwrap_err(), error);
    }
    assert!(Success::decode(b"{} {}", Version::V1_0_0).unwrap_err().starts_with("it is not JSON: "));
}

#[test]
fn addresses_of_either_layout_are_listed() {
    assert_eq!(decode(full()).unwrap().addresses(), ["10.1.0.5/24", "fd00::5/64", "10.2.0.5/24"]);
    let old = json!({"cniVersion": "0.2.0", "ip4": {"ip": "10.1.0.5/24"}, "ip6": {"ip": "fd00::5/64"}});
    assert_eq!(decode(old).unwrap().addresses(), ["10.1.0.5/24", "fd00::5/64"]);
}
