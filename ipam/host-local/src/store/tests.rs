use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;

use super::*;
use crate::lease::Lookup;

fn store() -> (TempDir, Store) {
    let temp = TempDir::new().unwrap();
    let store = Store::create(&temp.path().join("a/n")).unwrap();
    (temp, store)
}

fn attachment(id: &str) -> Attachment {
    Attachment { container_id: id.into(), ifname: "eth0".into() }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(&store.dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn files_are_the_references_in_name_content_and_mode() {
    let (_temp, store) = store();
    store.reserve(ip("10.0.0.5"), &attachment("c1"), None).unwrap();
    store.reserve(ip("FD00:9:0:0::2"), &attachment("c1"), None).unwrap();
    store.set_last_reserved(0, Some(ip("10.0.0.5"))).unwrap();
    assert_eq!(names(&store), ["10.0.0.5", "fd00:9::2", "last_reserved_ip.0", "lock"]);
    assert_eq!(fs::read(store.path("10.0.0.5")).unwrap(), b"c1\r\neth0");
    assert_eq!(fs::read(store.path("last_reserved_ip.0")).unwrap(), b"10.0.0.5");
    assert_eq!(mode(&store.dir), 0o755);
    assert_eq!(mode(&store.path("lock")), 0o750);
    assert_eq!(mode(&store.path("10.0.0.5")), 0o600);
    assert_eq!(mode(&store.path("last_reserved_ip.0")), 0o600);
}

#[test]
fn ipv6_names_are_gos() {
    for (address, name) in [
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
        ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"),
        ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("::1.2.3.4", "::102:304"),
        ("fd00::", "fd00::"),
    ] {
        assert_eq!(ip(address).to_string(), name);
        assert_eq!(address_of(name), Some(ip(address)));
    }
    for other in
        ["FD00::1", "fd00:0::1", "010.0.0.1", "::ffff:10.0.0.1", "lock", "last_reserved_ip.0", "10.0.0.1.bak", ""]
    {
        assert_eq!(address_of(other), None, "{other}");
    }
}

#[test]
fn lease_that_exists_is_not_replaced() {
    let (_temp, store) = store();
    store.reserve(ip("10.0.0.5"), &attachment("c1"), None).unwrap();
    let error = store.reserve(ip("10.0.0.5"), &attachment("c2"), None).unwrap_err();
    assert_eq!(error.code, Code::InUse);
    assert_eq!(fs::read(store.path("10.0.0.5")).unwrap(), b"c1\r\neth0");
    assert_eq!(names(&store), ["10.0.0.5", "lock"]);
}

#[test]
fn empty_lease_is_replaced() {
    let (_temp, store) = store();
    for content in ["", "\0\0\0\0"] {
        fs::write(store.path("10.0.0.5"), content).unwrap();
        store.reserve(ip("10.0.0.5"), &attachment("c1"), None).unwrap();
        assert_eq!(fs::read(store.path("10.0.0.5")).unwrap(), b"c1\r\neth0");
        store.release(ip("10.0.0.5")).unwrap();
    }
}

#[test]
fn junk_in_the_directory_is_left_alone_and_counts_as_taken() {
    let (_temp, store) = store();
    fs::write(store.path("notes.txt"), "c1\r\neth0").unwrap();
    fs::write(store.path("10.0.0.7"), vec![0xff; 100_000]).unwrap();
    fs::create_dir(store.path("10.0.0.8")).unwrap();
    std::os::unix::fs::symlink("/nonexistent", store.path("10.0.0.9")).unwrap();
    let leases = store.leases().unwrap();
    assert_eq!(leases.iter().count(), 3);
    for taken in ["10.0.0.7", "10.0.0.8", "10.0.0.9"] {
        assert_eq!(leases.owner(ip(taken)), Some(Owner::Stranger), "{taken}");
        assert_eq!(store.reserve(ip(taken), &attachment("c1"), None).unwrap_err().code, Code::InUse);
    }
    assert!(leases.of(&attachment("c1")).is_empty());
}

#[test]
fn release_is_idempotent() {
    let (_temp, store) = store();
    store.reserve(ip("10.0.0.5"), &attachment("c2"), None).unwrap();
    for _ in 0..2 {
        store.release(ip("10.0.0.5")).unwrap();
    }
    assert_eq!(names(&store), ["lock"]);
}

#[test]
fn last_reserved_survives_junk() {
    let (_temp, store) = store();
    assert_eq!(store.last_reserved(0), None);
    for junk in ["", "x", "10.0.0.5\n", "\u{fffd}"] {
        fs::write(store.path("last_reserved_ip.0"), junk).unwrap();
        assert_eq!(store.last_reserved(0), None, "{junk:?}");
    }
    store.set_last_reserved(0, Some(ip("fd00::5"))).unwrap();
    assert_eq!(store.last_reserved(0), Some(ip("fd00::5")));
    store.set_last_reserved(0, None).unwrap();
    assert_eq!(names(&store), ["lock"]);
}

#[test]
fn leftover_of_a_crash_is_removed_with_the_next_lock() {
    let (_temp, store) = store();
    let dir = store.dir.clone();
    store.reserve(ip("10.0.0.5"), &attachment("c1"), None).unwrap();
    // As if killed between link(2) and unlink(2): the leftover and the lease are one file.
    fs::hard_link(store.path("10.0.0.5"), store.path(".new")).unwrap();
    drop(store);
    let store = Store::open(&dir).unwrap().unwrap();
    assert_eq!(names(&store), ["10.0.0.5", "lock"]);
    store.reserve(ip("10.0.0.6"), &attachment("c2"), None).unwrap();
    assert_eq!(fs::read(store.path("10.0.0.5")).unwrap(), b"c1\r\neth0");
}

#[test]
fn lock_excludes_others_until_dropped() {
    let (_temp, store) = store();
    let other = open_lock(&store.path("lock")).unwrap();
    assert!(other.try_lock_exclusive().is_err());
    drop(store);
    assert!(other.try_lock_exclusive().is_ok());
}

#[test]
fn opening_makes_nothing() {
    let temp = TempDir::new().unwrap();
    let absent = temp.path().join("n");
    assert!(Store::open(&absent).unwrap().is_none());
    assert!(!absent.exists());
    fs::write(&absent, "").unwrap();
    assert!(Store::open(&absent).unwrap().is_none(), "a file");
    assert!(Store::open(&absent.join("m")).unwrap().is_none(), "below a file");
}

#[test]
fn usable_directory_is_one_that_can_be_made_and_locked() {
    let temp = TempDir::new().unwrap();
    let dir = temp.path().join("a/n");
    check_usable(&dir).unwrap();
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "nothing is made");
    let store = Store::create(&dir).unwrap();
    check_usable(&dir).unwrap();
    assert_eq!(names(&store), ["lock"]);
    fs::remove_file(dir.join("lock")).unwrap();
    check_usable(&dir).unwrap();
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0, "nothing is made where there is no lock");
    fs::write(temp.path().join("file"), "").unwrap();
    let error = check_usable(&temp.path().join("file/n")).unwrap_err();
    assert_eq!(error.code, Code::NotReady);
    assert!(error.msg.starts_with("create directory "), "{error}");
}
