//! STATUS: could an ADD be served.

use std::fs;

use serde_json::{Value, json};

use crate::host::{Host, Output};

fn status(host: &Host, ipam: &Value) -> Output {
    let mut conf = host.conf(ipam);
    conf["cniVersion"] = "1.1.0".into();
    host.call("STATUS", "", &conf).run()
}

#[test]
fn nothing_is_made() {
    let host = Host::new();
    let ipam = json!({"subnet": "10.1.2.0/24"});
    let above = host.dir().parent().unwrap().parent().unwrap().to_owned();
    let entries = || fs::read_dir(&above).unwrap().count();
    let before = entries();
    status(&host, &ipam).silent();
    assert!(!host.dir().exists());
    assert_eq!(entries(), before);
    host.add("c1", &host.conf(&ipam));
    let files = host.files();
    status(&host, &ipam).silent();
    assert_eq!(host.files(), files);
}

#[test]
fn invalid_ranges_are_not_ready() {
    let (code, msg, _) = status(&Host::new(), &json!({"subnet": "10.1.2.5/24"})).error();
    assert_eq!(code, 50);
    assert!(msg.contains("\"ipam.subnet\": 10.1.2.5/24 has host bits set"), "{msg}");
}

#[test]
fn ranges_may_come_from_the_runtime_later() {
    status(&Host::new(), &json!({})).silent();
}

#[test]
fn directory_that_cannot_be_made_is_not_ready() {
    let host = Host::new();
    fs::write(host.dir().parent().unwrap(), "").unwrap();
    let (code, msg, _) = status(&host, &json!({"subnet": "10.1.2.0/24"})).error();
    assert_eq!(code, 50);
    assert!(msg.starts_with("create directory "), "{msg}");
}

#[test]
fn file_system_that_refuses_directories_is_not_ready() {
    let host = Host::new();
    let mut conf = host.conf(&json!({"subnet": "10.1.2.0/24"}));
    conf["cniVersion"] = "1.1.0".into();
    // proc(5), where mkdir(2) fails for root too.
    conf["ipam"]["dataDir"] = "/proc/self".into();
    assert_eq!(host.call("STATUS", "", &conf).run().error().0, 50);
}

#[test]
fn full_pool_is_ready() {
    let host = Host::new();
    let ipam = json!({"subnet": "10.1.2.0/30"});
    host.add("c1", &host.conf(&ipam));
    status(&host, &ipam).silent();
}

#[test]
fn lock_that_somebody_holds_is_ready_at_once() {
    use fs2::FileExt;
    let host = Host::new();
    host.put("lock", "");
    let lock = fs::File::open(host.path("lock")).unwrap();
    lock.lock_exclusive().unwrap();
    status(&host, &json!({"subnet": "10.1.2.0/24"})).silent();
}
