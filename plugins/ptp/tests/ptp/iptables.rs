//! `ipMasqBackend` `iptables`, in both variants of iptables.

use serde_json::{Value, json};
use testkit::{Attachment, Facility, Stdout, assert_same, require};

use crate::stage::{Attached, HOST, OUTSIDE, Stage, seen};

/// A test for each variant of iptables.
pub fn in_both_variants(test: impl Fn(&Stage)) {
    if !require(Facility::Program("iptables")) {
        return;
    }
    test(&Stage::new());
    let stage = Stage::new();
    if stage.sandbox.use_legacy_iptables() {
        test(&stage);
    }
}

pub fn network(stage: &Stage) -> Value {
    stage.network(json!({ "cniVersion": "1.0.0", "ipMasq": true, "ipMasqBackend": "iptables" }))
}

/// All rules of table nat of both families.
pub fn nat(stage: &Stage) -> String {
    stage.sandbox.sh("for p in iptables ip6tables; do $p-save -t nat | grep -v '^[#:]'; done")
}

#[test]
fn outside_sees_the_host_and_the_own_network_sees_the_container() {
    in_both_variants(|stage| {
        let outside = stage.outside();
        let (c1, one) = stage.attach(&network(stage), "c1");
        let (c2, two) = stage.attach(&network(stage), "c2");
        for family in [0, 1] {
            assert_eq!(seen(&c1, &outside, OUTSIDE[family]), HOST[family]);
            assert_eq!(seen(&c1, &c2, &two.ip(family)), one.ip(family));
        }
        one.check().silent();
        one.del();
        assert_eq!(seen(&c2, &outside, OUTSIDE[0]), HOST[0]);
        stage.sandbox.sh("iptables -t nat -F POSTROUTING");
        assert!(two.complaint().contains("check masquerade of \"eth0\""));
    });
}

#[test]
fn del_in_any_form_and_gc_leave_nothing() {
    in_both_variants(|stage| {
        let conf = stage.network(json!({ "ipMasq": true, "ipMasqBackend": "iptables" }));
        let before = stage.warm_snapshot(&conf);
        let forms: [fn(&Attached); 5] = [
            |one| one.del(),
            |one| one.attachment.del().silent(),
            |one| one.attachment.clone().netns("").del().silent(),
            |one| one.attachment.with_key("ipMasqBackend", json!("nftables")).netns("/gone").del().silent(),
            |one| one.attachment.gc(&[("c9", "eth0")]).silent(),
        ];
        for (n, form) in forms.iter().enumerate() {
            let (c1, attached) = stage.attach(&conf, &format!("c{n}"));
            c1.remove();
            form(&attached);
            assert_same(&before, &stage.snapshot());
        }
    });
}

#[test]
fn add_that_fails_afterwards_leaves_no_chain() {
    in_both_variants(|stage| {
        let before = stage.warm_snapshot(&network(stage));
        let attachment = Attachment::new(network(stage), &stage.sandbox.netns("c1"));
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
