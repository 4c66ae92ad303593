use std::{fs, path::Path};

use cni::Attachment;
use tempfile::TempDir;

use super::*;

const FIRST: &str = "3f0a1b2c-1111-4222-8333-444455556666";
const SECOND: &str = "a9b8c7d6-1111-4222-8333-444455556666";

fn boot(id: &str) -> Boot {
    Boot::new(id).unwrap()
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, last])
}

fn store(dir: &Path) -> Store {
    Store::create(dir).unwrap()
}

fn reserve(store: &Store, last: u8, modified: Option<SystemTime>) {
    let attachment = Attachment { container_id: format!("c{last}"), ifname: "eth0".into() };
    store.reserve(ip(last), &attachment, modified).unwrap();
}

/// What this plugin leases in `boot`, by a clock that says `now`.
fn lease_in(boot: &Boot, store: &Store, last: u8, now: SystemTime) {
    reclaim(store, boot).unwrap();
    reserve(store, last, Some(boot.mark(now)));
}

fn left(store: &Store) -> Vec<IpAddr> {
    let mut left = store.addresses().unwrap();
    left.sort();
    left
}

#[test]
fn leases_of_an_earlier_boot_are_reclaimed() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    lease_in(&boot(FIRST), &store, 2, SystemTime::now());
    lease_in(&boot(FIRST), &store, 3, SystemTime::now());
    assert_eq!(left(&store), [ip(2), ip(3)]);
    lease_in(&boot(SECOND), &store, 4, SystemTime::now());
    assert_eq!(left(&store), [ip(4)]);
}

#[test]
fn leases_of_this_boot_stay_whatever_the_clock_does() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    let (day, now) = (Duration::from_secs(100_000), SystemTime::now());
    for (last, clock) in [(2, UNIX_EPOCH), (3, now - day), (4, now + day), (5, now)] {
        lease_in(&boot(FIRST), &store, last, clock);
    }
    reclaim(&store, &boot(FIRST)).unwrap();
    assert_eq!(left(&store).len(), 4);
    reclaim(&store, &boot(SECOND)).unwrap();
    assert_eq!(left(&store).len(), 0, "and clocks do not keep them either");
}

#[test]
fn directory_without_a_record_is_taken_over() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    // Of another plugin, of a container that may run; old by its time, because that is no evidence.
    reserve(&store, 2, Some(UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789)));
    reclaim(&store, &boot(FIRST)).unwrap();
    assert_eq!(left(&store), [ip(2)]);
    let modified = store.modified(ip(2)).unwrap().duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(modified.as_secs(), 1_000_000_000, "the second stays");
    reclaim(&store, &boot(SECOND)).unwrap();
    assert_eq!(left(&store), [] as [IpAddr; 0], "seen in the first boot");
}

#[test]
fn lease_that_another_plugin_made_in_this_boot_stays() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    lease_in(&boot(FIRST), &store, 2, SystemTime::now());
    // Reboot; the other plugin is first.
    reserve(&store, 3, Some(UNIX_EPOCH + Duration::new(5, 123_456_789)));
    reclaim(&store, &boot(SECOND)).unwrap();
    assert_eq!(left(&store), [ip(3)]);
}

#[test]
fn junk_record_reclaims_nothing() {
    for junk in [&b""[..], b"boot", b"boot \n", b"\xff\xff", b"boot 3f0a", b"3f0a1b2c-1111-4222-8333-444455556666"] {
        let temp = TempDir::new().unwrap();
        let store = store(temp.path());
        lease_in(&boot(FIRST), &store, 2, SystemTime::now());
        fs::write(temp.path().join(".boot_id"), junk).unwrap();
        reclaim(&store, &boot(SECOND)).unwrap();
        assert_eq!(left(&store), [ip(2)], "{junk:?}");
    }
}

#[test]
fn interrupted_reclaim_is_taken_up_again() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    lease_in(&boot(FIRST), &store, 2, SystemTime::now());
    reserve(&store, 3, Some(UNIX_EPOCH + Duration::new(5, 123_456_789)));
    // One lease is settled, then a crash: the record still names the first boot.
    settle(&store, ip(3), Some(&boot(FIRST)), &boot(SECOND)).unwrap();
    reclaim(&store, &boot(SECOND)).unwrap();
    reclaim(&store, &boot(SECOND)).unwrap();
    assert_eq!(left(&store), [ip(3)]);
}

#[test]
fn boots_between_in_which_we_did_not_run_do_not_matter() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    lease_in(&boot(FIRST), &store, 2, SystemTime::now());
    let third = boot("00000000-1111-4222-8333-444455556666");
    reclaim(&store, &third).unwrap();
    assert_eq!(left(&store), [] as [IpAddr; 0]);
}

#[test]
fn files_that_are_no_leases_are_not_touched() {
    let temp = TempDir::new().unwrap();
    let store = store(temp.path());
    fs::write(temp.path().join("notes"), "x").unwrap();
    let before = fs::metadata(temp.path().join("notes")).unwrap().modified().unwrap();
    reclaim(&store, &boot(FIRST)).unwrap();
    reclaim(&store, &boot(SECOND)).unwrap();
    assert_eq!(fs::metadata(temp.path().join("notes")).unwrap().modified().unwrap(), before);
}

#[test]
fn record_looks_like_no_lease() {
    let owner = crate::lease::Owner::parse(boot(FIRST).record().as_bytes());
    assert_eq!(owner, crate::lease::Owner::Stranger);
    assert_eq!(Boot::recorded(boot(FIRST).record().as_bytes()), Some(boot(FIRST)));
}

#[test]
fn marks_are_fractions_of_a_second() {
    for id in ["00000000-x", "ffffffff-x", "3b9ac9ff-x", "3b9aca00-x", FIRST, SECOND] {
        assert!((1..1_000_000_000).contains(&boot(id).mark), "{id}");
        assert!(boot(id).has_marked(boot(id).mark(SystemTime::now())));
    }
    for junk in ["", "0000000", "xyzxyzxy", "é000000000"] {
        assert_eq!(Boot::new(junk), None, "{junk}");
    }
    assert!(Boot::current().is_some());
}
