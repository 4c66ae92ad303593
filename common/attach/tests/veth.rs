//! Host ends of veth pairs: derived names, clashes, and finding them again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

use std::collections::BTreeSet;

use attach::{
    Owner,
    veth::{self, Pair},
};
use cni::{Attachment, Code, Result, Undo};
use net::{Link, Netns, Rtnl, here};
use testkit::{Sandbox, TestNs, assert_same};

fn attachment(container_id: &str) -> Attachment {
    Attachment { container_id: container_id.into(), ifname: "eth0".into() }
}

fn names(owner: &Owner) -> Vec<String> {
    owner.link_names().collect()
}

fn host() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

/// Attaches `container`; the undo log is forgotten.
fn attach(owner: &Owner, container: &TestNs) -> Result<Link> {
    let netns = Netns::open(container.path()).unwrap();
    let mut undo = Undo::default();
    let added = veth::add(&mut host(), owner, &Pair { netns: &netns, mac: None, mtu: None, master: None }, &mut undo);
    undo.forget();
    added
}

fn found(owner: &Owner) -> Vec<String> {
    veth::find(&mut host(), owner).unwrap().into_iter().map(|link| link.name).collect()
}

#[test]
fn name_that_a_foreign_link_has_is_passed_over_and_the_next_is_found_again() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let owner = Owner::new("net", &attachment("c1"));
    let names = names(&owner);
    sandbox.sh(&format!("ip link add {0} type veth peer name other0; ip link set {0} alias uplink", names[0]));
    sandbox.sh(&format!("ip link add {} type bridge", names[1]));
    let link = attach(&owner, &container).unwrap();
    assert_eq!(link.name, names[2]);
    assert_eq!(found(&owner), [names[2].as_str()]);
    let garbage = veth::find_garbage(&mut host(), "net", &BTreeSet::new()).unwrap();
    assert_eq!(garbage.len(), 1);
    host().del_link(link.index).unwrap();
    assert_eq!(found(&owner), [""; 0]);
    sandbox.sh(&format!("ip link show {} && ip link show {}", names[0], names[1]));
}

#[test]
fn names_that_are_all_taken_are_an_error_without_effect() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let owner = Owner::new("net", &attachment("c1"));
    for name in names(&owner) {
        sandbox.sh(&format!("ip link add {name} type bridge"));
    }
    let before = sandbox.snapshot(&[]);
    let error = attach(&owner, &container).unwrap_err();
    assert_eq!(error.code, Code::InUse);
    assert!(error.msg.starts_with("create veth: links of others have all names that it could take"), "{error}");
    assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn tag_of_another_attachment_keeps_a_link_from_being_found() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let (owner, other) = (Owner::new("net", &attachment("c1")), Owner::new("net", &attachment("c2")));
    let link = attach(&owner, &container).unwrap();
    assert_eq!(link.alias, None, "it was read before the tag was set");
    sandbox.sh(&format!("ip link set {} alias '{}'", link.name, other.tag()));
    assert_eq!(found(&owner), [""; 0]);
    sandbox.sh(&format!("ip link set {} alias ''", link.name));
    assert_eq!(found(&owner), [link.name.as_str()], "a crash has kept the tag off");
}

#[test]
fn undo_removes_the_pair_and_nothing_else() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let owner = Owner::new("net", &attachment("c1"));
    let before = sandbox.snapshot(&[]);
    let netns = Netns::open(container.path()).unwrap();
    let mut undo = Undo::default();
    let pair = Pair { netns: &netns, mac: Some("02:00:00:00:00:01".parse().unwrap()), mtu: Some(1400), master: None };
    veth::add(&mut host(), &owner, &pair, &mut undo).unwrap();
    let inside = container.json("ip -j link show eth0");
    assert_eq!((&inside[0]["address"], &inside[0]["mtu"]), (&"02:00:00:00:00:01".into(), &1400.into()));
    undo.unwind();
    assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn garbage_is_what_no_valid_attachment_of_the_network_has() {
    let sandbox = Sandbox::enter();
    let containers = ["c1", "c2", "c3"].map(|name| sandbox.netns(name));
    let own = |network, container: &TestNs| Owner::new(network, &attachment(container.name()));
    let kept = attach(&own("net", &containers[0]), &containers[0]).unwrap();
    let gone = attach(&own("net", &containers[1]), &containers[1]).unwrap();
    attach(&own("other", &containers[2]), &containers[2]).unwrap();
    let garbage = |keep: BTreeSet<Attachment>| -> Vec<String> {
        let links = veth::find_garbage(&mut host(), "net", &keep).unwrap();
        links.into_iter().map(|link| link.name).collect()
    };
    assert_eq!(garbage([attachment("c1")].into()), [gone.name.as_str()]);
    let everything: BTreeSet<String> = garbage(BTreeSet::new()).into_iter().collect();
    assert_eq!(everything, [kept.name, gone.name].into());
}
