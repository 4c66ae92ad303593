//! GC: what is not in the runtime's list goes, of this network only.

use std::fs;

use serde_json::{Value, json};

use crate::host::Host;

fn collect(host: &Host, valid: &Value) {
    let mut conf = host.conf(&json!({"ranges": "not looked at"}));
    conf["cniVersion"] = "1.1.0".into();
    conf["cni.dev/valid-attachments"] = valid.clone();
    host.call("GC", "", &conf).run().silent();
}

fn names(host: &Host) -> Vec<String> {
    host.leases().into_keys().collect()
}

fn host_with_leases() -> Host {
    let host = Host::new();
    host.put("10.1.2.2", "c1\r\neth0");
    host.put("10.1.2.3", "c1\r\neth1");
    host.put("10.1.2.4", "c2\r\neth0");
    host.put("10.1.2.5", "c1");
    host.put("10.1.2.6", "c3");
    host.put("10.1.2.7", "");
    host.put("10.1.2.8", "kept by hand");
    host.put("fd00::2", "c2\r\neth0");
    host.put("last_reserved_ip.0", "10.1.2.4");
    host.put("notes", "c9\r\neth0");
    host.put(".new", "c1\r\neth0");
    fs::create_dir(host.dir().with_file_name("other")).unwrap();
    fs::write(host.dir().with_file_name("other").join("10.1.2.2"), "c2\r\neth0").unwrap();
    host
}

#[test]
fn what_is_valid_stays_and_the_rest_goes() {
    let host = host_with_leases();
    collect(&host, &json!([{"containerID": "c1", "ifname": "eth0"}]));
    assert_eq!(names(&host), ["10.1.2.2", "10.1.2.5", "10.1.2.8", "notes"]);
    assert!(host.path("last_reserved_ip.0").exists() && host.path("lock").exists());
    assert!(host.dir().with_file_name("other").join("10.1.2.2").exists(), "of another network");
}

#[test]
fn nothing_valid_frees_every_lease() {
    for valid in [json!([]), json!(null)] {
        let host = host_with_leases();
        collect(&host, &valid);
        assert_eq!(names(&host), ["10.1.2.8", "notes"]);
    }
}

#[test]
fn list_that_is_absent_frees_nothing() {
    let host = host_with_leases();
    let mut conf = host.conf(&json!({}));
    conf["cniVersion"] = "1.1.0".into();
    let before = host.files();
    host.call("GC", "", &conf).run().silent();
    assert_eq!(host.files(), before);
}

#[test]
fn directory_that_is_not_there_is_not_made() {
    let host = Host::new();
    collect(&host, &json!([]));
    assert!(!host.dir().exists());
}

#[test]
fn freed_addresses_are_handed_out_again() {
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.2.0/30"}));
    host.add("c1", &conf);
    assert_eq!(host.call("ADD", "c2", &conf).run().error().0, 102);
    collect(&host, &json!([{"containerID": "c2", "ifname": "eth0"}]));
    assert_eq!(host.add("c2", &conf), ["10.1.2.2/30"]);
}

#[test]
fn directory_in_place_of_a_lease_is_left_alone() {
    let host = Host::new();
    fs::create_dir_all(host.path("10.1.2.2")).unwrap();
    host.put("10.1.2.3", "c1\r\neth0");
    collect(&host, &json!([]));
    assert!(host.path("10.1.2.2").is_dir());
    assert!(!host.path("10.1.2.3").exists());
}
