//! Hardware, which the kernel takes back when a container ends, into its first network namespace: there the plugin runs here.
//!
//! `scripts/vm-test` has some to spare: `eql`, which is not of a kind that can be made, has no hardware address, and is there once.
//! The first network namespace cannot be reached from another user namespace, which cargo makes for tests: `.ci/run` has the
//! command.

use serde_json::{Value, json};
use testkit::{Attachment, Output, TestNs, eventually};

use crate::stage::{LONG, Stage, text};

/// Enters the kernel's first network namespace.
const FIRST: [&str; 2] = ["nsenter", "--net=/proc/1/ns/net"];

fn call(attachment: &Attachment, command: &str) -> Output {
    attachment.call(command).under(FIRST).run()
}

/// Runs a script on the host.
fn sh(stage: &Stage, script: &str) -> String {
    stage.sandbox.sh(&format!("{} sh -ec '{script}'", FIRST.join(" ")))
}

/// The link that has this alias, as `ip` tells it, without what changes by itself.
fn device(stage: &Stage, alias: &str) -> Option<Value> {
    let links: Value = serde_json::from_str(&sh(stage, "ip -j link")).unwrap();
    let mut link = links.as_array().unwrap().iter().find(|link| link["ifalias"] == alias)?.clone();
    for key in ["ifindex", "qdisc", "operstate"] {
        link.as_object_mut().unwrap().shift_remove(key);
    }
    Some(link)
}

/// The container ends; the device's name when it is back.
fn end(stage: &Stage, container: TestNs) -> String {
    container.remove();
    let mut name = String::new();
    eventually(LONG, || match device(stage, "eql") {
        Some(link) => {
            name = text(&link["ifname"]);
            Ok(())
        }
        None => Err(()),
    });
    name
}

#[test]
#[ignore = "needs hardware to spare: scripts/vm-test"]
fn hardware_comes_back_as_it_was() {
    let stage = Stage::new();
    sh(&stage, "ip link set eql up alias leased-line");
    let before = device(&stage, "leased-line").unwrap();
    let ipam = json!({ "type": "static", "addresses": [{ "address": "10.1.0.2/24" }] });
    let by_name = json!({ "device": "eql", "ipam": ipam });
    // Where `eql` is the first, before `lo`.
    let by_path = json!({ "device": null, "kernelpath": "/sys/devices/virtual", "ipam": ipam });

    for keys in [&by_name, &by_path] {
        let c1 = stage.sandbox.netns("c1");
        let attachment = stage.attach(&c1, keys.clone());
        // sysfs shows the links of the namespace that it was mounted in.
        let mounted = ["sh", "-c", "mount -t sysfs sysfs /sys && exec \"$0\""];
        let add = attachment.call("ADD").under([&["unshare", "-m"], &FIRST[..], &mounted].concat());
        let result = add.run().success();
        assert_eq!(result["interfaces"], json!([{ "name": "eth0", "sandbox": "/run/netns/c1", "mtu": before["mtu"] }]));
        call(&attachment.with_prev(&result), "CHECK").silent();
        call(&attachment.with_prev(&result), "DEL").silent();
        assert_eq!(device(&stage, "leased-line").as_ref(), Some(&before));
        c1.remove();
    }

    // Under the container's name, and with none of that free.
    for taken in [false, true] {
        for command in ["DEL", "GC"] {
            let c1 = stage.sandbox.netns("c1");
            let attachment = stage.attach(&c1, by_name.clone());
            call(&attachment, "ADD").success();
            call(&attachment, "STATUS").silent();
            if taken {
                sh(&stage, "ip link add eth0 type veth peer name eth1");
            }
            let name = end(&stage, c1);
            assert!(if taken { name.starts_with("dev") } else { name == "eth0" }, "{name}");
            let valid = attachment.with_key("cni.dev/valid-attachments", json!([]));
            call(&if command == "GC" { valid } else { attachment.netns("") }, command).silent();
            assert_eq!(device(&stage, "leased-line").as_ref(), Some(&before), "{command}");
            sh(&stage, "ip link del eth0 2>/dev/null || true");
        }
    }

    // Whoever wants it next.
    let c1 = stage.sandbox.netns("c1");
    call(&stage.attach(&c1, by_name.clone()), "ADD").success();
    assert_eq!(end(&stage, c1), "eth0");
    let c2 = stage.sandbox.netns("c2");
    let next = stage.attach(&c2, by_name);
    call(&next, "ADD").success();
    assert_eq!(c2.json("ip -j link show eth0")[0]["ifalias"], "eql");
    call(&next, "DEL").silent();
    assert_eq!(device(&stage, "leased-line"), Some(before));
}
