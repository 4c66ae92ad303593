//! Several ADDs for one interface: DEL goes back to before the first.

use serde_json::json;

use crate::stage::{Stage, everything, settings, state};

#[test]
fn repeated_add_remembers_what_was_there_before_the_first() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything());
    for mtu in [1400, 1300, 1350] {
        attachment.with_key("mtu", json!(mtu)).add().success();
    }
    assert_eq!(settings(&container, "eth0")["mtu"], 1350);
    attachment.del().silent();
    assert_eq!(state(&container), before);
}

#[test]
fn two_in_one_list_are_both_given_back() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let first = stage.attach(
        &container,
        json!({ "mtu": 1400, "promisc": true, "sysctl": { "net.ipv4.conf.IFNAME.proxy_arp": "1" } }),
    );
    let second = stage.attach(
        &container,
        json!({ "mtu": 1300, "mac": "02:00:00:00:00:05",
        "sysctl": { "net.ipv4.conf.eth0.proxy_arp": "0", "net.ipv4.ip_local_reserved_ports": "8080" } }),
    );
    let result = second.with_prev(&first.add().success()).add().success();
    assert_eq!(result["interfaces"][1]["mtu"], 1300);
    // The second has changed the sysctl behind the first's back, and no result tells of sysctls.
    second.with_prev(&result).check().silent();
    second.with_prev(&result).del().silent();
    first.with_prev(&result).del().silent();
    assert_eq!(state(&container), before);
    assert!(stage.files().is_empty());
}

#[test]
fn a_new_container_of_the_same_name_has_values_of_its_own() {
    let stage = Stage::new();
    let container = stage.container("c1");
    stage.attach(&container, everything()).add().success();
    container.remove();
    // No DEL came. The link of the new one begins otherwise.
    stage.sandbox.sh("ip link del v-c1 2>/dev/null || true");
    let container = stage.container("c1");
    container.sh("ip link set eth0 mtu 1450 address 02:00:00:00:00:a1");
    let before = state(&container);
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    attachment.del().silent();
    assert_eq!(state(&container), before);
}

#[test]
fn a_new_interface_of_the_same_name_has_values_of_its_own() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let attachment = stage.attach(&container, everything());
    attachment.add().success();
    container.sh("ip link del eth0; ip link add eth0 mtu 1450 address 02:00:00:00:00:a1 type veth peer name other");
    let before = settings(&container, "eth0");
    attachment.add().success();
    attachment.del().silent();
    assert_eq!(settings(&container, "eth0"), before);
    assert_eq!(state(&container).1, ["0", ""], "the namespace's are those of before the first");
}

#[test]
fn the_same_interface_on_two_networks_goes_back_step_by_step() {
    let stage = Stage::new();
    let container = stage.container("c1");
    let before = state(&container);
    let one = stage.attach(&container, json!({ "mtu": 1400 }));
    let two = stage.attach(&container, json!({ "mtu": 1300, "promisc": true })).with_key("name", json!("net2"));
    one.add().success();
    let between = state(&container);
    two.add().success();
    assert_eq!(stage.files().len(), 2);
    two.del().silent();
    assert_eq!(state(&container), between);
    one.del().silent();
    assert_eq!(state(&container), before);
}
