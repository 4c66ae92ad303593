use std::fs;

use tempfile::TempDir;

use super::*;

fn boot() -> Boot {
    Boot::new("3f0a1b2c-1111-4222-8333-444455556666").unwrap()
}

fn ledger(temp: &TempDir) -> Ledger {
    Ledger::new(Store::create(&temp.path().join("net")).unwrap(), Some(&boot()))
}

fn is_believed(temp: &TempDir) -> bool {
    ledger(temp).index.borrow().is_some()
}

fn attachment(id: &str) -> Attachment {
    Attachment { container_id: id.into(), ifname: "eth0".into() }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn block() -> Block {
    Block { first: ip(2), last: ip(9) }
}

fn held(ledger: &Ledger, id: &str) -> Vec<IpAddr> {
    ledger.held_by(id).unwrap().iter().map(|(ip, _)| ip).collect()
}

fn reserve(temp: &TempDir, last: u8, id: &str) {
    let ledger = ledger(temp);
    assert_eq!(ledger.first_free(block()).unwrap(), Some(ip(last)));
    ledger.reserve(ip(last), &attachment(id), None).unwrap();
}

fn host() -> TempDir {
    let temp = TempDir::new().unwrap();
    reserve(&temp, 2, "c1");
    reserve(&temp, 3, "c2");
    temp
}

#[test]
fn calls_leave_an_index_that_the_next_believes() {
    let temp = host();
    assert!(is_believed(&temp));
    let ledger = ledger(&temp);
    assert_eq!(held(&ledger, "c2"), [ip(3)]);
    ledger.release(ip(3), &Owner::Attachment(attachment("c2"))).unwrap();
    drop(ledger);
    assert!(is_believed(&temp));
    reserve(&temp, 3, "c3");
}

#[test]
fn what_others_do_is_seen_at_once() {
    let temp = host();
    fs::write(temp.path().join("net/10.0.0.4"), "c4\r\neth0").unwrap();
    fs::remove_file(temp.path().join("net/10.0.0.2")).unwrap();
    let ledger = ledger(&temp);
    assert!(held(&ledger, "c1").is_empty());
    assert_eq!(held(&ledger, "c4"), [ip(4)]);
    assert_eq!(ledger.first_free(block()).unwrap(), Some(ip(2)));
    drop(ledger);
    assert!(is_believed(&temp), "made anew once");
}

#[test]
fn call_that_ends_before_its_seal_is_seen() {
    let temp = host();
    let killed = ledger(&temp);
    killed.reserve(ip(4), &attachment("c4"), None).unwrap();
    // What a drop would seal.
    killed.index.take();
    drop(killed);
    assert!(!is_believed(&temp));
    assert_eq!(held(&ledger(&temp), "c4"), [ip(4)]);
}

#[test]
fn lease_that_is_written_over_in_place_is_not_taken_for_what_it_was() {
    let temp = host();
    fs::write(temp.path().join("net/10.0.0.2"), "c9\r\neth0").unwrap();
    assert!(is_believed(&temp), "no entry has come or gone");
    let ledger = ledger(&temp);
    assert!(held(&ledger, "c1").is_empty());
    assert_eq!(held(&ledger, "c9"), [ip(2)], "the disagreement had everything read anew");
}

#[test]
fn index_that_lies_about_a_free_address_is_made_anew() {
    let temp = host();
    let ledger = ledger(&temp);
    let mut index = ledger.index.borrow_mut();
    index.as_mut().unwrap().remove(ip(2), &Owner::Attachment(attachment("c1"))).unwrap();
    drop(index);
    assert_eq!(ledger.first_free(block()).unwrap(), Some(ip(4)));
    assert_eq!(held(&ledger, "c1"), [ip(2)]);
}

#[test]
fn release_spares_the_next_owner() {
    let temp = host();
    let ledger = ledger(&temp);
    ledger.release_of(ip(2), &attachment("c2")).unwrap();
    assert!(ledger.is_taken(ip(2)));
    ledger.release_of(ip(2), &attachment("c1")).unwrap();
    assert!(!ledger.is_taken(ip(2)));
    assert!(held(&ledger, "c1").is_empty());
}

#[test]
fn lease_of_nobody_is_found_replaced_and_forgotten() {
    let temp = host();
    fs::write(temp.path().join("net/10.0.0.4"), "").unwrap();
    assert_eq!(held(&ledger(&temp), lease::NOBODY), [ip(4)]);
    reserve(&temp, 4, "c4");
    let ledger = ledger(&temp);
    assert!(held(&ledger, lease::NOBODY).is_empty());
    assert_eq!(held(&ledger, "c4"), [ip(4)]);
}

#[test]
fn without_a_boot_there_is_no_index_and_all_works() {
    let temp = host();
    fs::remove_file(temp.path().join(".net.index")).unwrap();
    let ledger = Ledger::new(Store::create(&temp.path().join("net")).unwrap(), None);
    assert_eq!(held(&ledger, "c2"), [ip(3)]);
    ledger.reserve(ip(4), &attachment("c4"), None).unwrap();
    drop(ledger);
    assert!(!temp.path().join(".net.index").exists());
}
