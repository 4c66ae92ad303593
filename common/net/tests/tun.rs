//! Taps on the real kernel, judged by what iproute2 says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::time::Duration;

use net::{Errno, Kind, LinkChange, MacvlanMode, Rtnl, Tap, TapSpec, here, tun};
use testkit::{Facility, Sandbox, require};

const DEVICE: Facility<'static> = Facility::Device("/dev/net/tun");

fn spec(name: &str) -> TapSpec {
    TapSpec { name: name.into(), ..TapSpec::default() }
}

#[test]
fn taps_are_made_as_asked_and_stay() {
    if !require(DEVICE) {
        return;
    }
    let sandbox = Sandbox::enter();
    let mut host = Rtnl::open(&here()).unwrap();
    // User 0 is the only one that any user namespace has.
    for (name, tap) in [
        ("tap0", Tap::default()),
        ("tap1", Tap { owner: Some(0), ..Tap::default() }),
        ("tap2", Tap { group: Some(0), multi_queue: true, ..Tap::default() }),
        ("fifteen-bytes-x", Tap { owner: Some(0), group: Some(0), multi_queue: true }),
    ] {
        tun::add_tap(&here(), &TapSpec { tap, ..spec(name) }).unwrap();
        let link = host.link(name).unwrap().unwrap();
        assert!(link.is_kind("tap") && !link.up, "{link:?}");
        assert_eq!(link.tap, Some(tap));
        let told = &sandbox.json(&format!("ip -j -d link show {name}"))[0]["linkinfo"]["info_data"];
        assert_eq!((&told["type"], &told["pi"], &told["persist"]), (&"tap".into(), &false.into(), &true.into()));
        assert_eq!(told["multi_queue"], tap.multi_queue);
        let ids = (told["user"] == "root", told["group"] == "root");
        assert_eq!(ids, (tap.owner.is_some(), tap.group.is_some()), "{told}");
    }
    let tap = host.link("tap0").unwrap().unwrap();
    host.set_link(&tap, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    // A program that another test starts may have the descriptor for a moment.
    testkit::eventually(Duration::from_secs(5), || match host.link("tap0").unwrap().unwrap() {
        tap if tap.up && !tap.carrier => Ok(()),
        tap => Err(format!("{tap:?}")),
    });
}

#[test]
fn tuns_are_no_taps() {
    if !require(DEVICE) {
        return;
    }
    let sandbox = Sandbox::enter();
    sandbox.sh("ip tuntap add dev tun0 mode tun; ip tuntap add dev tap0 mode tap multi_queue");
    let mut host = Rtnl::open(&here()).unwrap();
    let [tun, tap] = ["tun0", "tap0"].map(|name| host.link(name).unwrap().unwrap());
    assert!(tun.is_kind("tun") && tun.tap.is_none() && tun.mac.is_none());
    assert_eq!(tap.tap, Some(Tap { multi_queue: true, ..Tap::default() }));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    if !require(DEVICE) {
        return;
    }
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add p0 type veth; ip tuntap add dev tap0 mode tap");
    let before = sandbox.snapshot(&[]);
    for taken in ["p0", "tap0"] {
        let error = tun::add_tap(&here(), &spec(taken)).unwrap_err();
        assert_eq!(error.to_string(), format!("create tap \"{taken}\": File exists (EEXIST)"));
    }
    let error = tun::add_tap(&here(), &spec("sixteen-bytes-xy")).unwrap_err();
    assert_eq!(error.errno, Errno::EINVAL);
    // What is no user in any namespace.
    let error =
        tun::add_tap(&here(), &TapSpec { tap: Tap { owner: Some(u32::MAX), ..Tap::default() }, ..spec("tap1") })
            .unwrap_err();
    assert_eq!(error.to_string(), "create tap \"tap1\" for user 4294967295: Invalid argument (EINVAL)");
    let error =
        tun::add_tap(&here(), &TapSpec { tap: Tap { group: Some(u32::MAX), ..Tap::default() }, ..spec("tap1") })
            .unwrap_err();
    assert_eq!(error.to_string(), "create tap \"tap1\" for group 4294967295: Invalid argument (EINVAL)");
    testkit::assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn kinds_that_the_kernel_has_are_known_without_making_one() {
    let sandbox = Sandbox::enter();
    let mut host = Rtnl::open(&here()).unwrap();
    let before = sandbox.snapshot(&[]);
    let macvlan = Kind::Macvlan { mode: MacvlanMode::Bridge, bc_queue_len: None };
    for (kind, script) in [
        (macvlan, "ip link add p0 type veth; ip link add link p0 name x type macvlan"),
        (Kind::Dummy, "ip link add x type dummy"),
        (Kind::Vlan { id: 5 }, "ip link add p0 type veth; ip link add link p0 name x type vlan id 5"),
        (Kind::Ifb, "ip link add x type ifb"),
    ] {
        let made = sandbox.try_sh(&format!("unshare -n sh -ec '{script}'")).status.success();
        assert_eq!(host.has_kind(kind).unwrap(), made, "{kind:?}");
    }
    testkit::assert_same(&before, &sandbox.snapshot(&[]));
}
