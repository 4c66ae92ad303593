//! host-local with one defect at a time, made by a script around it: the suite has to find each.

use crate::plugins::Plugins;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Something wrong with a plugin, as a script around it does it. `$REAL` is the plugin.
struct Defect {
    what: &'static str,
    script: &'static str,
    /// The same script without the defect.
    sound: &'static str,
    /// The case that has to find it.
    case: &'static str,
}

/// The plugin itself.
const ITSELF: &str = r#"exec "$REAL""#;
/// Its input is changed.
const FED: &str = r#"cat | "$REAL""#;
/// Its input is looked at.
const HELD: &str = r#"in=$(cat); printf %s "$in" | "$REAL""#;
/// Its output is looked at.
const CAUGHT: &str = r#"out=$("$REAL") && printf %s "$out" || { printf %s "$out"; exit 1; }"#;
/// Its output is changed.
const PIPED: &str = r#"[ "$CNI_COMMAND" = ADD ] || exec "$REAL"; "$REAL" | cat"#;
/// Something comes behind it.
const FOLLOWED: &str = r#""$REAL" || exit"#;

const fn defect(what: &'static str, script: &'static str, sound: &'static str, case: &'static str) -> Defect {
    Defect { what, script, sound, case }
}

const DEFECTS: &[Defect] = &[
    defect("a line of log on stdout", r#"echo starting; exec "$REAL""#, ITSELF, "output::failure_document"),
    defect(
        "errors on stderr",
        r#"out=$("$REAL") && printf %s "$out" || { printf %s "$out" >&2; exit 1; }"#,
        CAUGHT,
        "output::error_code",
    ),
    defect("exit status 0 after an error", r#""$REAL"; exit 0"#, FOLLOWED, "output::failure_status"),
    defect(
        "errors without a code",
        r#"out=$("$REAL") && printf %s "$out" || { echo '{"msg":"no"}'; exit 1; }"#,
        CAUGHT,
        "output::error_code",
    ),
    defect("input is cut off at 64 KiB", r#"head -c 65536 | "$REAL""#, FED, "stdin::larger_than_pipe"),
    defect("what follows the document is ignored", r#"sed '$s/}[^}]*$/}/' | "$REAL""#, FED, "stdin::two_documents"),
    defect(
        "commands in lower case are taken",
        r#"CNI_COMMAND=$(echo "$CNI_COMMAND" | tr a-z A-Z) exec "$REAL""#,
        ITSELF,
        "environment::lower_case",
    ),
    defect(
        "CNI_CONTAINERID is not needed",
        r#"CNI_CONTAINERID=${CNI_CONTAINERID:-x} exec "$REAL""#,
        ITSELF,
        "required::add_container_id",
    ),
    defect(
        "DEL needs a namespace",
        r#"[ "$CNI_COMMAND" != DEL ] || [ -e "$CNI_NETNS" ] || { echo '{"code":999,"msg":"no namespace"}'; exit 1; }; exec "$REAL""#,
        ITSELF,
        "del::netns_gone",
    ),
    defect(
        "DEL releases nothing",
        r#"[ "$CNI_COMMAND" = DEL ] || exec "$REAL""#,
        ITSELF,
        "del::without_prev_leaves_nothing",
    ),
    defect("DEL prints a result", r#""$REAL" || exit; [ "$CNI_COMMAND" != DEL ] || echo '{}'"#, FOLLOWED, "del::twice"),
    defect("CHECK is always content", r#"[ "$CNI_COMMAND" = CHECK ] || exec "$REAL""#, ITSELF, "ipam::check_gone"),
    defect(
        "CHECK never is",
        r#"[ "$CNI_COMMAND" != CHECK ] || { echo '{"code":999,"msg":"no"}'; exit 1; }; exec "$REAL""#,
        ITSELF,
        "check::changes_nothing",
    ),
    defect("GC does nothing", r#"[ "$CNI_COMMAND" = GC ] || exec "$REAL""#, ITSELF, "gc::unlisted"),
    defect(
        "GC without a list removes everything",
        r#"[ "$CNI_COMMAND" = GC ] || exec "$REAL"; sed 's/^{/{"cni.dev\/valid-attachments":[],/' | "$REAL""#,
        FED,
        "gc::absent_list",
    ),
    defect(
        "STATUS prints something",
        r#""$REAL" || exit; [ "$CNI_COMMAND" != STATUS ] || echo ready"#,
        FOLLOWED,
        "status::silent",
    ),
    defect(
        "results always have the newest version",
        r#"[ "$CNI_COMMAND" = ADD ] || exec "$REAL"; "$REAL" | sed 's/"cniVersion": *"[0-9.]*"/"cniVersion":"1.1.0"/'"#,
        PIPED,
        "v0_4_0::result_version",
    ),
    defect(
        "a version is listed that does not work",
        r#"[ "$CNI_COMMAND" != VERSION ] || exec echo '{"cniVersion":"1.1.0","supportedVersions":["0.1.0","1.0.0","1.1.0"]}'; in=$(cat); case $in in *'"cniVersion":"0.1.0"'*) echo '{"code":1,"msg":"no"}'; exit 1;; esac; printf %s "$in" | "$REAL""#,
        HELD,
        "v0_1_0::life",
    ),
    defect(
        "keys in another case are unknown",
        r#"in=$(cat); case $in in *'"IPAM"'*) printf %s "$in" | sed 's/"IPAM"/"unknown"/' | "$REAL";; *) printf %s "$in" | "$REAL";; esac"#,
        HELD,
        "decoding::upper_case",
    ),
];

/// The directory where cargo has put the plugins.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_conformance")).parent().unwrap()
}

/// The verdicts on host-local with this script around it, case by case.
fn judged(script: &str, cases: &BTreeSet<&str>) -> BTreeMap<String, String> {
    let real = built().join("host-local");
    assert!(real.is_file(), "build the workspace first: {}", real.display());
    let plugins = Plugins::with("host-local", &format!("REAL={}\n{script}", real.display()));
    let mut options = vec!["--level", "ref", "--format", "json"];
    options.extend(cases.iter().flat_map(|case| ["--case", case]));
    let report = plugins.run(&options).json();
    let verdict = |case: &Value| (text(&case["id"]), text(&case["verdict"]));
    report["plugins"][0]["cases"].as_array().unwrap().iter().map(verdict).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn scripts_without_a_defect_pass() {
    let mut shapes = BTreeMap::<_, BTreeSet<_>>::new();
    for Defect { sound, case, .. } in DEFECTS {
        shapes.entry(sound).or_default().insert(*case);
    }
    for (sound, cases) in shapes {
        let verdicts = judged(sound, &cases);
        for case in cases {
            assert_eq!(verdicts[case], "pass", "{sound}: {case}");
        }
    }
}

#[test]
fn every_defect_is_found() {
    for Defect { what, script, case, .. } in DEFECTS {
        assert_eq!(judged(script, &BTreeSet::from([*case]))[*case], "fail", "{what}: {case} did not find it");
    }
}
