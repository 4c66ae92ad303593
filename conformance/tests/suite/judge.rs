//! What passes and what fails.

use crate::plugins::{Plugins, SILENT};

#[test]
fn a_plugin_that_answers_version_passes() {
    let ran = Plugins::with("p", SILENT).run(&["--case", "version::object", "--level", "ref"]);
    assert_eq!((ran.status, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("MUST 1 of 1"), "{}", ran.stdout);
}

#[test]
fn a_failure_tells_the_call_and_what_was_expected() {
    let ran = Plugins::with("p", "echo oops; echo why >&2; exit 3").run(&["--case", "version::object"]);
    assert_eq!(ran.status, 1);
    let expected = [
        "FAIL p version::object",
        "expected:",
        "/p\n",
        "CNI_COMMAND=VERSION",
        "exit status: 3",
        "stdout:      oops",
        "stderr:      why",
    ];
    for text in expected {
        assert!(ran.stdout.contains(text), "no {text:?} in\n{}", ran.stdout);
    }
}

#[test]
fn a_plugin_that_says_yes_to_everything_fails() {
    let ran = Plugins::with("p", "echo '{}'").run(&["--format", "json", "--case", "stdin::", "--case", "required::"]);
    assert_eq!(ran.status, 1);
    let report = ran.json();
    assert_eq!(report["passed"], false);
    assert!(report["plugins"][0]["must"]["failed"].as_u64().unwrap() > 10, "{}", report["plugins"][0]["must"]);
}

#[test]
fn a_plugin_that_says_no_to_everything_fails() {
    let ran = Plugins::with("p", r#"echo '{"code":999,"msg":"no"}'; exit 1"#).run(&[
        "--format",
        "json",
        "--case",
        "version::",
    ]);
    assert_eq!(ran.status, 1);
    assert!(ran.json()["plugins"][0]["must"]["failed"].as_u64().unwrap() > 2);
}

#[test]
fn a_failing_should_is_told_and_leaves_status_0() {
    // The version is not the request's.
    let ran = Plugins::with("p", SILENT).run(&["--case", "version::", "--level", "should", "--format", "json"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    let report = ran.json();
    let (must, should) = (&report["plugins"][0]["must"], &report["plugins"][0]["should"]);
    assert!(must["passed"].as_u64().unwrap() > 0 && must["failed"] == 0, "{must}");
    assert!(should["failed"].as_u64().unwrap() > 0, "{should}");
    let text = Plugins::with("p", SILENT).run(&["--case", "version::echo"]);
    assert_eq!(text.status, 0);
    assert!(text.stdout.contains("FAIL p version::echo"), "{}", text.stdout);
}

#[test]
fn a_configuration_that_does_not_work_fails_the_run() {
    let plugins = Plugins::with("p", SILENT);
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), r#"{"type":"p"}"#).unwrap();
    let ran = plugins.run(&["--config", config.path().to_str().unwrap(), "--case", "version::object"]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("its configuration does not work"), "{}", ran.stdout);
}

#[test]
fn a_configuration_brings_more_cases() {
    let add = r#"[ "$CNI_COMMAND" != ADD ] || echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.2/24"}]}'"#;
    let plugins = Plugins::with("p", &format!("{SILENT}\n{add}"));
    let config = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(config.path(), r#"{"type":"p","dataDir":"{dir}"}"#).unwrap();
    let count = |options: &[&str]| {
        let report = plugins.run(&[options, &["--format", "json", "--case", "del::"]].concat()).json();
        let plugin = &report["plugins"][0];
        (
            plugin["facts"]["kind"].clone(),
            plugin["cases"].as_array().unwrap().len() as u64 - plugin["notApplicable"].as_u64().unwrap(),
        )
    };
    let (without, with) = (count(&[]), count(&["--config", config.path().to_str().unwrap()]));
    assert!(without.0.is_null() && with.0 == "ipam", "{without:?} {with:?}");
    assert!(with.1 > without.1, "{without:?} {with:?}");
}

#[test]
fn expected_failures_are_exactly_those() {
    let plugins = Plugins::with("p", "exit 1");
    let list = |text: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let ran = plugins.run(&["--case", "version::object", "--expect", file.path().to_str().unwrap()]);
        (ran.status, ran.stdout)
    };
    let (status, text) = list("p version::object it is a stub\n");
    assert!(status == 0 && text.contains("known p version::object: it is a stub"), "{status} {text}");
    let (status, text) = list("");
    assert!(status == 1 && text.contains("p version::object fails, but is not expected to"), "{status} {text}");
    // One that was not run says nothing.
    assert_eq!(list("p version::object it is a stub\np del::twice not run\n").0, 0);
}

#[test]
fn an_expected_failure_that_is_gone_shows() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "p version::object it is a stub\n").unwrap();
    let plugins = Plugins::with("p", SILENT);
    let ran = plugins.run(&["--case", "version::object", "--expect", file.path().to_str().unwrap()]);
    assert_eq!(ran.status, 1);
    assert!(ran.stdout.contains("is expected to fail, but does not"), "{}", ran.stdout);
}

#[test]
fn links_that_a_configuration_names_are_on_the_host_and_the_key_is_not_the_plugins() {
    let up = |name: &str| format!("ip link show {name} | grep -q state.UP || {{ echo \"no {name}\" >&2; exit 1; }}");
    let add = r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.2/24"}]}'"#;
    let script = format!(
        "{SILENT}\n[ $CNI_COMMAND != VERSION ] || exit 0\nif grep -qi hostlinks; then exit 1; fi\n{}\n{}\n[ $CNI_COMMAND != ADD ] || {add}",
        up("uplink0"),
        // There is one for each container that there has been.
        up("own1")
    );
    let plugins = Plugins::with("p", &script);
    let kind = |links: &str| {
        let config = plugins.write("config.json", &format!(r#"{{"type":"p","hostLinks":[{links}]}}"#));
        let options = ["--plugin", "p", "--format", "json", "--case", "del::twice", "--config"];
        let ran = plugins.run(&[&options[..], &[config.to_str().unwrap()]].concat()).json();
        (ran["plugins"][0]["facts"]["kind"].clone(), ran["passed"] == true)
    };
    assert_eq!(kind(r#""uplink0", "own{i}""#), ("ipam".into(), true));
    assert_eq!(kind(r#""uplink0""#).0, serde_json::Value::Null);
}

#[test]
fn programs_that_a_configuration_wants_run_on_the_host_as_long_as_the_case() {
    let add = r#"echo '{"cniVersion":"1.1.0","ips":[{"address":"10.0.0.2/24"}]}'"#;
    let script = format!(
        "{SILENT}\n[ $CNI_COMMAND != VERSION ] || exit 0\nif grep -qi -e hostprogram -e containerbridge; then exit 1; fi
        [ $CNI_COMMAND != ADD ] || {{
            read -r pid <$(dirname $0)/pid && kill -0 $pid
            nsenter --net=$CNI_NETNS ip link show $CNI_IFNAME | grep -q state.UP
            {add}
        }}"
    );
    let plugins = Plugins::with("p", &script);
    let kind = |program: &str| {
        let json = serde_json::json!({ "type": "p", "hostProgram": program, "containerBridge": "br0" });
        let config = plugins.write("config.json", &json.to_string());
        let options = ["--plugin", "p", "--format", "json", "--case", "ipam::ifnames", "--config"];
        let ran = plugins.run(&[&options[..], &[config.to_str().unwrap()]].concat()).json();
        (ran["plugins"][0]["facts"]["kind"].clone(), ran["plugins"][0]["facts"]["trouble"].clone())
    };
    let program = "ip link add br0 type bridge; ip link set br0 up; sleep 60 & echo $! >\"$PLUGINS/pid\"";
    assert_eq!(kind(program), ("ipam".into(), serde_json::Value::Null));
    // What it has started ends with it: it has got the signal, and may not have had a processor to end on yet. Nobody may have asked
    // for its status.
    let pid = std::fs::read_to_string(plugins.path().join("pid")).unwrap();
    testkit::eventually(std::time::Duration::from_secs(10), || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", pid.trim())).unwrap_or_default();
        if status.is_empty() || status.contains("State:\tZ") { Ok(()) } else { Err(status) }
    });
    let (kind, trouble) = kind("exit 3");
    assert!(kind.is_null() && trouble.to_string().contains("hostProgram has ended before it was ready"), "{trouble}");
}
