//! `kill -9` at system calls of ADD and DEL, and of the daemon.

use testkit::{Facility, Kills, assert_same, require};

use crate::stage::Stage;

/// Tracing has to work too, not only the program to be there.
const STRACE: Facility<'static> = Facility::Script("strace -o /dev/null true");

/// What has an effect, or follows one, in the plugin.
const CALLS: [&str; 8] = ["socket", "connect", "write", "sendto", "recvfrom", "read", "openat", "unlink"];

#[test]
fn plugin_killed_anywhere_leaves_nothing_behind_its_del() {
    if !require(STRACE) {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon();
    let (container, attachment) = stage.bare("c1");
    attachment.add().success();
    attachment.del().silent();
    let before = container.snapshot();
    let kills = Kills { calls: &CALLS, step: 1, dir: stage.sandbox.dir() };
    let clean = |at: &str| {
        attachment.del().silent();
        assert!(stage.records().is_empty(), "{at}");
        stage.await_given(0);
        assert_same(&before, &container.snapshot());
    };
    let add = kills.sweep(|| attachment.call("ADD"), || (), clean);
    let del = kills.sweep(|| attachment.call("DEL"), || drop(attachment.add().success()), clean);
    assert!(add.kills > 5 && del.kills > 5, "{add:?} {del:?}");
}

#[test]
fn del_without_a_daemon_killed_anywhere_is_completed_by_the_next() {
    if !require(STRACE) {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let (_container, attachment) = stage.bare("c1");
    let kills = Kills { calls: &CALLS, step: 3, dir: stage.sandbox.dir() };
    let prepare = || {
        let daemon = stage.daemon();
        attachment.add().success();
        daemon.kill();
    };
    let killed = kills.sweep(
        || attachment.call("DEL"),
        prepare,
        |at| {
            attachment.del().silent();
            assert!(stage.records().is_empty(), "{at}");
        },
    );
    assert!(killed.kills > 5, "{killed:?}");
}

/// The daemon at each of its system calls that has to do with files and sockets, while it serves an ADD: whoever asks gets an answer or
/// an error, and the next daemon and a DEL leave nothing.
#[test]
fn daemon_killed_in_an_add_is_replaced() {
    if !require(STRACE) {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let (_container, attachment) = stage.bare("c1");
    let mut kills = 0;
    for call in ["write", "sendto", "rename", "openat"] {
        for n in 1..=4 {
            let daemon = stage.daemon();
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let pid = daemon.pid().to_string();
            stage.sandbox.sh(&format!(
                "strace -f -qq -p {pid} -o /dev/null -e trace={call} -e {inject} 2>/dev/null >&2 & \
                 until grep -q 'TracerPid:.[1-9]' /proc/{pid}/status; do :; done"
            ));
            let add = attachment.call("ADD").run();
            kills += usize::from(!add.status.success());
            if !add.status.success() {
                add.failure_code(11);
            }
            drop(daemon);
            let daemon = stage.daemon();
            attachment.del().silent();
            assert!(stage.records().is_empty(), "{inject}");
            attachment.add().success();
            attachment.del().silent();
            stage.await_given(0);
            daemon.kill();
        }
    }
    assert!(kills > 3, "{kills}");
}
