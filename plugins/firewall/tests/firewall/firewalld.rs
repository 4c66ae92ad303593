//! The real firewalld, on a system bus of the test's own.

use serde_json::{Value, json};
use testkit::{Facility, TestNs, assert_same, eventually, require};

use crate::stage::{By, LONG, Stage, gets_out, meets, misses, stays_in};

const BUS: &str = "<busconfig><type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
    <policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy>
    </busconfig>";

/// The daemons of a stage, which end with it.
struct Daemons<'a> {
    host: &'a TestNs,
    bus: String,
    firewalld: String,
}

impl<'a> Daemons<'a> {
    /// Starts them; none if they are not installed.
    fn start(stage: &'a Stage) -> Option<Self> {
        if !require(Facility::Program("firewalld")) || !require(Facility::Program("dbus-daemon")) {
            return None;
        }
        let host = stage.sandbox.host();
        host.sh("mkdir -p /run/dbus /run/etc; cp -r /etc/firewalld/. /run/etc; mount --bind /run/etc /etc/firewalld");
        host.sh(&format!("cat > /run/bus.conf <<'END'\n{BUS}\nEND"));
        let bus = host.sh("dbus-daemon --config-file=/run/bus.conf --fork --print-pid").trim().to_owned();
        let mut daemons = Self { host, bus, firewalld: String::new() };
        daemons.start_firewalld();
        Some(daemons)
    }

    fn start_firewalld(&mut self) {
        let started = self.host.sh("firewalld --nofork --nopid >/run/firewalld.log 2>&1 & echo $!");
        started.trim().clone_into(&mut self.firewalld);
        eventually(12 * LONG, || {
            let state = self.host.try_sh("firewall-cmd --state");
            if state.status.success() { Ok(()) } else { Err(state.stderr) }
        });
    }

    fn signal(&self, signal: &str) {
        self.host.sh(&format!("kill -{signal} {}", self.firewalld));
    }

    /// The sources of a zone.
    fn sources(&self, zone: &str) -> Vec<String> {
        let listed = self.host.sh(&format!("firewall-cmd --zone {zone} --list-sources"));
        let mut sources: Vec<String> = listed.split_whitespace().map(str::to_owned).collect();
        sources.sort();
        sources
    }
}

impl Drop for Daemons<'_> {
    fn drop(&mut self) {
        for pid in [&self.firewalld, &self.bus].into_iter().filter(|pid| !pid.is_empty()) {
            self.host.try_sh(&format!("kill -CONT {pid}; kill -KILL {pid}"));
        }
    }
}

fn network(stage: &Stage, backend: &str) -> Value {
    stage.network(1, json!({ "backend": backend }))
}

#[test]
fn what_firewalld_rejects_flows_between_add_and_del() {
    let stage = Stage::new(By::Nftables);
    let Some(daemons) = Daemons::start(&stage) else { return };
    for (name, backend) in [("c1", "firewalld"), ("c2", "")] {
        let pod = stage.bridged(name, &network(&stage, backend));
        stays_in(&pod.netns, &stage.outside);
        pod.add(&stage).success();
        gets_out(&pod.netns, &stage.outside);
        assert_eq!(daemons.sources("trusted"), [format!("{}/32", pod.ip(0)), format!("{}/128", pod.ip(1))]);
        pod.add(&stage).success();
        pod.check(&stage).silent();
        daemons.host.sh(&format!("firewall-cmd --zone trusted --remove-source {}/32", pod.ip(0)));
        let error = pod.check(&stage).failure_code(103);
        assert!(error["msg"].as_str().unwrap().contains(&format!("lacks source {}", pod.ip(0))), "{error}");
        pod.del(&stage);
        assert!(daemons.sources("trusted").is_empty());
        assert!(stage.elements("").is_empty());
        stays_in(&pod.netns, &stage.outside);
        pod.del(&stage);
    }
}

#[test]
fn chain_of_iptables_beside_firewalld_gets_rules_too() {
    Stage::each(&By::IPTABLES, |stage| {
        let Some(daemons) = Daemons::start(stage) else { return };
        stage.drop_forwarded();
        let pod = stage.bridged("c1", &network(stage, ""));
        pod.add(stage).success();
        gets_out(&pod.netns, &stage.outside);
        pod.check(stage).silent();
        pod.del(stage);
        assert!(daemons.sources("trusted").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains(&pod.ip(0))));
        stays_in(&pod.netns, &stage.outside);
    });
}

#[test]
fn sources_are_found_without_a_previous_result_and_stay_with_a_later_owner() {
    let stage = Stage::new(By::Nftables);
    let Some(daemons) = Daemons::start(&stage) else { return };
    let list = stage.network(1, json!({ "backend": "firewalld", "firewalldZone": "internal" }));
    let first = stage.run("c1", &list);
    let given = daemons.sources("internal");
    assert_eq!(given.len(), 2);
    let second = stage.bridged("c2", &list);
    let heir = second.bare().with_prev(&first.result);
    heir.add().success();
    first.del(&stage);
    assert_eq!(daemons.sources("internal"), given);
    // Another zone takes the addresses from the one that they were in.
    let elsewhere = heir.with_key("firewalldZone", json!("work"));
    elsewhere.add().success();
    assert!(daemons.sources("internal").is_empty());
    assert_eq!(daemons.sources("work"), given);
    heir.with_key("backend", json!("nftables")).add().success();
    assert!(daemons.sources("work").is_empty());
    heir.add().success();
    assert_eq!(daemons.sources("internal"), given);
    // The zone is what it was at ADD.
    heir.with_key("prevResult", json!(null)).with_key("firewalldZone", json!("home")).netns("").del().silent();
    assert!(daemons.sources("internal").is_empty());
    first.add(&stage).success();
    let before = stage.elements("").len();
    first.bare().gc(&[("c1", "eth0")]).silent();
    assert_eq!(stage.elements("").len(), before);
    first.bare().gc(&[]).silent();
    assert!(daemons.sources("internal").is_empty() && stage.elements("").is_empty());
}

#[test]
fn source_that_the_reference_has_added_is_checked_and_removed() {
    let stage = Stage::new(By::Nftables);
    let Some(daemons) = Daemons::start(&stage) else { return };
    if !require(Facility::Script("test -x /usr/lib/cni/firewall")) {
        return;
    }
    let mut list = network(&stage, "firewalld");
    list["cniVersion"] = json!("1.0.0");
    let pod = stage.bridged("c1", &list);
    let theirs = |command: &str| pod.firewall().bin_dir("/usr/lib/cni").call(command).run();
    theirs("ADD").success();
    assert_eq!(daemons.sources("trusted").len(), 2);
    pod.check(&stage).silent();
    pod.del(&stage);
    assert!(daemons.sources("trusted").is_empty());
    pod.add(&stage).success();
    theirs("DEL").silent();
    assert!(daemons.sources("trusted").is_empty());
    pod.del(&stage);
    assert!(stage.elements("").is_empty());
}

#[test]
fn refusals_of_firewalld_are_told_and_leave_nothing() {
    let stage = Stage::new(By::Nftables);
    let Some(daemons) = Daemons::start(&stage) else { return };
    let pod = stage.bridged("c1", &network(&stage, "firewalld"));
    pod.add(&stage).success();
    pod.del(&stage);
    let before = stage.snapshot();
    let error = pod.firewall().with_key("firewalldZone", json!("nowhere")).add().failure_code(5);
    assert!(error["msg"].as_str().unwrap().contains("zone \"nowhere\" of firewalld: INVALID_ZONE"), "{error}");
    assert_same(&before, &stage.snapshot());
    daemons.host.sh(&format!("firewall-cmd --zone home --add-source {}/128", pod.ip(1)));
    let taken = stage.snapshot();
    let error = pod.add(&stage).failure_code(101);
    assert!(error["msg"].as_str().unwrap().contains("ZONE_CONFLICT"), "{error}");
    assert_same(&taken, &stage.snapshot());
    assert_eq!((daemons.sources("trusted").len(), daemons.sources("home").len()), (0, 1));
    pod.bare().status().silent();
}

#[test]
fn daemon_that_hangs_or_has_ended_hangs_nobody() {
    let stage = Stage::new(By::Nftables);
    let Some(mut daemons) = Daemons::start(&stage) else { return };
    let pod = stage.run("c1", &network(&stage, "firewalld"));
    daemons.signal("STOP");
    let error = pod.add(&stage).failure_code(11);
    assert!(error["msg"].as_str().unwrap().contains("no answer within"), "{error}");
    pod.del(&stage);
    // What could not be taken back is remembered.
    assert_eq!(stage.elements("firewalld_sources").len(), 2);
    daemons.signal("CONT");
    pod.bare().gc(&[]).silent();
    assert!(daemons.sources("trusted").is_empty() && stage.elements("").is_empty());
    pod.add(&stage).success();
    daemons.signal("KILL");
    pod.del(&stage);
    assert!(stage.elements("").is_empty());
    pod.bare().status().failure_code(50);
    pod.add(&stage).failure_code(5);
    assert!(stage.elements("").is_empty());
    daemons.start_firewalld();
    pod.add(&stage).success();
}

#[test]
fn policies_hold_with_firewalld() {
    let stage = Stage::new(By::Nftables);
    let Some(_daemons) = Daemons::start(&stage) else { return };
    let of = |number, name, policy: &str| {
        stage.run(name, &stage.network(number, json!({ "backend": "firewalld", "ingressPolicy": policy })))
    };
    let (one, two, other) = (of(1, "a1", "same-bridge"), of(1, "a2", "same-bridge"), of(2, "b1", "isolated"));
    meets(&one.netns, &two);
    misses(&one.netns, &other);
    misses(&other.netns, &two);
    gets_out(&other.netns, &stage.outside);
}

#[test]
fn bus_is_where_the_environment_says() {
    let stage = Stage::new(By::Nftables);
    let Some(daemons) = Daemons::start(&stage) else { return };
    daemons.host.sh("ln -s /run/dbus/system_bus_socket /run/other");
    let pod = stage.bridged("c1", &network(&stage, "firewalld"));
    let add = |address: &str| pod.firewall().call("ADD").env("DBUS_SYSTEM_BUS_ADDRESS", address).run();
    add("unix:path=/run/nowhere").failure_code(5);
    add("unix:path=/run/other,guid=0").success();
    assert_eq!(daemons.sources("trusted").len(), 2);
}
