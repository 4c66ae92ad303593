//! The formats.

use crate::plugins::{Plugins, SILENT, conformance};
use std::process::Command;
use testkit::{Facility, require};

#[test]
fn json_has_everything_about_a_failure() {
    let report = Plugins::with("p", "echo oops").run(&["--case", "version::object", "--format", "json"]).json();
    let case = &report["plugins"][0]["cases"][0];
    assert_eq!(
        (&case["id"], &case["verdict"], &case["level"]),
        (&"version::object".into(), &"fail".into(), &"MUST".into())
    );
    assert_eq!((&case["call"]["stdout"], &case["call"]["status"]), (&"oops\n".into(), &"exit status: 0".into()));
    assert_eq!(case["call"]["environment"]["CNI_COMMAND"], "VERSION");
    assert!(case["expected"].as_str().unwrap().contains("JSON"));
}

#[test]
fn junit_is_xml_with_every_case() {
    if !require(Facility::Program("python3")) {
        return;
    }
    let plugins = Plugins::with("p<&>", "printf '\\001<oops>'");
    let ran = plugins.run(&["--case", "version::", "--format", "junit", "--level", "ref"]);
    let file = plugins.write("report.xml", &ran.stdout);
    let read = "import sys, xml.dom.minidom as d; x = d.parse(sys.argv[1]); \
        print(len(x.getElementsByTagName('testcase')), len(x.getElementsByTagName('failure')) > 0)";
    let counted = Command::new("python3").args(["-c", read, file.to_str().unwrap()]).output().unwrap();
    let cases = ran.stdout.matches("<testcase").count();
    assert_eq!(String::from_utf8_lossy(&counted.stdout).trim(), format!("{cases} True"), "{counted:?}");
}

#[test]
fn a_matrix_shows_runs_side_by_side() {
    let plugins = Plugins::with("p", SILENT);
    let other = Plugins::with("p", "exit 1");
    let options = ["--case", "version::object", "--format", "json"];
    let good = plugins.write("good.json", &plugins.run(&options).stdout);
    let bad = plugins.write("bad.json", &other.run(&options).stdout);
    let ran = conformance(&["matrix", &format!("good={}", good.display()), &format!("bad={}", bad.display())]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(ran.stdout.contains("| good passed | bad passed |"), "{}", ran.stdout);
    assert!(ran.stdout.contains("| p | 1 of 1 | 0 of 0 | 0 of 0 | 0 of 1 |"), "{}", ran.stdout);
    let row = ran.stdout.lines().find(|line| line.starts_with("| `version::object`")).unwrap();
    assert!(row.ends_with("| yes | **no**: p |"), "{row}");
}

#[test]
fn a_matrix_takes_reports_of_one_title_together() {
    let options = ["--case", "version::object", "--format", "json"];
    let one = Plugins::with("p", "exit 1");
    let two = Plugins::with("q", "exit 1");
    let here = one.write("here.json", &one.run(&options).stdout);
    let there = two.write("there.json", &two.run(&options).stdout);
    let ran = conformance(&["matrix", &format!("all={}", here.display()), &format!("all={}", there.display())]);
    assert!(ran.stdout.contains("\n| p | 0 of 1 |"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n| q | 0 of 1 |"), "{}", ran.stdout);
    assert!(ran.stdout.contains("| **no**: p, q |"), "{}", ran.stdout);
}

#[test]
fn markdown_is_the_matrix_of_one_run() {
    let ran = Plugins::with("p", "exit 1").run(&["--case", "version::object", "--format", "markdown"]);
    assert!(
        ran.stdout.starts_with("| passed of applicable | MUST | SHOULD | REF |\n|---|---|---|---|\n| p | 0 of 1 |"),
        "{}",
        ran.stdout
    );
}
