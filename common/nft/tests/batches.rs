//! Batches against the kernel: all or nothing, errors that name the object, reading back.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::thread;
use std::time::Duration;

use nft::{
    Batch, COMMENT_MAX, Chain, Data, Element, Errno, Error, Key, KeyType, Nft, Result, Rule, Set, Table, Verdict, expr,
};
use support::{add, map, nets, nft_file, pairs, private_netns, run, table, tcp, to_web, v4, with_sets};

#[test]
fn ensure_is_content_and_add_insists() {
    let (mut nft, table) = with_sets();
    let mut again = Batch::new();
    again.ensure_table(&table);
    again.ensure_set(&table, &map());
    nft.commit(again).unwrap();

    let mut exclusive = Batch::new();
    exclusive.add_table(&table);
    let error = nft.commit(exclusive).unwrap_err();
    assert_eq!(error.to_string(), "create table inet t: File exists (EEXIST)");
    assert!(error.is_exists());

    let mut exclusive = Batch::new();
    exclusive.ensure_table(&table);
    exclusive.add_set(&table, &map());
    assert_eq!(nft.commit(exclusive).unwrap_err().to_string(), "create map inet t m: File exists (EEXIST)");
}

#[test]
fn error_names_the_element_and_nothing_is_applied() {
    let (mut nft, table) = with_sets();
    let elements = |ports: std::ops::Range<u16>| ports.map(|port| Element::new(tcp(port)).to(to_web()));
    add(&mut nft, &table, &map(), elements(443..444)).unwrap();
    let error = add(&mut nft, &table, &map(), elements(440..450)).unwrap_err();
    assert_eq!(error.to_string(), "create element inet t m { tcp . 443 }: File exists (EEXIST)");
    assert_eq!(nft.elements(&table, &map()).unwrap().len(), 1);

    let mut batch = Batch::new();
    batch.ensure_elements(&table, &map(), elements(80..81));
    batch.delete_elements(&table, &map(), [Element::new(tcp(8)), Element::new(tcp(9))]);
    let error = nft.commit(batch).unwrap_err();
    assert_eq!(error.to_string(), "delete element inet t m { tcp . 8 }: No such file or directory (ENOENT)");
    assert!(error.is_not_found());
    assert_eq!(nft.element(&table, &map(), &tcp(80)).unwrap(), None);
}

#[test]
fn element_with_other_data_is_not_replaced() {
    let (mut nft, table) = with_sets();
    add(&mut nft, &table, &map(), [Element::new(tcp(80)).to(to_web())]).unwrap();
    let mut same = Batch::new();
    same.ensure_elements(&table, &map(), [Element::new(tcp(80)).to(to_web())]);
    nft.commit(same).unwrap();
    let mut other = Batch::new();
    other.ensure_elements(&table, &map(), [Element::new(tcp(80)).to(Key::new().ipv4(v4("10.0.0.3")).port(1))]);
    let error = nft.commit(other).unwrap_err();
    assert_eq!(error.to_string(), "add element inet t m { tcp . 80 }: File exists (EEXIST)");
}

#[test]
fn comment_and_private_value_read_back_and_nft_prints_the_comment() {
    let (mut nft, table) = with_sets();
    let element = Element::new(tcp(80)).to(to_web()).comment("net: ä").private(0xc0, *b"\0own\xff");
    add(&mut nft, &table, &map(), [element.clone()]).unwrap();
    assert_eq!(nft.elements(&table, &map()).unwrap(), std::slice::from_ref(&element));
    assert_eq!(nft.element(&table, &map(), &tcp(80)).unwrap(), Some(element));
    assert!(run("nft list map inet t m").contains("tcp . 80 comment \"net: ä\" : 10.0.0.2 . 8080"));
}

#[test]
fn longest_comment_fits_beside_a_private_value() {
    let (mut nft, table) = with_sets();
    let comment = "c".repeat(COMMENT_MAX);
    let element = Element::new(v4("10.0.0.1")).comment(format!("{comment}+")).private(0xc0, [7; 121]);
    add(&mut nft, &table, &nets(), [element]).unwrap();
    let listed = nft.elements(&table, &nets()).unwrap();
    assert_eq!(listed, [Element::new(v4("10.0.0.1")).comment(comment.clone()).private(0xc0, [7; 121])]);
    assert!(run("nft list set inet t nets").contains(&comment));
}

#[test]
fn ranges_of_one_field_are_added_found_and_deleted() {
    let (mut nft, table) = with_sets();
    let ten = Element::range(v4("10.0.0.0"), v4("10.0.0.255")).comment("ten");
    let next = Element::range(v4("10.0.1.0"), v4("10.0.1.9")).comment("next");
    let top = Element::range(v4("240.0.0.0"), v4("255.255.255.255")).comment("top");
    let zero = Element::new(v4("0.0.0.0"));
    add(&mut nft, &table, &nets(), [ten.clone(), next.clone(), top.clone(), zero.clone()]).unwrap();
    assert_eq!(nft.elements(&table, &nets()).unwrap(), [zero.clone(), ten.clone(), next.clone(), top.clone()]);

    let mut at = |addr: &str| nft.element(&table, &nets(), &v4(addr).into()).unwrap();
    assert_eq!(at("10.0.0.0"), Some(ten.clone()));
    assert_eq!(at("10.0.0.7"), Some(ten.clone()));
    assert_eq!(at("10.0.0.255"), Some(ten.clone()));
    assert_eq!(at("10.0.1.0"), Some(next.clone()));
    assert_eq!(at("10.0.1.10"), None);
    assert_eq!(at("9.255.255.255"), None);
    assert_eq!(at("255.1.1.1"), Some(top.clone()));
    assert_eq!(at("255.255.255.255"), Some(top.clone()));
    assert_eq!(at("0.0.0.0"), Some(zero.clone()));

    let overlap = Element::range(v4("10.0.0.128"), v4("10.0.0.129"));
    let error = add(&mut nft, &table, &nets(), [overlap]).unwrap_err();
    assert_eq!(error.to_string(), "create element inet t nets { 10.0.0.128-10.0.0.129 }: File exists (EEXIST)");

    let mut batch = Batch::new();
    batch.delete_elements(&table, &nets(), [ten, top, zero]);
    nft.commit(batch).unwrap();
    assert_eq!(nft.elements(&table, &nets()).unwrap(), [next]);
}

#[test]
fn ranges_of_concatenations_are_added_found_and_deleted() {
    let (mut nft, table) = with_sets();
    let key = |addr: &str, port| Key::new().ipv4(v4(addr)).port(port);
    let block = Element::range(key("10.0.0.0", 80), key("10.0.0.255", 89)).comment("block").private(0xc0, [1]);
    let one = Element::new(key("10.0.1.1", 80)).comment("one");
    add(&mut nft, &table, &pairs(), [block.clone(), one.clone()]).unwrap();
    let mut listed = nft.elements(&table, &pairs()).unwrap();
    listed.sort_by(|a, b| a.key.cmp(&b.key));
    assert_eq!(listed, [block.clone(), one.clone()]);
    let mut at = |addr: &str, port| nft.element(&table, &pairs(), &key(addr, port)).unwrap();
    assert_eq!(at("10.0.0.9", 85), Some(block.clone()));
    assert_eq!(at("10.0.0.9", 90), None);
    assert_eq!(at("10.0.1.1", 80), Some(one.clone()));
    let mut batch = Batch::new();
    batch.delete_elements(&table, &pairs(), [block]);
    nft.commit(batch).unwrap();
    assert_eq!(nft.elements(&table, &pairs()).unwrap(), [one]);
}

#[test]
fn sets_that_nft_made_are_read() {
    let mut nft = private_netns();
    nft_file(
        "table inet t {
            chain side { }
            set nets { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/24 comment \"a\", 10.0.1.0/24, 255.0.0.0/8 } }
            map v { type ipv4_addr : verdict; elements = { 10.0.0.1 : goto side, 10.0.0.2 : accept } }
        }",
    );
    let expected = [
        Element::range(v4("0.0.0.0"), v4("0.255.255.255")),
        Element::range(v4("10.0.0.0"), v4("10.0.0.255")).comment("a"),
        Element::range(v4("10.0.1.0"), v4("10.0.1.255")),
        Element::range(v4("255.0.0.0"), v4("255.255.255.255")),
    ];
    let listed = nft.elements(&table(), &nets()).unwrap();
    let public: Vec<Element> = listed.into_iter().map(|element| Element { private: None, ..element }).collect();
    assert_eq!(public, expected);
    let verdicts = Set::verdict_map("v", [KeyType::Ipv4Addr]);
    let found = nft.element(&table(), &verdicts, &v4("10.0.0.1").into()).unwrap().unwrap();
    assert_eq!(found.data, Some(Data::Verdict(Verdict::Goto("side".into()))));
}

#[test]
fn absent_things_are_told_apart_from_empty_ones() {
    let (mut nft, table) = with_sets();
    let absent = Table::new(table.family, "absent");
    assert!(nft.table_exists(&table).unwrap() && !nft.table_exists(&absent).unwrap());
    assert!(nft.set_exists(&table, "m").unwrap() && !nft.set_exists(&table, "n").unwrap());
    assert!(!nft.chain_exists(&table, "c").unwrap() && !nft.chain_exists(&absent, "c").unwrap());
    assert_eq!(nft.elements(&table, &map()).unwrap(), []);
    let error = nft.elements(&absent, &map()).unwrap_err();
    assert!(error.is_not_found(), "{error}");
    assert_eq!(error.to_string(), "list set inet absent m: No such file or directory (ENOENT)");
    assert_eq!(nft.element(&absent, &map(), &tcp(1)).unwrap(), None);
    assert_eq!(nft.rules(&absent, "c").unwrap(), []);
    assert!(!nft.chain_exists(&table, &"c".repeat(300)).unwrap(), "no chain can have this name");
}

#[test]
fn rules_are_listed_and_deleted_by_handle() {
    let (mut nft, table) = with_sets();
    let mut batch = Batch::new();
    batch.add_chain(&table, &Chain::regular("c"));
    for comment in ["one", "two", "three"] {
        batch.add_rule(&table, "c", &Rule::new([expr::counter()]).comment(comment));
    }
    batch.add_rule(&table, "c", &Rule::new([expr::drop()]));
    nft.commit(batch).unwrap();
    assert!(nft.chain_exists(&table, "c").unwrap());
    let rules = nft.rules(&table, "c").unwrap();
    let comments: Vec<Option<&str>> = rules.iter().map(|rule| rule.comment.as_deref()).collect();
    assert_eq!(comments, [Some("one"), Some("two"), Some("three"), None]);

    let mut batch = Batch::new();
    batch.delete_rule(&table, "c", rules[1].handle);
    nft.commit(batch).unwrap();
    assert_eq!(nft.rules(&table, "c").unwrap().len(), 3);
    let mut batch = Batch::new();
    batch.delete_rule(&table, "c", rules[1].handle);
    let error = nft.commit(batch).unwrap_err();
    assert!(error.is_not_found() && error.op == "delete rule", "{error}");

    let mut batch = Batch::new();
    batch.flush_chain(&table, "c");
    batch.delete_chain(&table, "c");
    batch.flush_set(&table, "m");
    batch.delete_set(&table, "m");
    nft.commit(batch).unwrap();
    assert!(!nft.chain_exists(&table, "c").unwrap() && !nft.set_exists(&table, "m").unwrap());
    let mut batch = Batch::new();
    batch.delete_table(&table);
    nft.commit(batch).unwrap();
    assert_eq!(run("nft list ruleset"), "");
}

#[test]
fn stale_generation_applies_nothing() {
    let (mut nft, table) = with_sets();
    let before = nft.generation().unwrap();
    add(&mut nft, &table, &map(), [Element::new(tcp(80)).to(to_web())]).unwrap();
    assert_ne!(nft.generation().unwrap(), before);
    let mut batch = Batch::new();
    batch.delete_elements(&table, &map(), [Element::new(tcp(80))]);
    batch.add_table(&Table::new(table.family, "other"));
    let error = nft.commit(batch.guarded_by(before)).unwrap_err();
    assert!(error.is_restart(), "{error}");
    assert_eq!(nft.elements(&table, &map()).unwrap().len(), 1);
    assert!(!run("nft list ruleset").contains("other"));
}

#[test]
fn empty_batch_changes_nothing_even_when_guarded_by_a_stale_generation() {
    let (mut nft, table) = with_sets();
    let before = nft.generation().unwrap();
    add(&mut nft, &table, &map(), [Element::new(tcp(80)).to(to_web())]).unwrap();
    let now = nft.generation().unwrap();
    nft.commit(Batch::new().guarded_by(before)).unwrap();
    assert_eq!(nft.generation().unwrap(), now);
}

#[test]
fn transaction_runs_again_when_others_commit() {
    let (mut nft, table) = with_sets();
    let mut other = Nft::open().unwrap();
    let mut runs = 0;
    nft.transaction(|nft| -> Result<Batch> {
        runs += 1;
        let seen = nft.elements(&table, &map())?.len();
        if runs < 4 {
            add(&mut other, &table, &map(), [Element::new(tcp(runs)).to(to_web())])?;
        }
        let mut batch = Batch::new();
        let port = 1000 + u16::try_from(seen).unwrap();
        batch.add_elements(&table, &map(), [Element::new(tcp(port)).to(to_web())]);
        Ok(batch)
    })
    .unwrap();
    assert_eq!(runs, 4);
    assert!(nft.element(&table, &map(), &tcp(1003)).unwrap().is_some());
}

#[test]
fn transaction_without_changes_runs_again_when_others_commit() {
    let (mut nft, table) = with_sets();
    let mut other = Nft::open().unwrap();
    let mut seen = Vec::new();
    nft.transaction(|nft| -> Result<Batch> {
        seen.push(nft.elements(&table, &map())?.len());
        if seen.len() < 3 {
            let port = u16::try_from(seen.len()).unwrap();
            add(&mut other, &table, &map(), [Element::new(tcp(port)).to(to_web())])?;
        }
        Ok(Batch::new())
    })
    .unwrap();
    assert_eq!(seen, [0, 1, 2]);
}

#[test]
fn transactions_at_once_lose_nothing() {
    let (mut nft, table) = with_sets();
    let take_next = |nft: &mut Nft| {
        nft.transaction(|nft| -> Result<Batch> {
            let taken = nft.elements(&table, &map())?.len();
            let mut batch = Batch::new();
            let port = u16::try_from(taken).unwrap();
            batch.add_elements(&table, &map(), [Element::new(tcp(port)).to(to_web())]);
            Ok(batch)
        })
    };
    // Sockets are opened here, as only this thread is in the namespace.
    let sockets: Vec<Nft> = (0..4).map(|_| Nft::open().unwrap()).collect();
    thread::scope(|scope| {
        for mut socket in sockets {
            scope.spawn(move || (0..25).for_each(|_| take_next(&mut socket).unwrap()));
        }
    });
    assert_eq!(nft.elements(&table, &map()).unwrap().len(), 100);
}

#[test]
fn slow_transaction_gets_its_turn() {
    let (mut nft, table) = with_sets();
    let sockets: Vec<Nft> = (0..4).map(|_| Nft::open().unwrap()).collect();
    let (is_done, next) = (AtomicBool::new(false), AtomicU16::new(0));
    // What changes nothing is no commit.
    let add_next = || {
        let mut batch = Batch::new();
        let port = next.fetch_add(1, Ordering::Relaxed);
        batch.add_elements(&table, &map(), [Element::new(tcp(port)).to(to_web())]);
        batch
    };
    thread::scope(|scope| {
        for mut fast in sockets {
            scope.spawn(|| {
                let mut fast = move || fast.transaction(|_| -> Result<Batch> { Ok(add_next()) });
                while !is_done.load(Ordering::Relaxed) {
                    fast().unwrap();
                }
            });
        }
        let slow = nft.transaction(|nft| -> Result<Batch> {
            nft.elements(&table, &map())?;
            thread::sleep(Duration::from_millis(10));
            Ok(add_next())
        });
        is_done.store(true, Ordering::Relaxed);
        slow.unwrap();
    });
}

#[test]
fn error_of_the_caller_ends_a_transaction() {
    let (mut nft, _) = with_sets();
    let stop = || Error { op: "plan", object: "nothing".into(), errno: Errno::EDOM, extack: None };
    let result = nft.transaction(|_| Err::<Batch, Error>(stop()));
    assert_eq!(result, Err(stop()));
}
