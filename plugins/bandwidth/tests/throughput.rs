//! What iperf3 gets through in both directions. A test program of its own, so that no other test keeps the machine busy meanwhile.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::time::Duration;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Sandbox, TestNs, eventually, require};

/// How often a measurement may miss: the machine may be busy with something else.
const TRIES: usize = 3;

/// The bits per second that arrive by TCP: what the container sends, or with `--reverse` what it gets.
fn measure(container: &TestNs, options: &str) -> f64 {
    // The server may be about to start, or not be done with the client before: then the client may still say that all went well.
    eventually(Duration::from_secs(10), || {
        let ran = container.try_sh(&format!("iperf3 --json --parallel 3 {options} --client 10.1.0.1"));
        let report: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
        report["end"]["sum_received"]["bits_per_second"].as_f64().ok_or(ran.stdout)
    })
}

/// Demands that a rate is met within a tenth in the second behind the first one, which uses the burst up.
fn within_a_tenth(container: &TestNs, direction: &str, rate: f64) {
    let mut measured = Vec::new();
    for _ in 0..TRIES {
        let got = measure(container, &format!("--omit 1 --time 1 {direction}"));
        if (0.9 * rate..=1.1 * rate).contains(&got) {
            return;
        }
        measured.push(got);
    }
    panic!("{measured:?} bits per second, and the limit is {rate}");
}

/// The burst is what the rate sends in 100 ms: a machine that does something else for so long has not lost anything. iperf3 does
/// not count headers, as the limits do: they are 4 % of a packet.
#[test]
fn both_directions_get_what_they_are_given() {
    if !require(Facility::Program("iperf3")) {
        return;
    }
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    sandbox.sh(
        "ip link add veth0 type veth peer name eth0 netns c1; ip link set veth0 up; ip addr add 10.1.0.1/24 dev veth0",
    );
    container.sh("ip link set eth0 up; ip addr add 10.1.0.2/24 dev eth0");
    let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "bandwidth",
        "ingressRate": 20_000_000, "ingressBurst": 2_000_000, "egressRate": 40_000_000, "egressBurst": 4_000_000,
        "prevResult": { "cniVersion": "1.1.0",
            "interfaces": [{ "name": "veth0" }, { "name": "eth0", "sandbox": container.path() }] } });
    let bandwidth = Attachment::new(conf, &container);
    // It also ends by itself, when nobody has asked it for anything for a minute.
    sandbox.sh("iperf3 --server --daemon --idle-timeout 60 --pidfile /run/iperf3.pid");
    let unlimited = |direction| measure(&container, &format!("--bytes 20M {direction}"));

    assert!(unlimited("") > 100e6 && unlimited("--reverse") > 100e6);
    bandwidth.add().success();
    within_a_tenth(&container, "--reverse", 20e6);
    within_a_tenth(&container, "", 40e6);
    bandwidth.del().silent();
    assert!(unlimited("") > 100e6 && unlimited("--reverse") > 100e6);
    sandbox.sh("kill $(tr -d '\\0' < /run/iperf3.pid)");
}
