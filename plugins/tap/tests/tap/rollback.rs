//! A failing ADD leaves everything as it was, wherever it fails.

use serde_json::{Value, json};
use testkit::{Attached, Lan, Stdout, TestNs, assert_same};

use crate::stage::{eth0, host, network};

/// A host where host-local's directory is there already, and a container.
fn warmed_up() -> Option<(Lan, TestNs)> {
    let lan = host()?;
    lan.attach(&network(&lan, json!({})), "warm-up").1.del();
    let c1 = lan.sandbox.netns("c1");
    Some((lan, c1))
}

/// The reference then goes on with whatever has the name, and leaves its own tap behind.
#[test]
fn interface_name_that_is_taken() {
    let Some((lan, c1)) = warmed_up() else { return };
    for script in ["ip link add eth0 type bridge", "ip tuntap add dev eth0 mode tap", "ip tuntap add dev eth0 mode tun"]
    {
        c1.sh(&format!("{script}; ip link set eth0 alias somebody"));
        let msg = lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, json!({ "owner": 0, "group": 0 })), 101);
        assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
        c1.sh("ip link del eth0");
    }
}

#[test]
fn second_add_of_the_same_attachment() {
    let Some((lan, c1)) = warmed_up() else { return };
    let first = Attached::new(eth0(&lan, &c1, json!({})));
    let before = [lan.snapshot(), c1.snapshot()];
    first.attachment.add().failure_code(101);
    assert_same(&before[0], &lan.snapshot());
    assert_same(&before[1], &c1.snapshot());
    first.check().silent();
}

#[test]
fn bridge_that_is_missing_or_none() {
    let Some((lan, c1)) = warmed_up() else { return };
    let attachment = eth0(&lan, &c1, json!({ "bridge": "br0" }));
    // One of the host is not meant.
    lan.sandbox.sh("ip link add br0 type bridge");
    let msg = lan.fails_without_a_trace(&c1, &attachment, 100);
    assert_eq!(msg, "find \"bridge\" \"br0\" in the container: there is no link of that name");
    c1.sh("ip link add br0 type veth peer name other");
    let msg = lan.fails_without_a_trace(&c1, &attachment, 100);
    assert_eq!(msg, "find \"bridge\" \"br0\" in the container: that link is not a bridge");
}

#[test]
fn delegate_that_is_missing_or_has_no_address_left() {
    let Some((lan, c1)) = warmed_up() else { return };
    let missing = eth0(&lan, &c1, json!({})).with_key("ipam", json!({ "type": "no-such-plugin" }));
    lan.fails_without_a_trace(&c1, &missing, 7);
    let full = json!({ "type": "host-local", "dataDir": lan.leases(),
        "ranges": [[{ "subnet": "10.3.0.0/24", "rangeStart": "10.3.0.2", "rangeEnd": "10.3.0.2" }]] });
    lan.attach(&network(&lan, json!({ "ipam": full })), "full");
    lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, json!({})).with_key("ipam", full), 102);
}

#[test]
fn route_that_the_kernel_refuses() {
    let Some((lan, c1)) = warmed_up() else { return };
    lan.gives_everything_back(&network(&lan, json!({ "owner": 0, "group": 0 })), &c1);
}

#[test]
fn result_that_cannot_be_written() {
    let Some((lan, c1)) = warmed_up() else { return };
    let attachment = eth0(&lan, &c1, json!({}));
    let before = [lan.snapshot(), c1.snapshot()];
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before[0], &lan.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
}

#[test]
fn configuration_that_makes_no_sense() {
    let Some((lan, c1)) = warmed_up() else { return };
    let refused = |keys: Value| lan.fails_without_a_trace(&c1, &eth0(&lan, &c1, keys), 7);
    for (keys, words) in [
        (json!({ "mtu": 65522 }), "\"mtu\" 65522"),
        (json!({ "mac": "01:00:00:00:00:00" }), "\"mac\" \"01:00:00:00:00:00\""),
        (json!({ "owner": -1 }), "\"owner\" -1"),
        (json!({ "bridge": "a/b" }), "\"bridge\" \"a/b\""),
    ] {
        let msg = refused(keys);
        assert!(msg.starts_with(words), "{msg}");
    }
}
