//! DEL: always works, and takes only what is the attachment's.

use std::fs;

use serde_json::{Value, json};

use crate::host::Host;

fn conf(host: &Host) -> Value {
    host.conf(&json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

#[test]
fn all_addresses_of_the_attachment_are_released_and_no_others() {
    let host = Host::new();
    let conf = conf(&host);
    host.add("c1", &conf);
    host.add("c2", &conf);
    host.call("ADD", "c1", &conf).env("CNI_IFNAME", "eth1").run().result();
    host.del("c1", &conf);
    let owners: Vec<String> = host.leases().into_values().collect();
    assert_eq!(owners, ["c2\r\neth0", "c1\r\neth1", "c2\r\neth0", "c1\r\neth1"]);
    assert_eq!(host.files()["last_reserved_ip.0"], "10.1.2.4", "the round goes on");
}

#[test]
fn unknown_container_and_repetition_succeed() {
    let host = Host::new();
    let conf = conf(&host);
    host.del("c1", &conf);
    assert!(!host.dir().exists(), "nothing is made");
    host.add("c1", &conf);
    for id in ["c1", "c1", "c2"] {
        host.del(id, &conf);
    }
    assert!(host.leases().is_empty());
}

#[test]
fn odd_requests_succeed() {
    let host = Host::new();
    let good = conf(&host);
    let mut changed = Vec::new();
    for ipam in [
        json!({"subnet": "10.1.2.5/24"}),
        json!({"ranges": []}),
        json!({"ranges": "junk", "subnet": 5, "routes": 7, "exclude": ["x"]}),
        json!({"ranges": [[{"subnet": "10.0.0.0/24"}], [{"subnet": "10.0.0.0/24"}]]}),
        json!({"resolvConf": "/nonexistent"}),
    ] {
        changed.push(host.conf(&ipam));
    }
    let mut junk = good.clone();
    junk["args"] = json!("x");
    junk["runtimeConfig"] = json!({"ips": ["x"], "ipRanges": 5});
    junk["prevResult"] = json!([]);
    changed.push(junk);
    for conf in changed {
        host.add("c1", &good);
        host.call("DEL", "c1", &conf).without("CNI_NETNS").env("CNI_ARGS", "IP=;;junk").run().silent();
        assert!(host.leases().is_empty(), "{conf}");
    }
}

#[test]
fn old_lease_goes_with_any_interface_of_its_container() {
    let host = Host::new();
    host.put("10.1.2.7", "c1");
    host.put("10.1.2.8", "   dummy\n ");
    host.del("c1", &conf(&host));
    assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.8"]);
    host.del("dummy", &conf(&host));
    assert!(host.leases().is_empty());
}

#[test]
fn old_lease_stays_while_a_new_one_matches() {
    let host = Host::new();
    host.put("10.1.2.7", "c1");
    host.put("10.1.2.9", "c1\r\neth0");
    host.del("c1", &conf(&host));
    assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.7"]);
}

#[test]
fn white_space_around_a_lease_is_ignored() {
    let host = Host::new();
    host.put("10.1.2.7", " c1\r\neth0\n");
    host.del("c1", &conf(&host));
    assert!(host.leases().is_empty());
}

#[test]
fn leases_without_content_are_healed_on_the_way() {
    let host = Host::new();
    host.put("10.1.2.7", "");
    host.put("10.1.2.8", "c2\r\neth0");
    host.put(".new", "c9\r\neth0");
    host.del("c1", &conf(&host));
    assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.8"]);
}

#[test]
fn junk_in_the_directory_is_left_alone() {
    let host = Host::new();
    host.put("10.1.2.7", "reserved by hand");
    host.put("notes", "c1\r\neth0");
    fs::create_dir(host.path("10.1.2.9")).unwrap();
    host.call("DEL", "c1", &conf(&host)).run().silent();
    assert!(host.path("10.1.2.7").exists() && host.path("notes").exists() && host.path("10.1.2.9").is_dir());
}

#[test]
fn data_dir_that_is_no_text_is_refused() {
    let host = Host::new();
    let mut conf = conf(&host);
    conf["ipam"]["dataDir"] = json!(5);
    let (code, msg, _) = host.call("DEL", "c1", &conf).run().error();
    assert_eq!((code, msg.as_str()), (6, "decode network configuration \"ipam.dataDir\": 5 is not a string"));
}
