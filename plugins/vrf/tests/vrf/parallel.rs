//! Interfaces of one container that come and go at the same time.

use std::{collections::BTreeSet, thread};

use serde_json::json;
use testkit::{Attachment, Output, Plugin};

use crate::stage::{Stage, attach, master, vrfs};

const MANY: usize = 6;

/// Runs all calls at once; their outcomes in order.
fn at_once(calls: Vec<Plugin>) -> Vec<Output> {
    thread::scope(|scope| {
        let running: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.run())).collect();
        running.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

fn calls(all: &[Attachment], command: &str) -> Vec<Plugin> {
    all.iter().map(|attachment| attachment.call(command)).collect()
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn each_vrf_gets_a_table_of_its_own_and_one_vrf_takes_all() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    (1..=MANY).for_each(|n| drop(stage.link(&ns, &format!("net{n}"), n)));
    for shared in [true, false] {
        let all: Vec<Attachment> = (1..=MANY)
            .map(|n| {
                let name = if shared { "blue".to_owned() } else { format!("vrf{n}") };
                attach(&ns, &format!("net{n}"), n, json!({ "vrfname": name }))
            })
            .collect();
        for _ in 0..3 {
            for added in at_once(calls(&all, "ADD")) {
                added.success();
            }
            let made = vrfs(&ns);
            let tables: BTreeSet<u64> = made.iter().map(|(_, table)| *table).collect();
            let expected = if shared { 1 } else { MANY };
            assert_eq!((made.len(), tables.len()), (expected, expected), "{made:?}");
            at_once(calls(&all, "CHECK")).iter().for_each(Output::silent);
            at_once(calls(&all, "DEL")).iter().for_each(Output::silent);
            assert!(vrfs(&ns).is_empty(), "{:?}", vrfs(&ns));
        }
    }
}

#[test]
#[ignore = "needs vrf links: scripts/vm-test"]
fn the_last_goes_while_the_next_comes() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    let both = [1, 2].map(|n| {
        stage.link(&ns, &format!("net{n}"), n);
        attach(&ns, &format!("net{n}"), n, json!({ "vrfname": "blue" }))
    });
    both[0].add().success();
    for round in 0..10 {
        let (leaving, coming) = (&both[round % 2], &both[(round + 1) % 2]);
        let outcomes = at_once(vec![leaving.call("DEL"), coming.call("ADD")]);
        outcomes[0].silent();
        outcomes[1].success();
        coming.check().silent();
        assert_eq!(master(&ns, &format!("net{}", (round + 1) % 2 + 1)).as_deref(), Some("blue"));
    }
}
