//! `ipMasqBackend` `iptables`, in both variants of iptables, and beside the reference plugin's.

use std::path::Path;

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Stdout, TestNs, assert_same, require};

use crate::{
    masquerade::{HOST, OUTSIDE, seen},
    stage::{Attached, Stage, attach, attach_as},
};

/// A test for each variant of iptables.
fn in_both_variants(test: impl Fn(&Stage)) {
    test(&Stage::new());
    let stage = Stage::new();
    if stage.sandbox.use_legacy_iptables() {
        assert!(stage.sandbox.sh("iptables-save --version").contains("legacy"));
        test(&stage);
    }
}

fn network(stage: &Stage) -> Value {
    stage.dual(json!({ "cniVersion": "1.0.0", "ipMasq": true, "ipMasqBackend": "iptables" }))
}

/// As the reference's newest release in Debian, which knows only this backend, reads it.
fn theirs(stage: &Stage, container: &TestNs) -> Attachment {
    Attachment::new(network(stage), container).bin_dir(Path::new("/usr/lib/cni"))
}

fn is_there() -> bool {
    require(Facility::Script("test -x /usr/lib/cni/bridge -a -x /usr/lib/cni/host-local && command -v iptables"))
}

/// All rules of table nat of both families.
fn nat(stage: &Stage) -> String {
    stage.sandbox.sh("for p in iptables ip6tables; do $p-save -t nat | grep -v '^[#:]'; done")
}

#[test]
fn outside_sees_the_host_and_neighbours_see_each_other() {
    in_both_variants(|stage| {
        let [c1, c2] = ["c1", "c2"].map(|name| stage.sandbox.netns(name));
        let outside = stage.outside();
        let one = attach(&network(stage), &c1);
        let two = attach(&network(stage), &c2);
        for family in [0, 1] {
            assert_eq!(seen(&c1, &outside, OUTSIDE[family]), HOST[family]);
            assert_eq!(seen(&c1, &c2, &two.ip(family)), one.ip(family));
            assert_eq!(seen(&outside, &c1, &one.ip(family)), OUTSIDE[family]);
        }
        one.check().silent();
        one.del();
        assert_eq!(seen(&c2, &outside, OUTSIDE[0]), HOST[0]);
    });
}

#[test]
fn rules_are_the_references() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        let c1 = stage.sandbox.netns("c1");
        let made = attach_as(theirs(stage, &c1));
        let wanted = nat(stage);
        made.del();
        stage.sandbox.sh(&format!("rm -r {}", stage.leases().display()));
        let ours = attach(&network(stage), &c1);
        assert_eq!(ours.result["ips"], made.result["ips"]);
        assert_eq!(nat(stage), wanted);
        assert!(wanted.contains(r#"--comment "name: \"net\" id: \"c1\"" -j CNI-"#), "{wanted}");
    });
}

#[test]
fn del_in_any_form_and_gc_leave_nothing() {
    in_both_variants(|stage| {
        let c1 = stage.sandbox.netns("c1");
        let conf = stage.dual(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        attach(&conf, &c1).del();
        let before = stage.snapshot();
        let forms: [fn(Attached); 5] = [
            |one| one.del(),
            |one| one.attachment.del().silent(),
            // A result that somebody has changed, with other addresses.
            |one| {
                let ips = json!([{ "interface": 2, "address": "10.1.0.77/24" }]);
                let mut odd = one.result.clone();
                odd["ips"] = ips;
                one.attachment.with_prev(&odd).del().silent();
            },
            |one| one.attachment.netns("").del().silent(),
            |one| one.attachment.gc(&[("c2", "eth0")]).silent(),
        ];
        for form in forms {
            form(attach(&conf, &c1));
            assert_same(&before, &stage.snapshot());
        }
    });
}

#[test]
fn gc_keeps_what_is_valid() {
    in_both_variants(|stage| {
        let conf = stage.dual(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        let one = attach(&conf, &stage.sandbox.netns("c1"));
        let before = nat(stage);
        let other = stage.ipam(&["10.2.0.0/24"]);
        let other = stage.network(json!({ "name": "net2", "bridge": "br2", "ipam": other, "ipMasq": true,
            "ipMasqBackend": "iptables" }));
        let elsewhere = attach(&other, &stage.sandbox.netns("c3"));
        let with_other = nat(stage);
        attach(&conf, &stage.sandbox.netns("c2")).attachment.gc(&[("c1", "eth0")]).silent();
        assert_eq!(nat(stage), with_other);
        one.check().silent();
        elsewhere.del();
        assert_eq!(nat(stage), before);
    });
}

#[test]
fn interfaces_of_one_container_share_a_chain_that_goes_with_the_last() {
    in_both_variants(|stage| {
        let (c1, outside) = (stage.sandbox.netns("c1"), stage.outside());
        // The second one gets no default route, as it would be for both.
        let conf = stage.network(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        attach(&conf, &c1).del();
        nat(stage);
        let before = stage.snapshot();
        let first = attach(&conf, &c1);
        let second = attach_as(Attachment::new(conf, &c1).ifname("eth1"));
        c1.sh("ip route add default via 10.1.0.1 dev eth0");
        // Of whom the rules are is not known without a result.
        second.attachment.del().silent();
        assert_eq!(seen(&c1, &outside, OUTSIDE[0]), HOST[0]);
        first.check().silent();
        let second = attach_as(second.attachment);
        second.del();
        assert!(!nat(stage).contains(&second.ip(0)), "{}", nat(stage));
        first.check().silent();
        first.attachment.del().silent();
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn check_says_what_is_missing_and_add_heals_it() {
    in_both_variants(|stage| {
        let conf = network(stage);
        let one = attach(&conf, &stage.sandbox.netns("c1"));
        stage.sandbox.sh("iptables -t nat -F POSTROUTING");
        assert!(one.check_failure().contains("masquerade"));
        let two = attach(&conf, &stage.sandbox.netns("c2"));
        two.check().silent();
        // Without the rule that led to it its chain goes as well.
        one.del();
        two.del();
        assert!(!nat(stage).contains("CNI-"), "{}", nat(stage));
    });
}

#[test]
fn masquerading_of_theirs_is_checked_and_removed_by_ours() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
        attach_as(theirs(stage, &warm_up)).del();
        let before = stage.snapshot();
        for conf in [network(stage), stage.dual(json!({ "cniVersion": "1.0.0", "ipMasq": true }))] {
            let made = attach_as(theirs(stage, &c1));
            let ours = Attached { attachment: Attachment::new(conf.clone(), &c1), result: made.result };
            ours.check().silent();
            ours.del();
            assert_same(&before, &stage.snapshot());
            // Without a namespace they leave it all.
            let made = attach_as(theirs(stage, &c1));
            Attachment::new(conf, &c1).with_prev(&made.result).netns("").del().silent();
            assert_same(&before, &stage.snapshot());
        }
    });
}

#[test]
fn masquerading_of_ours_is_removed_by_theirs() {
    if !is_there() {
        return;
    }
    in_both_variants(|stage| {
        let [warm_up, c1] = ["warm-up", "c1"].map(|name| stage.sandbox.netns(name));
        attach(&network(stage), &warm_up).del();
        let before = stage.snapshot();
        let ours = attach(&network(stage), &c1);
        Attached { attachment: theirs(stage, &c1), result: ours.result }.del();
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn add_that_fails_afterwards_leaves_no_chain() {
    in_both_variants(|stage| {
        let c1 = stage.sandbox.netns("c1");
        attach(&network(stage), &c1).del();
        let before = stage.snapshot();
        let attachment = Attachment::new(network(stage), &c1);
        assert!(!attachment.call("ADD").stdout(Stdout::Full).run().status.success());
        assert_same(&before, &stage.snapshot());
    });
}

#[test]
fn host_without_the_programs_is_told_before_anything_is_made() {
    let stage = Stage::new();
    let c1 = stage.sandbox.netns("c1");
    let before = stage.snapshot();
    stage.sandbox.sh("mount -t tmpfs none /usr/sbin");
    let attachment = Attachment::new(network(&stage), &c1);
    let error = attachment.call("ADD").env("PATH", "/nowhere").run().failure_code(100);
    assert!(error["msg"].as_str().unwrap().contains("\"ipMasqBackend\" \"iptables\": no iptables-restore"), "{error}");
    stage.sandbox.sh("/bin/umount /usr/sbin");
    assert_same(&before, &stage.snapshot());
}
