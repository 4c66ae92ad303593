//! DHCPv6: addresses and prefixes.

use serde_json::{Value, json};
use testkit::Attachment;

use crate::stage::{Stage, addresses, await_addresses, dhcpd, told};

const RANGE: &str = "--dhcp-range=2001:db8::10,2001:db8::1f,64,2m";

fn v6() -> Value {
    json!({ "families": ["ipv6"] })
}

#[test]
fn both_families_come_from_their_servers_and_go_with_the_container() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[
        RANGE,
        "--dhcp-option=option6:dns-server,[2001:db8::53]",
        "--dhcp-option=option:dns-server,10.1.0.53",
        "--dhcp-option=option6:domain-search,example.com",
    ]);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({ "families": ["ipv4", "ipv6"] })), &container);
    let result = attachment.add().success();
    let told = told(&result);
    assert_eq!((&addresses(&container, 4)[0], &addresses(&container, 6)[0]), (&told[0], &told[1]));
    assert!(told[1].starts_with("2001:db8::1") && told[1].ends_with("/128"), "{told:?}");
    assert_eq!(result["dns"]["nameservers"], json!(["10.1.0.53", "2001:db8::53"]));
    assert_eq!(result["dns"]["search"], json!(["example.com"]));
    attachment.with_prev(&result).check().silent();
    attachment.with_prev(&result).del().silent();
    server.await_log("DHCPRELEASE(eth0) 00:04:");
    assert!(stage.records().is_empty());
    stage.await_given(0);
}

#[test]
fn lease_is_renewed_by_a_restarted_daemon() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[RANGE]);
    let daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(v6()), &container);
    let result = attachment.add().success();
    daemon.kill();
    stage.age(61);
    let daemon = stage.daemon();
    server.await_log("DHCPRENEW(eth0)");
    assert_eq!(addresses(&container, 6), told(&result));
    attachment.with_prev(&result).check().silent();
    daemon.kill();
    // T2: any server may answer.
    stage.age(110);
    let _daemon = stage.daemon();
    server.await_log("DHCPREBIND(eth0)");
    assert_eq!(addresses(&container, 6), told(&result));
}

#[test]
fn address_goes_at_the_end_and_comes_back() {
    let Some(stage) = Stage::new() else { return };
    let server = stage.dnsmasq(&[RANGE]);
    let daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({ "families": ["ipv4", "ipv6"] })), &container);
    let result = attachment.add().success();
    daemon.kill();
    server.kill();
    let path = &stage.records()[0];
    let mut record: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let since = record["v6"]["lease"]["times"]["since"].as_u64().unwrap();
    record["v6"]["lease"]["times"]["since"] = (since - 121_000).into();
    std::fs::write(path, record.to_string()).unwrap();
    let _daemon = stage.daemon_with(&["-timeout", "2s", "-resendmax", "500ms"]);
    await_addresses(&container, 6, &[]);
    // The other family goes on, and so does the link.
    assert_eq!(addresses(&container, 4), [told(&result)[0].clone()]);
    container.ping("10.1.0.1").unwrap();
    let _server = stage.dnsmasq(&[RANGE]);
    await_addresses(&container, 6, &[&told(&result)[1]]);
}

#[test]
fn without_ipv6_servers_add_gives_the_other_address_back() {
    let Some(stage) = Stage::new() else { return };
    let _server = stage.dnsmasq(&[]);
    let _daemon = stage.daemon_with(&["-resendtimeout", "1500ms"]);
    let container = stage.sandbox.netns("c1");
    let attachment = Attachment::new(stage.network(json!({ "families": ["ipv4", "ipv6"] })), &container);
    let error = attachment.add().failure_code(11);
    assert!(error["msg"].as_str().unwrap().starts_with("get a lease for \"eth0\" by DHCPv6: no server"), "{error}");
    assert!(stage.records().is_empty());
    stage.await_given(0);
}

#[test]
fn prefix_is_delegated_and_its_first_address_is_the_containers() {
    let Some(program) = dhcpd() else { return };
    let Some(stage) = Stage::new() else { return };
    let conf = "default-lease-time 4; preferred-lifetime 4;
        subnet6 2001:db8::/64 { range6 2001:db8::10 2001:db8::1f; prefix6 2001:db8:0:100:: 2001:db8:0:1f00:: /56; }";
    let server = stage.isc(program, "-6", conf);
    let _daemon = stage.daemon();
    let container = stage.sandbox.netns("c1");
    let ipam = json!({ "families": ["ipv6"], "prefixDelegation": 56 });
    let attachment = Attachment::new(stage.network(ipam), &container);
    let result = attachment.add().success();
    let told = told(&result);
    assert!(told[0].starts_with("2001:db8::1") && told[0].ends_with("/128"), "{told:?}");
    assert!(told[1].starts_with("2001:db8:0:") && told[1].ends_with("00::1/56"), "{told:?}");
    let mut inside = addresses(&container, 6);
    inside.sort();
    assert_eq!(inside.len(), 2, "{inside:?}");
    server.await_log("Renew message from fe80::");
    attachment.with_prev(&result).check().silent();
    attachment.del().silent();
    server.await_log("Release message from fe80::");
}
