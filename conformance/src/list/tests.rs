use super::*;

fn parse(text: &str) -> std::result::Result<NetworkList, String> {
    NetworkList::parse(text, &[]).map_err(|e| e.to_string())
}

fn with(keys: &str) -> std::result::Result<NetworkList, String> {
    parse(&format!(r#"{{"cniVersion":"1.0.0","name":"n",{keys},"plugins":[{{"type":"a"}}]}}"#))
}

#[test]
fn full_list_is_decoded() {
    let list = parse(
        r#"{"cniVersion":"0.4.0","cniVersions":["1.0.0","1.1.0"],"name":"net","disableCheck":true,"disableGC":"TRUE",
        "plugins":[{"type":"bridge","ipam":{"type":"host-local"}},
                   {"Type":"portmap","capabilities":{"portMappings":true,"ips":false,"mac":null}}]}"#,
    )
    .unwrap();
    assert_eq!((list.name.as_str(), list.version), ("net", Version::V1_1_0));
    assert!(list.disable_check && list.disable_gc);
    let types: Vec<_> = list.plugins.iter().map(|plugin| plugin.plugin_type.as_str()).collect();
    assert_eq!(types, ["bridge", "portmap"]);
    assert_eq!(list.plugins[0].ipam_type.as_deref(), Some("host-local"));
    assert_eq!(list.plugins[1].capabilities, BTreeSet::from(["portMappings".to_owned()]));
}

#[test]
fn list_keys_in_another_case_are_not_list_keys() {
    assert_eq!(parse(r#"{"Name":"n","plugins":[{"type":"a"}]}"#).unwrap_err(), "name is missing");
}

#[test]
fn flag_is_a_boolean_or_a_word() {
    for (value, flag) in [("true", true), ("false", false), (r#""True""#, true), (r#""FALSE""#, false), ("null", false)]
    {
        assert_eq!(with(&format!(r#""disableCheck":{value}"#)).unwrap().disable_check, flag, "{value}");
        assert_eq!(with(&format!(r#""disableGC":{value}"#)).unwrap().disable_gc, flag, "{value}");
    }
    let error = with(r#""disableCheck":"yes""#).unwrap_err();
    assert_eq!(error, "disableCheck is \"yes\", allowed is true and false");
    assert!(with(r#""disableGC":1"#).is_err());
}

#[test]
fn name_that_leaves_the_directory_is_refused() {
    assert!(parse(r#"{"name":"../etc","plugins":[{"type":"a"}]}"#).unwrap_err().contains("network name is \"../etc\""));
    assert_eq!(parse(r#"{"name":1,"plugins":[{"type":"a"}]}"#).unwrap_err(), "name is 1, allowed is a string");
}

#[test]
fn wrong_plugins_are_refused_by_place() {
    for (plugins, error) in [
        ("[]", "plugins is empty, at least one is needed"),
        ("{}", "plugins is {}, allowed is a list of objects"),
        (r#"[{"type":"a"},{}]"#, "plugins[1]: type is missing"),
        (r#"[{"type":7}]"#, "plugins[0]: type is 7, allowed is a string"),
        (r#"[{"type":"../a"}]"#, "plugins[0]: type is \"../a\", allowed is a file name without / and \\"),
        (r#"[{"type":"a","capabilities":{"ips":"yes"}}]"#, "allowed is an object of true and false"),
        (r#"[{"type":"a","ipam":{"type":"a/b"}}]"#, "plugins[0]: ipam: type is \"a/b\""),
    ] {
        let refused = parse(&format!(r#"{{"name":"n","plugins":{plugins}}}"#)).unwrap_err();
        assert!(refused.contains(error), "{refused}");
    }
    assert_eq!(parse(r#"{"name":"n"}"#).unwrap_err(), "plugins is missing, and no file adds any");
}

#[test]
fn no_ipam_in_all_its_spellings_is_no_delegate() {
    for ipam in ["null", "{}", r#"{"type":""}"#, r#"{"type":null}"#] {
        let plugin = PluginConf::parse(&format!(r#"{{"type":"a","ipam":{ipam}}}"#)).unwrap();
        assert_eq!(plugin.ipam_type, None, "{ipam}");
    }
}

#[test]
fn following_plugins_end_up_in_the_text() {
    let following = [("b.conf".to_owned(), r#"{"type":"b","n":1.0}"#.to_owned())];
    let list = NetworkList::parse(r#"{"name":"n","x":1e3,"plugins":[{"type":"a"}]}"#, &following).unwrap();
    assert_eq!(list.plugins.len(), 2);
    assert_eq!(
        list.text,
        r#"{"name":"n","x":1e3,"plugins":[{"type":"a"},{"type":"b","n":1.0}],"loadOnlyInlinedPlugins":true}"#
    );
}

#[test]
fn following_plugin_without_type_is_refused_by_file() {
    let following = [("b.conf".to_owned(), "{}".to_owned())];
    let error = NetworkList::parse(r#"{"name":"n","plugins":[{"type":"a"}]}"#, &following).unwrap_err();
    assert_eq!(error.to_string(), "b.conf: type is missing");
}

#[test]
fn single_plugin_becomes_a_list() {
    let list = NetworkList::parse_single(r#"{"cniVersion":"0.3.1","Name":"n","type":"a","big":12345678901234567890}"#);
    let list = list.unwrap();
    assert_eq!((list.name.as_str(), list.version, list.plugins.len()), ("n", Version::V0_3_1, 1));
    assert_eq!(
        list.text,
        r#"{"name":"n","cniVersion":"0.3.1","plugins":[{"cniVersion":"0.3.1","Name":"n","type":"a","big":12345678901234567890}]}"#
    );
}

#[test]
fn list_in_a_single_plugin_file_is_refused() {
    let error = NetworkList::parse_single(r#"{"name":"n","plugins":[{"type":"a"}]}"#).unwrap_err();
    assert!(error.to_string().contains(".conflist"));
}
