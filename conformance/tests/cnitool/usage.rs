use crate::stage::{NETNS, Stage};

#[test]
fn wrong_command_line_exits_with_2() {
    let stage = Stage::new(&[]);
    for args in
        [&["attach", "net", NETNS][..], &["add", "net"], &["del", "net"], &["gc"], &[], &["gc", "net", "--keep", "c1"]]
    {
        let ran = stage.cnitool(args);
        assert_eq!((ran.status, ran.stdout.as_str()), (2, ""), "{args:?} {ran:?}");
        assert!(ran.stderr.contains("Usage: cnitool") || ran.stderr.contains("--help"), "{args:?} {ran:?}");
    }
}

#[test]
fn help_names_every_variable() {
    let stage = Stage::new(&[]);
    let help = stage.cnitool(&["add", "--help"]).success();
    for name in ["NETCONFPATH", "CNI_PATH", "CNI_ARGS", "CAP_ARGS", "CNI_IFNAME", "CNI_CONTAINERID", "CNI_CACHE_DIR"] {
        assert!(help.contains(&format!("[env: {name}]")), "{name}");
    }
}

#[test]
fn option_beats_variable_beats_default() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    let ifname = |env: &[(&str, &str)], args: &[&str]| {
        stage.cnitool_with(env, &[&["del", "net", NETNS], args].concat()).success();
        let ifname = stage.calls()[0].env["CNI_IFNAME"].clone();
        stage.forget_calls();
        ifname
    };
    assert_eq!(ifname(&[], &[]), "eth0");
    assert_eq!(ifname(&[("CNI_IFNAME", "")], &[]), "eth0");
    assert_eq!(ifname(&[("CNI_IFNAME", "net1")], &[]), "net1");
    assert_eq!(ifname(&[("CNI_IFNAME", "net1")], &["-i", "net2"]), "net2");
}

#[test]
fn unknown_network_is_told_with_what_is_there() {
    let stage = Stage::new(&["a"]);
    stage.network("1.0.0", &["a"]);
    let stderr = stage.cnitool(&["add", "nett", NETNS]).failure();
    assert_eq!(
        stderr,
        format!("cnitool: find network \"nett\" in {}: it describes net\n", stage.path("net.d").display())
    );
}
