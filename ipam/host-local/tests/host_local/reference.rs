//! Side by side with the reference plugin, in one directory.

use std::{
    collections::BTreeSet,
    env,
    io::{self, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    thread,
};

use serde_json::{Value, json};

use crate::host::{Host, finish, ours};

/// Where Debian's containernetworking-plugins installs it.
const REFERENCE: &str = "/usr/lib/cni/host-local";

/// The reference plugin; where there is none, a line on stderr names the test that was skipped.
pub fn reference() -> Option<PathBuf> {
    let path = Path::new(REFERENCE);
    if path.exists() {
        return Some(path.to_owned());
    }
    assert!(env::var_os("CI").is_none_or(|ci| ci != "true"), "CI lacks {REFERENCE}");
    let test = thread::current().name().unwrap_or("test").to_owned();
    // Not eprintln: the harness would keep that to itself, the test having passed.
    let _ = writeln!(io::stderr(), "SKIPPED {test}: needs {REFERENCE}");
    None
}

fn conf(host: &Host) -> Value {
    host.conf(&json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

#[test]
fn our_lease_is_released_by_the_reference() {
    let Some(reference) = reference() else { return };
    let host = Host::new();
    host.add("c1", &conf(&host));
    let host = host.with(reference);
    host.call("CHECK", "c1", &conf(&host)).run().silent();
    host.del("c1", &conf(&host));
    assert!(host.leases().is_empty());
}

#[test]
fn lease_of_the_reference_is_released_by_us() {
    let Some(reference) = reference() else { return };
    let host = Host::new().with(reference);
    host.add("c1", &conf(&host));
    let host = host.with(ours());
    host.call("CHECK", "c1", &conf(&host)).run().silent();
    host.del("c1", &conf(&host));
    assert!(host.leases().is_empty());
}

#[test]
fn both_refuse_what_the_other_has_leased_and_go_on_where_it_was() {
    let Some(reference) = reference() else { return };
    let host = Host::new();
    assert_eq!(host.add("c1", &conf(&host)), ["10.1.2.2/24", "fd00::2/64"]);
    let host = host.with(reference);
    assert!(host.call("ADD", "c1", &conf(&host)).run().error().1.contains("duplicate allocation is not allowed"));
    assert_eq!(host.add("c2", &conf(&host)), ["10.1.2.3/24", "fd00::3/64"]);
    let host = host.with(ours());
    assert_eq!(host.call("ADD", "c2", &conf(&host)).run().error().0, 101);
    assert_eq!(host.add("c3", &conf(&host)), ["10.1.2.4/24", "fd00::4/64"]);
}

#[test]
fn files_and_results_are_the_same() {
    let Some(reference) = reference() else { return };
    let (theirs, ours) = (Host::new().with(reference), Host::new());
    for host in [&theirs, &ours] {
        let ipam = json!({
            "subnet": "10.1.2.0/29",
            "ranges": [[{"subnet": "fd00:9:0:0:1::/112", "rangeStart": "FD00:9::1:0:0:A"}], [{"subnet": "10.2.0.0/30", "gateway": "10.2.0.2"}]],
            "routes": [{"dst": "0.0.0.0/0", "gw": "10.1.2.1"}],
        });
        let mut conf = host.conf(&ipam);
        conf["cniVersion"] = "0.4.0".into();
        conf["runtimeConfig"] = json!({"ipRanges": [[{"subnet": "10.3.0.0/24", "rangeEnd": "10.3.0.255"}]]});
        conf["args"] = json!({"cni": {"ips": ["10.3.0.255"]}});
        let result = host.call("ADD", "c1", &conf).run().result();
        assert_eq!(result["ips"][0]["address"], "10.3.0.255/24");
    }
    let mut files = ours.files();
    files.remove(".boot_id");
    assert_eq!(files, theirs.files());
    let mode = |host: &Host, name: &str| host.path(name).metadata().unwrap().mode();
    assert_eq!(mode(&ours, "lock"), mode(&theirs, "lock"));
    assert_eq!(mode(&ours, "."), mode(&theirs, "."));
}

#[test]
fn order_of_allocation_is_the_same() {
    let Some(reference) = reference() else { return };
    let (theirs, ours) = (Host::new().with(reference), Host::new());
    let order = |host: &Host| -> Vec<Vec<String>> {
        let conf = host.conf(&json!({"ranges": [[
            {"subnet": "10.1.2.0/29", "gateway": "10.1.2.3"}, {"subnet": "10.1.3.0/29", "rangeStart": "10.1.3.4"},
        ]]}));
        let mut given = Vec::new();
        for n in 0..40 {
            let output = host.call("ADD", &format!("c{n}"), &conf).run();
            given.push(if output.success { output.addresses() } else { Vec::new() });
            if n % 3 == 2 {
                host.del(&format!("c{}", n - n % 5), &conf);
            }
        }
        given
    };
    assert_eq!(order(&ours), order(&theirs));
}

#[test]
fn leftovers_of_our_crash_do_not_disturb_the_reference() {
    let Some(reference) = reference() else { return };
    let host = Host::new();
    host.add("c0", &conf(&host));
    host.put(".new", "c1\r\neth0");
    let host = host.with(reference);
    host.add("c1", &conf(&host));
    host.del("c1", &conf(&host));
    host.del("c0", &conf(&host));
    assert!(host.leases().is_empty(), "{:?}", host.leases());
    assert!(host.path(".boot_id").exists());
}

#[test]
fn both_at_once_never_hand_out_an_address_twice() {
    let Some(reference) = reference() else { return };
    let host = Host::new();
    let conf = host.conf(&json!({"subnet": "10.1.0.0/23"}));
    let start = |command: &str| -> Vec<_> {
        (0..100)
            .map(|n| {
                let binary = if n % 2 == 0 { ours() } else { reference.clone() };
                host.call_through(std::process::Command::new(binary), command, &format!("c{n}"), &conf).start()
            })
            .collect()
    };
    let addresses: BTreeSet<String> = start("ADD").into_iter().flat_map(|child| finish(child).addresses()).collect();
    assert_eq!(addresses.len(), 100);
    assert_eq!(host.leases().len(), 100);
    for child in start("DEL") {
        assert!(finish(child).success);
    }
    assert!(host.leases().is_empty());
}
