//! Snapshots against the real kernel: what is noticed, what is not.

use std::fs;
use std::time::Duration;
use testkit::{Facility, Sandbox, Snapshot, assert_same, eventually, require};

/// What a script on the host changes, as a difference of snapshots.
fn change(prepare: &str, script: &str) -> String {
    let sandbox = Sandbox::enter();
    sandbox.sh(prepare);
    let before = sandbox.snapshot(&[]);
    sandbox.sh(script);
    before.diff(&sandbox.snapshot(&[]))
}

#[track_caller]
fn assert_added(diff: &str, start: &str) {
    assert!(diff.lines().any(|line| line.starts_with(start)), "no line {start:?} in:\n{diff}");
}

const VETH: &str = "ip link add a0 type veth peer name a1; ip link set a0 up; ip link set a1 up; \
     ip addr add 10.0.0.1/24 dev a0; ip addr add 2001:db8::1/64 dev a0 nodad";

#[test]
fn a_new_link_is_noticed() {
    let diff = change("true", "ip link add cni0 type bridge");
    assert_added(&diff, "+ link cni0 info_kind=bridge flags=BROADCAST,MULTICAST");
    assert!(!diff.contains('-') || diff.lines().all(|line| line.starts_with('+')), "{diff}");
}

#[test]
fn each_setting_of_a_link_is_noticed() {
    for (setting, shown) in [
        ("up", "flags=BROADCAST,MULTICAST,UP"),
        ("mtu 1400", "mtu=1400"),
        ("alias mine", "ifalias=mine"),
        ("address 02:00:00:00:00:01", "address=02:00:00:00:00:01"),
        ("promisc on", "PROMISC"),
        ("master cni0", "master=cni0"),
    ] {
        let diff = change(
            "ip link add cni0 address 02:00:00:00:00:02 type bridge; ip link add a0 type veth peer name a1",
            &format!("ip link set a0 {setting}"),
        );
        assert!(diff.lines().any(|line| line.starts_with("+ link a0 ") && line.contains(shown)), "{setting}:\n{diff}");
    }
}

#[test]
fn a_ports_hairpin_is_noticed() {
    let prepare = "ip link add cni0 address 02:00:00:00:00:02 type bridge; ip link add a0 type veth peer name a1; ip link set a0 master cni0";
    let diff = change(prepare, "bridge link set dev a0 hairpin on");
    assert!(diff.contains("hairpin=true"), "{diff}");
}

#[test]
fn addresses_are_noticed() {
    let diff = change(VETH, "ip addr add 10.0.0.2/24 dev a0; ip addr add 2001:db8::2/64 dev a0");
    assert_added(&diff, "+ addr a0 10.0.0.2/24");
    assert_added(&diff, "+ addr a0 2001:db8::2/64");
}

#[test]
fn routes_of_every_table_are_noticed() {
    let diff = change(
        VETH,
        "ip route add 10.9.0.0/16 via 10.0.0.9; ip route add default dev a0 table 100; ip route add blackhole 10.8.0.0/16; \
         ip -6 route add 2001:db8:9::/48 via 2001:db8::9; ip -6 route add default via 2001:db8::9 table 100",
    );
    for line in [
        "-4 10.9.0.0/16 dev=a0",
        "-4 default table=100",
        "-4 blackhole 10.8.0.0/16",
        "-6 2001:db8:9::/48",
        "-6 default table=100",
    ] {
        assert_added(&diff, &format!("+ route {line}"));
    }
}

#[test]
fn rules_are_noticed() {
    let diff = change("true", "ip rule add from 10.0.0.1 table 100; ip -6 rule add from 2001:db8::1 table 100");
    assert_added(&diff, "+ rule -4 {");
    assert_added(&diff, "+ rule -6 {");
}

#[test]
fn shaping_is_noticed() {
    if !require(Facility::Script(
        "ip link add x type veth peer name y; tc qdisc add dev x root tbf rate 1mbit burst 10k latency 9ms",
    )) {
        return;
    }
    let diff = change(VETH, "tc qdisc add dev a0 root tbf rate 1mbit burst 10k latency 10ms");
    assert_added(&diff, "+ qdisc a0 tbf root=true");
}

#[test]
#[ignore = "needs a kernel with bridge VLAN filtering"]
fn vlans_of_a_port_are_noticed() {
    let prepare = "ip link add cni0 type bridge vlan_filtering 1; ip link add a0 type veth peer name a1; ip link set a0 master cni0";
    assert_added(&change(prepare, "bridge vlan add dev a0 vid 5"), "+ vlan a0 ");
}

#[test]
fn sysctls_are_noticed() {
    let diff = change(
        VETH,
        "sysctl -qw net.ipv4.conf.a0.route_localnet=1 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
    );
    assert_added(&diff, "+ sysctl ipv4/ip_forward=1");
    assert_added(&diff, "+ sysctl ipv4/conf/a0 forwarding=1 route_localnet=1");
    assert_added(&diff, "+ sysctl ipv6/conf/a0 forwarding=1");
}

const TABLE: &str = "nft add table inet t; nft add set inet t s '{ type ipv4_addr; }'; \
     nft add map inet t m '{ type inet_service : ipv4_addr . inet_service; }'; nft add chain inet t c";

#[test]
fn each_object_of_the_rule_set_is_noticed() {
    let diff = change(
        TABLE,
        "nft add element inet t s '{ 10.0.0.1 comment \"net-c1\" }'; nft add element inet t m '{ 80 : 10.0.0.1 . 8080 }'; \
         nft add chain inet t d; nft add rule inet t c counter accept comment \"mine\"; nft add table ip other",
    );
    for line in [
        r#"element inet t s {"elem":{"val":"10.0.0.1","comment":"net-c1"}}"#,
        r#"element inet t m [80,{"concat":["10.0.0.1",8080]}]"#,
        "chain inet t d",
        r#"rule inet t c {"comment":"mine""#,
        "table ip other",
    ] {
        assert_added(&diff, &format!("+ nft {line}"));
    }
}

#[test]
fn order_counts_for_rules_but_not_for_elements() {
    let rules = |first, second| {
        format!("nft add rule inet t c ip saddr {first} accept; nft add rule inet t c ip saddr {second} accept")
    };
    let [there, back] = [rules("10.0.0.1", "10.0.0.2"), rules("10.0.0.2", "10.0.0.1")];
    let other_order = change(&format!("{TABLE}; {there}"), &format!("nft flush chain inet t c; {back}"));
    assert!(other_order.contains("another order"), "{other_order}");
    let same = change(
        &format!("{TABLE}; nft add element inet t s '{{ 10.0.0.1, 10.0.0.2 }}'"),
        "nft flush set inet t s; nft add element inet t s '{ 10.0.0.2 }'; nft add element inet t s '{ 10.0.0.1 }'",
    );
    assert_eq!(same, "");
}

#[test]
fn the_order_of_creation_is_not_noticed() {
    let tables = "nft add table inet a; nft add table inet b";
    assert_eq!(change(tables, "nft delete table inet a; nft add table inet a"), "");
}

#[test]
fn a_lost_carrier_is_not_noticed() {
    let sandbox = Sandbox::enter();
    sandbox.netns("c1");
    sandbox.sh(&format!("{VETH}; ip route add 10.9.0.0/16 via 10.0.0.9; ip link set a1 netns c1"));
    sandbox.sh("ip -n c1 link set a1 up");
    let before = sandbox.snapshot(&[]);
    sandbox.sh("ip -n c1 link set a1 down; ip route show | grep -q linkdown");
    assert_same(&before, &sandbox.snapshot(&[]));
}

#[test]
fn counters_and_handles_are_not_noticed() {
    let counting =
        "nft add chain inet t in '{ type filter hook input priority 0; }'; nft add rule inet t in counter accept";
    let rewritten = "ping -c 1 -W 1 127.0.0.1; nft flush chain inet t in; nft add rule inet t in counter accept; ping -c 1 -W 1 127.0.0.1";
    assert_eq!(change(&format!("{TABLE}; {counting}"), rewritten), "");
}

#[test]
fn rules_of_legacy_iptables_are_noticed() {
    for program in ["iptables-legacy", "ip6tables-legacy"] {
        let rule = format!("{program} -t nat -A POSTROUTING -j ACCEPT");
        if require(Facility::Script(&rule)) {
            assert_added(&change("true", &rule), &format!("+ {program}-save -A POSTROUTING -j ACCEPT"));
        }
    }
}

#[test]
fn iptables_rules_are_noticed_with_their_comments() {
    if !require(Facility::Script("iptables-nft -t nat -A POSTROUTING -m comment --comment x -j MASQUERADE")) {
        return;
    }
    let diff = change(
        "iptables-nft -t nat -A POSTROUTING -m comment --comment one -j MASQUERADE",
        "iptables-nft -t nat -D POSTROUTING 1; iptables-nft -t nat -A POSTROUTING -m comment --comment two -j MASQUERADE",
    );
    assert_added(&diff, "+ iptables-nft-save -A POSTROUTING -m comment --comment two");
}

#[test]
fn files_and_their_content_are_noticed() {
    let sandbox = Sandbox::enter();
    let net = sandbox.dir().join("net");
    fs::create_dir(&net).unwrap();
    fs::write(net.join("10.1.0.2"), "c1\neth0").unwrap();
    let take = || sandbox.snapshot(&[sandbox.dir()]);
    let before = take();
    let difference = |after: &Snapshot| before.diff(after).replace(&net.display().to_string(), "net");

    fs::write(net.join("10.1.0.3"), "").unwrap();
    fs::write(net.join("10.1.0.2"), "c2\neth0").unwrap();
    fs::create_dir(net.join("empty")).unwrap();
    assert_eq!(
        difference(&take()),
        "+ dir net/empty\n- file net/10.1.0.2: c1\n+ file net/10.1.0.2: c2\n+ file net/10.1.0.3\n"
    );
    assert_eq!(difference(&take().without(&["10.1.0.3", "empty", ": c2"])), "- file net/10.1.0.2: c1\n");
}

#[test]
fn a_container_has_a_snapshot_of_its_own() {
    let sandbox = Sandbox::enter();
    let container = sandbox.netns("c1");
    let (host, inside) = (sandbox.snapshot(&[]), container.snapshot());
    container.sh("ip link set lo up; ip route add blackhole 10.0.0.0/8");
    assert_same(&host, &sandbox.snapshot(&[]));
    assert_added(&inside.diff(&container.snapshot()), "+ route -4 blackhole 10.0.0.0/8");
}

#[test]
fn a_link_that_came_and_went_leaves_nothing() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip link add cni0 address 02:00:00:00:00:02 type bridge; ip addr add 10.1.0.1/24 dev cni0; ip addr add 2001:db8::1/64 dev cni0; ip link set cni0 up");
    let before = sandbox.snapshot(&[]);
    sandbox.sh("ip link add a0 type veth peer name a1; ip link set a0 master cni0 up; ip link set a1 up");
    // The bridge gets its carrier, and with it link-local addresses, in the kernel's own time.
    eventually(Duration::from_secs(5), || match sandbox.sh("ip -6 addr show dev cni0 scope link -tentative") {
        text if text.contains("fe80") => Ok(()),
        text => Err(text),
    });
    sandbox.sh("ip link del a0");
    assert_same(&before, &sandbox.snapshot(&[]));
}
