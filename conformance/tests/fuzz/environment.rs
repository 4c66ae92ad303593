//! Junk in the environment: `CNI_ARGS` and the other variables, files of all kinds as network namespace, and
//! directories with delegates that do as they like.

use std::{
    ffi::OsString,
    fs::{self, Permissions},
    os::unix::{ffi::OsStringExt, fs::PermissionsExt},
    path::{Path, PathBuf},
};

use proptest::{collection::vec, prelude::*, sample::select};
use testkit::Plugin;

use crate::{
    cases::judge_each,
    odd_files,
    stage::{Case, Stage},
    stdin,
    subjects::Maker,
    values,
};

/// What `host-local` does in directories of `CNI_PATH`, unless it is called with DEL: that it succeeds with, since a DEL
/// that fails is a reason for ours to fail.
const DELEGATES: [&str; 13] = [
    "exit 1",
    "exit 255",
    "kill -9 $$",
    "echo oops; exit 1",
    r#"echo '{"code": 0, "msg": ""}'; exit 1"#,
    r#"echo '{"code": 11, "msg": "two\nlines\u0007", "details": "x"}'; exit 1"#,
    r#"echo '{"code": -5, "msg": "x"}'; exit 7"#,
    "true",
    r#"echo '{"ips": [{"address": "10.88.0.3/24"}]} {}'"#,
    r#"echo '{"ips": [{"address": "fd88::3/129"}]}'"#,
    r#"echo '{"ips": [{"address": "10.88.0.3/24"}, {"address": "10.88.0.3/24", "interface": 99}]}'"#,
    r#"echo '{"ips": [{"address": "::1/128"}, {"address": "0.0.0.0/0"}], "routes": [{"dst": "ff02::/16"}]}'"#,
    "head -c 300000 /dev/zero",
];

/// Paths that are no network namespace of a container, but for the last but one, which leads to it by a detour.
const NETNS: [&str; 18] = [
    "",
    "/",
    ".",
    "x",
    "/proc/self/ns/net",
    "/proc/thread-self/ns/net",
    "/run/netns/host",
    "/proc/self/ns/mnt",
    "/proc/self/ns/user",
    "/proc/self/fd/0",
    "/proc/self/fd/1",
    "/proc/self/exe",
    "/proc/self/mem",
    "/dev/null",
    "/dev/ptmx",
    "/nonexistent/netns",
    "//run/./netns/../netns/container",
    "/run/netns/container/x",
];

pub fn fuzz(make: Maker) {
    let stage = Stage::new(make);
    let dirs = delegates(Path::new("/run/sandbox/delegates"));
    let stdin = stage.proper.conf().to_string().into_bytes();
    let cases = (stdin::command(), vec(variable(dirs), 1..4), any::<u8>()).prop_map(move |(command, vars, seldom)| {
        let vars = vars.into_iter().map(|(name, value)| (name, value.map(without_nul))).collect();
        Case { vars, ..stdin::case(command, stdin.clone(), seldom) }
    });
    judge_each(&stage, &cases, |case| stage.judge(&case));
}

fn variable(dirs: Vec<PathBuf>) -> impl Strategy<Value = (&'static str, Option<OsString>)> {
    let plain =
        select(&["CNI_CONTAINERID", "CNI_IFNAME", "CNI_NETNS", "CNI_ARGS", "CNI_PATH", "CNI_NETNS_OVERRIDE"][..]);
    let log = select(&["trace", "debug", "off", "=", "a=b=c,,=", "\u{1f600}"][..]);
    prop_oneof![
        3 => (plain, proptest::option::weighted(0.9, anything())),
        4 => args().prop_map(|args| ("CNI_ARGS", Some(args))),
        3 => netns().prop_map(|path| ("CNI_NETNS", Some(path))),
        1 => select(&["1", "true", "0", "yes"][..]).prop_map(|own| ("CNI_NETNS_OVERRIDE", Some(own.into()))),
        3 => path(dirs).prop_map(|path| ("CNI_PATH", Some(path))),
        1 => log.prop_map(|log| ("MOORING_LOG", Some(log.into()))),
    ]
}

/// Text, long text, or bytes.
fn anything() -> impl Strategy<Value = OsString> {
    prop_oneof![
        6 => values::text().prop_map(OsString::from),
        1 => vec(1u8..=255, 0..40).prop_map(OsString::from_vec),
        1 => (select(&["x", "1", "a/", "K=V;", "IP=10.88.0.3;"][..]), values::long()).prop_map(|(unit, times)| {
            // Linux takes no variable that is longer than 128 KiB.
            unit.repeat(times.min(100_000 / unit.len())).into()
        }),
    ]
}

/// `CNI_ARGS` that look like some.
fn args() -> impl Strategy<Value = OsString> {
    let key = prop_oneof![
        select(&["IP", "MAC", "IgnoreUnknown", "K8S_POD_NAME", "ip", ""][..]).prop_map(str::to_owned),
        values::text()
    ];
    let between = select(&["=", "=", "=", "==", "", " = "][..]);
    let value = prop_oneof![
        values::text(),
        select(&["1", "true", "TRUE", "10.88.0.7", "fd88::7,10.88.0.7"][..]).prop_map(str::to_owned)
    ];
    let pair = (key, between, value).prop_map(|(key, between, value)| format!("{key}{between}{value}"));
    (vec(pair, 0..5), select(&[";", ";", ";;", ",", "\n"][..])).prop_map(|(pairs, between)| pairs.join(between).into())
}

fn netns() -> impl Strategy<Value = OsString> {
    let odd = select(&odd_files::NAMES[..]).prop_map(|name| format!("/run/sandbox/odd/{name}").into());
    prop_oneof![2 => select(&NETNS[..]).prop_map(OsString::from), 1 => odd]
}

fn path(dirs: Vec<PathBuf>) -> impl Strategy<Value = OsString> {
    let proper = Plugin::bin_dir().into_os_string().into_string().unwrap();
    let some = dirs.into_iter().map(|dir| dir.to_str().unwrap().to_owned()).collect::<Vec<_>>();
    let odd = || {
        select(&["/nonexistent", "", "relative", "/etc/passwd", "/run/sandbox/odd/fifo", "/run/sandbox/odd/loop"][..])
    };
    let dir = prop_oneof![3 => select(some), 1 => odd().prop_map(str::to_owned)];
    (vec(odd(), 0..3), dir, any::<bool>()).prop_map(move |(before, dir, found)| {
        let mut dirs: Vec<&str> = before;
        dirs.push(&dir);
        dirs.extend(found.then_some(proper.as_str()));
        dirs.join(":").into()
    })
}

/// Directories, each with another delegate.
fn delegates(dir: &Path) -> Vec<PathBuf> {
    let scripts = DELEGATES.iter().map(|body| format!("#!/bin/sh\n[ $CNI_COMMAND != DEL ] || exit 0\n{body}\n"));
    let contents = scripts.chain(["#!/nonexistent\n".to_owned(), "\u{7f}ELF".to_owned(), String::new()]);
    let mut dirs = Vec::new();
    for (number, content) in contents.enumerate() {
        let own = dir.join(number.to_string());
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("host-local"), content).unwrap();
        fs::set_permissions(own.join("host-local"), Permissions::from_mode(0o755)).unwrap();
        dirs.push(own);
    }
    dirs
}

fn without_nul(value: OsString) -> OsString {
    OsString::from_vec(value.into_vec().into_iter().filter(|byte| *byte != 0).collect())
}
