//! Many elements, many errors, and many changes at once.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::thread;

use nft::{Batch, COMMENT_MAX, Element, Errno, Key, Nft, Proto, Set, Tlv};
use support::{add, map, nets, tcp, to_web, v4, with_sets};

#[test]
fn dump_during_changes_is_of_one_moment() {
    let (mut nft, table) = with_sets();
    let all = |addr: &str| {
        let to = Key::new().ipv4(v4(addr)).port(1);
        (0..3000).map(move |port| Element::new(tcp(port)).to(to.clone()))
    };
    add(&mut nft, &table, &map(), all("10.0.0.1")).unwrap();
    let mut other = Nft::open().unwrap();
    thread::scope(|scope| {
        let swaps = scope.spawn(|| {
            for addr in ["10.0.0.2", "10.0.0.1"].into_iter().cycle().take(20) {
                let mut batch = Batch::new();
                batch.flush_set(&table, "m");
                batch.add_elements(&table, &map(), all(addr));
                other.commit(batch).unwrap();
            }
        });
        while !swaps.is_finished() {
            let elements = nft.elements(&table, &map()).unwrap();
            assert_eq!(elements.len(), 3000);
            assert!(elements.iter().all(|element| element.data == elements[0].data));
        }
    });
}

#[test]
fn wanted_element_is_found_among_many() {
    let (mut nft, table) = with_sets();
    assert_eq!(nft.find(&table, &map(), |_| true).unwrap(), None);
    add(&mut nft, &table, &map(), (1..=3000).map(|port| Element::new(tcp(port)).to(to_web()))).unwrap();
    assert!(nft.find(&table, &map(), |_| true).unwrap().is_some());
    let last = nft.find(&table, &map(), |element| element.key == tcp(3000)).unwrap();
    assert_eq!(last, Some(Element::new(tcp(3000)).to(to_web())));
    assert_eq!(nft.find(&table, &map(), |element| element.key == tcp(3001)).unwrap(), None);
    assert_eq!(nft.find(&table, &Set { name: "absent".to_owned(), ..map() }, |_| true).unwrap(), None);
    // Of what is left of an answer nothing is taken for that to another question.
    assert_eq!(nft.elements(&table, &map()).unwrap().len(), 3000);

    let range = Element::range(v4("10.0.0.0"), v4("10.0.0.255"));
    add(&mut nft, &table, &nets(), [range.clone()]).unwrap();
    assert_eq!(nft.find(&table, &nets(), |_| true).unwrap(), Some(range));
}

#[test]
fn ten_thousand_elements_go_in_one_batch() {
    let (mut nft, table) = with_sets();
    let comment = "0123456789abcdef-0123456789abcdef, net: network, if: eth0, id: container";
    let element = |port| Element::new(tcp(port)).to(to_web()).comment(comment).private(0xc0, [1, 2, 3]);
    add(&mut nft, &table, &map(), (1..=10_000).map(element)).unwrap();
    assert_eq!(nft.elements(&table, &map()).unwrap().len(), 10_000);
    let tlv = Tlv { kind: 0xc0, value: vec![1, 2, 3] };
    assert_eq!(nft.element(&table, &map(), &tcp(9_999)).unwrap().unwrap().private, Some(tlv));

    // More errors than the receive buffer holds: the first one is told.
    let error = add(&mut nft, &table, &map(), (1..=10_000).map(element)).unwrap_err();
    assert_eq!(error.to_string(), "create element inet t m { tcp . 1 }: File exists (EEXIST)");

    let mut batch = Batch::new();
    batch.delete_elements(&table, &map(), (1..=10_000).map(element));
    nft.commit(batch).unwrap();
    assert_eq!(nft.elements(&table, &map()).unwrap(), []);
}

#[test]
fn more_errors_than_the_socket_holds_tell_the_first() {
    let (mut nft, table) = with_sets();
    let mut batch = Batch::new();
    for chain in 0..5_000 {
        batch.delete_chain(&table, &format!("absent{chain}"));
    }
    let error = nft.commit(batch).unwrap_err();
    assert_eq!(error.to_string(), "delete chain inet t absent0: No such file or directory (ENOENT)");
    assert!(nft.table_exists(&table).unwrap());
}

#[test]
fn batch_beyond_the_send_buffer_is_refused_whole() {
    let (mut nft, table) = with_sets();
    let comment = "c".repeat(COMMENT_MAX);
    let elements = (0..u32::from(u16::MAX)).flat_map(|port| {
        let comment = comment.clone();
        [Proto::TCP, Proto::UDP, Proto::SCTP].map(move |proto| {
            let key = Key::new().proto(proto).port(u16::try_from(port).unwrap());
            Element::new(key).to(to_web()).comment(comment.clone())
        })
    });
    // About 36 MB. Root in the initial namespace may send even that.
    match add(&mut nft, &table, &map(), elements) {
        Ok(()) => assert_eq!(nft.elements(&table, &map()).unwrap().len(), 3 * 65_535),
        Err(error) => {
            assert_eq!(error.errno, Errno::EMSGSIZE, "{error}");
            assert!(error.extack.as_ref().unwrap().contains("net.core.wmem_max"));
            assert_eq!(nft.elements(&table, &map()).unwrap(), []);
        }
    }
}
