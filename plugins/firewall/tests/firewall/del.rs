//! DEL takes back what its attachment has, whatever it is told, and nothing else.

use serde_json::{Value, json};
use testkit::{Attachment, assert_same};

use crate::stage::{By, Pod, Stage, generation};

/// DEL as runtimes call it: with everything, without what they have lost, with what has changed meanwhile.
fn forms(pod: &Pod) -> Vec<(&'static str, Attachment)> {
    let (bare, firewall) = (pod.bare(), pod.firewall());
    let mut other = pod.result.clone();
    other["ips"] = json!([{ "address": "10.1.0.99/24" }]);
    let odd = json!({ "interfaces": [{}, { "name": "longer-than-15-bytes" }, { "name": "\0" }] });
    let with = |key: &str, value: Value| firewall.with_key(key, value);
    vec![
        ("all that ADD was told", firewall.clone()),
        ("no prevResult", bare.clone()),
        ("other addresses", bare.with_prev(&other)),
        ("an unreadable prevResult", bare.with_key("prevResult", json!({ "ips": "x" }))),
        ("a prevResult with names that no link has", bare.with_key("prevResult", odd)),
        ("an empty netns", firewall.clone().netns("")),
        ("neither netns nor prevResult", bare.netns("")),
        ("a netns that has gone", firewall.clone().netns("/run/netns/no-such-netns")),
        ("an invalid configuration", with("backend", json!("x"))),
        ("another backend", with("backend", json!("firewalld"))),
        ("nftables", with("backend", json!("nftables"))),
        ("iptables", with("backend", json!("iptables"))),
        ("no backend", with("backend", json!(""))),
        ("another policy", with("ingressPolicy", json!("open"))),
        ("another administrator's chain", with("iptablesAdminChainName", json!("OTHER"))),
    ]
}

#[test]
fn every_form_of_del_leaves_the_host_as_before_add() {
    Stage::each(&By::ALL, |stage| {
        let list = stage.network(1, json!({ "ingressPolicy": "isolated" }));
        // Another attachment of the same bridge, whose rules must stay.
        let other = stage.run("other", &list);
        let pod = stage.bridged("c1", &list);
        let before = stage.snapshot();
        for (form, del) in forms(&pod) {
            pod.add(stage).success();
            assert!(!before.diff(&stage.snapshot()).is_empty());
            stage.on(del.call("DEL")).run().silent();
            let diff = before.diff(&stage.snapshot());
            assert!(diff.is_empty(), "{:?}: DEL with {form}:\n{diff}", stage.by);
            stage.on(del.call("DEL")).run().silent();
        }
        other.check(stage).silent();
    });
}

#[test]
fn del_without_add_succeeds_writes_nothing_and_starts_nothing() {
    let stage = Stage::new(By::Nftables);
    let pod = stage.bridged("c1", &stage.plain());
    let before = generation(&stage);
    for (_, del) in forms(&pod) {
        // Where no program is.
        del.call("DEL").env("PATH", "/nowhere").run().silent();
    }
    assert_eq!(before, generation(&stage));
}

#[test]
fn late_del_leaves_the_later_owner_of_the_address_alone() {
    Stage::each(&By::ALL, |stage| {
        let first = stage.run("c1", &stage.plain());
        let second = stage.bridged("c2", &stage.plain());
        // As when a pool has come round, without a DEL of the first.
        let heir = second.bare().with_prev(&first.result);
        stage.on(heir.call("ADD")).run().success();
        // It has a record still, of nothing.
        first.del(stage);
        let before = stage.snapshot();
        for (_, del) in forms(&first) {
            stage.on(del.call("DEL")).run().silent();
        }
        stage.on(first.firewall().with_key("name", json!("net9")).call("DEL")).run().silent();
        assert_same(&before, &stage.snapshot());
        stage.on(heir.call("CHECK")).run().silent();
        stage.on(heir.call("DEL")).run().silent();
        assert!(stage.elements("").is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains(&first.ip(0))));
    });
}

#[test]
fn attachments_of_the_same_moment_do_not_disturb_each_other() {
    Stage::each(&By::ALL, |stage| {
        let list = stage.network(1, json!({ "ingressPolicy": "same-bridge" }));
        let pods: Vec<Pod> = (0..8).map(|number| stage.bridged(&format!("c{number}"), &list)).collect();
        pods[0].add(stage).success();
        pods[0].del(stage);
        let before = stage.snapshot();
        let at_once = |work: &(dyn Fn(&Pod) + Sync)| {
            std::thread::scope(|scope| pods.iter().for_each(|pod| drop(scope.spawn(|| work(pod)))));
        };
        at_once(&|pod| drop(pod.add(stage).success()));
        for pod in &pods {
            pod.check(stage).silent();
        }
        at_once(&|pod| pod.del(stage));
        assert_same(&before, &stage.snapshot());
        // One comes while the last one goes.
        pods[0].add(stage).success();
        std::thread::scope(|scope| {
            scope.spawn(|| pods[0].del(stage));
            scope.spawn(|| drop(pods[1].add(stage).success()));
        });
        pods[1].check(stage).silent();
        pods[1].del(stage);
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn failed_add_leaves_nothing() {
    Stage::each(&By::ALL, |stage| {
        let list = stage.network(1, json!({ "ingressPolicy": "isolated" }));
        stage.run("warm-up", &list).del(stage);
        let pod = stage.bridged("c1", &list);
        let before = stage.snapshot();
        assert!(!stage.on(pod.firewall().call("ADD")).stdout(testkit::Stdout::Full).run().status.success());
        assert_same(&before, &stage.snapshot());
        if stage.by == By::Nftables {
            return;
        }
        // The second family fails.
        stage.sandbox.sh(&format!("ln -sf /bin/false {}/programs/ip6tables-restore", stage.sandbox.dir().display()));
        let error = pod.add(stage).failure_code(100);
        assert!(error["msg"].as_str().unwrap().contains("ip6tables-restore"), "{error}");
        assert_same(&before, &stage.snapshot());
    });
}
