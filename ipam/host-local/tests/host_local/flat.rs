//! The cost of a call does not grow with leases.

use serde_json::{Value, json};

use crate::{
    crash::{can_trace, system_calls_of},
    host::Host,
};

/// More pages of the index than in a small one: those of the owner, of nobody, and of the words of the bitmap.
const MORE_PAGES: usize = 12;

fn conf(host: &Host) -> Value {
    host.conf(&json!({"subnet": "10.1.0.0/20"}))
}

/// System calls of an ADD, of its DEL, of another DEL and of one for a container that is unknown.
fn costs(host: &Host) -> [usize; 4] {
    host.add("before", &conf(host));
    [("ADD", "c1"), ("DEL", "c1"), ("DEL", "c1"), ("DEL", "unknown")]
        .map(|(command, id)| system_calls_of(host, command, id, &conf(host)).values().sum())
}

#[test]
fn calls_do_as_much_in_a_fragmented_nearly_full_pool_as_in_an_empty_one() {
    if !can_trace() {
        return;
    }
    let empty = costs(&Host::new());
    let host = Host::new();
    for n in (2..4090).filter(|n| n % 500 != 0) {
        host.put(&format!("10.1.{}.{}", n / 256, n % 256), &format!("crowd{n}\r\neth0"));
    }
    let full = costs(&host);
    for (few, many) in empty.iter().zip(&full) {
        assert!(*many <= few + MORE_PAGES, "{full:?} system calls, {empty:?} in an empty pool");
    }
}

#[test]
fn lease_by_hand_costs_one_slow_call() {
    if !can_trace() {
        return;
    }
    let host = Host::new();
    for n in 2..250 {
        host.put(&format!("10.1.0.{n}"), &format!("crowd{n}\r\neth0"));
    }
    let cost = || -> usize { system_calls_of(&host, "DEL", "unknown", &conf(&host)).values().sum() };
    assert!(cost() > 248);
    let fast = cost();
    assert!(fast < 150, "{fast}");
    host.put("10.1.1.2", "c9\r\neth0");
    assert!(cost() > 248);
    assert_eq!(cost(), fast);
}
