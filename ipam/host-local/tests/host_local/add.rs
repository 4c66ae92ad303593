//! ADD: addresses, results of every version, refusals, and what a failure leaves.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::host::{Host, NETWORK};

fn dual_stack() -> Value {
    json!({
        "ranges": [
            [{"subnet": "10.1.2.0/24", "gateway": "10.1.2.1"}],
            [{"subnet": "2001:db8:1::/64"}],
        ],
        "routes": [
            {"dst": "0.0.0.0/0"},
            {"dst": "192.168.0.0/16", "gw": "10.1.2.9", "mtu": 1400, "advmss": 1300, "priority": 7, "table": 5, "scope": 0},
            {"dst": "2001:db8:2::/64", "gw": "2001:db8:1::9"},
        ],
    })
}

fn in_version(host: &Host, version: &str) -> Value {
    let mut conf = host.conf(&dual_stack());
    conf["cniVersion"] = version.into();
    host.call("ADD", "c1", &conf).run().result()
}

fn by_family(version: &str) {
    let result = in_version(&Host::new(), version);
    assert_eq!(
        result,
        json!({
            "cniVersion": version,
            "ip4": {"ip": "10.1.2.2/24", "gateway": "10.1.2.1",
                "routes": [{"dst": "0.0.0.0/0"}, {"dst": "192.168.0.0/16", "gw": "10.1.2.9"}]},
            "ip6": {"ip": "2001:db8:1::2/64", "gateway": "2001:db8:1::1",
                "routes": [{"dst": "2001:db8:2::/64", "gw": "2001:db8:1::9"}]},
            "dns": {},
        })
    );
}

fn with_ip_versions(version: &str) {
    let result = in_version(&Host::new(), version);
    assert_eq!(
        result["ips"],
        json!([
            {"version": "4", "address": "10.1.2.2/24", "gateway": "10.1.2.1"},
            {"version": "6", "address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"},
        ])
    );
    assert_eq!((&result["cniVersion"], &result["dns"]), (&json!(version), &json!({})));
    assert_eq!(result["routes"], dual_stack()["routes"]);
}

fn plain(version: &str) {
    let result = in_version(&Host::new(), version);
    assert_eq!(
        result,
        json!({
            "cniVersion": version,
            "ips": [
                {"address": "10.1.2.2/24", "gateway": "10.1.2.1"},
                {"address": "2001:db8:1::2/64", "gateway": "2001:db8:1::1"},
            ],
            "routes": dual_stack()["routes"],
        })
    );
}

#[test]
fn result_of_0_1_0_is_by_family() {
    by_family("0.1.0");
}

#[test]
fn result_of_0_2_0_is_by_family() {
    by_family("0.2.0");
}

#[test]
fn result_of_0_3_0_tells_ip_versions() {
    with_ip_versions("0.3.0");
}

#[test]
fn result_of_0_3_1_tells_ip_versions() {
    with_ip_versions("0.3.1");
}

#[test]
fn result_of_0_4_0_tells_ip_versions() {
    with_ip_versions("0.4.0");
}

#[test]
fn result_of_1_0_0_has_no_ip_versions() {
    plain("1.0.0");
}

#[test]
fn result_of_1_1_0_has_no_ip_versions() {
    plain("1.1.0");
}

#[test]
fn files_are_left_as_the_reference_leaves_them() {
    let host = Host::new();
    host.call("ADD", "c1", &host.conf(&dual_stack())).run().result();
    let mut files = host.files();
    let boot = files.remove(".boot_id").unwrap();
    assert_eq!(boot, format!("boot {}", fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap()));
    let expected = [
        ("10.1.2.2", "c1\r\neth0"),
        ("2001:db8:1::2", "c1\r\neth0"),
        ("last_reserved_ip.0", "10.1.2.2"),
        ("last_reserved_ip.1", "2001:db8:1::2"),
        ("lock", ""),
    ];
    assert_eq!(files, expected.map(|(name, content)| (name.to_owned(), content.to_owned())).into());
}

#[test]
fn dns_comes_from_resolv_conf() {
    let host = Host::new();
    fs::create_dir_all(host.dir()).unwrap();
    let path = host.dir().with_file_name("resolv.conf");
    fs::write(&path, "nameserver 192.0.2.3\nsearch a b\noptions ndots:2\ndomain example.com\n").unwrap();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/24", "resolvConf": path}));
    assert_eq!(
        host.call("ADD", "c1", &conf).run().result()["dns"],
        json!({"nameservers": ["192.0.2.3"], "domain": "example.com", "search": ["a", "b"], "options": ["ndots:2"]})
    );
}

#[test]
fn unreadable_resolv_conf_is_refused_before_any_effect() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/24", "resolvConf": "/nonexistent"}));
    let (code, msg, _) = host.call("ADD", "c1", &conf).run().error();
    assert_eq!(code, 5);
    assert!(msg.starts_with("read \"resolvConf\" /nonexistent: "), "{msg}");
    assert!(!host.dir().exists());
}

#[test]
fn second_add_of_an_attachment_fails_and_changes_nothing() {
    let host = Host::new();
    let conf = host.conf(&dual_stack());
    host.add("c1", &conf);
    host.add("c2", &conf);
    let before = host.files();
    let (code, _, details) = host.call("ADD", "c1", &conf).run().error();
    assert_eq!(
        (code, details.as_str()),
        (101, "10.1.2.2 has been allocated to c1, duplicate allocation is not allowed")
    );
    assert_eq!(host.files(), before);
    let other = host.call("ADD", "c1", &conf).env("CNI_IFNAME", "eth1").run().addresses();
    assert_eq!(other, ["10.1.2.4/24", "2001:db8:1::4/64"]);
}

#[test]
fn released_address_is_reused_only_after_all_others() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/29"}));
    for (id, address) in [("c1", "10.1.2.2/29"), ("c2", "10.1.2.3/29")] {
        assert_eq!(host.add(id, &conf), [address]);
    }
    host.del("c2", &conf);
    for (id, address) in [("c3", "10.1.2.4/29"), ("c4", "10.1.2.5/29"), ("c5", "10.1.2.6/29"), ("c6", "10.1.2.3/29")] {
        assert_eq!(host.add(id, &conf), [address]);
    }
}

#[test]
fn full_pool_is_told_with_network_ranges_and_numbers() {
    let host = Host::new();
    let conf = host.conf(&json!({
        "ranges": [[{"subnet": "10.1.1.0/24"}], [{"subnet": "10.1.2.0/29", "exclude": ["10.1.2.6"]}]],
    }));
    for n in 1..=4 {
        host.add(&format!("c{n}"), &conf);
    }
    let before = host.files();
    let (code, msg, details) = host.call("ADD", "c5", &conf).run().error();
    assert_eq!(code, 102);
    assert_eq!(
        msg,
        "allocate address of network \"net\" from range set 1 [10.1.2.1-10.1.2.6]: no free address, 4 in use, 1 excluded"
    );
    assert_eq!(details, "no IP addresses available in range set: 10.1.2.1-10.1.2.6");
    assert_eq!(host.files(), before, "nothing is taken from range set 0");
    host.del("c2", &conf);
    assert_eq!(host.add("c5", &conf), ["10.1.1.6/24", "10.1.2.3/29"]);
}

#[test]
fn requested_addresses_are_handed_out_and_move_the_round() {
    let host = Host::new();
    let mut conf = host.conf(&dual_stack());
    conf["runtimeConfig"] = json!({"ips": ["2001:db8:1::88/64"]});
    let first = host.call("ADD", "c1", &conf).env("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=x;IP=10.1.2.88").run();
    assert_eq!(first.addresses(), ["10.1.2.88/24", "2001:db8:1::88/64"]);
    conf["runtimeConfig"] = json!(null);
    assert_eq!(host.add("c2", &conf), ["10.1.2.89/24", "2001:db8:1::89/64"]);
    conf["args"] = json!({"cni": {"ips": ["10.1.2.88"]}});
    let (code, msg, details) = host.call("ADD", "c3", &conf).run().error();
    assert_eq!(code, 101);
    assert!(msg.ends_with("requested address 10.1.2.88 is not available: container c1 has it on eth0"), "{msg}");
    assert_eq!(details, "requested IP address 10.1.2.88 is not available in range set 10.1.2.1-10.1.2.254");
}

#[test]
fn requested_address_that_fits_no_range_is_refused_before_any_effect() {
    let host = Host::new();
    let conf = host.conf(&dual_stack());
    let (code, _, details) = host.call("ADD", "c1", &conf).env("CNI_ARGS", "IP=10.1.3.5").run().error();
    assert_eq!((code, details.as_str()), (7, "failed to allocate all requested IPs: 10.1.3.5"));
    assert!(!host.dir().exists());
}

#[test]
fn junk_is_refused_before_any_effect() {
    let host = Host::new();
    for (ipam, code) in [
        (json!({"subnet": "10.0.0.0/24", "exclude": ["junk"]}), 7),
        (json!({"subnet": "10.0.0.0/24", "exclude": ["10.0.0.5/24"]}), 7),
        (json!({"subnet": "10.0.0.0/99"}), 7),
        (json!({}), 7),
        (json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/25"}]]}), 7),
        (json!({"subnet": 5}), 6),
        (json!({"subnet": "10.0.0.0/24", "routes": [{"dst": "x"}]}), 6),
    ] {
        let (found, msg, _) = host.call("ADD", "c1", &host.conf(&ipam)).run().error();
        assert_eq!(found, code, "{ipam}: {msg}");
        assert!(!host.dir().exists());
    }
}

#[test]
fn junk_of_any_type_gets_one_answer() {
    let host = Host::new();
    let junk =
        [json!(5), json!(-1.5), json!("x"), json!("\0"), json!([[]]), json!([["x"]]), json!({"x": {}}), json!(true)];
    let places = [
        "/ipam",
        "/args",
        "/args/cni",
        "/args/cni/ips",
        "/runtimeConfig",
        "/runtimeConfig/ips",
        "/runtimeConfig/ipRanges",
        "/ipam/ranges",
        "/ipam/ranges/0/0",
        "/ipam/ranges/0/0/subnet",
        "/ipam/ranges/0/0/rangeStart",
        "/ipam/subnet",
        "/ipam/exclude",
        "/ipam/routes",
        "/ipam/resolvConf",
        "/ipam/dataDir",
    ];
    for place in places {
        for junk in &junk {
            let mut conf = host.conf(&json!({"ranges": [[{"subnet": "10.1.2.0/24", "rangeStart": "10.1.2.9"}]]}));
            conf["args"] = json!({"cni": {"ips": []}});
            conf["runtimeConfig"] = json!({"ips": [], "ipRanges": []});
            for key in ["subnet", "exclude", "routes", "resolvConf"] {
                conf["ipam"][key] = json!(null);
            }
            *conf.pointer_mut(place).unwrap() = junk.clone();
            if place == "/ipam/dataDir" && junk == "x" || place == "/ipam" && junk.is_object() {
                continue;
            }
            let output = host.call("ADD", "c1", &conf).run();
            let answer: Value = serde_json::from_str(&output.stdout).expect("one JSON document");
            assert_eq!(output.success, answer["code"].is_null(), "{place} {junk}: {answer}");
            assert!(output.success || answer["msg"].as_str().is_some_and(|msg| !msg.contains("panic")), "{answer}");
            host.call("DEL", "c1", &host.conf(&json!({}))).run().silent();
        }
    }
}

#[test]
fn two_addresses_of_a_family_need_0_3_0() {
    let host = Host::new();
    let mut conf = host.conf(&json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.1.0/24"}]]}));
    conf["cniVersion"] = "0.2.0".into();
    let (code, msg, _) = host.call("ADD", "c1", &conf).run().error();
    assert_eq!(code, 7);
    assert!(msg.starts_with("CNI version 0.2.0 does not support more than 1 address per family"), "{msg}");
    assert!(!host.dir().exists());
}

#[test]
fn excluded_addresses_are_never_handed_out() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/29", "exclude": ["10.1.2.2", "10.1.2.4/31", "192.168.0.0/16"]}));
    assert_eq!(host.add("c1", &conf), ["10.1.2.3/29"]);
    assert_eq!(host.add("c2", &conf), ["10.1.2.6/29"]);
    assert_eq!(host.call("ADD", "c3", &conf).run().error().0, 102);
    let (code, msg, _) = host.call("ADD", "c3", &conf).env("CNI_ARGS", "IP=10.1.2.4").run().error();
    assert_eq!(code, 7);
    assert!(msg.contains("requested address 10.1.2.4 is excluded from range 10.1.2.1-10.1.2.6"), "{msg}");
}

#[test]
fn enormous_exclusions_take_no_time() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "fd00::/64", "exclude": ["fd00::/65"]}));
    let begun = Instant::now();
    assert_eq!(host.add("c1", &conf), ["fd00::8000:0:0:0/64"]);
    let all = host.conf(&json!({"subnet": "fd00::/64", "exclude": ["fd00::/64"]}));
    assert_eq!(host.call("ADD", "c2", &all).run().error().0, 102);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn leases_without_content_are_free() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/29"}));
    for n in 2..=6 {
        host.put(&format!("10.1.2.{n}"), "");
    }
    assert_eq!(host.add("c1", &conf), ["10.1.2.2/29"]);
    assert_eq!(host.leases()["10.1.2.2"], "c1\r\neth0");
}

#[test]
fn failed_write_of_the_result_leaves_the_directory_as_it_was() {
    let host = Host::new();
    let conf = host.conf(&dual_stack());
    host.add("c1", &conf);
    let before = host.files();
    let full = Path::new("/dev/full");
    assert!(!host.call("ADD", "c2", &conf).stdout(full).run().success);
    assert_eq!(host.files(), before);
    let fresh = Host::new();
    assert!(!fresh.call("ADD", "c2", &fresh.conf(&dual_stack())).stdout(full).run().success);
    assert_eq!(fresh.files().into_keys().collect::<Vec<_>>(), [".boot_id", "lock"]);
}

#[test]
fn networks_do_not_touch_each_other() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/24"}));
    let mut other = conf.clone();
    other["name"] = "other".into();
    assert_eq!(host.add("c1", &conf), ["10.1.2.2/24"]);
    assert_eq!(host.call("ADD", "c1", &other).env("CNI_IFNAME", "eth1").run().addresses(), ["10.1.2.2/24"]);
    host.del("c1", &conf);
    assert!(host.leases().is_empty());
    let theirs = host.dir().with_file_name("other").join("10.1.2.2");
    assert_eq!(fs::read_to_string(theirs).unwrap(), "c1\r\neth1");
    assert!(host.dir().ends_with(NETWORK));
}

#[test]
fn spelling_of_keys_does_not_matter() {
    let host = Host::new();
    let mut conf = host.conf(&json!({}));
    let dir = conf["ipam"]["dataDir"].clone();
    conf["ipam"] = json!(null);
    conf["IPAM"] =
        json!({"Type": "host-local", "DATADIR": dir, "Ranges": [[{"SubNet": "10.1.2.0/24", "ipRange": "x"}]]});
    conf["RuntimeConfig"] = json!({"IPs": ["10.1.2.7"]});
    assert_eq!(host.add("c1", &conf), ["10.1.2.7/24"]);
}
