//! The runner, with shell scripts in the place of plugins.

#![allow(clippy::unwrap_used, reason = "helpers of tests")]

use serde_json::{Value, json};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use testkit::{Attachment, Chain, Plugin, Sandbox, Stdin, Stdout};

/// Installs a script as a plugin called `name`.
///
/// By a shell: were the file open for writing in this process, another test's child could inherit that, and the plugin could
/// not be started ("text file busy").
fn install(sandbox: &Sandbox, name: &str, script: &str) -> PathBuf {
    let path = sandbox.dir().join(name);
    sandbox.sh(&format!("cat > {0} <<'END'\n#!/bin/sh\n{script}\nEND\nchmod +x {0}", path.display()));
    path
}

/// A plugin that is `script`.
fn plugin(sandbox: &Sandbox, script: &str) -> Plugin {
    Plugin::new(install(sandbox, "scripted", script))
}

/// Succeeds with a JSON object of what it was called with; on DEL and the like writes that to `calls` instead.
fn recorder(sandbox: &Sandbox, name: &str) {
    let calls = sandbox.dir().join("calls");
    let script = format!(
        r#"call="{{\"plugin\":\"{name}\",\"command\":\"$CNI_COMMAND\",\"id\":\"$CNI_CONTAINERID\",\"ifname\":\"$CNI_IFNAME\",\"netns\":\"$CNI_NETNS\",\"path\":\"$CNI_PATH\",\"stdin\":$(cat)}}"
        if [ "$CNI_COMMAND" = ADD ]; then echo "$call"; else echo "$call" >> {}; fi"#,
        calls.display()
    );
    install(sandbox, name, &script);
}

fn recorded(dir: &Path) -> Vec<Value> {
    let calls = fs::read_to_string(dir.join("calls")).unwrap();
    calls.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn the_call_reaches_the_plugin() {
    let sandbox = Sandbox::enter();
    recorder(&sandbox, "echo");
    let call = Plugin::new(sandbox.dir().join("echo")).command("ADD").container("c1").netns("/n").ifname("eth0");
    let seen = call.path(["/a", "/b"]).stdin(json!({ "name": "net" })).run().success();
    assert_eq!(
        seen,
        json!({ "plugin": "echo", "command": "ADD", "id": "c1", "ifname": "eth0", "netns": "/n", "path": "/a:/b",
            "stdin": { "name": "net" } })
    );
}

#[test]
fn the_environment_can_be_changed_and_cleared() {
    let sandbox = Sandbox::enter();
    let show = plugin(&sandbox, r#"echo "[\"$ONE\", \"$CNI_ARGS\", \"${CNI_PATH-none}\", \"${HOME-none}\"]""#);
    let changed = show.clone().env("ONE", "1").args("K=V").env_remove("CNI_PATH").env("HOME", "/h");
    assert_eq!(changed.run().success(), json!(["1", "K=V", "none", "/h"]));
    assert_eq!(show.clone().env_remove("HOME").run().success()[3], "none");
    assert_eq!(show.env("ONE", "1").env_clear().env("CNI_ARGS", "X").run().success(), json!(["", "X", "none", "none"]));
}

#[test]
fn a_plugin_runs_on_the_host_of_its_test() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add cni0 type bridge");
    assert_eq!(plugin(&sandbox, "ip -j link show cni0").run().success()[0]["ifname"], "cni0");
}

#[test]
fn stdin_can_be_bytes_a_directory_or_closed() {
    let sandbox = Sandbox::enter();
    let length = plugin(&sandbox, "wc -c");
    assert_eq!(length.clone().run().success(), 0);
    assert_eq!(length.stdin(vec![b'{'; 300_000]).run().success(), 300_000);
    let read = plugin(&sandbox, "cat");
    assert!(read.clone().stdin(File::open("/").unwrap()).run().stderr.contains("Is a directory"));
    assert!(read.stdin(Stdin::Closed).run().stderr.contains("Bad file descriptor"));
}

#[test]
fn stdout_can_refuse_what_is_written() {
    let sandbox = Sandbox::enter();
    let print = plugin(&sandbox, "exec /bin/echo '{}'");
    for (stdout, complaint) in [(Stdout::Full, "No space left"), (Stdout::Closed, "Bad file descriptor")] {
        let output = print.clone().stdout(stdout).run();
        assert!(!output.status.success() && output.stderr.contains(complaint), "{output}");
    }
    assert!(!print.clone().stdout(Stdout::BrokenPipe).run().status.success());
    print.run().success();
}

#[test]
fn a_wrapper_runs_the_plugin() {
    let sandbox = Sandbox::enter();
    let output = plugin(&sandbox, r#"echo "{\"wrapped\":\"$WRAPPED\"}""#).under(["env", "WRAPPED=yes"]).run();
    assert_eq!(output.success()["wrapped"], "yes");
}

#[test]
fn a_failed_demand_shows_the_whole_call() {
    let sandbox = Sandbox::enter();
    let call = plugin(&sandbox, "cat >&2; echo '{}'; exit 3")
        .command("ADD")
        .env_remove("HOME")
        .stdin(json!({ "name": "net" }));
    let output = call.run();
    let message = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| output.success())).unwrap_err();
    assert_eq!(
        *message.downcast::<String>().unwrap(),
        "failed, but should succeed\ncommand: /run/sandbox/scripted\n\
         environment: CNI_COMMAND=ADD CNI_PATH=/run/sandbox HOME (removed)\nstdin: {\"name\":\"net\"}\n\
         exit status: 3\nstdout:\n{}\n\nstderr:\n{\"name\":\"net\"}"
    );
}

#[test]
#[should_panic(expected = "2 JSON documents on stdout")]
fn an_error_printed_twice_is_not_a_failure() {
    let sandbox = Sandbox::enter();
    let error = r#"{"code":7,"msg":"bad"}"#;
    plugin(&sandbox, &format!("echo '{error}{error}'; exit 1")).run().failure();
}

#[test]
fn a_hanging_plugin_is_killed_with_what_it_started() {
    let sandbox = Sandbox::enter();
    let marks = sandbox.dir().join("alive");
    let hang = plugin(&sandbox, &format!("echo started >&2; (sleep 2; touch {}) & wait", marks.display()));
    let start = Instant::now();
    let run = || hang.limit(Duration::from_millis(300)).run();
    let message =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("still running") && message.contains("started"), "{message}");
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    std::thread::sleep(Duration::from_millis(2300));
    assert!(!marks.exists(), "the child of the plugin lives on");
}

#[test]
#[should_panic(expected = "no such program")]
fn a_missing_plugin_is_named() {
    Plugin::new("no-such-plugin").run().silent();
}

#[test]
fn our_plugins_are_next_to_the_tests() {
    let dir = Plugin::bin_dir();
    assert!(std::env::current_exe().unwrap().starts_with(&dir) || std::env::var_os("MOORING_BIN_DIR").is_some());
    assert!(!dir.ends_with("deps"));
}

#[test]
fn an_attachment_makes_its_calls() {
    let sandbox = Sandbox::enter();
    recorder(&sandbox, "echo");
    let container = sandbox.netns("c1");
    let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "echo" });
    let attachment = Attachment::new(conf.clone(), &container).bin_dir(sandbox.dir()).ifname("net1");

    let result = attachment.add().success();
    assert_eq!(
        (&result["id"], &result["ifname"], &result["netns"]),
        (&json!("c1"), &json!("net1"), &json!("/run/netns/c1"))
    );
    assert_eq!((&result["stdin"], &result["path"]), (&conf, &json!("/run/sandbox")));
    attachment.with_prev(&result).check().silent();
    attachment.netns("").del().silent();
    let calls = recorded(sandbox.dir());
    assert_eq!((&calls[0]["command"], &calls[0]["stdin"]["prevResult"]), (&json!("CHECK"), &result));
    assert_eq!((&calls[1]["command"], &calls[1]["stdin"], &calls[1]["netns"]), (&json!("DEL"), &conf, &json!("")));
}

#[test]
fn calls_for_the_network_name_no_container() {
    let sandbox = Sandbox::enter();
    recorder(&sandbox, "echo");
    let attachment = Attachment::new(json!({ "type": "echo" }), &sandbox.netns("c1")).bin_dir(sandbox.dir());
    attachment.gc(&[("c1", "eth0")]).silent();
    attachment.status().silent();
    let calls = recorded(sandbox.dir());
    assert_eq!(calls[0]["stdin"]["cni.dev/valid-attachments"], json!([{ "containerID": "c1", "ifname": "eth0" }]));
    assert_eq!((&calls[0]["id"], &calls[0]["netns"]), (&json!(""), &json!("")));
    assert_eq!((&calls[1]["command"], &calls[1]["id"]), (&json!("STATUS"), &json!("")));
}

fn chain(sandbox: &Sandbox) -> Chain {
    let list =
        json!({ "cniVersion": "1.1.0", "name": "net", "plugins": [{ "type": "one" }, { "type": "two", "key": 1 }] });
    Chain::new(&list, &sandbox.netns("c1")).each(|plugin| plugin.bin_dir(sandbox.dir()))
}

#[test]
fn a_chain_hands_results_on() {
    let sandbox = Sandbox::enter();
    recorder(&sandbox, "one");
    recorder(&sandbox, "two");
    let chain = chain(&sandbox);
    let result = chain.add();
    assert_eq!(result["plugin"], "two");
    assert_eq!((&result["stdin"]["name"], &result["stdin"]["key"]), (&json!("net"), &json!(1)));
    assert_eq!(result["stdin"]["prevResult"]["plugin"], "one");
    assert_eq!(result["stdin"]["prevResult"]["stdin"].get("prevResult"), None);

    chain.check(&result);
    chain.del(Some(&result));
    chain.del(None);
    let calls = recorded(sandbox.dir());
    let order: Vec<_> =
        calls.iter().map(|call| format!("{} {}", call["command"], call["plugin"]).replace('"', "")).collect();
    assert_eq!(order, ["CHECK one", "CHECK two", "DEL two", "DEL one", "DEL two", "DEL one"]);
    assert!(calls[..4].iter().all(|call| call["stdin"]["prevResult"] == result));
    assert!(calls[4..].iter().all(|call| call["stdin"].get("prevResult").is_none()));
}

#[test]
fn a_chain_stops_at_the_first_failing_add() {
    let sandbox = Sandbox::enter();
    install(&sandbox, "one", r#"echo '{"code":11,"msg":"try again"}'; exit 1"#);
    recorder(&sandbox, "two");
    let failed = chain(&sandbox).try_add().unwrap_err();
    assert_eq!(failed.failure_code(11)["msg"], "try again");
    assert!(!sandbox.dir().join("calls").exists());
}

#[test]
fn a_chain_deletes_on_after_a_failure() {
    let sandbox = Sandbox::enter();
    recorder(&sandbox, "one");
    install(&sandbox, "two", "exit 1");
    let outcomes = chain(&sandbox).try_del(None);
    assert_eq!(outcomes.iter().map(|outcome| outcome.status.success()).collect::<Vec<_>>(), [false, true]);
    assert_eq!(recorded(sandbox.dir()).len(), 1);
}
