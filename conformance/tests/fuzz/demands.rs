//! What every call has to be like, whatever it is given.

use serde_json::Value;
use testkit::Output;

/// Codes below 100 that the specification gives a meaning, and the Go skeleton's 8. From 100 on they are the plugin's.
const CODES: [u64; 11] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 50, 51];

/// Demands what a call of this command may end like. That it ended by itself and in time is `Plugin::run`'s demand.
#[track_caller]
pub fn check(command: &str, output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        assert!(!text.contains("panicked"), "a panic\n{output}");
    }
    match (output.status.code(), command) {
        (Some(0), "ADD" | "VERSION") => assert!(output.json().is_object(), "not one object\n{output}"),
        (Some(0), _) => output.silent(),
        (_, "VERSION") => panic!("VERSION looks at nothing that could be wrong\n{output}"),
        (Some(1), _) => check_error(&output.failure(), output),
        (status, _) => panic!("ended with {status:?}\n{output}"),
    }
}

#[track_caller]
fn check_error(error: &Value, output: &Output) {
    let code = error["code"].as_u64().unwrap_or_default();
    assert!(CODES.contains(&code) || code >= 100, "a code that the specification keeps for itself\n{output}");
    let msg = error["msg"].as_str().unwrap_or_default();
    assert!(!msg.trim().is_empty() && !msg.contains(char::is_control), "msg is not one line\n{output}");
    assert!(error["cniVersion"].is_string(), "an error without a version\n{output}");
}
