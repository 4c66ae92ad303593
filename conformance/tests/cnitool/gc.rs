use crate::stage::Stage;
use serde_json::json;

/// A network of this version with the containers c1 and c2, and another network with c1.
pub fn attached(version: &str) -> Stage {
    let stage = Stage::new(&["a", "b"]);
    let other = json!({"cniVersion": "1.1.0", "name": "other", "plugins": [{"type": "a"}]});
    std::fs::write(stage.path("net.d/other.conflist"), other.to_string()).unwrap();
    stage.network(version, &["a", "b"]);
    for (network, container) in [("net", "c1"), ("net", "c2"), ("other", "c1")] {
        let netns = format!("/run/netns/{container}");
        let args = format!("WHO={container}");
        stage.cnitool(&["add", network, &netns, "--container-id", container, "--args", &args]).success();
    }
    stage.forget_calls();
    stage
}

#[test]
fn stale_attachments_are_deleted_and_plugins_are_told_what_stays() {
    let stage = attached("1.1.0");
    assert_eq!(stage.cnitool(&["gc", "net", "--keep", "c1/eth0"]).success(), "remove c2/eth0 from net\n");
    let calls = stage.calls();
    assert_eq!(calls[0].env["CNI_CONTAINERID"], "c2");
    assert_eq!((calls[0].env["CNI_NETNS"].as_str(), calls[0].env["CNI_ARGS"].as_str()), ("/run/netns/c2", "WHO=c2"));
    assert_eq!(calls[0].json()["prevResult"], json!({"cniVersion": "1.1.0"}));
    assert_eq!(
        calls[2].stdin,
        r#"{"cniVersion":"1.1.0","name":"net","type":"a","cni.dev/valid-attachments":[{"containerID":"c1","ifname":"eth0"}],"cni.dev/attachments":[{"containerID":"c1","ifname":"eth0"}]}"#
    );
    assert_eq!(calls[2].env["CNI_CONTAINERID"], "");
    assert_eq!(stage.order(), ["b DEL", "a DEL", "a GC", "b GC"]);
    assert_eq!(stage.cached(), ["net-c1-eth0", "other-c1-eth0"]);
}

#[test]
fn interface_is_part_of_what_is_kept() {
    let stage = attached("1.1.0");
    let printed = stage.cnitool(&["gc", "net", "--keep", "c1/eth1", "--keep", "c2/eth0"]).success();
    assert_eq!(printed, "remove c1/eth0 from net\n");
}

#[test]
fn nothing_kept_sends_empty_lists() {
    let stage = attached("1.1.0");
    let printed = stage.cnitool(&["gc", "net", "/run/netns/ignored"]).success();
    assert_eq!(printed, "remove c1/eth0 from net\nremove c2/eth0 from net\n");
    let calls = stage.calls();
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        assert_eq!(calls[4].json()[key], json!([]));
    }
    assert_eq!(stage.cached(), ["other-c1-eth0"]);
}

#[test]
fn failures_do_not_stop_it_and_are_all_told() {
    let stage = attached("1.1.0");
    stage.answer("b", "DEL", r#"echo '{"code": 100, "msg": "no del"}'; exit 1"#);
    stage.answer("a", "GC", r#"echo '{"code": 100, "msg": "no gc"}'; exit 1"#);
    let ran = stage.cnitool(&["gc", "net"]);
    assert_eq!(ran.status, 1);
    assert_eq!(
        ran.stderr,
        "cnitool: DEL of plugin \"b\" in network \"net\": no del (code 100)\n\
         cnitool: DEL of plugin \"b\" in network \"net\": no del (code 100)\n\
         cnitool: GC of plugin \"a\" in network \"net\": no gc (code 100)\n"
    );
    assert_eq!(stage.order(), ["b DEL", "b DEL", "a GC", "b GC"]);
    assert_eq!(stage.cached().len(), 3);
}

#[test]
fn version_before_1_1_0_only_deletes() {
    let stage = attached("1.0.0");
    stage.cnitool(&["gc", "net", "--keep", "c1/eth0"]).success();
    assert_eq!(stage.order(), ["b DEL", "a DEL"]);
}

#[test]
fn disabled_gc_runs_nothing() {
    let stage = attached("1.1.0");
    stage.conflist(r#"{"cniVersion":"1.1.0","name":"net","disableGC":true,"plugins":[{"type":"a"}]}"#);
    stage.cnitool(&["gc", "net"]).success();
    assert!(stage.order().is_empty());
    assert_eq!(stage.cached().len(), 3);
}

#[test]
fn cache_that_cannot_be_read_is_told_and_plugins_run() {
    let stage = attached("1.1.0");
    std::fs::rename(stage.path("cache/results"), stage.path("cache/moved")).unwrap();
    std::fs::write(stage.path("cache/results"), "").unwrap();
    assert!(stage.cnitool(&["gc", "net"]).failure().contains("read directory "));
    assert_eq!(stage.order(), ["a GC", "b GC"]);
}

#[test]
fn damaged_file_is_warned_about() {
    let stage = attached("1.1.0");
    stage.cache("net-c3-eth0", "{");
    let ran = stage.cnitool(&["gc", "net", "--keep", "c1/eth0", "--keep", "c2/eth0"]);
    assert!(ran.stderr.contains("warning: read cache ") && ran.stderr.contains("net-c3-eth0"), "{ran:?}");
    ran.success();
}
