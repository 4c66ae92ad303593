//! A failing ADD leaves the host as it was, wherever it fails.

use serde_json::json;
use testkit::{Attachment, Facility, Snapshot, Stdout, TestNs, assert_same, require};

use crate::stage::{Stage, text};

/// A stage where everything shared is there already, and a container; what both held.
fn warmed_up() -> (Stage, TestNs, [Snapshot; 2]) {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let host = stage.warm_snapshot(&stage.masquerading());
    let before = [host, c1.snapshot()];
    (stage, c1, before)
}

/// ADD of this attachment fails with `code`, and neither host nor container differ from before, nor after its DEL.
#[track_caller]
fn fails_without_a_trace(stage: &Stage, container: &TestNs, attachment: &Attachment, code: u64) -> String {
    let before = [stage.snapshot(), container.snapshot()];
    let error = attachment.add().failure_code(code);
    let unchanged = || {
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &container.snapshot());
    };
    unchanged();
    let _ = attachment.del();
    unchanged();
    text(&error["msg"])
}

#[test]
fn names_and_namespaces_that_cannot_be() {
    let (stage, c1, _) = warmed_up();
    let attachment = Attachment::new(stage.masquerading(), &c1);
    for (path, code) in [("/run/netns/never-was", 100), ("/", 100), (stage.host().path().to_str().unwrap(), 8)] {
        fails_without_a_trace(&stage, &c1, &attachment.clone().netns(path), code);
    }
    c1.sh("ip link add eth0 type bridge");
    let msg = fails_without_a_trace(&stage, &c1, &attachment, 101);
    assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
    let (_c2, first) = stage.attach(&stage.masquerading(), "c2");
    let before = stage.snapshot();
    let error = first.attachment.add().failure_code(101);
    assert!(text(&error["msg"]).contains("it is attached already"), "{error}");
    assert_same(&before, &stage.snapshot());
    first.check().silent();
}

#[test]
fn delegate_that_is_missing_or_answers_junk_or_crashes() {
    let (stage, c1, _) = warmed_up();
    let missing = stage.network(json!({ "ipam": { "type": "no-such-plugin" } }));
    let msg = fails_without_a_trace(&stage, &c1, &Attachment::new(missing, &c1), 7);
    assert!(msg.starts_with("failed to find plugin \"no-such-plugin\""), "{msg}");
    let log = stage.sandbox.dir().join("stubs/log");
    let conf = stage.network(json!({ "ipMasq": true, "ipam": { "type": "stub" } }));
    for (script, code) in [
        ("echo junk", 6),
        ("echo '{}'", 7),
        ("kill -9 $$", 999),
        ("echo '{\"code\": 11, \"msg\": \"later\"}'; exit 1", 11),
        ("echo '{\"ips\": [{\"address\": \"10.1.0.5/32\"}]}'", 7),
        ("echo '{\"ips\": [{\"address\": \"10.1.0.5/24\", \"gateway\": \"10.1.0.5\"}]}'", 7),
    ] {
        let dir = stage.stub("stub", &format!("echo $CNI_COMMAND >> {}; cat > /dev/null; {script}", log.display()));
        fails_without_a_trace(&stage, &c1, &Attachment::new(conf.clone(), &c1).bin_dir(dir), code);
        let commands = std::fs::read_to_string(&log).unwrap();
        assert_eq!(commands.lines().collect::<Vec<_>>(), ["ADD", "DEL", "DEL"], "{script}: a failed ADD is owed a DEL");
        std::fs::remove_file(&log).unwrap();
    }
}

#[test]
fn addresses_and_routes_that_the_kernel_refuses() {
    let (stage, c1, before) = warmed_up();
    let conf = stage.network(json!({ "ipMasq": true, "ipam": { "type": "stub" } }));
    for answer in [
        json!({ "ips": [{ "address": "10.1.0.2/24" }, { "address": "10.1.0.2/24" }] }),
        json!({ "ips": [{ "address": "10.1.0.2/24" }], "routes": [{ "dst": "10.9.0.0/16", "gw": "172.16.0.1" }] }),
        json!({ "ips": [{ "address": "ff02::2/64", "gateway": "fd01::1" }] }),
    ] {
        let dir = stage.stub("stub", &format!("cat > /dev/null; echo '{answer}'"));
        let code = Attachment::new(conf.clone(), &c1).bin_dir(dir).add().failure()["code"].clone();
        assert!([100, 101].iter().any(|expected| code == *expected), "{answer}: {code}");
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
}

#[test]
fn result_that_cannot_be_written() {
    let (stage, c1, before) = warmed_up();
    let attachment = Attachment::new(stage.masquerading(), &c1);
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        assert!(!attachment.call("ADD").stdout(stdout).run().status.success());
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
    attachment.add().success();
}

#[test]
fn firewall_that_refuses() {
    let (stage, c1, _) = warmed_up();
    // A set of our name that is somebody else's.
    stage.sandbox.sh("nft flush ruleset; nft add table inet mooring
        nft add set inet mooring masquerade_within4_24 '{ type inet_service; }'");
    let before = stage.snapshot();
    let error = Attachment::new(stage.masquerading(), &c1).add().failure();
    assert!(text(&error["msg"]).contains("inet mooring"), "{error}");
    assert_same(&before, &stage.snapshot());
}

#[test]
fn add_that_cannot_read_something_is_undone_by_itself() {
    if !require(Facility::Script("strace -o /dev/null true")) {
        return;
    }
    let (stage, c1, before) = warmed_up();
    let attachment = Attachment::new(stage.masquerading(), &c1);
    let mut refusals = 0;
    // More than there are.
    for n in 1..=30 {
        // The plugin's own, without those of the delegate.
        let inject = format!("inject=read,recvfrom:error=EIO:when={n}");
        let run = attachment.call("ADD").under(["strace", "-qq", "-o", "/dev/null", "-e", &inject]).run();
        match run.status.code() {
            Some(0) => attachment.del().silent(),
            // The loader could not read a library.
            Some(127) => {}
            _ => {
                assert_ne!(run.failure()["code"], 999, "{inject}");
                refusals += 1;
            }
        }
        assert_same(&before[0], &stage.snapshot());
    }
    assert!(refusals > 1, "{refusals}");
}
