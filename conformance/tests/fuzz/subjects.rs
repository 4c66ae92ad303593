//! The plugins under test, each with a configuration that works and that uses as many keys as go together.

use std::path::Path;

use serde_json::{Value, json};

/// A plugin and what its calls need to work.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The configuration, whose `type` names the plugin.
    pub conf: Value,
    /// What has to be on the host, as a shell script.
    pub host: &'static str,
    /// What has to be in the container.
    pub container: &'static str,
    /// Whether each call starts programs, or the kernel that has what it needs is slow.
    pub is_slow: bool,
}

/// Makes a subject that keeps its files below a directory.
pub type Maker = fn(&Path) -> Subject;

pub fn bridge(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bridge", "bridge": "cni0", "isGateway": true,
        "isDefaultGateway": true, "gatewayPriority": 7, "forceAddress": false, "ipMasq": true, "mtu": 1400,
        "ipMasqBackend": "nftables",
        "hairpinMode": true, "promiscMode": false, "portIsolation": true, "macspoofchk": true, "vlan": 0,
        "preserveDefaultVlan": false, "enabledad": false, "disableContainerInterface": false,
        "dns": { "nameservers": ["10.88.0.1"], "domain": "a.org", "search": ["b.org"], "options": ["rotate"] },
        "args": { "cni": { "mac": "02:00:00:00:00:05", "ips": ["10.88.0.9"] } },
        "capabilities": { "mac": true, "ips": true },
        "runtimeConfig": { "mac": "02:00:00:00:00:06", "ips": ["fd88::9/64"] },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "", is_slow: false }
}

pub fn bridge_exposed(dir: &Path) -> Subject {
    let mut subject = bridge(dir);
    for (key, value) in [
        ("gatewayMode", json!("nat")),
        ("gatewayModeIPv4", json!("nat-unprotected")),
        ("gatewayModeIPv6", json!("routed")),
        ("internal", json!(false)),
        ("icc", json!(false)),
        ("isolated", json!(true)),
        ("trustedInterfaces", json!(["uplink0", "uplink1"])),
        ("snatTo", json!(["192.0.2.1"])),
    ] {
        subject.conf[key] = value;
    }
    subject
}

pub fn bridge_iptables(dir: &Path) -> Subject {
    let mut subject = bridge(dir);
    subject.conf["ipMasqBackend"] = "iptables".into();
    subject.is_slow = true;
    subject
}

pub fn host_device(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "host-device", "device": "lent0", "hwaddr": "02:00:00:00:00:05",
        "kernelpath": "/sys/devices/pci0000:00/0000:00:19.0", "pciBusID": "0000:3b:00.1", "DPDKMode": false,
        "dns": { "nameservers": ["10.88.0.1"], "search": ["b.org"] },
        "capabilities": { "deviceID": true },
        "runtimeConfig": { "deviceID": "0000:3b:00.2" },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject {
        conf,
        host: "ip link add lent0 address 02:00:00:00:00:05 type veth peer name other0; ip link set lent0 up alias mine
            ip link set other0 up",
        container: "",
        is_slow: false,
    }
}

pub fn host_local(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "host-local", "ipam": ipam(dir),
        "args": { "cni": { "ips": ["10.88.0.9"] } },
        "runtimeConfig": { "ips": ["fd88::9/64"], "ipRanges": [[{ "subnet": "10.99.0.0/28", "rangeStart": "10.99.0.4",
            "rangeEnd": "10.99.0.9", "gateway": "10.99.0.1", "exclude": ["10.99.0.5/32"] }]] },
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "", is_slow: false }
}

pub fn host_local_auto(dir: &Path) -> Subject {
    let mut subject = host_local(dir);
    subject.conf["ipam"]["ranges"] = json!([[{ "subnet": "auto" }], [{ "subnet": "auto6" }]]);
    subject.conf["ipam"]["pools"] =
        json!([{ "base": "10.88.0.0/16", "size": 24 }, { "base": "fd88::/48", "size": 64 }]);
    subject.conf["args"] = json!({});
    subject.conf["runtimeConfig"] = json!({ "ips": ["10.88.0.9"] });
    subject
}

/// A link of the host for containers to be on.
const MASTER: &str = "ip link add uplink0 type veth peer name beyond0; ip link set uplink0 up; ip link set beyond0 up";

pub fn macvlan(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "macvlan", "master": "uplink0", "mode": "bridge", "mtu": 1400,
        "mac": "02:00:00:00:00:05", "linkInContainer": false, "bcqueuelen": 1000,
        "dns": { "nameservers": ["10.88.0.1"], "domain": "a.org", "search": ["b.org"], "options": ["rotate"] },
        "capabilities": { "mac": true, "ips": true },
        "runtimeConfig": { "mac": "02:00:00:00:00:06", "ips": ["fd88::9/64"] },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: MASTER, container: "", is_slow: false }
}

pub fn ipvlan(dir: &Path) -> Subject {
    let mut subject = macvlan(dir);
    subject.conf["type"] = "ipvlan".into();
    subject.conf["mode"] = "l3".into();
    subject.conf["flag"] = "private".into();
    subject
}

pub fn r#static(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "static", "ipam": {
            "type": "static",
            "addresses": [{ "address": "10.88.0.2/24", "gateway": "10.88.0.1" }, { "address": "fd88::2/64", "gateway": "fd88::1" }],
            "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.88.0.1", "mtu": 1300, "table": 100 }],
            "dns": { "nameservers": ["10.88.0.1"], "domain": "example.com", "search": ["example.com"], "options": ["ndots:1"] }
        },
        "args": { "cni": { "ips": ["10.88.0.9"] } },
        "runtimeConfig": { "ips": ["fd88::9", "10.88.0.9/24"] },
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "", is_slow: false }
}

pub fn loopback(_: &Path) -> Subject {
    let conf = json!({ "cniVersion": "1.1.0", "name": "net", "type": "loopback" });
    Subject { conf, host: "", container: "", is_slow: false }
}

pub fn portmap(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "portmap", "snat": true, "masqAll": false, "backend": "nftables",
        "conditionsV4": ["ip", "saddr", "{ 192.0.2.0/24, 198.51.100.7 }", "iifname != \"eth1\""],
        "conditionsV6": ["meta mark != 5"],
        "runtimeConfig": { "portMappings": [
            { "hostPort": 8080, "containerPort": 80, "protocol": "tcp" },
            { "hostPort": 5353, "containerPort": 53, "protocol": "UDP", "hostIP": "10.88.0.1" },
            { "HostPort": 9, "ContainerPort": 9, "Protocol": "sctp", "HostIP": "::" },
            { "hostPort": 20, "hostPortEnd": 22, "containerPort": 20, "containerPortEnd": 22 }
        ] },
        "hostIP": "0.0.0.0", "allowInUse": false,
        "prevResult": { "cniVersion": "1.1.0",
            "interfaces": [{ "name": "veth0" }, { "name": "eth0", "sandbox": "/run/netns/container" }],
            "ips": [{ "interface": 1, "address": "10.88.0.2/24" }, { "address": "fd88::2/64" }] },
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject {
        conf,
        host: "ip link add cni0 type bridge; ip link set cni0 up
            ip addr add 10.88.0.1/24 dev cni0; ip addr add fd88::1/64 dev cni0 nodad
            ip link add veth0 type veth peer name eth0 netns container; ip link set veth0 up master cni0",
        container: "ip link set eth0 up; ip addr add 10.88.0.2/24 dev eth0; ip addr add fd88::2/64 dev eth0 nodad",
        is_slow: false,
    }
}

/// Of which ports of the host are chosen, and ranges are elements.
pub fn portmap_chosen(dir: &Path) -> Subject {
    let mut subject = portmap(dir);
    for (key, value) in [("conditionsV4", json!([])), ("conditionsV6", json!([]))] {
        subject.conf[key] = value;
    }
    let mappings = &mut subject.conf["runtimeConfig"]["portMappings"];
    mappings[0]["hostPort"] = json!(0);
    mappings[1]["hostPortEnd"] = json!(5360);
    subject
}

pub fn portmap_iptables(dir: &Path) -> Subject {
    let mut subject = portmap(dir);
    subject.conf["backend"] = "iptables".into();
    subject.is_slow = true;
    subject.conf["markMasqBit"] = json!(7);
    subject.conf["conditionsV4"] = json!(["-s", "192.0.2.0/24", "!", "-i", "eth1"]);
    subject.conf["conditionsV6"] = json!(["-m", "mark", "!", "--mark", "5"]);
    subject
}

pub fn ptp(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "ptp", "ipMasq": true, "ipMasqBackend": "nftables", "mtu": 1400,
        "dns": { "nameservers": ["10.88.0.1"], "domain": "a.org", "search": ["b.org"], "options": ["rotate"] },
        "args": { "cni": { "ips": ["10.88.0.9"] } },
        "runtimeConfig": { "ips": ["fd88::9/64"] },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "", is_slow: false }
}

pub fn ptp_iptables(dir: &Path) -> Subject {
    let mut subject = ptp(dir);
    subject.conf["ipMasqBackend"] = "iptables".into();
    subject.is_slow = true;
    subject
}

pub fn firewall(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "firewall", "backend": "nftables", "ingressPolicy": "isolated",
        "iptablesAdminChainName": "SITE", "firewalldZone": "trusted",
        "prevResult": { "cniVersion": "1.1.0",
            "interfaces": [{ "name": "cni0" }, { "name": "veth0" },
                { "name": "eth0", "sandbox": "/run/netns/container" }],
            "ips": [{ "interface": 2, "address": "10.88.0.2/24" }, { "address": "fd88::2/64" }] },
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject {
        conf,
        host: "ip link add cni0 type bridge; ip link add veth0 type veth peer name eth0 netns container
            ip link set veth0 master cni0",
        container: "",
        is_slow: false,
    }
}

pub fn firewall_iptables(dir: &Path) -> Subject {
    let mut subject = firewall(dir);
    subject.conf["backend"] = "iptables".into();
    subject.is_slow = true;
    // An administrator's chain stays, as the reference leaves it: another name in it would be another chain that stays.
    if let Some(keys) = subject.conf.as_object_mut() {
        keys.remove("iptablesAdminChainName");
    }
    subject
}

pub fn tap(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "tap", "multiQueue": true, "mtu": 1400, "mac": "02:00:00:00:00:05",
        "owner": 0, "group": 0, "bridge": "br0", "selinuxContext": "",
        "dns": { "nameservers": ["10.88.0.1"], "domain": "a.org", "search": ["b.org"], "options": ["rotate"] },
        "capabilities": { "mac": true, "ips": true },
        "runtimeConfig": { "mac": "02:00:00:00:00:06", "ips": ["fd88::9/64"] },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "ip link add br0 type bridge; ip link set br0 up", is_slow: false }
}

pub fn dummy(dir: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "dummy",
        "dns": { "nameservers": ["10.88.0.1"], "domain": "a.org", "search": ["b.org"], "options": ["rotate"] },
        "ipam": ipam(dir),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: "", container: "", is_slow: true }
}

pub fn vlan(dir: &Path) -> Subject {
    let mut subject = dummy(dir);
    let own = json!({ "type": "vlan", "master": "uplink0", "vlanId": 100, "mtu": 1400, "linkInContainer": false });
    for (key, value) in own.as_object().into_iter().flatten() {
        subject.conf[key] = value.clone();
    }
    subject.host = "ip link add uplink0 type veth peer name beyond0; ip link set beyond0 up; ip link set uplink0 up";
    subject
}

pub fn tuning(dir: &Path) -> Subject {
    let sysctls = json!({ "net.ipv4.conf.IFNAME.proxy_arp": "1", "net/ipv4/tcp_rmem": "4096 100000 200000" });
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "tuning", "dataDir": dir, "mac": "02:00:00:00:00:05",
        "promisc": true, "mtu": 1400, "allmulti": true, "txQLen": 77, "sysctl": sysctls,
        "args": { "cni": { "mac": "02:00:00:00:00:06", "promisc": true, "mtu": 1300, "allmulti": false, "txQLen": 78,
            "sysctl": { "net.ipv4.ip_forward": "1" } } },
        "capabilities": { "mac": true },
        "runtimeConfig": { "mac": "02:00:00:00:00:07" },
        "prevResult": result("1.1.0"),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject {
        conf,
        host: "ip link add veth0 type veth peer name eth0 netns container; ip link set veth0 up",
        container: "ip link set eth0 up; ip addr add 10.88.0.2/24 dev eth0; ip addr add fd88::2/64 dev eth0 nodad",
        is_slow: false,
    }
}

pub fn bandwidth(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "bandwidth",
        "ingressRate": 20_000_000, "ingressBurst": 1_600_000, "egressRate": 40_000_000, "egressBurst": 1_600_000,
        "capabilities": { "bandwidth": true },
        "runtimeConfig": { "bandwidth": {
            "ingressRate": 10_000_000, "ingressBurst": 2_147_483_647_u64, "egressRate": 10_000_000,
            "egressBurst": 34_359_738_359_u64 } },
        "prevResult": result("1.1.0"),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject {
        conf,
        host: "ip link add veth0 type veth peer name eth0 netns container; ip link set veth0 up",
        container: "ip link set eth0 up",
        is_slow: false,
    }
}

pub fn sbr(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "sbr", "gateways": ["10.88.0.1", "fd88::1"], "addSourceHints": true,
        "prevResult": result("1.1.0"),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: ROUTED.0, container: ROUTED.1, is_slow: false }
}

pub fn vrf(_: &Path) -> Subject {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "net", "type": "vrf", "vrfname": "blue", "table": 1001,
        "prevResult": result("1.1.0"),
        "cni.dev/valid-attachments": [{ "containerID": "container", "ifname": "eth0" }]
    });
    Subject { conf, host: ROUTED.0, container: ROUTED.1, is_slow: false }
}

/// The host and a container whose interface has routes.
const ROUTED: (&str, &str) = (
    "ip link add veth0 type veth peer name eth0 netns container; ip link set veth0 up",
    "ip link set eth0 address 02:00:00:00:00:03; ip link set eth0 up
     ip addr add 10.88.0.2/24 dev eth0; ip addr add fd88::2/64 dev eth0 nodad
     ip route add default via 10.88.0.1 metric 5; ip route add 10.7.0.0/16 via 10.88.0.1 table 9 mtu 1300
     until ip -6 route add fd99::/64 via fd88::1; do sleep 0.01; done",
);

/// The result of an ADD in the layout of `version`: a bridge with one container.
pub fn result(version: &str) -> Value {
    let routes = json!([{ "dst": "0.0.0.0/0", "gw": "10.88.0.1" }, { "dst": "fd99::/64", "gw": "fd88::1" }]);
    let dns = json!({ "nameservers": ["10.88.0.1"], "search": ["example.org"] });
    if version < "0.3.0" {
        return json!({ "cniVersion": version, "dns": dns,
            "ip4": { "ip": "10.88.0.2/24", "gateway": "10.88.0.1", "routes": [{ "dst": "0.0.0.0/0" }] },
            "ip6": { "ip": "fd88::2/64", "gateway": "fd88::1", "routes": [{ "dst": "::/0", "gw": "fd88::1" }] } });
    }
    let mut result = json!({ "cniVersion": version, "routes": routes, "dns": dns,
        "interfaces": [
            { "name": "cni0", "mac": "02:00:00:00:00:01" }, { "name": "veth0", "mac": "02:00:00:00:00:02" },
            { "name": "eth0", "mac": "02:00:00:00:00:03", "sandbox": "/run/netns/container" }],
        "ips": [
            { "interface": 2, "address": "10.88.0.2/24", "gateway": "10.88.0.1" },
            { "interface": 2, "address": "fd88::2/64", "gateway": "fd88::1" }] });
    if version < "1.0.0" {
        result["ips"][0]["version"] = "4".into();
        result["ips"][1]["version"] = "6".into();
    }
    if version == "1.1.0" {
        result["interfaces"][2]["mtu"] = 1400.into();
        result["interfaces"][2]["socketPath"] = "/run/socket".into();
        result["interfaces"][2]["pciID"] = "0000:04:00.5".into();
        let attributes =
            json!({ "dst": "10.7.0.0/16", "mtu": 1300, "advmss": 1200, "priority": 5, "table": 9, "scope": 0 });
        result["routes"].as_array_mut().unwrap().push(attributes);
    }
    result
}

fn ipam(dir: &Path) -> Value {
    json!({
        "type": "host-local", "dataDir": dir,
        "ranges": [
            [{ "subnet": "10.88.0.0/24", "rangeStart": "10.88.0.2", "rangeEnd": "10.88.0.200", "gateway": "10.88.0.1" },
             { "subnet": "10.89.0.0/16", "exclude": ["10.89.0.128/25"] }],
            [{ "subnet": "fd88::/64" }]],
        "exclude": ["10.88.0.100", "fd88::1:0/112"],
        "routes": [{ "dst": "0.0.0.0/0" }, { "dst": "10.7.0.0/16", "gw": "10.88.0.1", "mtu": 1300, "advmss": 1200,
            "priority": 5, "table": 100, "scope": 0 }, { "dst": "fd99::/64" }],
        "resolvConf": "/etc/resolv.conf"
    })
}
