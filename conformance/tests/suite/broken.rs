//! host-local with one defect at a time, made by a script around it: the suite has to find each.

use crate::plugins::{Plugins, Ran};
use std::collections::BTreeSet;
use std::path::Path;

/// A defect: what it is, the script (`$REAL` is the plugin), and a family of cases that has to find it.
const DEFECTS: &[(&str, &str, &str)] = &[
    ("a line of log on stdout", r#"echo starting; exec "$REAL""#, "output::"),
    ("errors on stderr", r#"out=$("$REAL") && printf %s "$out" || { printf %s "$out" >&2; exit 1; }"#, "output::"),
    ("exit status 0 after an error", r#""$REAL"; exit 0"#, "output::"),
    ("errors without a code", r#"out=$("$REAL") && printf %s "$out" || { echo '{"msg":"no"}'; exit 1; }"#, "output::"),
    ("input is cut off at 64 KiB", r#"head -c 65536 | "$REAL""#, "stdin::"),
    (
        "what follows the document is ignored",
        r#"python3 -c 'import json,sys; s=sys.stdin.read().strip(); json.dump(json.JSONDecoder().raw_decode(s)[0] if s else {}, sys.stdout)' 2>/dev/null | "$REAL""#,
        "stdin::",
    ),
    (
        "commands in lower case are taken",
        r#"CNI_COMMAND=$(echo "$CNI_COMMAND" | tr a-z A-Z) exec "$REAL""#,
        "environment::",
    ),
    ("CNI_CONTAINERID is not needed", r#"CNI_CONTAINERID=${CNI_CONTAINERID:-x} exec "$REAL""#, "required::"),
    (
        "DEL needs a namespace",
        r#"[ "$CNI_COMMAND" != DEL ] || [ -e "$CNI_NETNS" ] || { echo '{"code":999,"msg":"no namespace"}'; exit 1; }; exec "$REAL""#,
        "del::",
    ),
    ("DEL releases nothing", r#"[ "$CNI_COMMAND" = DEL ] || exec "$REAL""#, "del::"),
    ("DEL prints a result", r#""$REAL" || exit; [ "$CNI_COMMAND" != DEL ] || echo '{}'"#, "del::"),
    ("CHECK is always content", r#"[ "$CNI_COMMAND" = CHECK ] || exec "$REAL""#, "ipam::"),
    (
        "CHECK never is",
        r#"[ "$CNI_COMMAND" != CHECK ] || { echo '{"code":999,"msg":"no"}'; exit 1; }; exec "$REAL""#,
        "check::",
    ),
    ("GC does nothing", r#"[ "$CNI_COMMAND" = GC ] || exec "$REAL""#, "gc::"),
    (
        "GC without a list removes everything",
        r#"[ "$CNI_COMMAND" = GC ] && exec sh -c "sed 's/^{/{\"cni.dev\\/valid-attachments\":[],/' | \"$REAL\""; exec "$REAL""#,
        "gc::",
    ),
    ("STATUS prints something", r#""$REAL" || exit; [ "$CNI_COMMAND" != STATUS ] || echo ready"#, "status::"),
    (
        "results always have the newest version",
        r#"[ "$CNI_COMMAND" = ADD ] || exec "$REAL"; "$REAL" | sed 's/"cniVersion": *"[0-9.]*"/"cniVersion":"1.1.0"/'"#,
        "v0_4_0::",
    ),
    (
        "a version is listed that does not work",
        r#"[ "$CNI_COMMAND" != VERSION ] || exec echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","1.0.0","1.1.0"]}'; in=$(cat); case $in in *'"cniVersion":"0.1.0"'*) echo '{"code":1,"msg":"no"}'; exit 1;; esac; printf %s "$in" | "$REAL""#,
        "v0_1_0::",
    ),
    (
        "keys in another case are unknown",
        r#"in=$(cat); case $in in *'"IPAM"'*) printf %s "$in" | sed 's/"IPAM"/"unknown"/' | "$REAL";; *) printf %s "$in" | "$REAL";; esac"#,
        "decoding::",
    ),
];

/// The directory where cargo has put the plugins.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_conformance")).parent().unwrap()
}

fn judged(script: &str, cases: &str) -> Ran {
    let real = built().join("host-local");
    assert!(real.is_file(), "build the workspace first: {}", real.display());
    let plugins = Plugins::with("host-local", &format!("REAL={}\n{script}", real.display()));
    plugins.run(&["--level", "ref", "--format", "json", "--case", cases])
}

fn failed(ran: &Ran) -> BTreeSet<String> {
    let report = ran.json();
    let cases = report["plugins"][0]["cases"].as_array().unwrap();
    let failed = cases.iter().filter(|case| case["verdict"] == "fail" || case["verdict"] == "error");
    failed.map(|case| case["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_script_around_a_plugin_is_no_defect() {
    let ran = judged(r#"exec "$REAL""#, "ipam::");
    assert_eq!((failed(&ran), ran.status), (BTreeSet::new(), 0));
}

#[test]
fn every_defect_is_found() {
    for (defect, script, family) in DEFECTS {
        let found = failed(&judged(script, family));
        assert!(found.iter().any(|id| id.starts_with(family)), "{defect}: {family} did not find it");
    }
}
