//! `kill -9` at every system call, and errors of those that a full or broken disk refuses.

use std::{
    collections::BTreeMap,
    env, fs,
    io::{self, Write},
    process::{Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use crate::host::{Host, finish, ours};

fn conf(host: &Host) -> Value {
    host.conf(&json!({"ranges": [[{"subnet": "10.1.2.0/24"}], [{"subnet": "fd00::/64"}]]}))
}

/// Whether strace can trace here; where it cannot, a line on stderr names the test that was skipped.
pub fn can_trace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let works = traced.is_ok_and(|status| status.success());
    assert!(works || env::var_os("CI").is_none_or(|ci| ci != "true"), "CI lacks strace");
    if !works {
        let test = thread::current().name().unwrap_or("test").to_owned();
        let _ = writeln!(io::stderr(), "SKIPPED {test}: needs strace");
    }
    works
}

fn strace(options: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq"]).args(options).arg(ours());
    command
}

/// How often a call makes each system call.
fn system_calls(host: &Host, command: &str) -> BTreeMap<String, usize> {
    system_calls_of(host, command, "c1", &conf(host))
}

/// The same, of a call for container `id` with this configuration.
pub fn system_calls_of(host: &Host, command: &str, id: &str, conf: &Value) -> BTreeMap<String, usize> {
    let log = host.dir().with_file_name("strace");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    let output = host.call_through(strace(&["-o", log.to_str().unwrap()]), command, id, conf).run();
    assert!(output.success, "{}", output.stdout);
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(log).unwrap().lines() {
        let call = line.split_whitespace().nth(1).and_then(|rest| rest.split_once('(')).map(|(name, _)| name);
        if let Some(name) = call.filter(|name| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')) {
            *calls.entry(name.to_owned()).or_default() += 1;
        }
    }
    // The kernel has not even started us.
    calls.remove("execve");
    calls
}

/// Runs a call that is killed at the `n`th system call of this name.
fn killed(host: &Host, command: &str, name: &str, n: usize) {
    let inject = format!("inject={name}:signal=KILL:when={n}");
    let child = host.call_through(strace(&["-o", "/dev/null", "-e", &inject]), command, "c1", &conf(host)).start();
    assert!(!finish(child).success, "{command} outlived {inject}");
}

fn sweep(command: &str, prepare: impl Fn(&Host), verify: impl Fn(&Host, &str)) {
    let counted = Host::new();
    prepare(&counted);
    let calls = system_calls(&counted, command);
    assert!(calls.values().sum::<usize>() > 20, "{calls:?}");
    for (name, times) in calls {
        for n in 1..=times {
            let host = Host::new();
            prepare(&host);
            killed(&host, command, &name, n);
            verify(&host, &format!("{command} killed at {name} {n}"));
        }
    }
}

/// A file is a lease of one of these, whole.
fn assert_whole(host: &Host, when: &str) {
    for (name, content) in host.leases().into_iter().filter(|(name, _)| name != ".new") {
        assert!(["c0\r\neth0", "c1\r\neth0", "c2\r\neth0"].contains(&content.as_str()), "{when}: {name}: {content:?}");
    }
}

#[test]
fn add_killed_anywhere_leaves_nothing_behind_its_del() {
    if !can_trace() {
        return;
    }
    let prepare = |host: &Host| drop(host.add("c0", &conf(host)));
    sweep("ADD", prepare, |host, when| {
        assert_whole(host, when);
        let next = host.add("c2", &conf(host));
        assert!(next.iter().all(|ip| !["10.1.2.2/24", "fd00::2/64"].contains(&ip.as_str())), "{when}: {next:?}");
        assert_whole(host, when);
        host.del("c1", &conf(host));
        host.del("c2", &conf(host));
        assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.2", "fd00::2"], "{when}");
    });
}

#[test]
fn add_that_fails_anywhere_leaves_the_directory_as_it_was() {
    if !can_trace() {
        return;
    }
    let prepare = |host: &Host| drop(host.add("c0", &conf(host)));
    let counted = Host::new();
    prepare(&counted);
    let mut failures = 0;
    for (name, times) in system_calls(&counted, "ADD") {
        let touches_disk = ["flock", "link", "linkat", "openat", "rename", "unlink", "utimensat", "write"];
        for n in (1..=times).filter(|_| touches_disk.contains(&name.as_str())) {
            let host = Host::new();
            prepare(&host);
            let before = host.files();
            let inject = format!("inject={name}:error=ENOSPC:when={n}");
            let trace = strace(&["-o", "/dev/null", "-e", "trace=all", "-e", &inject]);
            let output = host.call_through(trace, "ADD", "c1", &conf(&host)).run();
            if output.success {
                assert_eq!(output.addresses(), ["10.1.2.3/24", "fd00::3/64"], "{inject}");
                host.del("c1", &conf(&host));
                assert_eq!(host.leases().len(), 2, "{inject}");
            } else if !output.stdout.is_empty() {
                output.error();
                failures += 1;
                assert_eq!(host.files(), before, "{inject}");
            }
        }
    }
    assert!(failures > 10, "{failures}");
}

#[test]
fn del_killed_anywhere_is_completed_by_the_next() {
    if !can_trace() {
        return;
    }
    let prepare = |host: &Host| {
        host.add("c0", &conf(host));
        host.add("c1", &conf(host));
    };
    sweep("DEL", prepare, |host, when| {
        assert_whole(host, when);
        host.del("c1", &conf(host));
        assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.2", "fd00::2"], "{when}");
    });
}

/// Runs a DEL of `container` once for each file that it opens, on a host of its own: that open fails, and `more` behind it.
fn with_failing_opens(container: &str, more: usize, prepare: impl Fn(&Host), verify: impl Fn(&Host, bool, &str)) {
    let counted = Host::new();
    prepare(&counted);
    for n in 1..=system_calls(&counted, "DEL")["openat"] {
        let host = Host::new();
        prepare(&host);
        let inject = format!("inject=openat:error=ENOMEM:when={n}..{}", n + more);
        let trace = strace(&["-o", "/dev/null", "-e", "trace=all", "-e", &inject]);
        let done = host.call_through(trace, "DEL", container, &conf(&host)).run().success;
        verify(&host, done, &inject);
    }
}

#[test]
fn del_releases_a_lease_that_cannot_be_read_at_once() {
    if !can_trace() {
        return;
    }
    let prepare = |host: &Host| drop(host.add("c1", &conf(host)));
    with_failing_opens("c1", 0, prepare, |host, done, inject| {
        assert!(!done || host.leases().is_empty(), "{inject}");
    });
}

#[test]
fn lease_that_another_call_could_not_read_is_released() {
    if !can_trace() {
        return;
    }
    let prepare = |host: &Host| {
        host.add("c1", &conf(host));
        // From here on the index has to be made anew.
        host.put("10.1.2.99", "c99\r\neth0");
    };
    // It tries twice.
    with_failing_opens("c2", 1, prepare, |host, _, inject| {
        host.del("c1", &conf(host));
        assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.99"], "{inject}");
    });
}

#[test]
fn file_system_without_links_will_do() {
    if !can_trace() {
        return;
    }
    for errno in ["EPERM", "EOPNOTSUPP"] {
        let host = Host::new();
        host.put("10.1.2.2", "");
        let inject = format!("inject=link,linkat:error={errno}");
        let trace = strace(&["-o", "/dev/null", "-e", &inject]);
        let given = host.call_through(trace, "ADD", "c1", &conf(&host)).run().addresses();
        assert_eq!(given, ["10.1.2.2/24", "fd00::2/64"]);
        assert_eq!(host.leases().into_values().collect::<Vec<_>>(), ["c1\r\neth0", "c1\r\neth0"]);
    }
}

#[test]
fn gc_goes_on_where_a_lease_cannot_be_removed() {
    if !can_trace() {
        return;
    }
    let host = Host::new();
    for n in 2..=5 {
        host.put(&format!("10.1.2.{n}"), "c1\r\neth0");
    }
    let mut conf = conf(&host);
    conf["cniVersion"] = "1.1.0".into();
    conf["cni.dev/valid-attachments"] = json!([]);
    // The first is that of a leftover.
    let trace = strace(&["-o", "/dev/null", "-e", "inject=unlink,unlinkat:error=EIO:when=3"]);
    let (code, msg, _) = host.call_through(trace, "GC", "", &conf).run().error();
    assert_eq!(code, 5);
    assert!(msg.starts_with("remove ") && msg.contains("/10.1.2.3: "), "{msg}");
    assert_eq!(host.leases().into_keys().collect::<Vec<_>>(), ["10.1.2.3"]);
}
