//! A failing ADD leaves the host as it was, wherever it fails.

use serde_json::{Value, json};
use testkit::{Attachment, Stdout, TestNs, assert_same};

use crate::stage::{Stage, attach, text};

/// A stage where everything shared is there already, and a container.
fn warmed_up() -> (Stage, TestNs) {
    let stage = Stage::new();
    let warm_up = stage.sandbox.netns("warm-up");
    attach(&everything(&stage), &warm_up).del();
    let c1 = stage.sandbox.netns("c1");
    (stage, c1)
}

fn everything(stage: &Stage) -> Value {
    stage.dual(json!({ "ipMasq": true, "macspoofchk": true }))
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
fn interface_name_that_is_taken() {
    let (stage, c1) = warmed_up();
    c1.sh("ip link add eth0 type bridge");
    let attachment = Attachment::new(everything(&stage), &c1);
    let msg = fails_without_a_trace(&stage, &c1, &attachment, 101);
    assert_eq!(msg, "create interface \"eth0\" in /run/netns/c1: the name is taken");
}

#[test]
fn second_add_of_the_same_attachment() {
    let (stage, c1) = warmed_up();
    let first = attach(&everything(&stage), &c1);
    let before = stage.snapshot();
    let error = first.attachment.add().failure_code(101);
    assert!(text(&error["msg"]).contains("it is attached already"), "{error}");
    assert_same(&before, &stage.snapshot());
    first.check().silent();
}

#[test]
fn pool_that_is_exhausted() {
    let (stage, c1) = warmed_up();
    let mut conf = everything(&stage);
    conf["ipam"]["ranges"][1][0] = json!({ "subnet": "fd01::/64", "rangeStart": "fd01::2", "rangeEnd": "fd01::3" });
    for n in 0..2 {
        attach(&conf, &stage.sandbox.netns(&format!("full{n}")));
    }
    fails_without_a_trace(&stage, &c1, &Attachment::new(conf, &c1), 102);
}

#[test]
fn delegate_that_is_missing() {
    let (stage, c1) = warmed_up();
    let mut conf = everything(&stage);
    conf["ipam"] = json!({ "type": "no-such-plugin" });
    let msg = fails_without_a_trace(&stage, &c1, &Attachment::new(conf, &c1), 7);
    assert!(msg.starts_with("failed to find plugin \"no-such-plugin\""), "{msg}");
}

#[test]
fn delegate_that_answers_junk_or_nothing_or_crashes() {
    let (stage, c1) = warmed_up();
    let mut conf = everything(&stage);
    conf["ipam"] = json!({ "type": "stub" });
    for (script, code) in [
        ("echo junk", 6),
        ("echo '{\"ips\": [{\"address\": \"10.1.0.300/24\"}]}'", 6),
        ("echo '{}'", 7),
        ("echo '{\"cniVersion\": \"9.9.9\"}'", 1),
        ("kill -9 $$", 999),
        ("echo '{\"code\": 11, \"msg\": \"later\"}'; exit 1", 11),
    ] {
        let log = stage.sandbox.dir().join("stubs/log");
        let dir = stage.stub("stub", &format!("echo $CNI_COMMAND >> {}; cat > /dev/null; {script}", log.display()));
        let attachment = Attachment::new(conf.clone(), &c1).bin_dir(dir);
        fails_without_a_trace(&stage, &c1, &attachment, code);
        let commands = std::fs::read_to_string(&log).unwrap();
        assert_eq!(commands.lines().collect::<Vec<_>>(), ["ADD", "DEL", "DEL"], "{script}: a failed ADD is owed a DEL");
        std::fs::remove_file(&log).unwrap();
    }
}

#[test]
fn netns_that_is_none() {
    let (stage, c1) = warmed_up();
    let attachment = Attachment::new(everything(&stage), &c1);
    let file = stage.sandbox.dir().join("file");
    std::fs::write(&file, "").unwrap();
    for (path, words) in [
        ("/run/netns/never-was", "No such file or directory"),
        (file.to_str().unwrap(), "Invalid argument"),
        ("/", "Invalid argument"),
    ] {
        let msg = fails_without_a_trace(&stage, &c1, &attachment.clone().netns(path), 100);
        assert!(msg.starts_with(&format!("open network namespace {path}: {words}")), "{msg}");
    }
}

#[test]
fn netns_that_is_the_plugins_own() {
    let (stage, c1) = warmed_up();
    let attachment = Attachment::new(everything(&stage), &c1).netns(stage.sandbox.host().path());
    fails_without_a_trace(&stage, &c1, &attachment, 8);
}

#[test]
fn result_that_cannot_be_written() {
    let (stage, c1) = warmed_up();
    let attachment = Attachment::new(everything(&stage), &c1);
    for stdout in [Stdout::Full, Stdout::BrokenPipe] {
        let before = [stage.snapshot(), c1.snapshot()];
        let output = attachment.call("ADD").stdout(stdout).run();
        assert!(!output.status.success());
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
    attachment.add().success();
}

#[test]
fn address_in_the_gateways_way() {
    let (stage, c1) = warmed_up();
    stage.sandbox.sh("ip addr flush dev br0 scope global; ip addr add 10.1.0.1/16 dev br0");
    let msg = fails_without_a_trace(&stage, &c1, &Attachment::new(everything(&stage), &c1), 101);
    assert!(msg.contains("different from 10.1.0.1/24: 10.1.0.1/16"), "{msg}");
}

#[test]
fn addresses_and_routes_that_the_kernel_refuses() {
    let (stage, c1) = warmed_up();
    let mut conf = everything(&stage);
    conf["ipam"] = json!({ "type": "stub" });
    for answer in [
        json!({ "ips": [{ "address": "10.1.0.2/24" }, { "address": "10.1.0.2/24" }] }),
        json!({ "ips": [{ "address": "10.1.0.2/24" }], "routes": [{ "dst": "10.9.0.0/16", "gw": "172.16.0.1" }] }),
        json!({ "ips": [{ "address": "ff02::1/64" }] }),
    ] {
        let dir = stage.stub("stub", &format!("cat > /dev/null; echo '{answer}'"));
        let attachment = Attachment::new(conf.clone(), &c1).bin_dir(dir);
        let before = [stage.snapshot(), c1.snapshot()];
        let code = &attachment.add().failure()["code"];
        assert!([100, 101].map(Value::from).contains(code), "{answer}: {code}");
        assert_same(&before[0], &stage.snapshot());
        assert_same(&before[1], &c1.snapshot());
    }
}

#[test]
fn firewall_that_refuses() {
    // Sets of our names that are somebody else's: one for each of the two steps that need the firewall.
    for (script, words) in [
        (
            "nft add table inet mooring; nft add set inet mooring masquerade_links4 '{ type inet_service; }'",
            "inet mooring",
        ),
        (
            "nft add table bridge mooring; nft add set bridge mooring restricted_ports '{ type inet_service; }'",
            "bridge mooring",
        ),
    ] {
        let (stage, c1) = warmed_up();
        stage.sandbox.sh("nft flush ruleset");
        stage.sandbox.sh(script);
        let attachment = Attachment::new(everything(&stage), &c1);
        let before = stage.snapshot();
        let error = attachment.add().failure();
        assert!(text(&error["msg"]).contains(words), "{error}");
        let ours = |line: &str| line.starts_with("+ nft") && !line.contains("element");
        let diff = before.diff(&stage.snapshot());
        assert!(diff.lines().all(ours), "only the shared parts of the firewall may be new: {diff}");
        assert_eq!(stage.ports("br0"), [""; 0]);
    }
}
