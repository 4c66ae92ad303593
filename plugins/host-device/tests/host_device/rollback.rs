//! A failing ADD leaves the host as it was: also what the kernel forgets of a device that moves.

use serde_json::{Value, json};
use testkit::{Attachment, Stdout, TestNs, assert_same};

use crate::stage::{Stage, text};

/// A stage whose device is configured, and a container.
fn configured() -> (Stage, TestNs) {
    let stage = Stage::new();
    // Addresses are not probed: nothing has to be waited for.
    stage.sandbox.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0");
    stage.device("d0");
    stage.sandbox.sh("ip link set d0 up alias 'to rack 7'; ip link set d0 mtu 1400 txqueuelen 77 addrgenmode none
        sysctl -qw net.ipv4.conf.d0.rp_filter=2 net.ipv4.conf.d0.proxy_arp=1 net.ipv6.conf.d0.accept_ra=0
        ip link property add dev d0 altname enp59s0
        ip link add br0 type bridge; ip link set d0 master br0
        ip addr add 192.0.2.1/24 dev d0; ip addr add 192.0.2.2/24 dev d0; ip addr add 2001:db8::1/64 dev d0 nodad
        ip route add default via 192.0.2.254 metric 7; ip route add 2001:db8:1::/48 via 2001:db8::99
        ip route add 198.51.100.0/24 via 192.0.2.9 table 77");
    stage.settle();
    let c1 = stage.sandbox.netns("c1");
    // The device gets another number there.
    c1.sh("ip link add x0 type veth peer name x1; ip link add x2 type veth peer name x3");
    (stage, c1)
}

/// ADD fails, and neither host nor container differ from before, nor after its DEL.
#[track_caller]
fn fails_without_a_trace(stage: &Stage, container: &TestNs, attachment: &Attachment, code: u64) -> String {
    let before = [stage.snapshot(), container.snapshot()];
    let error = attachment.add().failure_code(code);
    let unchanged = || {
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &container.snapshot());
    };
    unchanged();
    let _ = attachment.del();
    unchanged();
    text(&error["msg"])
}

/// A delegate that does this, beside our real plugins.
fn stub(stage: &Stage, script: &str) -> std::path::PathBuf {
    let (dir, ours) = (stage.sandbox.dir().join("stubs"), testkit::Plugin::bin_dir());
    stage.sandbox.sh(&format!(
        "mkdir -p {dir}; ln -sf {ours}/host-device {dir}/; cat > {dir}/stub <<'SCRIPT'\n#!/bin/sh\n{script}\nSCRIPT\nchmod +x {dir}/stub",
        dir = dir.display(),
        ours = ours.display(),
    ));
    dir
}

#[test]
fn delegate_that_is_missing_or_fails() {
    let (stage, c1) = configured();
    let missing = stage.attach(&c1, json!({ "ipam": { "type": "no-such-plugin" } }));
    fails_without_a_trace(&stage, &c1, &missing, 7);
    for (script, code) in [
        ("cat >/dev/null; echo '{\"code\": 11, \"msg\": \"later\"}'; exit 1", 11),
        ("cat >/dev/null; echo '{}'", 7),
        ("cat >/dev/null; kill -9 $$", 999),
        // The interface was there, and has been renamed under our hands.
        ("cat >/dev/null; ip -n c1 link set eth0 name lan; echo '{\"ips\": [{\"address\": \"10.1.0.2/24\"}]}'", 100),
        ("cat >/dev/null; echo '{\"ips\": [{\"address\": \"10.1.0.2/24\"}, {\"address\": \"10.1.0.2/24\"}]}'", 101),
    ] {
        let attachment = stage.attach(&c1, json!({ "ipam": { "type": "stub" } })).bin_dir(stub(&stage, script));
        fails_without_a_trace(&stage, &c1, &attachment, code);
    }
}

#[test]
fn pool_that_is_exhausted() {
    let (stage, c1) = configured();
    let mut ipam = stage.ipam();
    ipam["ranges"] = json!([[{ "subnet": "10.1.0.0/24", "rangeStart": "10.1.0.2", "rangeEnd": "10.1.0.2" }]]);
    stage.device("d1");
    stage.attach(&stage.sandbox.netns("c0"), json!({ "device": "d1", "ipam": ipam })).add().success();
    fails_without_a_trace(&stage, &c1, &stage.attach(&c1, json!({ "ipam": ipam })), 102);
}

#[test]
fn interface_name_that_is_taken() {
    for script in [
        "ip link add eth0 type bridge",
        "ip link add lan type bridge; ip link property add dev lan altname eth0",
        // Neither name is free.
        "ip link add eth0 type veth peer name d0",
    ] {
        let (stage, c1) = configured();
        c1.sh(script);
        let msg = fails_without_a_trace(&stage, &c1, &stage.attach(&c1, json!({})), 101);
        assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
    }
}

#[test]
fn names_of_the_device_that_are_in_the_way() {
    let (stage, c1) = configured();
    let attachment = stage.attach(&c1, json!({})).ifname("enp59s0");
    let msg = fails_without_a_trace(&stage, &c1, &attachment, 101);
    assert_eq!(msg, "move \"d0\" as \"enp59s0\": that is an alternative name of it already");
    c1.sh("ip link set x0 name enp59s0");
    fails_without_a_trace(&stage, &c1, &stage.attach(&c1, json!({})), 101);
}

#[test]
fn second_add_of_the_same_attachment() {
    let (stage, c1) = configured();
    let attachment = stage.attach(&c1, json!({}));
    let result = attachment.add().success();
    let before = [stage.snapshot(), c1.snapshot()];
    attachment.add().failure_code(100);
    // With another device: the name is taken.
    stage.device("d1");
    attachment.with_key("device", json!("d1")).add().failure_code(101);
    stage.sandbox.sh("ip link del d1");
    assert_same(&before[0], &stage.snapshot());
    assert_same(&before[1], &c1.snapshot());
    attachment.with_prev(&result).check().silent();
}

#[test]
fn result_that_cannot_be_written() {
    let (stage, c1) = configured();
    let attachment = stage.attach(&c1, json!({}));
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        let before = [stage.snapshot(), c1.snapshot()];
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
    attachment.add().success();
}

#[test]
fn netns_that_is_none() {
    let (stage, c1) = configured();
    for path in ["/run/netns/never-was", "/"] {
        let msg = fails_without_a_trace(&stage, &c1, &stage.attach(&c1, json!({})).netns(path), 100);
        assert!(msg.starts_with(&format!("open network namespace {path}: ")), "{msg}");
    }
    let own = stage.attach(&c1, json!({})).netns(stage.sandbox.host().path());
    fails_without_a_trace(&stage, &c1, &own, 8);
}

/// The answer gets lost, not the effect: what has been done is taken back all the same.
#[test]
fn answers_of_the_kernel_that_get_lost() {
    if !testkit::require(testkit::Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let (stage, c1) = configured();
    let attachment = stage.attach(&c1, json!({ "ipam": null }));
    let before = [stage.snapshot(), c1.snapshot()];
    let mut refusals = 0;
    for n in 1.. {
        let inject = format!("inject=recvfrom,recvmsg:error=ENOBUFS:when={n}");
        let run = attachment.call("ADD").under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]).run();
        if run.status.success() {
            break;
        }
        assert_ne!(run.failure()["code"], Value::from(999), "{inject}");
        refusals += 1;
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
    assert!(refusals > 10, "{refusals}");
}
