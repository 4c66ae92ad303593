//! Qdiscs, filters and alternative names on the real kernel, judged by what iproute2 says, and by packets.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::time::Duration;

use net::{Bucket, Errno, Filter, Kind, Link, LinkChange, LinkSpec, Place, Rtnl, Tbf, here, tick};
use testkit::Sandbox;

const TBF: Tbf = Tbf { rate: 2_500_000, bucket: Bucket::Bytes(20_000), limit: 82_500 };

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

/// One end of a pair of links, whose other end is in a container.
fn pair(sandbox: &Sandbox) -> Link {
    sandbox.netns("c1").sh("ip link add eth0 type veth peer name veth0 netns host; ip link set eth0 up");
    sandbox.sh("ip link set veth0 up");
    host().link("veth0").unwrap().unwrap()
}

#[test]
fn token_bucket_filters_are_made_as_asked_and_read_back() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    let mut host = host();
    assert_eq!(host.qdisc(&link, Place::Root).unwrap(), None, "the kernel's own");
    host.add_tbf(&link, 0x12, &TBF).unwrap();
    let told = sandbox.sh("tc qdisc show dev veth0 root");
    assert!(told.contains("qdisc tbf 12: ") && told.contains("rate 20Mbit burst 20000b lat 25ms"), "{told}");

    let found = host.qdisc(&link, Place::Root).unwrap().unwrap();
    let ticks = u32::try_from(20_000 * 1_000_000_000 / 2_500_000 / tick()).unwrap();
    assert_eq!((found.kind.as_str(), found.handle), ("tbf", 0x12));
    assert_eq!(found.tbf, Some(Tbf { bucket: Bucket::Ticks(ticks), ..TBF }));
    assert!(host.add_tbf(&link, 0x13, &TBF).unwrap_err().is_exists());

    for _ in 0..2 {
        host.del_qdisc(&link, Place::Root).unwrap();
        assert_eq!(host.qdisc(&link, Place::Root).unwrap(), None);
    }
    host.add_tbf(&link, 1, &Tbf { bucket: Bucket::Ticks(ticks), ..TBF }).unwrap();
    let told = sandbox.sh("tc qdisc show dev veth0 root");
    assert!(told.contains("rate 20Mbit burst 20000b lat 25ms"), "{told}");
}

#[test]
fn rates_and_buckets_beyond_32_bits_are_kept() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    let mut host = host();
    let fast = Tbf { rate: 12_500_000_000, bucket: Bucket::Bytes(u32::MAX), limit: u32::MAX };
    host.add_tbf(&link, 1, &fast).unwrap();
    assert_eq!(host.qdisc(&link, Place::Root).unwrap().unwrap().tbf.unwrap().rate, 12_500_000_000);
    assert!(sandbox.sh("tc qdisc show dev veth0 root").contains("rate 100Gbit"));
    host.del_qdisc(&link, Place::Root).unwrap();
    // An hour's worth, which is more ticks than 32 bits hold.
    let slow = Tbf { rate: 1_000, bucket: Bucket::Bytes(3_600_000), limit: u32::MAX };
    host.add_tbf(&link, 1, &slow).unwrap();
    let lower = (3_600 * 1_000_000_000 / tick()) & u64::from(u32::MAX);
    let found = host.qdisc(&link, Place::Root).unwrap().unwrap().tbf.unwrap();
    let Bucket::Ticks(ticks) = found.bucket else { panic!("{found:?}") };
    assert!(u64::from(ticks).abs_diff(lower) < 1000, "{ticks} {lower}");
}

#[test]
fn what_a_link_receives_is_redirected() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    let mut host = host();
    host.add_link(&LinkSpec::new("ifb9", Kind::Ifb)).unwrap();
    let ifb = host.link("ifb9").unwrap().unwrap();
    host.set_link(&ifb, &LinkChange { up: Some(true), ..LinkChange::default() }).unwrap();
    assert_eq!(host.filters(&link).unwrap(), []);
    host.add_ingress(&link).unwrap();
    assert!(host.add_ingress(&link).unwrap_err().is_exists());
    assert_eq!(host.qdisc(&link, Place::Ingress).unwrap().unwrap().kind, "ingress");
    assert_eq!(host.filters(&link).unwrap(), []);
    host.add_redirect(&link, &ifb).unwrap();
    assert_eq!(host.filters(&link).unwrap(), [Filter { redirect: Some(ifb.index) }]);
    let told = sandbox.sh("tc filter show dev veth0 ingress");
    assert!(told.contains("protocol all pref 1 u32") && told.contains("Egress Redirect to device ifb9"), "{told}");

    sandbox.sh("ip addr add 10.1.0.1/24 dev veth0");
    let container = "nsenter --net=/run/netns/c1";
    sandbox.sh(&format!("{container} ip addr add 10.1.0.2/24 dev eth0; {container} ping -c 1 -W 5 10.1.0.1"));
    testkit::eventually(Duration::from_secs(5), || {
        let sent = sandbox.json("ip -j -s link show dev ifb9")[0]["stats64"]["tx"]["packets"].as_u64().unwrap();
        if sent > 0 { Ok(()) } else { Err(sent) }
    });

    sandbox.sh("ip link del ifb9");
    assert_eq!(host.filters(&link).unwrap(), [Filter { redirect: Some(net::LinkIndex(0)) }]);
    host.del_qdisc(&link, Place::Ingress).unwrap();
    host.del_qdisc(&link, Place::Ingress).unwrap();
    assert_eq!(host.qdisc(&link, Place::Ingress).unwrap(), None);
}

#[test]
fn filters_of_others_redirect_nothing() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    sandbox.sh("ip link add ifb9 type ifb; ip link set ifb9 up; tc qdisc add dev veth0 ingress");
    let add = "tc filter add dev veth0 parent ffff: protocol";
    sandbox.sh(&format!("{add} ip prio 3 u32 match ip dst 10.0.0.0/8 action mirred egress redirect dev ifb9"));
    sandbox.sh(&format!("{add} all prio 4 u32 match u32 0 0 action mirred egress mirror dev ifb9"));
    assert_eq!(host().filters(&link).unwrap(), [Filter { redirect: None }; 2]);
}

#[test]
fn links_that_have_gone_are_told() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    sandbox.sh("ip link del veth0");
    let mut host = host();
    assert_eq!(host.add_tbf(&link, 1, &TBF).unwrap_err().errno, Errno::ENODEV);
    assert_eq!(host.qdisc(&link, Place::Root).unwrap_err().errno, Errno::ENODEV);
    host.del_qdisc(&link, Place::Root).unwrap();
    host.del_altname(&link, "x").unwrap();
}

#[test]
fn questions_what_the_kernel_knows_change_nothing() {
    let sandbox = Sandbox::enter();
    let before = sandbox.snapshot(&[]);
    assert!(host().knows_tbf().unwrap() && host().knows_ifb().unwrap());
    sandbox.sh("tc qdisc add dev lo root handle 1: tbf rate 1gbit burst 1mb latency 25ms");
    assert!(host().knows_tbf().unwrap());
    sandbox.sh("tc qdisc del dev lo root");
    testkit::assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn links_are_found_by_alternative_names() {
    let sandbox = Sandbox::enter();
    let link = pair(&sandbox);
    let mut host = host();
    let name = "a-name-of-more-than-fifteen-characters";
    assert_eq!(host.link_by_altname(name).unwrap(), None);
    host.add_altname(&link, name).unwrap();
    assert!(host.add_altname(&link, name).unwrap_err().is_exists());
    let found = host.link_by_altname(name).unwrap().unwrap();
    assert_eq!((found.index, found.altnames), (link.index, vec![name.to_owned()]));
    assert_eq!(sandbox.json("ip -j link show dev veth0")[0]["altnames"][0], name);
    host.del_altname(&link, name).unwrap();
    host.del_altname(&link, name).unwrap();
    assert_eq!(host.link_by_altname(name).unwrap(), None);
}
