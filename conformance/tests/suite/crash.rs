//! Crashes: plugins that clean up behind themselves, and plugins that do not.

use crate::plugins::{Plugins, Ran, conformance};
use serde_json::{Value, json};

/// Two files for each container; `$more` is the second.
const STATE: &str = r#"
    [ "$CNI_COMMAND" != VERSION ] || { echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}'; exit; }
    [ -d /var/lib/cni ] || mkdir /var/lib/cni
    one=/var/lib/cni/one-$CNI_CONTAINERID more=/var/lib/cni/more-$CNI_CONTAINERID
    result='{"cniVersion":"1.1.0"}'
"#;

const GC: &str = "GC) rm -f /var/lib/cni/one-* /var/lib/cni/more-*;;";

/// Makes and removes both, whatever is there.
const TIDY: &str = r#"ADD) : >"$one"; : >"$more"; echo "$result";; DEL) rm -f "$one" "$more";;"#;

/// Removes the second only if the first is there, and last.
const HASTY: &str =
    r#"ADD) : >"$one"; : >"$more"; echo "$result";; DEL) [ ! -e "$one" ] || { rm "$one"; rm -f "$more"; };;"#;

fn crash(script: &str, options: &[&str]) -> Ran {
    let plugins = Plugins::with("p", &format!("{STATE}\ncase $CNI_COMMAND in {script} esac"));
    let config = plugins.write("config.json", r#"{"type":"p"}"#);
    let always = ["--plugin", "p", "--config", config.to_str().unwrap(), "--jobs", "4"];
    plugins.crash(&[&always, options].concat())
}

/// The sweeps of a report.
fn sweeps(ran: &Ran) -> Vec<Value> {
    ran.json()["plugins"][0]["sweeps"].as_array().unwrap().clone()
}

/// What was found, as `KIND CALL`.
fn found(sweep: &Value) -> Vec<String> {
    let points = sweep["found"].as_array().unwrap().iter();
    let kinds = |point: &Value| {
        let call = point["call"].as_str().unwrap().to_owned();
        let findings = point["findings"].as_array().unwrap().clone();
        findings.into_iter().map(move |finding| format!("{} {call}", finding["kind"].as_str().unwrap()))
    };
    points.flat_map(kinds).collect()
}

#[test]
fn a_plugin_that_cleans_up_passes() {
    let ran = crash(&format!("{TIDY} {GC}"), &["--fault", "kill", "--every", "11", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let sweeps = sweeps(&ran);
    let names: Vec<_> = sweeps.iter().map(|sweep| format!("{} {}", sweep["operation"], sweep["cleanup"])).collect();
    let cleanups = |operation| ["DEL", "DEL without netns", "GC"].map(|cleanup| format!("{operation:?} {cleanup:?}"));
    assert_eq!(names, [cleanups("ADD"), cleanups("DEL")].concat());
    assert!(sweeps.iter().all(|sweep| sweep["points"].as_u64().unwrap() > 3), "{sweeps:?}");
    assert!(sweeps.iter().all(|sweep| sweep["notReached"] == json!([])), "{sweeps:?}");
}

#[test]
fn what_a_killed_del_leaves_is_told() {
    let options = ["--fault", "kill", "--cleanup", "del", "--operation", "del"];
    let ran = crash(HASTY, &[options.as_slice(), &["--every", "3", "--format", "json"]].concat());
    assert_eq!(ran.status, 1, "{ran:?}");
    // From the end of the first rm to the call of the second that removes.
    let found = found(&sweeps(&ran)[0]);
    assert!(found.len() > 3 && found.iter().all(|finding| finding.starts_with("left ")), "{found:?}");

    let text = crash(HASTY, &[options.as_slice(), &["--every", "5"]].concat()).stdout;
    assert!(text.contains("expected:    nothing left after DEL"), "{text}");
    assert!(text.contains("+ file /var/lib/cni/more-"), "{text}");
}

#[test]
fn what_a_killed_add_leaves_without_gc_is_told() {
    let ran = crash(TIDY, &["--fault", "kill", "--operation", "add", "--every", "4", "--format", "json"]);
    let sweeps = sweeps(&ran);
    assert_eq!((ran.status, found(&sweeps[0]).len()), (1, 0), "{ran:?}");
    assert!(found(&sweeps[1]).is_empty() && !found(&sweeps[2]).is_empty());
}

#[test]
fn a_delegate_that_outlives_its_plugin_is_waited_for() {
    // What the child makes after the plugin's end is there for DEL to remove.
    let script = r#"ADD) sh -c ": >$one; sleep 0.01; : >$more"; echo "$result";; DEL) rm -f "$one" "$more";;"#;
    let ran = crash(script, &["--fault", "kill-plugin", "--cleanup", "del", "--operation", "add", "--every", "6"]);
    assert_eq!(ran.status, 0, "{ran:?}");
}

#[test]
#[cfg_attr(not(target_arch = "x86_64"), ignore = "errors are injected on x86-64 only")]
fn an_add_that_fails_halfway_is_told_apart() {
    let script = format!("ADD) read -r line; {}", TIDY.strip_prefix("ADD) ").unwrap());
    let options =
        ["--errno", "ENOSPC", "--fault", "error", "--operation", "add", "--cleanup", "del", "--format", "json"];
    let ran = crash(&script, &options);
    let sweeps = sweeps(&ran);
    let found = found(&sweeps[0]);
    assert_eq!(ran.status, 1);
    // The shell gives up where it cannot make the second file: without an error object, and the first is there.
    // Which call that is, and in which program, is the machine's: `openat` of `dash`, `open` of `busybox`.
    let opening = |kind| found.iter().any(|finding| finding.starts_with(kind) && finding.contains(" (file) of "));
    assert!(opening("answer open") && opening("itself open"), "{found:?}");
    assert!(found.iter().all(|finding| !finding.starts_with("left ")), "{found:?}");
}

#[test]
fn a_run_that_is_short_does_not_end_a_sweep() {
    // Each worker's ninth container, in the middle of the sweep, makes less calls than the others.
    let script = r#"ADD)
        n=300; [ $CNI_CONTAINERID != c9 ] || n=0
        while [ $n -gt 0 ]; do [ -e /nowhere ]; n=$((n - 1)); done
        echo "$result";;
    DEL) ;;"#;
    let options = ["--fault", "kill", "--cleanup", "del", "--operation", "add", "--every", "5", "--format", "json"];
    let ran = crash(script, &options);
    assert_eq!(ran.status, 0, "{ran:?}");
    let sweep = &sweeps(&ran)[0];
    assert!(sweep["points"].as_u64().unwrap() > 60 && sweep["notReached"] == json!([]), "{sweep}");
}

#[test]
fn a_sweep_without_points_is_no_success() {
    let late = ["--fault", "kill", "--operation", "add", "--cleanup", "del", "--offset", "100000"];
    let ran = crash(TIDY, &late);
    assert!(ran.status == 2 && ran.stderr.contains("p ADD kill (DEL) ends before --offset 100000"), "{ran:?}");
}

#[test]
fn what_has_nothing_to_try_is_refused() {
    let empty = tempfile::tempdir().unwrap();
    let ran = conformance(&["crash", "--plugin-dir", empty.path().to_str().unwrap()]);
    assert!(ran.status == 2 && ran.stderr.contains("no executable in "), "{ran:?}");

    let old = r#"[ "$CNI_COMMAND" = ADD ] && echo '{"cniVersion":"1.0.0"}'
        [ "$CNI_COMMAND" != VERSION ] || echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}'"#;
    let plugins = Plugins::with("p", old);
    let config = plugins.write("config.json", r#"{"type":"p"}"#);
    let ran = plugins.crash(&["--plugin", "p", "--config", config.to_str().unwrap(), "--cleanup", "gc"]);
    assert!(ran.status == 2 && ran.stderr.contains("p has no GC"), "{ran:?}");
}

#[test]
fn what_cannot_be_tried_is_refused() {
    let plugins = Plugins::with("p", "echo '{\"code\":7,\"msg\":\"no\"}'; exit 1");
    let config = plugins.write("config.json", r#"{"type":"p"}"#);
    let config = config.to_str().unwrap();
    for (options, text) in [
        (["--plugin", "p"].as_slice(), "p needs a configuration that works"),
        (&["--plugin", "p", "--config", config], "the configuration of p does not work"),
        (&["--plugin", "p", "--config", config, "--errno", "ENONSENSE"], "--errno ENONSENSE"),
    ] {
        let ran = plugins.crash(options);
        assert!(ran.status == 2 && ran.stderr.contains(text), "{options:?}: {ran:?}");
    }
}
