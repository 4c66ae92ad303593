//! DEL: the device is back on the host as it was, whatever has happened to it.

use std::fs;

use serde_json::{Value, json};
use testkit::{Attachment, TestNs, assert_same, eventually};

use crate::stage::{LONG, Stage, is_up, link, links};

/// A stage whose device is in a container.
fn lent() -> (Stage, TestNs, Attachment, testkit::Snapshot) {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    (stage, c1, attachment, before)
}

#[test]
fn device_is_back_with_name_alias_and_state() {
    for state in ["up", "down"] {
        let stage = Stage::with_device();
        stage.sandbox.sh(&format!("ip link set d0 {state}"));
        let c1 = stage.sandbox.netns("c1");
        let before = stage.snapshot();
        let attachment = stage.attach(&c1, json!({}));
        let result = attachment.add().success();
        attachment.with_prev(&result).del().silent();
        assert_same(&before, &stage.snapshot());
        assert!(links(&c1).is_empty() && stage.leased().is_empty());
    }
}

#[test]
fn one_without_an_alias_has_none_again() {
    let stage = Stage::new();
    stage.device("d0");
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = stage.attach(&c1, json!({}));
    attachment.add().success();
    attachment.del().silent();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn longest_and_oddest_aliases_come_back() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    for alias in ["x".repeat(255), " /%".repeat(85), "\u{e9}".repeat(127)] {
        stage.sandbox.sh(&format!("ip link set d0 alias '{alias}'"));
        let attachment = stage.attach(&c1, json!({}));
        attachment.add().success();
        attachment.del().silent();
        assert_eq!(link(stage.sandbox.host(), "d0")["ifalias"], alias);
    }
}

#[test]
fn one_that_the_container_has_renamed_is_found() {
    for script in [
        "ip link set eth0 down; ip link set eth0 name lan",
        "ip link set eth0 down; ip link set eth0 name lan; ip link set lan alias mine up",
        "ip link set eth0 alias ''",
        "ip link property add dev eth0 altname mine altname lan0",
        "ip link set eth0 down; ip link set eth0 name lan; ip link add eth0 type veth peer name eth1",
        // The name that it had is taken where it is.
        "ip link add d0 type veth peer name eth1",
    ] {
        let (stage, c1, attachment, before) = lent();
        c1.sh(script);
        attachment.del().silent();
        let now = stage.snapshot().without(&["link d0"]);
        assert_same(&before.without(&["link d0"]), &now);
        let d0 = link(stage.sandbox.host(), "d0");
        assert_eq!((&d0["ifalias"], is_up(stage.sandbox.host(), "d0")), (&json!("to rack 7"), true), "{script}");
        assert!(c1.sh("ip link").lines().all(|line| !line.contains("@if")), "{script}");
    }
}

#[test]
fn names_that_the_container_has_given_it_do_not_keep_it() {
    let (stage, c1, attachment, _) = lent();
    stage.device("d1");
    stage.sandbox.sh("ip link property add dev d1 altname a-long-name-of-the-other-device");
    c1.sh("ip link property add dev eth0 altname d1 altname a-long-name-of-the-other-device altname free");
    attachment.del().silent();
    assert_eq!(link(stage.sandbox.host(), "d0")["altnames"], json!(["free"]));
    assert_eq!(link(stage.sandbox.host(), "d1")["altnames"], json!(["a-long-name-of-the-other-device"]));
}

/// Whoever watches, such as udev or NetworkManager, does not take it for a new device.
#[test]
fn nobody_on_the_host_sees_it_under_another_name() {
    let (stage, c1, attachment, _) = lent();
    let log = stage.sandbox.dir().join("monitor");
    let monitor = format!("exec ip -o monitor link >{} 2>&1", log.display());
    let seen = || fs::read_to_string(&log).unwrap_or_default();
    std::thread::scope(|scope| {
        let watching =
            scope.spawn(|| stage.sandbox.try_sh(&format!("{monitor} & echo $! >{}.pid; wait", log.display())));
        eventually(LONG, || {
            // It has begun once it tells of something.
            stage.sandbox.sh("ip link set lo mtu 65535; ip link set lo mtu 65536");
            if seen().is_empty() { Err(()) } else { Ok(()) }
        });
        attachment.del().silent();
        attachment.add().success();
        c1.sh("ip link set eth0 name lan || { ip link set eth0 down; ip link set eth0 name lan; }");
        attachment.del().silent();
        stage.sandbox.sh("ip link add last0 type veth peer name last1");
        eventually(LONG, || if seen().contains("last1") { Ok(()) } else { Err(seen()) });
        stage.sandbox.sh(&format!("kill $(cat {}.pid)", log.display()));
        drop(watching.join());
    });
    let seen = seen();
    // `2: d0@if2: <...`, or `Deleted 2: ...`
    let mut names: Vec<&str> = seen.lines().filter_map(|line| line.split(": ").nth(1)?.split('@').next()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names, ["d0", "last0", "last1", "lo"], "{seen}");
}

#[test]
fn everything_that_can_be_missing_may_be_missing() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({}));
    let before = (stage.snapshot(), c1.snapshot());
    let file = stage.sandbox.dir().join("file");
    fs::write(&file, "").unwrap();
    // No ADD before; and none of a device that is not there.
    for netns in
        [c1.path().to_str().unwrap(), "", "/run/netns/never-was", file.to_str().unwrap(), "/", "/proc/self/ns/uts"]
    {
        attachment.clone().netns(netns).del().silent();
        attachment.with_key("device", json!("d9")).netns(netns).del().silent();
    }
    assert_same(&before.0, &stage.snapshot());
    assert_same(&before.1, &c1.snapshot());
    let result = attachment.add().success();
    let del = attachment.with_prev(&result);
    del.del().silent();
    del.del().silent();
    assert_same(&before.0, &stage.snapshot());
}

#[test]
fn addresses_are_released_without_the_network_namespace() {
    for gone in ["", "/run/netns/c1"] {
        let (stage, c1, attachment, _) = lent();
        assert_eq!(stage.leased().len(), 2);
        if !gone.is_empty() {
            c1.remove();
        }
        attachment.clone().netns(gone).del().silent();
        assert!(stage.leased().is_empty(), "{gone}");
    }
}

#[test]
fn an_interface_that_has_gone_is_no_error() {
    let (stage, c1, attachment, _) = lent();
    c1.sh("ip link del eth0");
    attachment.del().silent();
    assert!(stage.leased().is_empty() && stage.links().is_empty());
}

#[test]
fn configuration_may_have_lost_what_says_which_device_it_is() {
    for conf in [
        json!({ "device": null }),
        json!({ "device": "d9" }),
        json!({ "device": "a b", "hwaddr": "junk", "kernelpath": "x", "pciBusID": "../.." }),
        json!({ "pciBusID": "0000:99:00.0", "runtimeConfig": { "deviceID": "0000:98:00.0" } }),
    ] {
        let (stage, c1, _, before) = lent();
        stage.attach(&c1, conf).del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn name_that_is_taken_on_the_host_fails_until_it_is_free() {
    for (script, undo) in [
        ("ip link add d0 type veth peer name other", "ip link del d0"),
        (
            "ip link add other type veth peer name another; ip link property add dev other altname d0",
            "ip link del other",
        ),
    ] {
        let (stage, c1, attachment, before) = lent();
        stage.sandbox.sh(script);
        let inside = c1.snapshot();
        for _ in 0..2 {
            let error = attachment.del().failure_code(101);
            assert_eq!(error["msg"], "return device \"d0\": the name is taken on the host");
            assert_same(&inside, &c1.snapshot());
            assert!(is_up(&c1, "eth0"));
        }
        stage.sandbox.sh(undo);
        attachment.del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

/// A link of the container's with an alias that is a name, as the reference leaves what it has moved.
fn unmarked(stage: &Stage, container: &TestNs, name: &str, alias: &str) {
    stage.device("x0");
    stage.sandbox.sh(&format!("ip link set x0 alias {alias} name {name} netns {} up", container.name()));
}

#[test]
fn what_the_reference_has_moved_is_returned_as_it_does() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    unmarked(&stage, &c1, "eth0", "d0");
    stage.attach(&c1, json!({})).del().silent();
    let d0 = link(stage.sandbox.host(), "d0");
    assert_eq!(
        (&d0["ifalias"], &d0["altnames"], is_up(stage.sandbox.host(), "d0")),
        (&json!(null), &json!(null), false)
    );
}

#[test]
fn what_the_reference_has_moved_and_the_container_renamed_is_known_by_its_address() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    unmarked(&stage, &c1, "lan", "d0");
    let mac = link(&c1, "lan")["address"].clone();
    let prev = |mac: &Value| json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "eth0", "mac": mac, "sandbox": "/run/netns/c1" }] });
    let attachment = stage.attach(&c1, json!({}));
    attachment.with_prev(&prev(&json!("02:00:00:00:00:99"))).del().silent();
    attachment.del().silent();
    assert_eq!(links(&c1), ["lan"]);
    attachment.with_prev(&prev(&mac)).del().silent();
    assert_eq!(stage.links(), ["d0"]);
}

#[test]
fn links_of_others_stay() {
    for (name, alias, conf) in [
        // Nobody's that was moved.
        ("eth0", "''", json!({})),
        ("eth0", "'uplink of this container'", json!({})),
        // Another network's.
        ("eth0", "d1", json!({})),
        // Not hardware, which sysfs would have told of.
        ("eth0", "d0", json!({ "device": null, "pciBusID": "0000:3b:00.1" })),
        ("eth1", "d0", json!({})),
    ] {
        let stage = Stage::new();
        let c1 = stage.sandbox.netns("c1");
        unmarked(&stage, &c1, name, alias);
        let before = c1.snapshot();
        stage.attach(&c1, conf).del().silent();
        assert_same(&before, &c1.snapshot());
    }
}

#[test]
fn devices_of_other_attachments_stay() {
    let (stage, c1, attachment, _) = lent();
    let before = c1.snapshot();
    attachment.with_key("name", json!("net2")).del().silent();
    attachment.clone().container("c2").del().silent();
    attachment.clone().ifname("eth1").del().silent();
    assert_same(&before, &c1.snapshot());
    attachment.del().silent();
    assert_eq!(stage.links(), ["d0"]);
}

#[test]
fn two_devices_of_a_container_go_one_by_one() {
    let stage = Stage::with_device();
    stage.device("d1");
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let [one, two] = [("d0", "eth0"), ("d1", "eth1")]
        .map(|(device, ifname)| stage.attach(&c1, json!({ "device": device })).ifname(ifname));
    one.add().success();
    two.add().success();
    one.del().silent();
    assert_eq!((links(&c1), stage.links()), (vec!["eth1".to_owned()], vec!["d0".to_owned()]));
    two.del().silent();
    assert_same(&before, &stage.snapshot());
}
