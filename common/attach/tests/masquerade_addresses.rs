//! Masqueraded addresses in the kernel: each is its owner's, and goes with it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test reports by panicking")]

use attach::{Owner, masquerade_addresses};
use cni::Attachment;
use ipnetwork::IpNetwork;
use nft::Nft;
use testkit::Sandbox;

fn owner(network: &str, id: &str) -> Owner {
    Owner::new(network, &attachment(id))
}

fn attachment(id: &str) -> Attachment {
    Attachment { container_id: id.into(), ifname: "eth0".into() }
}

fn networks(texts: &[&str]) -> Vec<IpNetwork> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn ensure(owner: &Owner, addresses: &[&str]) {
    masquerade_addresses::ensure(&mut Nft::open().unwrap(), owner, &networks(addresses)).unwrap();
}

fn is_ensured(owner: &Owner, addresses: &[&str]) -> bool {
    masquerade_addresses::is_ensured(owner, &networks(addresses)).unwrap()
}

fn release(owner: &Owner) {
    masquerade_addresses::release(owner, &[]).unwrap();
}

/// The elements, without the chain.
fn elements(sandbox: &Sandbox) -> Vec<String> {
    let snapshot = sandbox.snapshot(&[]);
    snapshot.lines().iter().filter(|line| line.starts_with("nft element")).cloned().collect()
}

const BOTH: [&str; 2] = ["10.1.0.5/16", "fd01::5/64"];

#[test]
fn addresses_come_and_go_with_their_owner() {
    let sandbox = Sandbox::enter();
    let [one, two] = ["one", "two"].map(|id| owner("net", id));
    assert!(!is_ensured(&one, &BOTH));
    release(&one);
    assert_eq!(sandbox.sh("nft list ruleset"), "", "who masquerades nothing makes nothing");
    ensure(&one, &BOTH);
    assert!(is_ensured(&one, &BOTH) && !is_ensured(&two, &BOTH));
    let text = sandbox.sh("nft list table inet mooring");
    for part in [
        "10.1.0.5 . 10.1.0.0 comment \"",
        "fd01::5 . fd01:: comment \"",
        "if: eth0, id: one",
        "ip saddr . ip saddr & 255.255.0.0 @masquerade_within4_16 ip saddr . ip daddr & 255.255.0.0 != @masquerade_within4_16 \
         ip daddr != 224.0.0.0/4 masquerade",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let alone = elements(&sandbox);
    ensure(&two, &["10.1.0.6/16"]);
    release(&two);
    assert_eq!(elements(&sandbox), alone);
    release(&one);
    release(&one);
    assert_eq!(elements(&sandbox), [""; 0]);
}

#[test]
fn nothing_is_written_that_is_there() {
    let _sandbox = Sandbox::enter();
    let one = owner("net", "one");
    let generation = || Nft::open().unwrap().generation().unwrap();
    ensure(&one, &BOTH);
    let before = generation();
    ensure(&one, &BOTH);
    assert_eq!(generation(), before);
}

#[test]
fn address_is_the_later_owners() {
    let sandbox = Sandbox::enter();
    let [one, two] = ["one", "two"].map(|id| owner("net", id));
    ensure(&one, &BOTH);
    ensure(&two, &BOTH[..1]);
    assert!(is_ensured(&two, &BOTH[..1]) && !is_ensured(&one, &BOTH));
    release(&one);
    assert!(is_ensured(&two, &BOTH[..1]));
    release(&two);
    assert_eq!(elements(&sandbox), [""; 0]);
}

#[test]
fn earlier_addresses_of_the_owner_go() {
    let sandbox = Sandbox::enter();
    let one = owner("net", "one");
    ensure(&one, &BOTH);
    ensure(&one, &["10.1.0.5/16", "10.1.0.9/16"]);
    let now = elements(&sandbox);
    assert!(now.iter().all(|element| !element.contains("fd01::5")), "{now:?}");
    release(&one);
    assert_eq!(elements(&sandbox), [""; 0]);
}

#[test]
fn all_of_an_owner_goes_whatever_is_left_of_its_own_element() {
    let sandbox = Sandbox::enter();
    let one = owner("net", "one");
    // More than its element has a place for.
    let many: Vec<String> = (1..20).map(|n| format!("10.1.0.{n}/16")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    ensure(&one, &many);
    assert!(is_ensured(&one, &many));
    release(&one);
    assert_eq!(elements(&sandbox), [""; 0]);
    // What nft saves and restores lacks what is ours alone.
    ensure(&one, &BOTH);
    sandbox.sh("nft list ruleset > /run/saved; nft flush ruleset; nft -f /run/saved");
    assert!(is_ensured(&one, &BOTH));
    release(&one);
    assert_eq!(elements(&sandbox), [""; 0]);
    // Without it the previous result tells.
    ensure(&one, &BOTH);
    sandbox.sh("nft flush set inet mooring masquerade_owners");
    let twice = networks(&["10.1.0.5/16", "10.1.0.5/16", "fd01::5/64", "10.9.9.9/16"]);
    masquerade_addresses::release(&one, &twice).unwrap();
    assert_eq!(elements(&sandbox), [""; 0]);
}

#[test]
fn what_was_lost_is_missed_and_comes_back() {
    let sandbox = Sandbox::enter();
    let one = owner("net", "one");
    ensure(&one, &BOTH);
    let whole = || {
        let mut lines: Vec<String> = sandbox.sh("nft list ruleset").lines().map(str::to_owned).collect();
        // A chain that comes back comes last.
        lines.sort();
        lines
    };
    let before = whole();
    for lost in [
        "delete chain inet mooring masquerading_within4_16",
        "flush set inet mooring masquerade_owners",
        "flush set inet mooring masquerade_within4_16",
        "flush set inet mooring masquerade_within6_64",
        "flush ruleset",
    ] {
        sandbox.sh(&format!("nft {lost}"));
        assert!(!is_ensured(&one, &BOTH), "{lost}");
        ensure(&one, &BOTH);
        assert_eq!(whole(), before, "{lost}");
    }
}

#[test]
fn garbage_of_the_network_goes() {
    let sandbox = Sandbox::enter();
    let [kept, gone, other] = [owner("net", "kept"), owner("net", "gone"), owner("other", "gone")];
    ensure(&kept, &["10.1.0.2/16"]);
    ensure(&other, &["10.2.0.2/16"]);
    let before = elements(&sandbox);
    ensure(&gone, &["10.1.0.3/16", "fd01::3/64"]);
    sandbox.sh("nft flush set inet mooring masquerade_owners");
    masquerade_addresses::release_garbage("net", &[attachment("kept")].into()).unwrap();
    let left = elements(&sandbox);
    assert_eq!(left, before.iter().filter(|line| !line.contains("masquerade_owners")).cloned().collect::<Vec<_>>());
}
