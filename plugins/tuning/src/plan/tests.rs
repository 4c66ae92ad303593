use cni::Code;
use serde_json::{Value, json};

use super::*;

const PLACE: Place<'_> = Place { ifname: "eth0", sandbox: "/n" };

fn conf(document: &Value) -> Conf {
    cni::json::decode(document).unwrap()
}

fn tuning(document: &Value) -> Tuning {
    Tuning::new(&conf(document), "", "eth0").unwrap()
}

fn refusal(document: &Value) -> String {
    let error = Tuning::new(&conf(document), "", "eth0").unwrap_err();
    assert_eq!(error.code, Code::InvalidConfig);
    error.msg
}

fn result(document: Value) -> Success {
    serde_json::from_value(document).unwrap()
}

fn mac_of(last: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, last])
}

#[test]
fn nothing_is_changed_that_is_not_named() {
    for document in [json!({}), json!({"promisc": false, "mtu": 0, "mac": "", "sysctl": {"net.a": ""}, "txQLen": null})]
    {
        assert!(tuning(&document).is_empty(), "{document}");
    }
    assert_eq!(tuning(&json!({"allmulti": false})).settings, [Setting::Allmulti(false)]);
    assert_eq!(tuning(&json!({"txQLen": 0})).settings, [Setting::TxQueueLen(0)]);
}

#[test]
fn settings_have_a_fixed_order() {
    let all = tuning(&json!({"txQLen": 5, "allmulti": true, "mtu": 1400, "promisc": true, "mac": "02:00:00:00:00:01"}));
    let expected = [
        Setting::Mac(mac_of(1)),
        Setting::Promisc(true),
        Setting::Mtu(1400),
        Setting::Allmulti(true),
        Setting::TxQueueLen(5),
    ];
    assert_eq!(all.settings, expected);
}

#[test]
fn args_go_before_the_keys_of_the_same_names() {
    let document = json!({"promisc": true, "mtu": 1400, "allmulti": true, "txQLen": 5, "sysctl": {"net.a": "1", "net.b": "1"},
        "args": {"cni": {"promisc": false, "mtu": 1300, "allmulti": false, "txQLen": 6, "sysctl": {"net.c": "3", "net.a": "2"}}}});
    let tuning = tuning(&document);
    assert_eq!(tuning.settings, [Setting::Mtu(1300), Setting::Allmulti(false), Setting::TxQueueLen(6)]);
    let sysctls: Vec<_> = tuning.sysctls.iter().map(|sysctl| (sysctl.path.as_str(), sysctl.value.as_str())).collect();
    assert_eq!(sysctls, [("net/a", "2"), ("net/b", "1"), ("net/c", "3")]);
}

#[test]
fn hardware_address_comes_from_the_first_source_that_has_one() {
    let sources = [
        json!({"mac": "02:00:00:00:00:01"}),
        json!({"args": {"cni": {"mac": "02:00:00:00:00:03"}}}),
        json!({"runtimeConfig": {"mac": "02-00-00-00-00-04"}}),
    ];
    let mac = |from: &[&Value], cni_args: &str| {
        let mut document = json!({});
        for source in from {
            document.as_object_mut().unwrap().extend(source.as_object().unwrap().clone());
        }
        Tuning::new(&conf(&document), cni_args, "eth0").unwrap().mac()
    };
    let [own, args, runtime] = &sources;
    let cni_args = "IgnoreUnknown=1;K8S_POD_NAME=x;MAC=02:00:00:00:00:02";
    assert_eq!(mac(&[own], ""), Some(mac_of(1)));
    assert_eq!(mac(&[own], "MAC="), Some(mac_of(1)));
    assert_eq!(mac(&[own], cni_args), Some(mac_of(2)));
    assert_eq!(mac(&[own, args], cni_args), Some(mac_of(3)));
    assert_eq!(mac(&[own, args, runtime], cni_args), Some(mac_of(4)));
    assert_eq!(mac(&[], ""), None);
}

#[test]
fn values_out_of_range_are_refused_with_key_and_value() {
    for (document, words) in [
        (json!({"mac": "02:00:00"}), ["mac", "\"02:00:00\""]),
        (json!({"mac": "01:00:00:00:00:01"}), ["mac", "one station"]),
        (json!({"runtimeConfig": {"mac": "x"}}), ["runtimeConfig.mac", "\"x\""]),
        (json!({"args": {"cni": {"mac": "x"}}}), ["args.cni.mac", "\"x\""]),
        (json!({"mtu": 67}), ["\"mtu\" 67", "68 to 65535"]),
        (json!({"mtu": -1}), ["\"mtu\" -1", "68 to 65535"]),
        (json!({"mtu": 65536}), ["\"mtu\" 65536", "68 to 65535"]),
        (json!({"txQLen": -1}), ["\"txQLen\" -1", "4294967295"]),
        (json!({"txQLen": 4_294_967_296_u64}), ["\"txQLen\" 4294967296", "4294967295"]),
        (json!({"sysctl": {"kernel.x": "1"}}), ["\"sysctl\" \"kernel.x\"", "net.ipv4.conf.IFNAME"]),
    ] {
        let told = refusal(&document);
        assert!(words.iter().all(|word| told.contains(word)), "{document}: {told}");
    }
    let unknown = Tuning::new(&Conf::default(), "IP=1", "eth0").unwrap_err();
    assert_eq!(unknown.code, Code::InvalidEnvironment);
}

#[test]
fn two_keys_of_one_sysctl_need_one_value() {
    let same = json!({"sysctl": {"net.ipv4.conf.eth0.x": "1 2", "net/ipv4/conf/IFNAME/x": "1\t2"}});
    assert_eq!(tuning(&same).sysctls.len(), 1);
    let told = refusal(&json!({"sysctl": {"net.x": "1", "net/x": "2"}}));
    assert!(told.contains("\"net.x\" is \"1\" and \"net/x\""), "{told}");
}

#[test]
fn an_mtu_that_would_cost_ipv6_addresses_is_refused() {
    let prev = result(json!({"interfaces": [{"name": "eth0", "sandbox": "/n"}, {"name": "eth0", "sandbox": "/other"}],
        "ips": [{"interface": 0, "address": "10.0.0.2/24"}, {"interface": 1, "address": "fd00::2/64"}]}));
    let small = tuning(&json!({"mtu": 1279}));
    assert_eq!(small.check_addresses(&prev, PLACE), Ok(()));
    for own in [Some(0), None, Some(9)] {
        let mut prev = prev.clone();
        prev.ips[1].interface = own;
        let error = small.check_addresses(&prev, PLACE).unwrap_err();
        assert!(error.msg.contains("\"mtu\" 1279") && error.msg.contains("fd00::2/64"), "{error}");
        assert_eq!(tuning(&json!({"mtu": 1280})).check_addresses(&prev, PLACE), Ok(()));
    }
}

#[test]
fn result_tells_the_changes_of_the_containers_interface_alone() {
    let prev = result(json!({"interfaces": [{"name": "eth0", "mac": "02:00:00:00:00:09"},
        {"name": "eth0", "mac": "02:00:00:00:00:08", "mtu": 1500, "sandbox": "/n"},
        {"name": "eth0", "mac": "02:00:00:00:00:07", "sandbox": "/other"},
        {"name": "eth1", "mac": "02:00:00:00:00:06", "sandbox": "/n"}]}));
    let told = tuning(&json!({"mac": "02:00:00:00:00:AA", "mtu": 1400})).result(&prev, PLACE);
    let mut expected = prev.clone();
    expected.interfaces[1].mac = Some("02:00:00:00:00:aa".into());
    expected.interfaces[1].mtu = Some(1400);
    assert_eq!(told, expected);
    assert_eq!(tuning(&json!({"allmulti": true})).result(&prev, PLACE), prev);
    assert!(PLACE.is_told(&told, Setting::Mac(mac_of(0xaa))) && PLACE.is_told(&told, Setting::Mtu(1400)));
    assert!(!PLACE.is_told(&told, Setting::Mac(mac_of(9))) && !PLACE.is_told(&told, Setting::Promisc(true)));
}
