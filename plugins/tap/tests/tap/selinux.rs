//! Taps that belong to another SELinux context than the plugin's.

use serde_json::json;
use testkit::{Attached, Facility, Lan, Plugin, TestNs, require};

use crate::{
    guest::{Access, Guest},
    stage::{eth0, host, text},
};

const CONTEXT: &str = "system_u:system_r:container_t:s0";

#[test]
fn context_is_refused_where_selinux_is_off() {
    let Some(lan) = host() else { return };
    if lan.sandbox.try_sh("grep -q selinux /proc/filesystems").status.success() {
        return;
    }
    let c1 = lan.sandbox.netns("c1");
    let attachment = eth0(&lan, &c1, json!({ "selinuxContext": CONTEXT }));
    let expected = format!("\"selinuxContext\" \"{CONTEXT}\": SELinux is off, or its policy has no such context");
    assert_eq!(text(&attachment.add().failure_code(7)["msg"]), expected);
    assert_eq!(text(&attachment.status().failure_code(50)["msg"]), expected);
    assert_eq!(c1.links(), [""; 0]);
    attachment.del().silent();
}

/// What the plugin starts itself as, in that context.
#[test]
fn process_that_only_makes_a_tap_makes_it_and_tells_the_kernels_error() {
    let Some(lan) = host() else { return };
    let c1 = lan.sandbox.netns("c1");
    let tap = Plugin::bin_dir().join("tap");
    let make = |arguments: &str| c1.try_sh(&format!("{} create-tap {arguments}", tap.display())).status.code();
    assert_eq!(make("tap0 0 - true"), Some(0));
    let data = &c1.link("tap0")["linkinfo"]["info_data"];
    assert_eq!((&data["type"], &data["user"], &data["multi_queue"]), (&json!("tap"), &json!("root"), &json!(true)));
    let [einval, eexist] = [22, 17].map(Some);
    assert_eq!((make("tap0 0 - true"), make("tap1 0 4294967295 true"), make("tap1")), (eexist, einval, einval));
    assert_eq!(c1.links(), ["tap0"]);
}

/// Gives the kernel `policy.conf` and has it obeyed. That is for the whole machine.
fn enforce(lan: &Lan) {
    let own = lan.sandbox.try_sh("grep -q 'User Mode Linux' /proc/cpuinfo").status.success();
    assert!(own, "this is for a kernel of its own: scripts/vm-test");
    std::fs::write("/run/policy.conf", include_str!("policy.conf")).unwrap();
    lan.sandbox.sh("mount -t selinuxfs selinuxfs /sys/fs/selinux; checkpolicy -U allow -o /run/policy /run/policy.conf
        cat /run/policy >/sys/fs/selinux/load; echo 1 >/sys/fs/selinux/enforce");
}

/// What comes of opening a tap in a context.
fn opened_in(container: &TestNs, tap: &str, context: &str) -> String {
    let wrapper = format!("sh -c 'printf {context} >/proc/self/attr/exec; exec \"$@\"' sh");
    let access = Access { device: "/dev/net/tun", wrapper: &wrapper, queues: 1 };
    Guest::try_open(container, tap, "10.1.0.9", access).1.concat()
}

#[test]
#[ignore = "needs a kernel of its own with SELinux: scripts/vm-test"]
fn tap_belongs_to_the_context_that_is_asked_for() {
    let Some(lan) = host() else { return };
    if !require(Facility::Program("checkpolicy")) {
        return;
    }
    enforce(&lan);
    let c1 = lan.sandbox.netns("c1");
    let [kernel, tap, other, unknown] =
        ["kernel_t", "tap_t", "other_t", "unknown_t"].map(|name| format!("system_u:system_r:{name}"));
    let keys = json!({ "selinuxContext": tap, "owner": 0, "group": 0, "multiQueue": false, "mtu": 1400 });
    let with = Attached::new(eth0(&lan, &c1, keys));
    with.check().silent();
    with.attachment.status().silent();
    let without = Attached::new(eth0(&lan, &c1, json!({})).ifname("eth1"));
    let outcomes = |name| [&kernel, &tap].map(|context| opened_in(&c1, name, context));
    assert_eq!(
        (outcomes("eth0"), outcomes("eth1")),
        (["EACCES", "opened"].map(String::from), ["opened", "EACCES"].map(String::from))
    );
    without.del();
    with.del();

    let asks = |context: &str| eth0(&lan, &c1, json!({ "selinuxContext": context }));
    let expected = format!("\"selinuxContext\" \"{unknown}\": SELinux is off, or its policy has no such context");
    assert_eq!(lan.fails_without_a_trace(&c1, &asks(&unknown), 7), expected);
    let said = lan.fails_without_a_trace(&c1, &asks(&other), 100);
    assert!(said.ends_with(&format!("in SELinux context {other}: Permission denied (EACCES)")), "{said}");
}
