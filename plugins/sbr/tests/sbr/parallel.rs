//! Interfaces of one container that are attached at the same time.

use std::{collections::BTreeSet, thread};

use serde_json::{Value, json};
use testkit::{Attachment, Output, Plugin, assert_same};

use crate::stage::{Stage, rules};

/// How many interfaces the container has.
const MANY: usize = 12;

/// Runs all calls at once; their outcomes in order.
fn at_once(calls: Vec<Plugin>) -> Vec<Output> {
    thread::scope(|scope| {
        let running: Vec<_> = calls.iter().map(|call| scope.spawn(|| call.run())).collect();
        running.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

/// The reference finds tables one after the other only for those who come by its own lock.
#[test]
fn each_gets_tables_of_its_own() {
    let stage = Stage::new();
    let ns = stage.sandbox.netns("c1");
    let lines: Vec<String> = (0..MANY)
        .map(|n| {
            format!(
                "link add net{n} type veth peer name peer{n}\nlink set net{n} up\nlink set peer{n} up
                 addr add 10.{n}.0.2/24 dev net{n}\naddr add fd{n:02}::2/64 dev net{n} nodad"
            )
        })
        .collect();
    ns.sh(&format!("echo '{}' | ip -batch -", lines.join("\n")));
    let all: Vec<Attachment> = (0..MANY)
        .map(|n| {
            let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "sbr" });
            let prev = json!({ "cniVersion": "1.1.0",
                "interfaces": [{ "name": format!("net{n}"), "sandbox": ns.path() }],
                "ips": [{ "interface": 0, "address": format!("10.{n}.0.2/24"), "gateway": format!("10.{n}.0.1") },
                    { "interface": 0, "address": format!("fd{n:02}::2/64") }] });
            Attachment::new(conf, &ns).ifname(&format!("net{n}")).with_prev(&prev)
        })
        .collect();
    let calls = |command: &str| all.iter().map(|attachment| attachment.call(command)).collect::<Vec<_>>();
    let before = ns.snapshot();
    for _ in 0..2 {
        let results: Vec<Value> = at_once(calls("ADD")).iter().map(Output::success).collect();
        assert_eq!(results.len(), MANY);
        for family in ["10.", "fd"] {
            let of_family = |rule: &&String| rule.starts_with(&format!("from {family}"));
            let listed = rules(&ns);
            let tables: BTreeSet<&str> =
                listed.iter().filter(of_family).map(|rule| rule.rsplit(' ').next().unwrap()).collect();
            assert_eq!((listed.len(), tables.len()), (2 * MANY, MANY), "{listed:?}");
        }
        at_once(calls("CHECK")).iter().for_each(Output::silent);
        at_once(calls("DEL")).iter().for_each(Output::silent);
        assert_same(&before, &ns.snapshot());
    }
}
