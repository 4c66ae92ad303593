//! The daemon as a process: its socket, its flags, its end.

use std::{fs, os::unix::fs::PermissionsExt, path::Path, process::Command};

use serde_json::json;
use testkit::{Attachment, Facility, Plugin, eventually, require};

use crate::stage::{LONG, Running, Stage};

#[test]
fn stopped_daemon_leaves_leases_and_nothing_else() {
    for signal in ["TERM", "INT"] {
        let Some(stage) = Stage::new() else { return };
        let server = stage.dnsmasq(&[]);
        let pidfile = stage.file("pid");
        let daemon = stage.daemon_with(&["-pidfile", pidfile.to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&pidfile).unwrap(), daemon.pid().to_string());
        assert_eq!(fs::metadata(stage.socket()).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(stage.file("run")).unwrap().permissions().mode() & 0o777, 0o700);
        let container = stage.sandbox.netns("c1");
        let attachment = Attachment::new(stage.network(json!({})), &container);
        let result = attachment.add().success();
        assert!(daemon.end(&stage.sandbox, signal));
        assert!(!pidfile.exists() && !stage.socket().exists());
        assert_eq!(stage.records().len(), 1);
        stage.await_given(1);
        assert!(!server.log().contains("DHCPRELEASE"));
        let _daemon = stage.daemon();
        attachment.with_prev(&result).check().silent();
    }
}

#[test]
fn stopped_daemon_does_not_let_an_add_wait() {
    let Some(stage) = Stage::new() else { return };
    let daemon = stage.daemon_with(&["-resendtimeout", "1h"]);
    let (_container, attachment) = stage.bare("c1");
    std::thread::scope(|scope| {
        let add = scope.spawn(|| attachment.add().failure_code(11));
        daemon.await_log("asking for a lease for eth0 of container c1");
        assert!(daemon.end(&stage.sandbox, "TERM"));
        add.join().unwrap();
    });
}

#[test]
fn killed_daemons_socket_is_replaced_and_a_live_ones_is_not() {
    let Some(stage) = Stage::new() else { return };
    let first = stage.daemon();
    let refused = |stage: &Stage, text: &str| {
        let mut second = stage.start_daemon(&[]);
        assert!(!eventually(LONG, || second.ended().ok_or_else(|| second.log())));
        assert!(second.log().contains(text), "{}", second.log());
    };
    refused(&stage, "a daemon has it already");
    stage.await_daemon(&first);
    first.kill();
    assert!(stage.socket().exists());
    stage.daemon().kill();

    // Of somebody else, who does not know our lock.
    fs::remove_file(stage.socket()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(stage.socket()).unwrap();
    refused(&stage, "a daemon answers there");
    drop(listener);
    fs::remove_file(stage.socket()).unwrap();
    fs::write(stage.socket(), "precious").unwrap();
    refused(&stage, "there is something else");
    assert_eq!(fs::read_to_string(stage.socket()).unwrap(), "precious");
}

#[test]
fn files_of_the_host_may_be_elsewhere() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let (_container, attachment) = stage.bare("c1");
    // As in a container where the host's root is mounted.
    let prefix = stage.file("host");
    stage.sandbox.sh(&format!("mkdir -p {0}; mount --rbind / {0}", prefix.display()));
    let daemon = stage.daemon_with(&["-hostprefix", prefix.to_str().unwrap()]);
    daemon.await_log(&format!("listening on {}", prefix.join("run").display()));
    attachment.add().success();
    assert_eq!(stage.records().len(), 1);
    daemon.kill();
    attachment.del().silent();
    stage.await_given(0);
}

#[test]
fn wrong_command_lines_are_told() {
    let run = |arguments: &[&str]| {
        let output = Command::new(Plugin::bin_dir().join("dhcp")).arg("daemon").args(arguments).output().unwrap();
        assert!(output.stdout.is_empty());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, said) = run(&["-nonsense"]);
    assert!(code == Some(2) && said.starts_with("dhcp daemon: -nonsense is not known\nusage: dhcp daemon"), "{said}");
    let (code, said) = run(&["-help"]);
    assert!(code == Some(0) && said.contains("-resendtimeout TIME"), "{said}");
}

#[test]
fn spoilt_records_do_not_keep_it_from_starting() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let (_container, attachment) = stage.bare("c1");
    let result = attachment.add().success();
    daemon.kill();
    let dir = stage.records()[0].parent().unwrap().to_owned();
    for (name, content) in [("a.json", ""), ("b.json", "[1]"), (".x.new", "half"), ("notes", "mine")] {
        fs::write(dir.join(name), content).unwrap();
    }
    fs::create_dir(dir.join("c.json")).unwrap();
    stage.sandbox.sh(&format!("mkfifo {}/d.json", dir.display()));
    let daemon = stage.daemon();
    daemon.await_log("with 1 attachments from before");
    attachment.with_prev(&result).check().silent();
    assert!(dir.join("notes").exists() && !dir.join(".x.new").exists());
}

/// What systemd does, without systemd: a socket as descriptor 3, and who it is for in the environment.
const HAND_OVER: &str = r"
import os, socket, sys
path, sockets, program = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
held = [socket.socket(socket.AF_UNIX) for _ in range(sockets)]
for n, s in enumerate(held):
    s.bind(path + str(n) * n)
    s.listen(8)
    s.set_inheritable(True)
    if s.fileno() != 3 + n:
        os.dup2(s.fileno(), 3 + n)
os.environ.update(LISTEN_FDS=str(sockets), LISTEN_PID=str(os.getpid()))
os.execv(program[0], program)
";

fn activated(stage: &Stage, sockets: &str) -> Running {
    let script = stage.file("hand-over.py");
    fs::write(&script, HAND_OVER).unwrap();
    fs::create_dir_all(stage.socket().parent().unwrap()).unwrap();
    let mut command = Command::new("python3");
    command.args([&script, &stage.socket(), Path::new(sockets), &Plugin::bin_dir().join("dhcp"), Path::new("daemon")]);
    Running::start(command, &stage.file("daemon.log"))
}

#[test]
fn socket_may_come_from_systemd_and_stays_its() {
    if !require(Facility::Program("python3")) {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let daemon = activated(&stage, "1");
    stage.await_daemon(&daemon);
    let (_container, attachment) = stage.bare("c1");
    attachment.add().success();
    assert_eq!(stage.records().len(), 1);
    assert!(daemon.end(&stage.sandbox, "TERM"));
    assert!(stage.socket().exists());

    fs::remove_file(stage.socket()).unwrap();
    let mut two = activated(&stage, "2");
    assert!(!eventually(LONG, || two.ended().ok_or_else(|| two.log())));
    assert!(two.log().contains("systemd hands over 2 sockets, there may be one"), "{}", two.log());
}
