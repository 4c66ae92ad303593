//! `kill -9` at the system calls by which the kernel is asked and changed.

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Killed, Kills, Plugin, require};

use crate::stage::{Place, Stage, rules, state};

/// What can have an effect, or follows one.
const CALLS: [&str; 5] = ["sendto", "sendmsg", "recvfrom", "recvmsg", "write"];

/// Kills `call` at every fifth of them; `prepare` goes before, `verify` behind.
fn sweep(stage: &Stage, call: impl Fn() -> Plugin, prepare: impl Fn(), verify: impl Fn(&str)) {
    let Killed { kills, survived } =
        Kills { calls: &CALLS, step: 5, dir: stage.sandbox.dir() }.sweep(call, prepare, verify);
    assert!(kills > 8 && survived == 0, "{kills} kills, {survived} survived");
}

fn stage() -> Option<(Stage, Place, Attachment)> {
    if !require(Facility::Program("strace")) {
        return None;
    }
    let stage = Stage::new();
    let place = stage.place("c1");
    let attachment = stage.attach(&place, json!({ "addSourceHints": true, "gateways": ["10.1.0.9"] }));
    Some((stage, place, attachment))
}

#[test]
fn add_killed_anywhere_is_undone_by_del_with_and_without_prev_result() {
    let Some((stage, place, attachment)) = stage() else { return };
    let before = state(&place.ns);
    for del in [attachment.clone(), attachment.with_key("prevResult", Value::Null)] {
        let verify = |when: &str| {
            del.del().silent();
            assert_eq!(state(&place.ns), before, "ADD killed by {when}");
        };
        sweep(&stage, || attachment.call("ADD"), || {}, verify);
    }
}

#[test]
fn add_killed_anywhere_can_be_repeated() {
    let Some((stage, place, attachment)) = stage() else { return };
    let before = state(&place.ns);
    attachment.add().success();
    let made = state(&place.ns);
    attachment.del().silent();
    let verify = |when: &str| {
        attachment.add().success();
        assert_eq!(state(&place.ns), made, "ADD killed by {when}, and repeated");
        attachment.del().silent();
        assert_eq!(state(&place.ns), before, "ADD killed by {when}, repeated, and DEL");
    };
    sweep(&stage, || attachment.call("ADD"), || {}, verify);
}

#[test]
fn add_killed_anywhere_leaves_no_rule_behind_del_although_the_interface_has_gone() {
    let Some((stage, place, _)) = stage() else { return };
    // The link that goes is another one each time.
    let prepare =
        || {
            drop(place.ns.sh(
                "ip link add net2 type veth peer name peer2 2>/dev/null; ip link set net2 up; ip link set peer2 up
             ip addr add 10.7.0.2/24 dev net2; ip addr add fd07::2/64 dev net2 nodad",
            ));
        };
    let prev = json!({ "cniVersion": "1.1.0", "interfaces": [{ "name": "net2", "sandbox": place.ns.path() }],
        "ips": [{ "interface": 0, "address": "10.7.0.2/24" }, { "interface": 0, "address": "fd07::2/64" }] });
    let attachment = stage.attach(&place, json!({})).ifname("net2").with_prev(&prev);
    let verify = |when: &str| {
        place.ns.sh("ip link del net2");
        attachment.with_key("prevResult", Value::Null).del().silent();
        assert!(rules(&place.ns).is_empty(), "ADD killed by {when}");
    };
    sweep(&stage, || attachment.call("ADD"), prepare, verify);
}

#[test]
fn del_killed_anywhere_is_finished_by_the_next() {
    let Some((stage, place, attachment)) = stage() else { return };
    let before = state(&place.ns);
    let verify = |when: &str| {
        attachment.with_key("prevResult", Value::Null).del().silent();
        assert_eq!(state(&place.ns), before, "DEL killed by {when}");
    };
    sweep(&stage, || attachment.call("DEL"), || drop(attachment.add().success()), verify);
}
