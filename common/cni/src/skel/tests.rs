//! The skeleton with a plugin that records nothing but what it is told to do.

use std::{cell::RefCell, collections::HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::Success;

thread_local! {
    // Steps run on the thread that calls.
    static UNDONE: RefCell<u32> = const { RefCell::new(0) };
    static KEPT: RefCell<Option<usize>> = const { RefCell::new(None) };
}

struct Probe;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Conf {
    fail: Option<String>,
}

impl Plugin for Probe {
    const NAME: &'static str = "probe";
    type Conf = Conf;

    fn add(add: &Add<Conf>, undo: &mut Undo) -> Result<Success> {
        undo.push("count", || {
            UNDONE.with_borrow_mut(|undone| *undone += 1);
            Ok(())
        });
        match &add.network.conf.fail {
            Some(why) => Err(Error::new(Code::Kernel, why.clone()).details("ext-ack")),
            None => Ok(add.network.prev_result.clone().unwrap_or_default()),
        }
    }

    fn del(del: &Del<Conf>) -> Result<()> {
        del.netns.as_ref().map_or(Ok(()), |netns| Err(Error::new(Code::Kernel, netns.display().to_string())))
    }

    fn check(check: &Check<Conf>) -> Result<()> {
        check.network.required_prev_result().map(drop)
    }

    fn gc(gc: &Gc<Conf>) -> Result<()> {
        KEPT.set(Some(gc.keep.len()));
        Ok(())
    }

    fn status(_: &Status<Conf>) -> Result<()> {
        Err(Error::new(Code::NotReady, "not ready"))
    }
}

/// A writer that fails.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn variables(command: &str, changes: &[(&str, &str)]) -> HashMap<String, String> {
    let mut variables: HashMap<String, String> = [
        ("CNI_COMMAND", command),
        ("CNI_CONTAINERID", "c1"),
        ("CNI_NETNS", "/nonexistent"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/nonexistent"),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .collect();
    variables.extend(changes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    variables
}

fn call(command: &str, changes: &[(&str, &str)], stdin: &str) -> (bool, String) {
    let variables = variables(command, changes);
    let mut stdout = Vec::new();
    let code = run::<Probe>(&|name| variables.get(name).cloned(), &mut stdin.as_bytes(), &mut stdout, Undo::default());
    (format!("{code:?}") == format!("{:?}", ExitCode::SUCCESS), String::from_utf8(stdout).unwrap())
}

fn conf(extra: Value) -> String {
    let mut conf = json!({"cniVersion": "1.1.0", "name": "n", "type": "probe"});
    conf.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    conf.to_string()
}

fn error_of(command: &str, changes: &[(&str, &str)], stdin: &str) -> (u64, String) {
    let (success, stdout) = call(command, changes, stdin);
    assert!(!success, "{stdout}");
    let error: Value = serde_json::from_str(&stdout).expect("one JSON document");
    assert!(error["cniVersion"].is_string());
    (error["code"].as_u64().unwrap(), error["msg"].as_str().unwrap().to_owned())
}

#[test]
fn add_prints_one_result_and_undoes_nothing() {
    let (success, stdout) = call("ADD", &[], &conf(json!({})));
    assert!(success);
    assert_eq!(stdout, "{\n    \"cniVersion\": \"1.1.0\"\n}");
    assert_eq!(UNDONE.take(), 0);
}

#[test]
fn failing_add_is_undone_and_prints_one_error() {
    let (success, stdout) = call("ADD", &[], &conf(json!({"fail": "create veth"})));
    assert!(!success);
    let error: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(error, json!({"cniVersion": "1.1.0", "code": 100, "msg": "create veth", "details": "ext-ack"}));
    assert_eq!(UNDONE.take(), 1);
}

#[test]
fn message_is_one_line_whatever_it_quotes() {
    let (_, msg) = error_of("ADD", &[], &conf(json!({"fail": "two\nlines\r\u{7}\u{85}, \u{fc} \"x\""})));
    assert_eq!(msg, "two\\nlines\\r\\u{7}\\u{85}, \u{fc} \"x\"");
}

#[test]
fn add_whose_result_cannot_be_written_is_undone() {
    let variables = variables("ADD", &[]);
    let stdin = conf(json!({}));
    let code = run::<Probe>(&|name| variables.get(name).cloned(), &mut stdin.as_bytes(), &mut Closed, Undo::default());
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::FAILURE));
    assert_eq!(UNDONE.take(), 1);
}

#[test]
fn add_into_own_netns_is_refused_before_any_effect() {
    let own = ("CNI_NETNS", "/proc/self/ns/net");
    assert_eq!(error_of("ADD", &[own], &conf(json!({}))).0, 8);
    assert_eq!(UNDONE.take(), 0);
    assert!(call("ADD", &[own, ("CNI_NETNS_OVERRIDE", "TRUE")], &conf(json!({}))).0);
}

#[test]
fn del_of_own_netns_leaves_the_container_alone_and_succeeds() {
    assert!(call("DEL", &[("CNI_NETNS", "/proc/self/ns/net")], &conf(json!({}))).0);
    assert_eq!(error_of("DEL", &[("CNI_NETNS", "/x")], &conf(json!({}))).1, "/x");
}

#[test]
fn unreadable_prev_result_fails_add_but_not_del() {
    let junk = conf(json!({"prevResult": {"ips": [{"address": "junk"}]}}));
    assert_eq!(error_of("ADD", &[], &junk).0, 6);
    assert!(call("DEL", &[("CNI_NETNS", "")], &junk).0);
}

#[test]
fn result_that_the_version_cannot_express_is_refused_before_any_effect() {
    let old = conf(json!({"cniVersion": "0.2.0", "prevResult": {"cniVersion": "0.4.0", "interfaces": []}}));
    assert_eq!(error_of("ADD", &[], &old), (1, "cannot convert: no valid IP addresses".into()));
    assert_eq!(UNDONE.take(), 0);
}

#[test]
fn bad_environment_wins_over_bad_stdin_and_bad_stdin_over_unknown_command() {
    assert_eq!(error_of("ADD", &[("CNI_IFNAME", "a:b")], "{").0, 4);
    assert_eq!(error_of("OOPS", &[], "{").0, 6);
    assert_eq!(error_of("OOPS", &[], "{}").0, 7);
    assert_eq!(error_of("add", &[], &conf(json!({}))), (4, "unknown CNI_COMMAND: add".into()));
}

#[test]
fn unreadable_stdin_is_an_io_error() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from_raw_os_error(21))
        }
    }
    let (variables, mut stdout) = (variables("ADD", &[]), Vec::new());
    run::<Probe>(&|name| variables.get(name).cloned(), &mut Broken, &mut stdout, Undo::default());
    assert_eq!(serde_json::from_slice::<Value>(&stdout).unwrap()["code"], 5);
}

#[test]
fn check_and_status_answer_with_the_plugins_error() {
    assert_eq!(error_of("CHECK", &[], &conf(json!({}))), (7, "required prevResult missing".into()));
    assert_eq!(call("CHECK", &[], &conf(json!({"prevResult": {}}))), (true, String::new()));
    assert_eq!(error_of("STATUS", &[], &conf(json!({}))).0, 50);
}

#[test]
fn gc_without_a_list_is_not_asked_of_the_plugin() {
    assert_eq!(call("GC", &[], &conf(json!({}))), (true, String::new()));
    assert_eq!(KEPT.take(), None);
    assert_eq!(call("GC", &[], &conf(json!({"cni.dev/valid-attachments": null}))), (true, String::new()));
    assert_eq!(KEPT.take(), Some(0));
}

#[test]
fn misfit_in_the_configuration_names_the_key() {
    let (code, msg) = error_of("ADD", &[], &conf(json!({"fail": 7})));
    assert_eq!(code, 6);
    assert_eq!(msg, "decode network configuration: \"fail\": invalid type: integer `7`, expected a string");
}

#[test]
fn megabyte_of_stdin_is_read() {
    assert!(call("ADD", &[], &conf(json!({"args": {"fill": "x".repeat(1 << 20)}}))).0);
}
