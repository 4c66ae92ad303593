//! Subnets that are chosen.

use std::{
    fs,
    process::{Child, Command},
};

use serde_json::{Value, json};

use crate::host::{Host, finish, ours};

/// The network `name`, whose range sets have these subnets.
fn network(host: &Host, name: &str, subnets: &[&str]) -> Value {
    let ranges: Vec<Value> = subnets.iter().map(|subnet| json!([{ "subnet": subnet }])).collect();
    let mut conf = host.conf(&json!({ "ranges": ranges }));
    conf["name"] = name.into();
    conf["cniVersion"] = "1.1.0".into();
    conf
}

/// `sh` with the plugin as `$0`, in a network and with mounts of its own.
fn alone(script: &str) -> Command {
    let mut process = Command::new("unshare");
    process.args(["-nm", "sh", "-ec"]).arg(format!("PATH=$PATH:/sbin:/usr/sbin; {script}; exec $0")).arg(ours());
    process
}

/// The addresses that a host hands out which has been prepared by `script`.
#[track_caller]
fn handed_out(host: &Host, script: &str, conf: &Value) -> Vec<String> {
    host.call_through(alone(script), "ADD", "c1", conf).run().addresses()
}

fn choices(host: &Host) -> String {
    fs::read_to_string(host.dir().with_file_name(".subnets")).unwrap_or_default()
}

const NOTHING: &str = "true";

#[test]
fn network_gets_the_first_free_subnets_and_keeps_them() {
    let host = Host::new();
    let conf = network(&host, "net", &["auto", "auto6"]);
    let first = handed_out(&host, NOTHING, &conf);
    assert_eq!(first[0], "10.200.0.2/24");
    assert!(first[1].starts_with("fd") && first[1].ends_with("::2/64"), "{first:?}");
    assert_eq!(choices(&host).lines().count(), 2);
    let before = choices(&host);
    // Its own bridge is on that subnet now, and the first container goes.
    host.call("DEL", "c1", &conf).run().silent();
    let own = "ip link add br0 type bridge; ip link set br0 up; ip addr add 10.200.0.1/24 dev br0";
    assert_eq!(handed_out(&host, own, &conf)[0], "10.200.0.3/24");
    assert_eq!(choices(&host), before);
    let other = network(&host, "other", &["auto", "auto6"]);
    let second = handed_out(&host, NOTHING, &other);
    assert_eq!(second[0], "10.200.1.2/24");
    assert_ne!(second[1], first[1]);
}

#[test]
fn routes_name_servers_and_leases_of_others_are_left_out() {
    let link =
        "ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up; ip addr add 10.200.0.9/23 dev v0
        ip -6 addr add fd00:7::1/64 dev v0 nodad";
    let servers = |path: &str, ip: &str| {
        format!(
            "mkdir -p /run/x; mount -t tmpfs none /run/x; echo nameserver {ip} >/run/x/r; mount --bind /run/x/r {path}"
        )
    };
    for (script, expected) in [
        (link.to_owned(), "10.200.2.2/24"),
        (format!("{link}; ip route add 10.200.2.0/24 via 10.200.1.1"), "10.200.3.2/24"),
        (format!("{link}; ip route add 10.200.0.0/14 via 10.200.1.1"), "10.204.0.2/24"),
        // A VPN that takes everything leaves nothing out, and what lies behind routers is better than nothing.
        (format!("{link}; ip route add 0.0.0.0/1 dev v0; ip route add 128.0.0.0/1 dev v0"), "10.200.2.2/24"),
        (
            format!("{link}; ip route add 10.0.0.0/8 via 10.200.1.1; ip route add 192.168.0.0/16 via 10.200.1.1"),
            "10.200.2.2/24",
        ),
        (servers("/etc/resolv.conf", "10.200.0.53"), "10.200.1.2/24"),
    ] {
        let host = Host::new();
        assert_eq!(handed_out(&host, &script, &network(&host, "net", &["auto"])), [expected], "{script}");
    }
    let host = Host::new();
    host.call_through(alone(NOTHING), "ADD", "c1", &network(&host, "fixed", &["10.200.0.0/24"])).run().result();
    assert_eq!(handed_out(&host, NOTHING, &network(&host, "net", &["auto"])), ["10.200.1.2/24"]);
}

#[test]
fn site_of_a_host_follows_from_its_identity() {
    let site = |id: &str| {
        let host = Host::new();
        let script = format!(
            "mount -t tmpfs none /mnt; echo {id} >/mnt/id; touch /etc/machine-id 2>/dev/null || true
            [ ! -e /etc/machine-id ] || mount --bind /mnt/id /etc/machine-id"
        );
        handed_out(&host, &script, &network(&host, "net", &["auto6"]))[0].clone()
    };
    assert_eq!(site("0123"), site("0123"));
    if std::path::Path::new("/etc/machine-id").exists() {
        assert_ne!(site("0123"), site("4567"));
    }
}

#[test]
fn networks_that_come_at_once_get_different_subnets() {
    let host = Host::new();
    let children: Vec<Child> = (0..30)
        .map(|n| host.call("ADD", "c1", &network(&host, &format!("n{n}"), &["auto", "auto6"])).start())
        .collect();
    let mut all: Vec<String> = children.into_iter().flat_map(|child| finish(child).addresses()).collect();
    all.sort();
    all.dedup();
    assert_eq!(all.len(), 60);
    // Containers of one network get one subnet.
    let conf = network(&host, "many", &["auto"]);
    let children: Vec<Child> = (0..20).map(|n| host.call("ADD", &format!("c{n}"), &conf).start()).collect();
    let mut subnets: Vec<String> =
        children.into_iter().map(|child| finish(child).addresses()[0].rsplit_once('.').unwrap().0.to_owned()).collect();
    subnets.dedup();
    assert_eq!(subnets.len(), 1);
}

#[test]
fn fixed_subnet_that_overlaps_a_chosen_one_is_refused_with_both_names() {
    let host = Host::new();
    handed_out(&host, NOTHING, &network(&host, "net", &["auto"]));
    let fixed = network(&host, "fixed", &["10.200.0.128/25"]);
    let (code, msg, _) = host.call("ADD", "c1", &fixed).run().error();
    assert_eq!(code, 7);
    let expected =
        "subnet 10.200.0.128/25 of network \"fixed\" overlaps 10.200.0.0/24, which network \"net\" has got by \"auto\"";
    assert!(msg.contains(expected), "{msg}");
    assert!(!host.dir().with_file_name("fixed").exists());
    // A network without its directory has gone, and its choice with it.
    fs::remove_dir_all(host.dir()).unwrap();
    assert_eq!(host.add("c1", &fixed), ["10.200.0.130/25"]);
}

#[test]
fn pools_are_those_of_the_configuration_and_end() {
    let host = Host::new();
    let of_pools = |name: &str| {
        let mut conf = network(&host, name, &["auto"]);
        conf["ipam"]["pools"] = json!([{ "base": "10.9.0.0/24", "size": 25 }, { "base": "fd00::/56" }]);
        conf
    };
    assert_eq!(host.add("c1", &of_pools("a")), ["10.9.0.2/25"]);
    assert_eq!(host.add("c1", &of_pools("b")), ["10.9.0.130/25"]);
    let before = choices(&host);
    let (code, msg, _) = host.call("ADD", "c1", &of_pools("c")).run().error();
    assert_eq!((code, msg.contains("the pools: 10.9.0.0/24 by /25, all in use")), (102, true), "{msg}");
    assert_eq!(host.call("STATUS", "", &of_pools("c")).run().error().0, 50);
    assert_eq!(choices(&host), before);
    assert!(!host.dir().with_file_name("c").exists());
}

#[test]
fn other_commands_choose_nothing() {
    let host = Host::new();
    let conf = network(&host, "net", &["auto"]);
    host.call("STATUS", "", &conf).run().silent();
    host.del("c1", &conf);
    let mut check = conf.clone();
    check["prevResult"] = json!({ "cniVersion": "1.1.0", "ips": [{ "address": "10.200.0.2/24" }] });
    let (code, msg, _) = host.call("CHECK", "c1", &check).run().error();
    assert_eq!((code, msg.contains("none has been chosen for \"auto\"")), (103, true), "{msg}");
    assert!(!host.dir().exists() && choices(&host).is_empty());
    host.add("c1", &conf);
    host.call("CHECK", "c1", &check).run().silent();
}

#[test]
fn file_that_a_crash_has_cut_is_written_on() {
    let host = Host::new();
    let conf = network(&host, "net", &["auto"]);
    fs::create_dir_all(host.dir().with_file_name("cut")).unwrap();
    fs::write(host.dir().with_file_name(".subnets"), "cut 10.200.0.0/24\ncut 10.2").unwrap();
    assert_eq!(handed_out(&host, NOTHING, &conf), ["10.200.1.2/24"]);
    assert_eq!(choices(&host), "cut 10.200.0.0/24\ncut 10.2\nnet 10.200.1.0/24\n");
}
