//! Calls at the same time.

use std::thread;

use serde_json::json;
use testkit::{Output, assert_same};

use crate::stage::{Stage, link, links};

#[test]
fn of_many_adds_that_want_one_device_one_gets_it() {
    let stage = Stage::with_device();
    let containers: Vec<_> = (0..8).map(|n| stage.sandbox.netns(&format!("c{n}"))).collect();
    let before = stage.snapshot();
    for _ in 0..3 {
        let attachments: Vec<_> = containers.iter().map(|ns| stage.attach(ns, json!({ "ipam": null }))).collect();
        let added: Vec<Output> = thread::scope(|scope| {
            let calls: Vec<_> = attachments.iter().map(|attachment| scope.spawn(|| attachment.add())).collect();
            calls.into_iter().map(|call| call.join().unwrap()).collect()
        });
        let winners: Vec<_> = (0..8).filter(|n| added[*n].status.success()).collect();
        let [winner] = winners[..] else { panic!("{winners:?}") };
        let altnames = link(&containers[winner], "eth0")["altnames"].to_string();
        assert!(altnames.contains(&format!("id:c{winner}")), "{altnames}");
        assert_eq!(altnames.matches("was:").count(), 1, "{altnames}");
        // The losers' DEL comes first.
        for (n, attachment) in attachments.iter().enumerate().filter(|(n, _)| *n != winner) {
            assert!(links(&containers[n]).is_empty());
            attachment.del().silent();
        }
        attachments[winner].del().silent();
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn dels_of_one_attachment_all_succeed() {
    let stage = Stage::with_device();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    let attachment = stage.attach(&c1, json!({}));
    for _ in 0..3 {
        attachment.add().success();
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| attachment.del().silent());
            }
        });
        assert_same(&before, &stage.snapshot());
    }
}

#[test]
fn devices_come_and_go_beside_each_other() {
    let stage = Stage::new();
    let names: Vec<String> = (0..8).map(|n| format!("d{n}")).collect();
    for name in &names {
        stage.device(name);
    }
    let containers: Vec<_> = names.iter().map(|name| stage.sandbox.netns(&format!("c-{name}"))).collect();
    let before = stage.snapshot();
    thread::scope(|scope| {
        for (name, container) in names.iter().zip(&containers) {
            let attachment = stage.attach(container, json!({ "device": name }));
            scope.spawn(move || {
                for _ in 0..3 {
                    let result = attachment.add().success();
                    attachment.with_prev(&result).check().silent();
                    attachment.with_prev(&result).del().silent();
                }
            });
        }
    });
    assert_same(&before, &stage.snapshot());
}
