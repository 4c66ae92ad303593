//! What CHECK must put up with: what plugins behind this one, and administrators, have done since ADD.

use crate::case::{Case, Needs, Stop, Verdict};
use crate::demand::Demands;
use crate::life::{self, Attached};
use crate::stage::Stage;
use serde_json::{Value, json};

pub const CASES: &[Case] = &[
    Case::once("check::more_routes", "3.23a", Needs::Config, "CHECK accepts routes that came later", |stage| {
        passes_after(stage, "ip route add 198.51.100.0/24 dev eth0; ip -6 route add 2001:db8:7::/64 dev eth0")
    }),
    Case::once("check::more_addresses", "3.23a", Needs::Config, "CHECK accepts addresses that came later", |stage| {
        passes_after(stage, "ip addr add 192.0.2.77/24 dev eth0; ip addr add 2001:db8:7::7/64 dev eth0 nodad")
    }),
    Case::once("check::more_interfaces", "3.23a", Needs::Config, "CHECK accepts interfaces that came later", |stage| {
        passes_after(stage, "ip link add later0 type veth peer name later1; ip link set later0 up")
    }),
    Case::once(
        "check::later_plugins",
        "3.23a",
        Needs::Config,
        "CHECK accepts what later plugins have added to prevResult",
        later_plugins,
    ),
    Case::once("check::other_mtu", "3.23b", Needs::Config, "CHECK accepts an MTU that was changed later", |stage| {
        passes_after(stage, "ip link set eth0 mtu 1400")
    }),
    Case::once(
        "check::mac_of_later_plugin",
        "3.23c",
        Needs::Interface,
        "CHECK accepts a mac that was changed later, if prevResult has it",
        mac_of_later_plugin,
    ),
    Case::once(
        "check::other_sysctls",
        "3.23d",
        Needs::Config,
        "CHECK accepts sysctls that were changed later",
        |stage| {
            passes_after(
                stage,
                "cd /proc/sys/net; echo 1 > ipv4/conf/eth0/arp_filter; echo 0 > ipv4/conf/eth0/arp_notify
            echo 2 > ipv4/conf/all/rp_filter; echo 0 > ipv6/conf/eth0/accept_ra; echo 1 > ipv4/ip_forward",
            )
        },
    ),
];

/// Demands that CHECK passes after this was done in the container.
fn passes_after(stage: &Stage, done: &str) -> Verdict {
    let attached = Attached::new(stage)?;
    life::needs_interface(&attached.container)?;
    attached.container.ns.sh(done);
    let output = attached.call("CHECK").run();
    output.demand(output.status.success(), &format!("a CHECK that accepts `{done}`"))?;
    output.silence()
}

/// Another interface, an address and a route of it, all there, and told behind what this plugin's ADD told.
fn later_plugins(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let ns = &attached.container.ns;
    ns.sh("ip link add later0 type veth peer name later1; ip link set later0 address 02:00:00:00:00:78
        ip link set later0 up; ip link set later1 up; ip addr add 192.0.2.7/24 dev later0
        ip route add 198.51.100.0/24 via 192.0.2.1");
    stage
        .sandbox
        .sh("ip link add ifb0later type veth peer name ifb1later; ip link set ifb0later address 02:00:00:00:00:77");
    let mut prev = attached.result.clone();
    let place = prev["interfaces"].as_array().map_or(0, Vec::len);
    let old = stage.version() < "1.0.0";
    push(&mut prev, "interfaces", json!({ "name": "later0", "mac": "02:00:00:00:00:78", "sandbox": ns.path() }));
    push(&mut prev, "interfaces", json!({ "name": "ifb0later", "mac": "02:00:00:00:00:77" }));
    let mut ip = json!({ "interface": place, "address": "192.0.2.7/24", "gateway": "192.0.2.1" });
    if old {
        ip["version"] = "4".into();
    }
    push(&mut prev, "ips", ip);
    push(&mut prev, "routes", json!({ "dst": "198.51.100.0/24", "gw": "192.0.2.1" }));
    attached.with_prev("CHECK", &prev).run().silence()
}

fn push(result: &mut Value, list: &str, entry: Value) {
    match result[list].as_array_mut() {
        Some(entries) => entries.push(entry),
        None => result[list] = json!([entry]),
    }
}

/// As the plugin tuning does it.
fn mac_of_later_plugin(stage: &Stage) -> Verdict {
    let attached = Attached::new(stage)?;
    let mut prev = attached.result.clone();
    let own = |link: &&mut Value| link["sandbox"].is_string() && link["name"] == "eth0";
    let Some(own) = prev["interfaces"].as_array_mut().into_iter().flatten().find(own) else {
        return Err(Stop::skip("the result has no interface eth0 in the container"));
    };
    own["mac"] = "02:00:00:00:00:99".into();
    super::set_mac(&attached)?;
    attached.with_prev("CHECK", &prev).run().silence()
}
