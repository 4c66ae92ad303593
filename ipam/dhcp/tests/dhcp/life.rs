//! What happens to a lease after ADD. Times pass by making the record older while no daemon runs, so that each of these is a restarted
//! daemon's work, too.

use serde_json::{Value, json};
use testkit::{Attachment, TestNs, eventually};

use crate::stage::{LONG, Running, Stage, addresses, await_addresses, dhcpd, told};

/// dnsmasq gives two minutes, of which the first is T1, and T2 a quarter before the end.
const T1: u64 = 61;
const T2: u64 = 106;
const END: u64 = 121;

/// The flags of a daemon that loses its patience soon.
const HASTY: [&str; 6] = ["-timeout", "500ms", "-resendmax", "500ms", "-resendtimeout", "5s"];

/// A container with an address, and no daemon: that was killed.
fn orphan(stage: &Stage) -> (TestNs, Attachment, Value) {
    let daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container);
    let result = attachment.add().success();
    daemon.kill();
    (container, attachment, result)
}

fn count(server: &Running, message: &str) -> usize {
    server.log().matches(message).count()
}

fn await_count(server: &Running, message: &str, n: usize) {
    eventually(LONG, || if count(server, message) >= n { Ok(()) } else { Err(server.log()) });
}

#[test]
fn lease_is_extended_by_its_server_after_half_of_its_time() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment, result) = orphan(&stage);
    let before = addresses(&container, 4);
    // Not yet.
    let daemon = stage.daemon_with(&HASTY);
    attachment.with_prev(&result).check().silent();
    assert_eq!(count(&server, "DHCPREQUEST"), 1);
    daemon.kill();

    stage.age(T1);
    let daemon = stage.daemon_with(&HASTY);
    await_count(&server, "DHCPACK", 2);
    assert_eq!(count(&server, "DHCPDISCOVER"), 1, "{}", server.log());
    eventually(LONG, || {
        let record: Value = serde_json::from_str(&std::fs::read_to_string(&stage.records()[0]).unwrap()).unwrap();
        let mac = record["v4"]["lease"]["server"]["v4"]["mac"].as_array().unwrap().iter().any(|octet| *octet != 0);
        let age = record["v4"]["lease"]["times"]["since"].as_u64().unwrap();
        if mac && age > uptime() - 60_000 { Ok(()) } else { Err(record) }
    });
    assert_eq!(addresses(&container, 4), before);
    attachment.with_prev(&result).check().silent();
    assert!(!daemon.log().contains("WARN"), "{}", daemon.log());
}

fn uptime() -> u64 {
    let text = std::fs::read_to_string("/proc/uptime").unwrap();
    let seconds: f64 = text.split_whitespace().next().unwrap().parse().unwrap();
    format!("{:.0}", seconds * 1000.0).parse().unwrap()
}

#[test]
fn lease_is_extended_again_and_again_where_it_is_short() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&["--dhcp-option=option:T1,3s"]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container);
    attachment.add().success();
    await_count(&server, "DHCPACK", 2);
    attachment.del().silent();
    let acknowledged = count(&server, "DHCPACK");
    server.await_log("DHCPRELEASE");
    assert_eq!(count(&server, "DHCPACK"), acknowledged);
}

#[test]
fn any_server_extends_it_where_its_own_has_gone() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment, result) = orphan(&stage);
    let before = addresses(&container, 4);
    drop(server);
    // Another one, which knows of the leases: there the first one's address is nobody's any more.
    stage.server.sh("ip addr del 10.1.0.1/24 dev eth0; ip addr add 10.1.0.2/24 dev eth0");
    let server = stage.dnsmasq(&[]);
    stage.age(T1);
    let daemon = stage.daemon_with(&HASTY);
    daemon.await_log("no server has answered");
    daemon.kill();
    stage.age(T2 - T1);
    let _daemon = stage.daemon_with(&HASTY);
    await_count(&server, "DHCPACK", 1);
    assert_eq!(addresses(&container, 4), before);
    attachment.with_prev(&result).check().silent();
}

#[test]
fn server_that_has_been_restarted_goes_on() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment, result) = orphan(&stage);
    let before = addresses(&container, 4);
    server.kill();
    stage.age(T2 - 4);
    let daemon = stage.daemon_with(&HASTY);
    daemon.await_log("no server has answered");
    attachment.with_prev(&result).check().silent();
    // It has lost its leases.
    std::fs::remove_file(stage.file("dnsmasq.leases")).unwrap();
    let server = stage.dnsmasq(&[]);
    await_count(&server, "DHCPACK", 1);
    assert_eq!(addresses(&container, 4), before);
}

#[test]
fn at_the_end_the_address_goes_and_comes_back_with_the_server() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&["--dhcp-option=33,192.0.2.0,10.1.0.9"]);
    let (container, attachment, result) = orphan(&stage);
    let before = (addresses(&container, 4), container.sh("ip route show"));
    server.kill();
    stage.age(END);
    let daemon = stage.daemon_with(&HASTY);
    await_addresses(&container, 4, &[]);
    daemon.await_log("has ended: nobody has extended it");
    eventually(LONG, || match container.sh("ip -br link show dev eth0") {
        text if text.contains(" DOWN ") => Ok(()),
        text => Err(text),
    });
    let error = attachment.with_prev(&result).check().failure_code(103);
    assert!(error["msg"].as_str().unwrap().ends_with("it has ended, and no server has given another"), "{error}");

    let _server = stage.dnsmasq(&["--dhcp-option=33,192.0.2.0,10.1.0.9"]);
    await_addresses(&container, 4, &[&before.0[0]]);
    eventually(LONG, || match container.sh("ip route show") {
        routes if routes == before.1 => Ok(()),
        routes => Err(routes),
    });
    container.ping("10.1.0.1").unwrap();
    eventually(LONG, || {
        let check = attachment.with_prev(&result).check();
        if check.status.success() { Ok(()) } else { Err(check.to_string()) }
    });
}

/// The link's routes are not the lease's alone, and the metric is the other plugin's choice.
#[test]
fn refused_address_is_exchanged_with_its_routes() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container).ifname("eth7");
    let result = attachment.add().success();
    container.sh("ip route add 198.51.100.0/24 dev eth7");
    daemon.kill();
    drop(server);
    std::fs::remove_file(stage.file("dnsmasq.leases")).unwrap();
    let server =
        stage.dnsmasq_with(&["--dhcp-range=10.1.0.100,10.1.0.109,255.255.255.0,2m", "--dhcp-option=3,10.1.0.2"]);
    stage.age(T1);
    let daemon = stage.daemon_with(&HASTY);
    daemon.await_log("the server refuses it: ");
    daemon.await_log("has changed: now it has 10.1.0.10");
    assert!(count(&server, "DHCPNAK") >= 1, "{}", server.log());
    let routes = container.sh("ip route show");
    for expected in ["default via 10.1.0.2 dev eth7 metric 7", "10.1.0.0/24 dev eth7 proto kernel"] {
        assert!(routes.contains(expected), "{expected}: {routes}");
    }
    container.ping("10.1.0.1").unwrap();
    let error = attachment.with_prev(&result).check().failure();
    assert_eq!(error["code"], 103, "{error}");
    attachment.del().silent();
    stage.await_given(0);
}

#[test]
fn network_that_has_moved_gives_another_address() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment, _) = orphan(&stage);
    drop(server);
    stage.server.sh("ip addr del 10.1.0.1/24 dev eth0; ip addr add 10.2.0.1/24 dev eth0");
    let _server = stage.dnsmasq_with(&["--dhcp-range=10.2.0.10,10.2.0.19,255.255.255.0,2m"]);
    stage.age(END);
    let daemon = stage.daemon_with(&HASTY);
    daemon.await_log("has changed: now it has 10.2.0.");
    let routes = container.sh("ip route show");
    assert!(routes.contains("default via 10.2.0.1 dev eth0") && !routes.contains("10.1.0."), "{routes}");
    container.ping("10.2.0.1").unwrap();
    attachment.del().silent();
    stage.await_given(0);
}

#[test]
fn changed_routes_are_changed_where_the_address_stays() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&["--dhcp-option=121,0.0.0.0/0,10.1.0.1,192.0.2.0/24,10.1.0.8"]);
    let (container, attachment, result) = orphan(&stage);
    container.sh("ip route add 198.51.100.0/24 dev eth0");
    let before = addresses(&container, 4);
    drop(server);
    let _server = stage.dnsmasq(&["--dhcp-option=121,0.0.0.0/0,10.1.0.2,192.0.2.0/24,10.1.0.8"]);
    stage.age(T1);
    let daemon = stage.daemon_with(&HASTY);
    daemon.await_log("has changed");
    let routes = container.sh("ip route show");
    for expected in ["default via 10.1.0.2 dev eth0", "192.0.2.0/24 via 10.1.0.8", "198.51.100.0/24 dev eth0"] {
        assert!(routes.contains(expected), "{expected}: {routes}");
    }
    assert!(!routes.contains("via 10.1.0.1 "), "{routes}");
    assert_eq!(addresses(&container, 4), before);
    attachment.with_prev(&result).check().silent();
}

#[test]
fn interface_that_has_gone_is_not_looked_after() {
    for how in ["link", "namespace", "another"] {
        let Some(stage) = Stage::new() else { return };
        let server = stage.dnsmasq(&[]);
        let (container, attachment, _) = orphan(&stage);
        let asked = count(&server, "DHCPREQUEST");
        let _again = match how {
            "link" => {
                container.sh("ip link del eth0");
                None
            }
            "namespace" => {
                container.remove();
                None
            }
            // A namespace by the same name, and an interface of the same number, too.
            _ => {
                container.remove();
                let again = stage.sandbox.netns("c1");
                stage.sandbox.sh("ip link add vc1 type veth peer name eth0 netns c1; ip link set vc1 up master br0");
                again.sh("ip link set eth0 up");
                Some(again)
            }
        };
        stage.age(T1);
        let daemon = stage.daemon_with(&HASTY);
        daemon.await_log("the interface has gone");
        assert!(stage.records().is_empty(), "{how}");
        assert_eq!(count(&server, "DHCPREQUEST"), asked, "{how}: {}", server.log());
        attachment.del().silent();
    }
}

/// `tuning` may change it behind us.
#[test]
fn interface_with_another_hardware_address_is_still_the_same() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment, result) = orphan(&stage);
    container.sh("ip link set eth0 address 02:00:00:00:00:77");
    let before = addresses(&container, 4);
    stage.age(T1);
    let _daemon = stage.daemon_with(&HASTY);
    await_count(&server, "DHCPACK", 2);
    let attachment = attachment.with_key("type", "dhcp".into());
    assert!(
        server.log().contains("DHCPREQUEST(eth0) 10.1.0.") && server.log().contains("02:00:00:00:00:77"),
        "{}",
        server.log()
    );
    assert_eq!(addresses(&container, 4), before);
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    stage.await_given(0);
}

#[test]
fn add_after_the_end_of_a_lease_gets_another() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[]);
    let (container, attachment) = {
        let daemon = stage.daemon();
        let (container, attachment) = stage.bare("c1");
        attachment.add().success();
        daemon.kill();
        (container, attachment)
    };
    server.kill();
    stage.age(END);
    let daemon = stage.daemon_with(&["-timeout", "200ms", "-resendmax", "1h", "-resendtimeout", "5s"]);
    daemon.await_log("has ended");
    eventually(LONG, || match container.sh("ip -br link show dev eth0") {
        text if text.contains(" DOWN ") => Ok(()),
        text => Err(text),
    });
    let _server = stage.dnsmasq(&[]);
    let result = attachment.add().success();
    assert_eq!((told(&result).len(), stage.records().len()), (1, 1));
}

/// All of a life in real time: leases of four seconds.
#[test]
fn short_lease_is_extended_ends_and_comes_back() {
    let Some(program) = dhcpd() else { return };
    let Some(stage) = Stage::new() else { return };
    let conf = "authoritative; default-lease-time 4; max-lease-time 4; ddns-update-style none;
        subnet 10.1.0.0 netmask 255.255.255.0 { range 10.1.0.10 10.1.0.19; option routers 10.1.0.1; }";
    let server = stage.isc(program, "-4", conf);
    let daemon = stage.daemon_with(&HASTY);
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({})), &container);
    let result = attachment.add().success();
    let before = (addresses(&container, 4), container.sh("ip route show"));
    await_count(&server, "DHCPACK on 10.1.0.", 3);
    assert_eq!(count(&server, "DHCPDISCOVER"), 1, "{}", server.log());
    assert_eq!((addresses(&container, 4), container.sh("ip route show")), before);
    server.kill();
    await_addresses(&container, 4, &[]);
    daemon.await_log("has ended: nobody has extended it");
    let _server = stage.isc(program, "-4", conf);
    await_addresses(&container, 4, &[&before.0[0]]);
    attachment.with_prev(&result).del().silent();
    assert!(stage.records().is_empty());
}
