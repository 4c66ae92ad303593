//! CHECK: the attachment has the addresses that its ADD got.

use std::fs;

use serde_json::{Value, json};

use crate::host::Host;

fn conf(host: &Host) -> Value {
    host.conf(&json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

fn added(host: &Host) -> Value {
    let mut conf = conf(host);
    conf["prevResult"] = host.call("ADD", "c1", &conf).run().result();
    conf
}

fn failure(host: &Host, conf: &Value) -> String {
    let (code, msg, details) = host.call("CHECK", "c1", conf).run().error();
    assert_eq!(code, 103);
    assert_eq!(details, "host-local: Failed to find address added by container c1");
    msg
}

#[test]
fn what_add_made_passes() {
    let host = Host::new();
    let mut conf = added(&host);
    host.call("CHECK", "c1", &conf).run().silent();
    conf["prevResult"]["ips"].as_array_mut().unwrap().push(json!({"address": "172.16.0.1/24"}));
    host.call("CHECK", "c1", &conf).run().silent();
    conf["prevResult"] = json!(null);
    host.call("CHECK", "c1", &conf).run().silent();
}

#[test]
fn missing_lease_fails() {
    let host = Host::new();
    let conf = added(&host);
    fs::remove_file(host.path("fd00::2")).unwrap();
    let msg = failure(&host, &conf);
    assert!(
        msg.starts_with("find lease of fd00::2 in ") && msg.ends_with(": container c1 interface eth0 has none"),
        "{msg}"
    );
    let mut without_prev = conf.clone();
    without_prev["prevResult"] = json!(null);
    assert!(failure(&host, &without_prev).starts_with("find lease from [fd00::1-"));
}

#[test]
fn lease_of_somebody_else_fails() {
    let host = Host::new();
    let conf = added(&host);
    host.put("10.1.2.2", "c2\r\neth0");
    assert!(failure(&host, &conf).starts_with("find lease of 10.1.2.2 in "));
}

#[test]
fn lease_of_another_interface_fails() {
    let host = Host::new();
    let conf = added(&host);
    assert_eq!(host.call("CHECK", "c1", &conf).env("CNI_IFNAME", "eth1").run().error().0, 103);
}

#[test]
fn other_address_than_in_the_result_fails() {
    let host = Host::new();
    let conf = added(&host);
    fs::rename(host.path("10.1.2.2"), host.path("10.1.2.3")).unwrap();
    assert!(failure(&host, &conf).starts_with("find lease of 10.1.2.2 in "));
}

#[test]
fn old_lease_passes() {
    let host = Host::new();
    let conf = added(&host);
    host.put("10.1.2.2", "c1");
    host.call("CHECK", "c1", &conf).run().silent();
}

#[test]
fn directory_that_is_not_there_fails_and_is_not_made() {
    let host = Host::new();
    failure(&host, &conf(&host));
    assert!(!host.dir().exists());
}

#[test]
fn version_before_0_4_0_is_refused() {
    let host = Host::new();
    let mut conf = conf(&host);
    conf["cniVersion"] = "0.3.1".into();
    assert_eq!(host.call("CHECK", "c1", &conf).run().error().0, 1);
}
