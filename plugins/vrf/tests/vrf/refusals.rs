//! What needs no VRF: refusals, and DEL that finds nothing to do.

use serde_json::{Value, json};
use testkit::assert_same;

use crate::stage::{Stage, attach, prev};

#[test]
fn what_cannot_be_is_refused_before_any_effect() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let before = ns.snapshot();
    for (code, keys, words) in [
        (7, json!({}), "\"vrfname\" is missing"),
        (7, json!({ "vrfname": "" }), "\"vrfname\" is missing"),
        (7, json!({ "vrfname": "a name" }), "\"vrfname\" \"a name\""),
        (7, json!({ "vrfname": "net1" }), "another name than the interface's"),
        (6, json!({ "vrfname": 7 }), "\"vrfname\""),
        (7, json!({ "vrfname": "blue", "table": 254 }), "\"table\" 254: must be 0 (one that is free) or 1 to"),
        (7, json!({ "vrfname": "blue", "table": -1 }), "\"table\" -1"),
        (6, json!({ "vrfname": "blue", "table": "10" }), "\"table\""),
        (101, json!({ "vrfname": "eth0" }), "use vrf \"eth0\": the link of that name is veth, not vrf"),
        (101, json!({ "vrfname": "lo" }), "use vrf \"lo\": the link of that name is a device, not vrf"),
    ] {
        let attachment = attach(&ns, "net1", 1, keys.clone());
        let error = attachment.add().failure_code(code);
        assert!(error["msg"].as_str().unwrap().contains(words), "{keys}: {error}");
        if code != 6 {
            attachment.del().silent();
        }
    }
    let blue = json!({ "vrfname": "blue" });
    let alone = attach(&ns, "net1", 1, blue.clone()).with_key("prevResult", Value::Null).add().failure_code(7);
    assert!(alone["msg"].as_str().unwrap().contains("chained plugin: prevResult missing"), "{alone}");
    let absent = attach(&ns, "net7", 1, blue).add().failure_code(100);
    assert!(absent["msg"].as_str().unwrap().contains("find link \"net7\""), "{absent}");
    assert_same(&before, &ns.snapshot());
}

#[test]
fn a_port_of_something_else_is_refused_and_stays_that() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    ns.sh("ip link add br0 type bridge; ip link set br0 up; ip link set net1 master br0");
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let error = attachment.add().failure_code(101);
    assert_eq!(error["msg"], "make \"net1\" a port of a vrf: it is one of \"br0\" already");
    attachment.check().failure_code(103);
    attachment.del().silent();
    assert_same(&before, &ns.snapshot());
}

#[test]
fn kernels_without_vrf_refuse_and_everything_is_as_before() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    if stage.sandbox.netns("probe").try_sh("ip link add probe0 type vrf table 5").status.success() {
        attach(&ns, "net1", 1, json!({ "vrfname": "blue" })).status().silent();
        return;
    }
    let before = ns.snapshot();
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    let error = attachment.add().failure_code(100);
    assert!(error["msg"].as_str().unwrap().contains("create vrf \"blue\""), "{error}");
    assert_same(&before, &ns.snapshot());
    let error = attachment.status().failure_code(50);
    assert!(error["msg"].as_str().unwrap().contains("links of kind vrf: the kernel has none"), "{error}");
}

#[test]
fn status_looks_at_the_keys_and_gc_has_nothing_to_do() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    let attachment = attach(&ns, "eth0", 0, json!({ "vrfname": "blue" }));
    let before = stage.sandbox.snapshot(&[]);
    attachment.gc(&[]).silent();
    for keys in [json!({}), json!({ "vrfname": "a/b" }), json!({ "vrfname": "blue", "table": 255 })] {
        attach(&ns, "eth0", 0, keys).status().failure_code(50);
    }
    assert_same(&before, &stage.sandbox.snapshot(&[]));
}

#[test]
fn del_succeeds_wherever_there_is_nothing_to_do() {
    let stage = Stage::new();
    let ns = stage.container("c1");
    stage.link(&ns, "net1", 1);
    let (host, inside) = (stage.sandbox.snapshot(&["/run/netns".as_ref()]), ns.snapshot());
    let attachment = attach(&ns, "net1", 1, json!({ "vrfname": "blue" }));
    stage.sandbox.sh("touch /run/plain");
    for netns in ["", "/run/netns/absent", "/run/plain", "/proc/self/ns/uts", "/proc/self/ns/net", "/run/netns/c1"] {
        for keys in [
            json!({}),
            json!({ "vrfname": "blue" }),
            json!({ "vrfname": "a/b", "table": -7 }),
            json!({ "vrfname": "eth0" }),
        ] {
            let attachment = attach(&ns, "net1", 1, keys).netns(netns);
            attachment.del().silent();
            attachment.with_key("prevResult", Value::Null).del().silent();
        }
    }
    attachment.clone().ifname("absent").del().silent();
    attachment.with_prev(&prev("1.1.0", &ns, "eth0", 0)).del().silent();
    assert_same(&host, &stage.sandbox.snapshot(&["/run/netns".as_ref()]));
    assert_same(&inside, &ns.snapshot());
}
