//! Wrong command lines: status 2, and what is wrong by name.

use crate::plugins::{Plugins, SILENT, conformance, conformance_of_nobody};

fn refused(words: &[&str], text: &str) {
    let ran = conformance(words);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{words:?}: {ran:?}");
    assert!(ran.stderr.contains(text), "{words:?}: {}", ran.stderr);
}

#[test]
fn what_is_not_there_is_named() {
    let plugins = Plugins::with("p", SILENT);
    let dir = plugins.path().to_str().unwrap();
    refused(&["run", "--plugin-dir", "/no/such/dir"], "/no/such/dir");
    refused(&["run", "--plugin-dir", dir, "--plugin", "q"], "no plugin \"q\"");
    refused(&["run", "--plugin-dir", dir, "--config", "/no/such/file"], "/no/such/file");
    refused(&["run", "--plugin-dir", dir, "--case", "no::such"], "\"no::such\"");
    refused(&["run", "--plugin-dir", dir, "--expect", "/no/such/list"], "/no/such/list");
    refused(&["run", "--plugin-dir", dir, "--level", "may"], "may");
    let nothing = tempfile::tempdir().unwrap();
    refused(&["run", "--plugin-dir", nothing.path().to_str().unwrap()], "no executable in");
    // It is a SHOULD.
    refused(
        &["run", "--plugin-dir", dir, "--level", "must", "--case", "version::echo"],
        "no case of level MUST begins",
    );
    let list = plugins.write("list", "p version::objet misspelt\n");
    refused(&["run", "--plugin-dir", dir, "--expect", list.to_str().unwrap()], "no case \"version::objet\"");
    refused(&["matrix", "report.json"], "TITLE=FILE");
}

#[test]
fn a_file_that_is_no_configuration_is_refused() {
    let plugins = Plugins::with("p", SILENT);
    let dir = plugins.path().to_str().unwrap();
    for (text, problem) in [("{", "not JSON"), (r#"{"name":"n"}"#, "without a \"type\""), (r#"{"type":"q"}"#, "\"q\"")]
    {
        let file = plugins.write("config.json", text);
        refused(&["run", "--plugin-dir", dir, "--plugin", "p", "--config", file.to_str().unwrap()], problem);
    }
}

#[test]
fn a_directory_that_cases_cannot_see_is_refused() {
    refused(&["run", "--plugin-dir", "/run"], "below /run");
}

#[test]
fn a_list_may_hold_the_plugins_before_and_behind() {
    let plugins = Plugins::with("p", SILENT);
    let file = plugins.write("list.json", r#"{"plugins":[{"type":"q"},{"type":"p"},{"type":"r"}]}"#);
    let ran = plugins.run(&["--config", file.to_str().unwrap(), "--case", "version::object"]);
    assert!(ran.stderr.is_empty() && ran.stdout.contains("MUST 1 of 1"), "{ran:?}");
    let twice = plugins.write("twice.json", r#"{"plugins":[{"type":"p"},{"type":"p"}]}"#);
    let dir = plugins.path().to_str().unwrap();
    refused(&["run", "--plugin-dir", dir, "--config", twice.to_str().unwrap()], "two configurations of \"p\"");
}

#[test]
fn a_machine_that_gives_no_host_is_told_at_once() {
    let plugins = Plugins::with("p", SILENT);
    let dir = plugins.path().to_str().unwrap();
    let ran = conformance_of_nobody(&["run", "--plugin-dir", dir]);
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("a network namespace and mounts of its own"), "{}", ran.stderr);
}
