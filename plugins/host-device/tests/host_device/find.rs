//! Which device it is: by name, by address, by what sysfs tells.

use serde_json::{Value, json};

use crate::stage::{Stage, link, links, text};

const PCI: &str = "0000:3b:00.1";

/// A stage with `d0` and `d1`, and a sysfs where `d0` is a PCI device, as it is on real hardware.
fn with_pci(more: &str) -> Stage {
    let stage = Stage::with_device();
    stage.device("d1");
    stage.sysfs(&format!(
        "mkdir -p devices/pci0000:3a/{PCI}/net/d0 class/net bus/pci/drivers/ixgbe
         ln -s ../../../devices/pci0000:3a/{PCI} bus/pci/devices/{PCI}
         ln -s ../../../bus/pci/drivers/ixgbe devices/pci0000:3a/{PCI}/driver
         ln -s ../../devices/pci0000:3a/{PCI}/net/d0 class/net/d0
         ln -s ../.. devices/pci0000:3a/{PCI}/net/d0/device
         {more}"
    ));
    stage
}

/// Attaches by these keys; the result's interface, and the name that the device had.
#[track_caller]
fn found(stage: &Stage, keys: Value) -> (Value, String) {
    let mut all = json!({ "device": null, "ipam": null });
    keys.as_object().unwrap().iter().for_each(|(key, value)| all[key] = value.clone());
    let name = format!("c{}", links(stage.sandbox.host()).len());
    let container = stage.sandbox.netns(&name);
    let attachment = stage.attach(&container, all);
    let result = attachment.add().success();
    attachment.with_prev(&result).check().silent();
    let device = text(&link(&container, "eth0")["ifalias"]);
    attachment.del().silent();
    container.remove();
    (result["interfaces"][0].clone(), device)
}

#[test]
fn by_any_of_its_names() {
    let stage = Stage::with_device();
    stage.device("d1");
    stage.sandbox.sh("ip link property add dev d1 altname enp59s0f1np1-of-this-host altname short");
    for device in ["d1", "short", "enp59s0f1np1-of-this-host"] {
        assert_eq!(found(&stage, json!({ "device": device })).1, "d1");
    }
    assert_eq!(link(stage.sandbox.host(), "d1")["altnames"].as_array().unwrap().len(), 2);
}

#[test]
fn by_hardware_address_in_each_form() {
    let stage = Stage::with_device();
    stage.device("d1");
    stage.sandbox.sh("ip link set d1 address 02:00:00:00:ab:01");
    for address in ["02:00:00:00:ab:01", "02-00-00-00-AB-01", "0200.0000.ab01"] {
        assert_eq!(found(&stage, json!({ "hwaddr": address })).1, "d1");
    }
    // Only where there is no name.
    assert_eq!(found(&stage, json!({ "hwaddr": "02:00:00:00:ab:01", "device": "d0" })).1, "d0");
}

#[test]
fn by_pci_address_which_is_told() {
    let stage = with_pci("");
    let (told, device) = found(&stage, json!({ "pciBusID": PCI }));
    assert_eq!((told["pciID"].clone(), device.as_str()), (json!(PCI), "d0"));
    // Whatever it was found by, and where the version has a place for it.
    let (told, _) = found(&stage, json!({ "device": "d0" }));
    assert_eq!(told["pciID"], PCI);
    assert_eq!(found(&stage, json!({ "device": "d1" })).0["pciID"], json!(null));
    let (told, _) = found(&stage, json!({ "device": "d0", "cniVersion": "1.0.0" }));
    assert_eq!((&told["pciID"], &told["mtu"]), (&json!(null), &json!(null)));
}

#[test]
fn by_pci_address_of_a_virtual_machine() {
    let stage = with_pci(
        "mkdir -p devices/pci0000:00/0000:00:03.0/virtio1/net/d1
         ln -s ../../../devices/pci0000:00/0000:00:03.0 bus/pci/devices/0000:00:03.0
         ln -s ../../devices/pci0000:00/0000:00:03.0/virtio1/net/d1 class/net/d1
         ln -s ../.. devices/pci0000:00/0000:00:03.0/virtio1/net/d1/device",
    );
    for keys in [json!({ "pciBusID": "0000:00:03.0" }), json!({ "device": "d1" })] {
        let (told, device) = found(&stage, keys);
        assert_eq!((told["pciID"].clone(), device.as_str()), (json!("0000:00:03.0"), "d1"));
    }
}

#[test]
fn by_path_below_the_devices() {
    let stage = with_pci("mkdir -p devices/platform/dsa/net/d1");
    assert_eq!(found(&stage, json!({ "kernelpath": "/sys/devices/platform/dsa" })).1, "d1");
    let path = format!("/sys/devices/platform/../pci0000:3a/{PCI}/");
    assert_eq!(found(&stage, json!({ "kernelpath": path, "pciBusID": PCI })).0["pciID"], PCI);
    let c1 = stage.sandbox.netns("c1");
    for (path, code) in [("/sys/class/net/d1", 7), ("/sys/devices/../class/net/d1", 7), ("/sys/devices/nothing", 100)] {
        stage.attach(&c1, json!({ "device": null, "kernelpath": path })).add().failure_code(code);
    }
}

#[test]
fn by_what_the_runtime_gives() {
    let stage = with_pci("mkdir -p bus/auxiliary/devices/mlx5_core.sf.4/net/d1");
    let given = |id: &str| json!({ "deviceID": id });
    assert_eq!(found(&stage, json!({ "runtimeConfig": given(PCI) })).1, "d0");
    assert_eq!(found(&stage, json!({ "runtimeConfig": given("mlx5_core.sf.4") })).1, "d1");
    // It goes before the configured address, and behind everything else.
    assert_eq!(found(&stage, json!({ "runtimeConfig": given("mlx5_core.sf.4"), "pciBusID": PCI })).1, "d1");
    assert_eq!(found(&stage, json!({ "runtimeConfig": given(PCI), "pciBusID": "0000:ff:00.0" })).1, "d0");
    assert_eq!(found(&stage, json!({ "runtimeConfig": given(PCI), "device": "d1" })).1, "d1");
    let c1 = stage.sandbox.netns("c1");
    let unknown = stage.attach(&c1, json!({ "device": null, "runtimeConfig": given("0000:99:00.0") }));
    let error = unknown.add().failure_code(100);
    assert_eq!(error["msg"], "runtime config DeviceID 0000:99:00.0 not found or unsupported");
    unknown.del().silent();
}

#[test]
fn a_device_without_a_link_here_is_told() {
    let stage = with_pci("mkdir -p bus/pci/devices/0000:00:09.0");
    let c1 = stage.sandbox.netns("c1");
    for (id, msg) in [
        ("0000:00:09.0", "find \"pciBusID\" \"0000:00:09.0\": it is not on the host"),
        ("0000:00:0a.0", "find \"pciBusID\" \"0000:00:0a.0\": there is none in /sys/bus/pci/devices"),
    ] {
        let error = stage.attach(&c1, json!({ "device": null, "pciBusID": id })).add().failure_code(100);
        assert_eq!(error["msg"], msg);
    }
    // Multus and runtimes tell of one that nobody has asked for.
    let unasked =
        json!({ "device": "d0", "pciBusID": "0000:00:0a.0", "runtimeConfig": { "deviceID": "0000:00:0b.0" } });
    assert_eq!(found(&stage, unasked).1, "d0");
    let path = stage.attach(&c1, json!({ "device": null, "pciBusID": "../devices" })).add().failure_code(7);
    assert_eq!(path["msg"], "\"pciBusID\" \"../devices\": must be the address of one device, like 0000:3b:00.1");
}

#[test]
fn what_a_program_in_user_space_has_is_not_moved() {
    let stage = with_pci("");
    let c1 = stage.sandbox.netns("c1");
    let attachment = stage.attach(&c1, json!({ "device": null, "pciBusID": PCI }));
    for driver in ["vfio-pci", "uio_pci_generic", "igb_uio"] {
        stage.sandbox.sh(&format!(
            "cd /sys; mkdir bus/pci/drivers/{driver}; rm -r devices/pci0000:3a/{PCI}/driver devices/pci0000:3a/{PCI}/net
             ln -s ../../../bus/pci/drivers/{driver} devices/pci0000:3a/{PCI}/driver; mkdir -p devices/pci0000:3a/{PCI}/net"
        ));
        let result = attachment.add().success();
        let told = json!([{ "name": "eth0", "sandbox": "/run/netns/c1", "pciID": PCI }]);
        assert_eq!((&result["interfaces"], &result["ips"][0]["interface"]), (&told, &json!(0)));
        assert_eq!((links(&c1), stage.links().len()), (vec![], 2));
        attachment.with_prev(&result).check().silent();
        attachment.with_prev(&json!({ "cniVersion": "1.1.0" })).check().failure_code(7);
        attachment.status().silent();
        attachment.with_prev(&result).del().silent();
        assert!(stage.leased().is_empty());
    }
}

#[test]
fn dpdk_mode_of_the_configuration_counts_without_a_pci_address() {
    let stage = with_pci("");
    let c1 = stage.sandbox.netns("c1");
    let mut conf = stage.network(json!({ "ipam": null, "device": "d9" }));
    conf["DPDKmode"] = json!(true);
    let attachment = testkit::Attachment::new(conf, &c1);
    let result = attachment.add().success();
    assert_eq!(result["interfaces"], json!([{ "name": "eth0", "sandbox": "/run/netns/c1" }]));
    attachment.with_prev(&result).check().silent();
    attachment.del().silent();
    // Its driver decides where it has one.
    assert_eq!(found(&stage, json!({ "pciBusID": PCI, "dpdkMode": true })).1, "d0");
}
