use super::*;
use crate::cache::Entry;
use std::cell::RefCell;
use tempfile::TempDir;

#[derive(Default)]
struct Warnings(RefCell<Vec<String>>);

impl Observer for Warnings {
    fn warning(&self, sentence: &str) {
        self.0.borrow_mut().push(sentence.to_owned());
    }
    fn plugin_stderr(&self, _: &str, _: &[u8]) {}
    fn collecting(&self, _: &Entry) {}
}

fn dir(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    dir
}

fn find(dir: &TempDir, name: &str) -> (std::result::Result<Vec<String>, String>, Vec<String>) {
    let warnings = Warnings::default();
    let types = load(dir.path(), name, &warnings)
        .map(|list| list.plugins.into_iter().map(|plugin| plugin.plugin_type).collect())
        .map_err(|e| e.to_string().replace(&dir.path().display().to_string(), "DIR"));
    let warnings =
        warnings.0.into_inner().iter().map(|w| w.replace(&dir.path().display().to_string(), "DIR")).collect();
    (types, warnings)
}

fn list(name: &str, plugin: &str) -> String {
    format!(r#"{{"cniVersion":"1.0.0","name":"{name}","plugins":[{{"type":"{plugin}"}}]}}"#)
}

#[test]
fn list_is_found_before_single_plugin() {
    let dir = dir(&[("10.conf", r#"{"name":"n","type":"single"}"#), ("20.conflist", &list("n", "list"))]);
    let (types, warnings) = find(&dir, "n");
    assert_eq!(types.unwrap(), ["list"]);
    assert_eq!(warnings, ["network \"n\" is described twice: DIR/20.conflist is used, DIR/10.conf is not"]);
}

#[test]
fn conf_and_json_are_sorted_together() {
    let dir = dir(&[("2.conf", r#"{"name":"n","type":"conf"}"#), ("1.json", r#"{"name":"n","type":"json"}"#)]);
    assert_eq!(find(&dir, "n").0.unwrap(), ["json"]);
}

#[test]
fn broken_file_that_sorts_earlier_is_skipped_with_a_warning() {
    let dir = dir(&[("00.conflist", "{"), ("01.conflist", r#"{"plugins":[]}"#), ("10.conflist", &list("n", "a"))]);
    let (types, warnings) = find(&dir, "n");
    assert_eq!(types.unwrap(), ["a"]);
    assert!(warnings[0].starts_with("skip DIR/00.conflist: not a JSON object: "), "{warnings:?}");
    assert_eq!(warnings[1], "skip DIR/01.conflist: name is missing or not a string");
}

#[test]
fn invalid_file_of_another_network_does_not_matter() {
    let dir = dir(&[("00.conflist", r#"{"name":"other","plugins":7}"#), ("10.conflist", &list("n", "a"))]);
    assert_eq!(find(&dir, "n"), (Ok(vec!["a".into()]), Vec::new()));
}

#[test]
fn invalid_file_of_the_network_is_the_error() {
    let dir = dir(&[("10.conflist", r#"{"name":"n","plugins":7}"#)]);
    assert_eq!(find(&dir, "n").0.unwrap_err(), "load DIR/10.conflist: plugins is 7, allowed is a list of objects");
}

#[test]
fn unknown_network_is_told_with_what_is_there() {
    let dir = dir(&[("10.conflist", &list("n", "a")), ("20.conflist", &list("m", "a"))]);
    assert_eq!(find(&dir, "x").0.unwrap_err(), "find network \"x\" in DIR: it describes n, m");
    assert_eq!(
        load(&dir.path().join("none"), "x", &Warnings::default()).unwrap_err().to_string(),
        format!("find network \"x\" in {}: it describes no network", dir.path().join("none").display())
    );
}

#[test]
fn name_that_leaves_the_directory_is_refused() {
    let dir = dir(&[("10.conflist", &list("../n", "a"))]);
    assert!(find(&dir, "../n").0.unwrap_err().starts_with("network name is \"../n\""));
}

#[test]
fn other_extensions_and_directories_are_not_looked_at() {
    let dir = dir(&[("a.conflist.bak", "{"), ("b.CONF", "{"), ("c.conf/x", "{"), ("n.conflist", &list("n", "a"))]);
    assert_eq!(find(&dir, "n"), (Ok(vec!["a".into()]), Vec::new()));
}

#[test]
fn plugins_of_the_sibling_directory_follow() {
    let dir = dir(&[
        ("10.conflist", &list("n", "a")),
        ("n/2.conf", r#"{"type":"c"}"#),
        ("n/1.conf", r#"{"type":"b"}"#),
        ("n/0.json", r#"{"type":"no"}"#),
        ("n/deeper/0.conf", r#"{"type":"no"}"#),
    ]);
    assert_eq!(find(&dir, "n").0.unwrap(), ["a", "b", "c"]);
}

#[test]
fn sibling_directory_may_hold_all_plugins() {
    let dir = dir(&[("10.conflist", r#"{"name":"n"}"#), ("n/1.conf", r#"{"type":"b"}"#)]);
    assert_eq!(find(&dir, "n").0.unwrap(), ["b"]);
}

#[test]
fn only_inlined_plugins_leaves_the_sibling_directory_alone() {
    let text = r#"{"name":"n","loadOnlyInlinedPlugins":true,"plugins":[{"type":"a"}]}"#;
    let dir = dir(&[("10.conflist", text), ("n/1.conf", "{")]);
    assert_eq!(find(&dir, "n").0.unwrap(), ["a"]);
    fs::write(dir.path().join("10.conflist"), r#"{"name":"n","loadOnlyInlinedPlugins":true}"#).unwrap();
    assert!(find(&dir, "n").0.unwrap_err().contains("plugins is missing"));
}

#[test]
fn broken_sibling_is_the_error() {
    let dir = dir(&[("10.conflist", &list("n", "a")), ("n/1.conf", "{}")]);
    assert_eq!(find(&dir, "n").0.unwrap_err(), "load DIR/10.conflist: DIR/n/1.conf: type is missing");
}
