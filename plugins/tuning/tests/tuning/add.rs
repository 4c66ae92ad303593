//! ADD: each key by itself, where values come from, and what it prints.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{Stage, everything, prev, settings, state, sysctl, untouched, untouched_but};

#[test]
fn each_key_changes_its_setting_and_del_gives_it_back() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = container.snapshot();
    for keys in [
        json!({ "mac": "02:00:00:00:00:01" }),
        json!({ "promisc": true }),
        json!({ "mtu": 1400 }),
        json!({ "allmulti": true }),
        json!({ "txQLen": 0 }),
        json!({ "txQLen": 77, "mtu": 9000 }),
    ] {
        for given in [keys.clone(), json!({ "args": { "cni": keys } })] {
            let attachment = stage.attach(&container, given.clone());
            let result = attachment.add().success();
            assert_eq!(settings(&container, "eth0"), untouched_but(&keys), "{given}");
            attachment.with_prev(&result).check().silent();
            attachment.with_prev(&result).del().silent();
            assert_same(&before, &container.snapshot());
            assert!(stage.files().is_empty(), "{given}");
        }
    }
}

#[test]
fn flags_that_are_off_are_left_or_turned_off_as_the_reference_does() {
    let stage = Stage::new();
    let container = stage.container("c1");
    container.sh("ip link set eth0 promisc on allmulticast on");
    let before = container.snapshot();
    let attachment = stage.attach(&container, json!({ "promisc": false, "allmulti": false }));
    attachment.add().success();
    assert_eq!(settings(&container, "eth0"), untouched_but(&json!({ "promisc": true })));
    attachment.check().silent();
    attachment.del().silent();
    assert_same(&before, &container.snapshot());
}

#[test]
fn sysctls_are_set_and_given_back() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(
        &container,
        json!({ "sysctl": {
            "net.ipv4.conf.IFNAME.arp_notify": "1",
            "net/ipv4/tcp_rmem": "4096 100000 200000",
            "net.ipv4.conf.all.accept_redirects": "1",
            "net.ipv4.ip_forward": "1",
            "net.ipv4.ip_local_reserved_ports": "8080,9000-9010",
            "net.ipv4.route.flush": "1"
        }, "args": { "cni": { "sysctl": { "net.ipv4.conf.lo.arp_notify": "1", "net.ipv4.tcp_rmem": "4096 100000 300000" } } } }),
    );
    let paths = [
        "ipv4/conf/eth0/arp_notify",
        "ipv4/tcp_rmem",
        "ipv4/conf/all/accept_redirects",
        "ipv4/ip_forward",
        "ipv4/ip_local_reserved_ports",
        "ipv4/conf/lo/arp_notify",
    ];
    let values = || paths.map(|path| sysctl(&container, path));
    let before = values();
    attachment.add().success();
    assert_eq!(values(), ["1", "4096\t100000\t300000", "1", "1", "8080,9000-9010", "1"]);
    attachment.check().silent();
    attachment.del().silent();
    assert_eq!(values(), before);
}

#[test]
fn sysctls_of_one_object_are_enough() {
    let stage = Stage::new();
    let container = stage.container("c1");
    // The reference panics on these.
    for object in [json!(null), json!({})] {
        let keys = json!({ "sysctl": object, "args": { "cni": { "sysctl": { "net.ipv4.ip_forward": "1" } } } });
        let attachment = stage.attach(&container, keys);
        attachment.add().success();
        assert_eq!(sysctl(&container, "ipv4/ip_forward"), "1");
        attachment.del().silent();
        assert_eq!(sysctl(&container, "ipv4/ip_forward"), "0");
    }
}

#[test]
fn names_with_dots_stay_names() {
    let stage = Stage::new();
    let container = stage.container("c1");
    container.sh("ip link set eth0 down; ip link set eth0 name eth0.100");
    let keys = json!({ "sysctl": { "net.ipv4.conf.IFNAME.arp_notify": "1" }, "mtu": 1400 });
    let attachment = stage.attach(&container, keys).ifname("eth0.100");
    attachment.add().success();
    assert_eq!(sysctl(&container, "ipv4/conf/eth0.100/arp_notify"), "1");
    attachment.check().silent();
    attachment.del().silent();
    assert_eq!(sysctl(&container, "ipv4/conf/eth0.100/arp_notify"), "0");
    assert_eq!(settings(&container, "eth0.100"), untouched());
}

/// The table of the README.
#[test]
fn hardware_address_is_the_runtimes_before_args_before_cni_args_before_the_configurations() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let mac = |last: u8| format!("02:00:00:00:00:{last:02x}");
    let own = |keys: &mut Value| keys["mac"] = mac(1).into();
    let args = |keys: &mut Value| keys["args"] = json!({ "cni": { "mac": mac(3) } });
    let runtime = |keys: &mut Value| keys["RuntimeConfig"] = json!({ "MAC": mac(4) });
    let sources: [&dyn Fn(&mut Value); 3] = [&own, &args, &runtime];
    for (from, cni_args, expected) in [
        (&[0][..], None, 1),
        (&[0], Some("MAC=02:00:00:00:00:02"), 2),
        (&[], Some("IgnoreUnknown=1;K8S_POD_NAME=web;MAC=02-00-00-00-00-02"), 2),
        (&[0, 1], Some("MAC=02:00:00:00:00:02"), 3),
        (&[0, 2], Some("MAC=02:00:00:00:00:02"), 4),
        (&[0, 1, 2], Some("MAC=02:00:00:00:00:02"), 4),
        (&[0, 1, 2], None, 4),
    ] {
        let mut keys = json!({});
        for source in from {
            let source: usize = *source;
            sources[source](&mut keys);
        }
        let attachment = stage.attach(&container, keys.clone());
        let attachment = cni_args.into_iter().fold(attachment, Attachment::args);
        let result = attachment.add().success();
        assert_eq!(settings(&container, "eth0")["mac"], mac(expected), "{keys} {cni_args:?}");
        assert_eq!(result["interfaces"][1]["mac"], mac(expected));
        attachment.with_prev(&result).check().silent();
        attachment.del().silent();
    }
    stage.attach(&container, json!({})).args("IP=10.0.0.1").add().failure_code(4);
}

#[test]
fn result_is_the_previous_one_with_the_changes_in_every_version() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = container.snapshot();
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let mut keys = everything();
        keys["mac"] = "02-00-00-00-00-0A".into();
        let attachment = stage.attach_at(version, &container, keys);
        let result = attachment.add().success();
        let mut expected = prev(version, &container);
        if version >= "0.3.0" {
            expected["interfaces"][1]["mac"] = "02:00:00:00:00:0a".into();
        }
        if version == "1.1.0" {
            expected["interfaces"][1]["mtu"] = 1400.into();
        }
        assert_eq!(result, expected, "{version}");
        attachment.del().silent();
        assert_same(&before, &container.snapshot());
    }
}

#[test]
fn nothing_to_do_hands_the_result_on_and_touches_nothing() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let (host, inside) = (stage.snapshot(), container.snapshot());
    for keys in [json!({}), json!({ "promisc": false, "mtu": 0, "mac": "", "sysctl": { "net.a": "" }, "txQLen": null })]
    {
        let attachment = stage.attach(&container, keys).ifname("absent");
        assert_eq!(attachment.add().success(), prev("1.1.0", &container));
        attachment.check().silent();
        attachment.del().silent();
    }
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
}

#[test]
fn files_are_the_references_and_for_nobody_else_to_read() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let dir = stage.data_dir().join("deep/er");
    let attachment = stage.attach(&container, everything()).with_key("dataDir", json!(dir));
    attachment.add().success();
    let modes = stage.sandbox.sh(&format!("stat -c %a {0}/.. {0} {0}/c1_eth0.json", dir.display()));
    assert_eq!(modes, "755\n700\n600\n");
    let file = stage.file("deep/er/c1_eth0.json");
    for (key, value) in untouched().as_object().unwrap() {
        assert_eq!(file[key], *value, "{key}");
    }
    assert_eq!(
        file["sysctl"],
        json!({ "net.ipv4.conf.IFNAME.proxy_arp": "0", "net.ipv4.ip_local_reserved_ports": "" })
    );
    assert_eq!(
        (&file["network"], &file["containerID"], &file["ifname"]),
        (&json!("net"), &json!("c1"), &json!("eth0"))
    );
    attachment.del().silent();
    // Only what is changed is in it.
    let attachment = stage.attach(&container, json!({ "mtu": 1400 }));
    attachment.add().success();
    assert_eq!(stage.file("c1_eth0.json")["mtu"], 1500);
    assert!(stage.file("c1_eth0.json").get("mac").is_none());
}

#[test]
fn bad_values_are_refused_before_any_effect() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let (host, inside) = (stage.snapshot(), container.snapshot());
    let bad = [
        (7, json!({ "mtu": 67 }), "\"mtu\" 67: must be 0 (as it is) or 68 to 65535"),
        (7, json!({ "mtu": 1279 }), "with the IPv6 address fd00::2/64"),
        (7, json!({ "txQLen": -1 }), "\"txQLen\" -1"),
        (7, json!({ "mac": "ff:ff:ff:ff:ff:ff" }), "must be the hardware address of one station"),
        (7, json!({ "sysctl": { "kernel.hostname": "x" } }), "\"kernel.hostname\""),
        (7, json!({ "sysctl": { "net/../kernel/hostname": "x" } }), "net/../kernel/hostname"),
        (
            7,
            json!({ "sysctl": { "net.ipv4.conf.eth0.arp_notify": "0", "net.ipv4.conf.IFNAME.arp_notify": "1" } }),
            "which is the same",
        ),
        (6, json!({ "sysctl": { "net.core.somaxconn": 5 } }), "sysctl.net.core.somaxconn"),
        (6, json!({ "mtu": "1400" }), "\"mtu\""),
        (100, json!({ "mtu": 1400, "sysctl": { "net.ipv4.no.such": "1" } }), "read sysctl net/ipv4/no/such"),
    ];
    for (code, mut keys, words) in bad {
        keys["allmulti"] = true.into();
        let error = stage.attach(&container, keys.clone()).add().failure_code(code);
        assert!(error["msg"].as_str().unwrap().contains(words), "{keys}: {error}");
    }
    let chained = stage.attach(&container, everything()).with_key("prevResult", Value::Null).add().failure_code(7);
    assert!(chained["msg"].as_str().unwrap().contains("prevResult missing"), "{chained}");
    let absent = stage.attach(&container, everything()).ifname("absent").add().failure_code(100);
    assert!(absent["msg"].as_str().unwrap().contains("find link \"absent\""), "{absent}");
    assert_same(&host, &stage.snapshot());
    assert_same(&inside, &container.snapshot());
    assert_eq!(state(&container).1, ["0", ""]);
}

#[test]
fn duplicated_sysctls_are_refused_with_their_key_and_del_still_works() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, json!({ "sysctl": "HERE" }));
    let twice = |object: &str| {
        let text = attachment.conf().to_string().replace("\"HERE\"", object);
        (attachment.call("ADD").stdin(text.as_str()), attachment.call("DEL").stdin(text.as_str()))
    };
    let (add, del) = twice(r#"{"net.core.somaxconn":"1","net.core.somaxconn":"1"}"#);
    let error = add.run().failure_code(7);
    assert_eq!(error["msg"], "\"sysctl\": it has \"net.core.somaxconn\" twice: duplicated sysctl keys are not allowed");
    del.run().silent();
    let (add, _) = twice(r#"null,"args":{"cni":{"sysctl":{"net.a":"1","net.b":"1","net.a":"2"}}}"#);
    let error = add.run().failure_code(7);
    assert!(error["msg"].as_str().unwrap().starts_with("\"args.cni.sysctl\": it has \"net.a\" twice"), "{error}");
}
