//! What it says of itself, and what it refuses.

use serde_json::{Value, json};
use testkit::{Plugin, assert_same};

use crate::stage::{By, Stage};

#[test]
fn started_without_a_command_it_tells_a_version_that_nerdctl_takes_for_new_enough() {
    let output = Plugin::new("firewall").run();
    assert!(output.status.success());
    let stderr = output.stderr;
    let version = stderr.lines().next().unwrap().strip_prefix("CNI firewall plugin v").unwrap();
    let numbers: Vec<u32> = version.split('.').map(|number| number.parse().unwrap()).collect();
    assert!(numbers.len() == 3 && numbers >= vec![1, 7, 1], "{version}");
}

#[test]
fn versions_begin_with_the_first_that_has_prev_result_on_del() {
    let output = Plugin::new("firewall").command("VERSION").run();
    let told: Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(told["supportedVersions"], json!(["0.4.0", "1.0.0", "1.1.0"]));
}

#[test]
fn bad_configurations_are_refused_by_key_and_value_before_any_effect() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.plain());
    let before = stage.snapshot();
    for (key, value) in [
        ("backend", "ipchains"),
        ("ingressPolicy", "closed"),
        ("iptablesAdminChainName", "FORWARD"),
        ("firewalldZone", "a b"),
    ] {
        for command in ["ADD", "CHECK"] {
            let error = pod.firewall().with_key(key, json!(value)).call(command).run().failure_code(7);
            let msg = error["msg"].as_str().unwrap();
            assert!(msg.contains(&format!("\"{key}\"")) && msg.contains(&format!("\"{value}\"")), "{msg}");
        }
        pod.firewall().with_key(key, json!(value)).status().failure_code(50);
        pod.firewall().with_key(key, json!(value)).del().silent();
    }
    assert!(pod.bare().add().failure_code(7)["msg"].as_str().unwrap().contains("missing prevResult"));
    pod.firewall().with_key("cniVersion", json!("0.3.1")).add().failure_code(1);
    assert_same(&before, &stage.snapshot());
}
