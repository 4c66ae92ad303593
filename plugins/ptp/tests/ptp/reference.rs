//! Beside the plugins of containernetworking: what one side's ADD has made, the other side's DEL removes.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, TestNs, assert_same, eventually, require};

use crate::{
    iptables::{in_both_variants, nat, network as by_iptables},
    stage::{Attached, HOST, LONG, OUTSIDE, Stage, addresses, lines, seen},
};

/// Whether they are where Debian's package puts them.
fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/ptp -a -x /usr/lib/cni/host-local && command -v iptables"))
}

fn network(stage: &Stage) -> Value {
    stage.network(json!({ "cniVersion": "1.0.0" }))
}

fn theirs(conf: Value, container: &TestNs) -> Attachment {
    Attachment::new(conf, container).bin_dir(Path::new("/usr/lib/cni"))
}

/// What one container has inside and on the host, with `NEAR` for the host's end.
fn layout(stage: &Stage, container: &TestNs, near: &str) -> [Vec<String>; 6] {
    let host = stage.host();
    let all = [
        addresses(container, "eth0"),
        lines(container, "route"),
        lines(container, "-6 route show table main"),
        addresses(host, near),
        lines(host, "route"),
        lines(host, "-6 route show fd01::2"),
    ];
    let common = |line: &String| !line.starts_with("fe80::") && !line.contains("proto kernel");
    all.map(|lines| lines.iter().filter(|line| common(line)).map(|line| line.replace(near, "NEAR")).collect())
}

#[test]
fn addresses_and_routes_are_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let made = Attached::new(theirs(network(&stage), &c1));
    let wanted = layout(&stage, &c1, &made.near());
    made.del();
    stage.sandbox.sh(&format!("rm -r {}", stage.leases().display()));
    let (c2, ours) = stage.attach(&network(&stage), "c2");
    assert_eq!(layout(&stage, &c2, &ours.near()), wanted);
    for key in ["ips", "routes"] {
        assert_eq!(ours.result[key], made.result[key]);
    }
    ours.del();
}

#[test]
fn attachment_of_theirs_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
    Attached::new(theirs(network(&stage), &warm_up)).attachment.del().silent();
    let before = stage.snapshot();
    let make = || {
        let made = Attached::new(theirs(network(&stage), &c1));
        Attached { attachment: Attachment::new(network(&stage), &c1), result: made.result }
    };
    let forms: [fn(&Attached); 4] = [
        |ours| {
            ours.check().silent();
            ours.del();
        },
        |ours| ours.attachment.del().silent(),
        // Their DEL would leave the link.
        |ours| ours.attachment.with_prev(&ours.result).netns("").del().silent(),
        // tuning has changed the address inside, and its DEL, which comes before ours, has given the old one back.
        |ours| {
            let mut result = ours.result.clone();
            result["interfaces"][1]["mac"] = json!("02:00:00:00:00:55");
            ours.attachment.with_prev(&result).del().silent();
        },
    ];
    for del in forms {
        del(&make());
        assert_same(&before, &stage.snapshot());
        assert!(!c1.try_sh("ip link show eth0").status.success());
    }
    // The link has lost its addresses, but the result tells which it is.
    let ours = make();
    stage.sandbox.sh(&format!("ip addr flush dev {} scope global", ours.near()));
    ours.del();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn attachment_of_ours_is_checked_and_removed_by_theirs() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let before = stage.warm_snapshot(&network(&stage));
    let (c1, made) = stage.attach(&network(&stage), "c1");
    let theirs = Attached { attachment: theirs(network(&stage), &c1), result: made.result };
    theirs.check().silent();
    theirs.del();
    assert_same(&before, &stage.snapshot());
}

#[test]
fn containers_of_both_reach_each_other() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let one = Attached::new(theirs(network(&stage), &c1));
    let (c2, two) = stage.attach(&network(&stage), "c2");
    for family in [0, 1] {
        // Theirs has to wait for its host's end.
        eventually(LONG, || c2.ping(one.ip(family)));
        c1.ping(two.ip(family)).unwrap();
    }
    two.del();
    one.check().silent();
}

#[test]
fn chains_of_either_are_the_same_and_removed_by_the_other() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        let mut conf = by_iptables(stage);
        conf["ipam"] = json!({ "type": "static", "addresses": [
            { "address": "10.1.0.2/24", "gateway": "10.1.0.1" }, { "address": "fd01::2/64", "gateway": "fd01::1" }] });
        let before = stage.warm_snapshot(&conf);
        let c1 = stage.sandbox.netns("c1");
        let make = || {
            let made = Attached::new(theirs(conf.clone(), &c1));
            (nat(stage), Attached { attachment: Attachment::new(conf.clone(), &c1), result: made.result })
        };
        let (wanted, one) = make();
        one.check().silent();
        // Their DEL leaves the chain where the namespace has gone, ours does not, whatever the backend is now.
        one.attachment.with_key("ipMasqBackend", json!("nftables")).with_prev(&one.result).netns("").del().silent();
        assert_same(&before, &stage.snapshot());
        make().1.attachment.del().silent();
        assert_same(&before, &stage.snapshot());
        let ours = Attached::new(Attachment::new(conf.clone(), &c1));
        assert_eq!(nat(stage), wanted);
        Attached { attachment: theirs(conf.clone(), &c1), result: ours.result }.del();
        assert_same(&before, &stage.snapshot());
    });
}

/// What releases from 1.6 on keep for two containers of the network `net`.
const MASQUERADING: &str = "table inet cni_plugins_masquerade {
    chain masq_checks {
        ip saddr 10.1.0.2 ip daddr != 10.1.0.0/24 masquerade comment \"a4861f4ae9f7d238-f4d01f2ef4b92245, net: net, if: eth0, id: c1\"
        ip6 saddr fd01::2 ip6 daddr != fd01::/64 masquerade comment \"a4861f4ae9f7d238-f4d01f2ef4b92245, net: net, if: eth0, id: c1\"
        ip saddr 10.1.0.3 ip daddr != 10.1.0.0/24 masquerade comment \"a4861f4ae9f7d238-0000000000000000, net: net, if: eth0, id: c2\"
    }
    chain postrouting { type nat hook postrouting priority 100; goto masq_checks; }
}";

#[test]
fn rules_of_theirs_in_nftables_are_checked_and_removed_by_ours() {
    let stage = Stage::new();
    let outside = stage.outside();
    // Ours without masquerading is as theirs.
    let (c1, made) = stage.attach(&network(&stage), "c1");
    stage.sandbox.sh(&format!(
        "ip link set {near} down name veththeirs; ip link set veththeirs up alias ''",
        near = made.near()
    ));
    stage
        .sandbox
        .sh("ip route replace 10.1.0.2 dev veththeirs scope host; ip -6 addr replace fd01::1 dev veththeirs nodad
        ip -6 route replace fd01::2 dev veththeirs");
    stage.sandbox.sh(&format!("nft -f - <<'RULES'\n{MASQUERADING}\nRULES"));
    assert_eq!(seen(&c1, &outside, OUTSIDE[0]), HOST[0]);
    let ours = Attached { attachment: Attachment::new(stage.masquerading(), &c1), result: made.result };
    ours.check().silent();
    ours.attachment.gc(&[("c1", "eth0")]).silent();
    let rules = stage.ruleset();
    assert!(rules.contains("10.1.0.2") && !rules.contains("10.1.0.3"), "{rules}");
    ours.attachment.del().silent();
    let rules = stage.ruleset();
    assert!(!rules.contains("10.1.0.2") && !rules.contains("fd01::2"), "{rules}");
    assert_eq!(stage.ends(), [""; 0]);
}

#[test]
fn interface_of_another_container_of_theirs_stays() {
    if !is_there() {
        return;
    }
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let made = Attached::new(theirs(network(&stage), &c1));
    // Our ADD for the same interface fails. The result tells whose it is, and it is not ours.
    let mut ours =
        Attached { attachment: Attachment::new(network(&stage), &c1).container("other"), result: made.result.clone() };
    ours.attachment.add().failure_code(101);
    ours.result["interfaces"][0]["name"] = json!("veth0ther");
    ours.result["interfaces"][1]["mac"] = json!("02:00:00:00:00:55");
    ours.del();
    made.check().silent();
}
