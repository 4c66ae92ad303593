//! What is no file where there should be one: a call ends all the same.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::Path,
    process::Command,
};

use nix::{sys::stat::Mode, unistd::mkfifo};
use serde_json::json;

use crate::host::{Host, Output};

/// Puts something at a path.
type Put = fn(&Path);

/// What may be in place of a file. No writer ever comes to the FIFO.
const ODD: [(&str, Put); 4] = [
    ("a FIFO", |path| mkfifo(path, Mode::S_IRWXU).unwrap()),
    ("a terminal", |path| symlink("/dev/ptmx", path).unwrap()),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
    ("a directory", |path| fs::create_dir(path).unwrap()),
];

fn call(host: &Host, command: &str, ipam: &serde_json::Value) -> Output {
    let mut conf = host.conf(ipam);
    conf["cniVersion"] = "1.1.0".into();
    conf["cni.dev/valid-attachments"] = json!([]);
    let mut limited = Command::new("timeout");
    limited.args(["-s", "KILL", "20"]).arg(&host.binary);
    host.call_through(limited, command, "c1", &conf).run()
}

#[test]
fn what_is_no_lease_takes_its_address_and_stays() {
    for (what, put) in ODD {
        let host = Host::new();
        fs::create_dir_all(host.dir()).unwrap();
        put(&host.path("10.1.2.2"));
        let ipam = json!({"subnet": "10.1.2.0/29"});
        assert_eq!(call(&host, "ADD", &ipam).addresses(), ["10.1.2.3/29"], "{what}");
        for command in ["STATUS", "CHECK", "DEL", "GC"] {
            call(&host, command, &ipam).silent();
        }
        assert!(host.path("10.1.2.2").symlink_metadata().is_ok(), "{what}");
        assert!(!host.path("10.1.2.3").exists(), "{what}");
    }
}

#[test]
fn what_is_no_place_for_the_last_address_is_told_and_nothing_is_leased() {
    for (what, put) in ODD {
        let host = Host::new();
        fs::create_dir_all(host.dir()).unwrap();
        put(&host.path("last_reserved_ip.0"));
        let (code, msg, _) = call(&host, "ADD", &json!({"subnet": "10.1.2.0/29"})).error();
        assert_eq!(code, 5, "{what}: {msg}");
        assert!(msg.contains("last_reserved_ip.0: "), "{what}: {msg}");
        assert!(!host.path("10.1.2.2").exists(), "{what}");
    }
}

#[test]
fn what_is_no_resolv_conf_is_refused_before_any_effect() {
    for (what, put) in ODD {
        let host = Host::new();
        let path = host.dir().parent().unwrap().with_file_name("resolv.conf");
        put(&path);
        let (code, msg, _) = call(&host, "ADD", &json!({"subnet": "10.1.2.0/29", "resolvConf": path})).error();
        let told = format!("read \"resolvConf\" {}: it is not a regular file", path.display());
        assert_eq!((code, msg), (5, told), "{what}");
        assert!(!host.dir().exists(), "{what}");
    }
}
