//! Leases of earlier boots, as the files of a data directory tell of them.

use std::{
    fs::{self, File},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::host::Host;

/// The record of a boot whose mark is one nanosecond.
const EARLIER: &str = "boot 00000000-0000-4000-8000-000000000000\n";

fn conf(host: &Host) -> Value {
    host.conf(&json!({"subnet": "10.1.2.0/30"}))
}

/// A lease of container `id`, last modified at this fraction of a second.
fn lease(host: &Host, id: &str, nanoseconds: u32) {
    host.put("10.1.2.2", &format!("{id}\r\neth0"));
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, nanoseconds);
    File::open(host.path("10.1.2.2")).unwrap().set_modified(time).unwrap();
}

#[test]
fn lease_of_an_earlier_boot_is_handed_out_again() {
    let host = Host::new();
    host.put(".boot_id", EARLIER);
    lease(&host, "old", 1);
    assert_eq!(host.add("c1", &conf(&host)), ["10.1.2.2/30"]);
    assert_ne!(fs::read_to_string(host.path(".boot_id")).unwrap(), EARLIER);
}

#[test]
fn lease_carries_the_mark_of_its_boot_and_the_second_of_its_making() {
    let host = Host::new();
    let before = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    host.add("c1", &conf(&host));
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let mark = u32::from_str_radix(&id[..8], 16).unwrap() % 999_999_999 + 1;
    let modified = fs::metadata(host.path("10.1.2.2")).unwrap().modified().unwrap();
    let since = modified.duration_since(UNIX_EPOCH).unwrap();
    assert_eq!(since.subsec_nanos(), mark);
    assert!((before..before + 60).contains(&since.as_secs()));
}

#[test]
fn lease_without_the_mark_of_the_earlier_boot_stays() {
    let host = Host::new();
    host.put(".boot_id", EARLIER);
    lease(&host, "old", 2);
    assert_eq!(host.call("ADD", "c1", &conf(&host)).run().error().0, 102);
    assert_eq!(host.leases()["10.1.2.2"], "old\r\neth0");
}

#[test]
fn lease_stays_if_nothing_is_known_of_its_boot() {
    let host = Host::new();
    lease(&host, "old", 1);
    assert_eq!(host.call("ADD", "c1", &conf(&host)).run().error().0, 102);
    assert_eq!(host.call("ADD", "c1", &conf(&host)).run().error().0, 102);
    assert_eq!(host.leases()["10.1.2.2"], "old\r\neth0");
}

#[test]
fn lease_of_this_boot_stays_though_the_clock_is_set_to_the_future_and_back() {
    let host = Host::new();
    host.add("c1", &conf(&host));
    let modified = fs::metadata(host.path("10.1.2.2")).unwrap().modified().unwrap();
    for clock in [modified - Duration::from_secs(1_000_000), modified + Duration::from_secs(1_000_000)] {
        File::open(host.path("10.1.2.2")).unwrap().set_modified(clock).unwrap();
        assert_eq!(host.call("ADD", "c2", &conf(&host)).run().error().0, 102);
    }
}

#[test]
fn what_is_no_lease_stays_in_every_boot() {
    let host = Host::new();
    host.put(".boot_id", EARLIER);
    lease(&host, "kept by hand", 1);
    fs::create_dir(host.path("10.1.2.3")).unwrap();
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, 1);
    File::open(host.path("10.1.2.3")).unwrap().set_modified(time).unwrap();
    // Also an ADD of the first boot leaves no mark that the second would take for a lease's.
    for _ in 0..2 {
        let (code, msg, _) = host.call("ADD", "c1", &conf(&host)).run().error();
        assert_eq!(code, 102, "{msg}");
        assert_eq!(host.path("10.1.2.2").metadata().unwrap().modified().unwrap(), time);
        host.put(".boot_id", EARLIER);
    }
    assert!(host.path("10.1.2.3").is_dir());
}

#[test]
fn only_add_reclaims() {
    let host = Host::new();
    host.put(".boot_id", EARLIER);
    lease(&host, "old", 1);
    host.del("other", &conf(&host));
    assert_eq!(host.call("CHECK", "other", &conf(&host)).run().error().0, 103);
    assert_eq!(host.leases().len(), 1);
    host.del("old", &conf(&host));
    assert!(host.leases().is_empty());
}
