//! Wrong command lines: status 2, and what is wrong by name.

use crate::plugins::{Plugins, SILENT, conformance};

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
