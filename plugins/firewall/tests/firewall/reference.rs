//! Beside the plugin of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Output, require};

use crate::stage::{By, Pod, Stage, meets};

/// Where Debian's package puts it.
const DIR: &str = "/usr/lib/cni";

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/firewall"))
}

/// A list that 1.1.1 understands.
fn list(stage: &Stage, keys: Value) -> Value {
    let mut list = stage.network(1, keys);
    list["cniVersion"] = json!("1.0.0");
    list
}

fn theirs(stage: &Stage, attachment: &Attachment, command: &str) -> Output {
    stage.on(attachment.clone().bin_dir(Path::new(DIR)).call(command)).run()
}

/// Rules that name an address of the container.
fn rules(stage: &Stage, pod: &Pod) -> Vec<String> {
    let mut all = stage.filter("iptables");
    all.extend(stage.filter("ip6tables"));
    all.retain(|line| line.contains(&format!("{}/", pod.ip(0))) || line.contains(&format!("{}/", pod.ip(1))));
    all
}

#[test]
fn attachment_of_theirs_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    Stage::each(&By::IPTABLES, |stage| {
        for (name, backend) in [("c1", "iptables"), ("c2", "")] {
            let keys = json!({ "backend": backend, "ingressPolicy": "same-bridge" });
            let pod = stage.bridged(name, &list(stage, keys));
            theirs(stage, &pod.firewall(), "ADD").success();
            assert_eq!(rules(stage, &pod).len(), 4);
            pod.check(stage).silent();
            pod.del(stage);
            assert!(rules(stage, &pod).is_empty(), "{:?}", rules(stage, &pod));
        }
    });
}

#[test]
fn attachment_of_ours_is_checked_and_removed_by_theirs_and_its_record_by_our_gc() {
    if !is_there() {
        return;
    }
    Stage::each(&By::IPTABLES, |stage| {
        let pod = stage.run("c1", &list(stage, json!({ "ingressPolicy": "same-bridge" })));
        theirs(stage, &pod.firewall(), "CHECK").silent();
        theirs(stage, &pod.firewall(), "DEL").silent();
        let left = rules(stage, &pod);
        assert!(left.iter().all(|line| line.starts_with("-A MOORING-OWNERS")), "{left:?}");
        let gc = pod.bare().with_key("cniVersion", json!("1.1.0")).with_key("cni.dev/valid-attachments", json!([]));
        stage.on(gc.call("GC")).run().silent();
        assert!(rules(stage, &pod).is_empty());
        assert!(!stage.filter("iptables").iter().any(|line| line.contains("br1")));
    });
}

#[test]
fn address_that_theirs_had_is_ours_with_the_next_add() {
    if !is_there() {
        return;
    }
    Stage::each(&By::IPTABLES, |stage| {
        let pod = stage.bridged("c1", &list(stage, json!({})));
        theirs(stage, &pod.firewall(), "ADD").success();
        pod.add(stage).success();
        assert_eq!(rules(stage, &pod).len(), 6, "{:?}", rules(stage, &pod));
        stage.on(pod.bare().call("DEL")).run().silent();
        assert!(rules(stage, &pod).is_empty());
    });
}

#[test]
fn bridge_that_their_containers_are_on_keeps_its_policy() {
    if !is_there() {
        return;
    }
    Stage::each(&By::IPTABLES, |stage| {
        let list = list(stage, json!({ "ingressPolicy": "same-bridge" }));
        let [one, two] = ["c1", "c2"].map(|name| stage.bridged(name, &list));
        theirs(stage, &one.firewall(), "ADD").success();
        two.add(stage).success();
        meets(&one.netns, &two);
        two.del(stage);
        one.check(stage).silent();
        one.del(stage);
        assert_eq!(rules(stage, &one), Vec::<String>::new());
    });
}
