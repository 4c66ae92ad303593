//! CHECK and STATUS: what they find, and that they get nothing.

use std::thread;

use serde_json::json;
use testkit::Attachment;

use crate::stage::{LONG, Stage};

#[test]
fn check_finds_what_is_missing_and_acquires_nothing() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let (container, attachment) = stage.bare("c1");
    let result = attachment.add().success();
    let known = attachment.with_prev(&result);
    known.check().silent();
    let mut other = result.clone();
    other["ips"][0]["address"] = "10.1.0.77/24".into();
    let error = attachment.with_prev(&other).check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().ends_with("in prevResult: the lease has changed to it since"), "{error}");
    attachment.check().failure_code(7);

    attachment.del().silent();
    let asked = server.log().matches("DHCPDISCOVER").count();
    let error = known.check().failure_code(103);
    assert_eq!(error["msg"], "check lease of \"eth0\" of container c1 to network net: there is none");
    attachment.add().success();
    container.sh("ip link del eth0");
    known.check().failure_code(103);
    assert_eq!(server.log().matches("DHCPDISCOVER").count(), asked + 1);
    daemon.kill();
    let error = known.check().failure_code(11);
    assert!(error["msg"].as_str().unwrap().starts_with("ask daemon at "), "{error}");
}

#[test]
fn check_and_status_do_not_wait_for_a_daemon_that_hangs() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let (_container, attachment) = stage.bare("c1");
    let result = attachment.add().success();
    stage.sandbox.sh(&format!("kill -STOP {}", daemon.pid()));
    // All at once: each waits for some seconds.
    let calls = [attachment.with_prev(&result).call("CHECK"), attachment.call("STATUS"), attachment.call("DEL")];
    let [check, status, del] = thread::scope(|scope| {
        let calls = calls.each_ref().map(|call| scope.spawn(|| call.clone().limit(LONG).run()));
        calls.map(|call| call.join().unwrap())
    });
    let error = check.failure_code(11);
    assert!(error["msg"].as_str().unwrap().ends_with("it does not answer"), "{error}");
    status.failure_code(50);
    // DEL has gone on without, and what it has removed the daemon gives up as soon as it looks.
    del.silent();
    assert!(stage.records().is_empty());
    stage.await_given(0);
    stage.sandbox.sh(&format!("kill -CONT {}", daemon.pid()));
    attachment.with_prev(&result).check().failure_code(103);
}

#[test]
fn status_tells_whether_the_daemon_answers_and_the_configuration_will_do() {
    let Some(stage) = Stage::new() else { return };
    let attachment = |ipam| Attachment::new(stage.network(ipam), &stage.server).with_key("type", "dhcp".into());
    attachment(json!({})).status().failure_code(50);
    let daemon = stage.daemon();
    attachment(json!({})).status().silent();
    attachment(json!({ "families": ["ipx"] })).status().failure_code(50);
    daemon.kill();
    let error = attachment(json!({})).status().failure_code(50);
    assert!(error["msg"].as_str().unwrap().contains("Connection refused"), "{error}");
}
