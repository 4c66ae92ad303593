//! A panic is a failed call like any other: undone, one JSON error, status 1.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::{
    env, fs,
    io::Write,
    process::{Command, Stdio},
};

/// The example `panics`, beside the directory of this test's executable.
fn call(ifname: &str) -> (serde_json::Value, bool) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("effect");
    fs::write(&file, "").unwrap();
    let example = env::current_exe().unwrap().parent().unwrap().parent().unwrap().join("examples/panics");
    let mut child = Command::new(example)
        .envs([("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c"), ("CNI_NETNS", "/nonexistent"), ("CNI_PATH", "/x")])
        .env("CNI_IFNAME", ifname)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let conf = serde_json::json!({"cniVersion": "1.1.0", "name": "n", "type": "panics", "file": file});
    child.stdin.take().unwrap().write_all(conf.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    (serde_json::from_slice(&output.stdout).unwrap(), file.exists())
}

#[test]
fn panic_is_undone_and_prints_one_error() {
    for (ifname, place) in [("eth0", "on the main thread"), ("thread", "on a thread")] {
        let (error, left) = call(ifname);
        assert_eq!(error["code"], 999);
        assert_eq!(error["msg"], "panics panicked; this is a defect");
        assert!(error["details"].as_str().unwrap().contains(place), "{error}");
        assert!(!left, "{place}: not undone");
    }
}
