//! `kill -9` at the system calls by which something is changed or written down.

use testkit::{Facility, Plugin, require};

use crate::stage::{Stage, everything, state};

/// What has an effect, or follows one; the names depend on the C library.
const CALLS: [&str; 7] =
    ["/^open(at)?$", "/^write", "/^send(to|msg)$", "/^recv(from|msg)$", "/^rename", "/^unlink", "/^mkdir"];

/// Runs `call` again and again, killed when a thread of it makes its first of these system calls, its second and so on;
/// `prepare` goes before, `verify` behind.
fn sweep(call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    let mut killed = 0;
    for name in CALLS {
        for n in 1.. {
            prepare();
            let inject = format!("inject={name}:signal=KILL:when={n}");
            let run = call().under(["strace", "-f", "-qq", "-o", "/dev/null", "-e", &inject]).run();
            verify(&inject);
            if run.status.success() {
                break;
            }
            killed += 1;
        }
    }
    assert!(killed > 20, "killed {killed} times");
}

/// Kills `command` anywhere; the next DEL gives everything back.
fn killed(command: &str) {
    if !require(Facility::Program("strace")) {
        return;
    }
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    let before = state(&container);
    let prepare = || {
        if command == "DEL" {
            attachment.add().success();
        }
    };
    let verify = |when: &str| {
        attachment.del().silent();
        assert_eq!(state(&container), before, "{command} killed by {when}");
        assert!(stage.files().is_empty(), "{when}");
    };
    sweep(|| attachment.call(command), prepare, verify);
}

#[test]
fn add_killed_anywhere_is_given_back_by_del() {
    killed("ADD");
}

#[test]
fn del_killed_anywhere_is_finished_by_the_next() {
    killed("DEL");
}
