//! Many calls at the same time.

use std::{collections::BTreeSet, thread};

use serde_json::json;
use testkit::{Attachment, Output, assert_same};

use crate::stage::{Stage, attach, text};

const MANY: usize = 30;

/// Runs all calls at once; their outcomes in order.
fn at_once(calls: Vec<testkit::Plugin>) -> Vec<Output> {
    thread::scope(|scope| {
        let running: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.run())).collect();
        running.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn first_attachments_of_a_host_may_come_together() {
    let stage = Stage::new();
    let conf = stage.dual(json!({ "ipMasq": true, "macspoofchk": true }));
    let containers: Vec<_> = (0..MANY).map(|n| stage.sandbox.netns(&format!("c{n}"))).collect();
    let all: Vec<_> = containers.iter().map(|container| Attachment::new(conf.clone(), container)).collect();
    let added = at_once(all.iter().map(|attachment| attachment.call("ADD")).collect());
    let results: Vec<_> = added.iter().map(Output::success).collect();
    for key in ["/ips/0/address", "/ips/1/address", "/interfaces/1/name", "/interfaces/1/mac", "/interfaces/2/mac"] {
        let values: BTreeSet<String> = results.iter().map(|result| text(result.pointer(key).unwrap())).collect();
        assert_eq!(values.len(), MANY, "{key}: {values:?}");
    }
    for (attachment, result) in all.iter().zip(&results) {
        assert_eq!(result["interfaces"][0], results[0]["interfaces"][0]);
        attachment.with_prev(result).check().silent();
    }
    containers[0].ping(text(&results[MANY - 1]["ips"][0]["address"]).trim_end_matches("/24")).unwrap();
    for gone in at_once(all.iter().map(|attachment| attachment.call("DEL")).collect()) {
        gone.silent();
    }
    assert_eq!(stage.ports("br0"), [""; 0]);
    let ruleset = stage.ruleset();
    assert!(!ruleset.contains("10.1.0.0") && !ruleset.contains("veth"), "{ruleset}");
}

#[test]
fn comings_and_goings_do_not_disturb_who_stays() {
    let stage = Stage::new();
    let conf = stage.dual(json!({ "ipMasq": true, "macspoofchk": true }));
    let containers: Vec<_> = (0..12).map(|n| stage.sandbox.netns(&format!("c{n}"))).collect();
    let all: Vec<_> = containers.iter().map(|container| Attachment::new(conf.clone(), container)).collect();
    let (old, new) = all.split_at(6);
    for attachment in old {
        attachment.add().success();
    }
    let calls = old.iter().map(|old| old.call("DEL")).chain(new.iter().map(|new| new.call("ADD")));
    let outcomes = at_once(calls.collect());
    for (attachment, outcome) in all.iter().zip(&outcomes).skip(old.len()) {
        attachment.with_prev(&outcome.success()).check().silent();
    }
    outcomes[..old.len()].iter().for_each(Output::silent);
    assert_eq!(stage.ports("br0").len(), new.len());
}

#[test]
fn last_goes_while_the_first_comes() {
    let stage = Stage::new();
    let conf = stage.dual(json!({ "ipMasq": true }));
    let containers = ["c0", "c1"].map(|name| stage.sandbox.netns(name));
    let both = containers.each_ref().map(|container| Attachment::new(conf.clone(), container));
    both[0].add().success();
    for round in 0..10 {
        let (leaving, coming) = (&both[round % 2], &both[(round + 1) % 2]);
        let outcomes = at_once(vec![leaving.call("DEL"), coming.call("ADD")]);
        outcomes[0].silent();
        coming.with_prev(&outcomes[1].success()).check().silent();
    }
}

#[test]
fn last_two_may_go_together() {
    let stage = Stage::new();
    let conf = stage.network(json!({ "ipMasq": true }));
    let containers = ["c0", "c1"].map(|name| stage.sandbox.netns(name));
    let both = containers.each_ref().map(|container| Attachment::new(conf.clone(), container));
    for _ in 0..10 {
        for attachment in &both {
            attachment.add().success();
        }
        at_once(both.iter().map(|attachment| attachment.call("DEL")).collect()).iter().for_each(Output::silent);
        assert!(!stage.ruleset().contains("10.1.0.0"), "{}", stage.ruleset());
    }
}

#[test]
fn interfaces_of_one_container_may_come_together() {
    let stage = Stage::new();
    let warm_up = stage.sandbox.netns("warm-up");
    let conf = stage.dual(json!({ "ipMasq": true }));
    attach(&conf, &warm_up).del();
    let before = stage.snapshot();
    let c1 = stage.sandbox.netns("c1");
    let both = ["eth0", "eth1"].map(|ifname| Attachment::new(conf.clone(), &c1).ifname(ifname));
    let added = at_once(both.iter().map(|attachment| attachment.call("ADD")).collect());
    for (attachment, result) in both.iter().zip(&added) {
        attachment.with_prev(&result.success()).check().silent();
    }
    assert!(c1.sh("ip route show default").starts_with("default via 10.1.0.1 dev eth0"));
    at_once(both.iter().map(|attachment| attachment.call("DEL")).collect()).iter().for_each(Output::silent);
    assert_same(&before, &stage.snapshot());
}
