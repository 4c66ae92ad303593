//! Everything this crate can write, as `nft list table` prints it.

#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

mod support;

use std::net::{Ipv4Addr, Ipv6Addr};

use nft::expr::{
    AddrType, Expr, accept, counter, ct, dnat, drop, ether, fib, goto, ip, ip6, jump, masquerade, meta, return_, th,
};
use nft::{
    Base, Batch, Chain, ChainType, Element, Family, Hook, Ifname, Key, KeyType, Nfproto, Policy, Proto, Rule, Set,
    Table, Verdict, priority,
};
use support::{private_netns, run, table};

fn v4(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().unwrap()
}

fn name(text: &str) -> Ifname {
    Ifname::new(text).unwrap()
}

fn base(kind: ChainType, hook: Hook, priority: i32) -> Base {
    Base { kind, hook, priority, policy: Policy::Accept }
}

/// A rule for every expression, beside what nft calls it.
fn matches() -> Vec<(Vec<Expr>, &'static str)> {
    use ct::{State, Status};
    vec![
        (vec![ip::saddr().is(v4("10.0.0.1"))], "ip saddr 10.0.0.1"),
        (vec![ip::daddr().is_not(v4("10.0.0.1"))], "ip daddr != 10.0.0.1"),
        (vec![ip::saddr().within(v4("10.1.2.3"), 8)], "ip saddr 10.0.0.0/8"),
        (vec![ip::daddr().not_within(v4("10.128.0.0"), 9)], "ip daddr != 10.128.0.0/9"),
        (vec![ip::daddr().within(v4("10.0.0.1"), 32)], "ip daddr 10.0.0.1"),
        (vec![ip::saddr().between(v4("10.0.0.1"), v4("10.0.0.9"))], "ip saddr 10.0.0.1-10.0.0.9"),
        (vec![ip::saddr().not_between(v4("10.0.0.1"), v4("10.0.0.9"))], "ip saddr != 10.0.0.1-10.0.0.9"),
        (
            vec![ip::saddr().within(v4("10.0.0.0"), 8), ip::daddr().not_within(v4("224.0.0.0"), 4)],
            "ip saddr 10.0.0.0/8 ip daddr != 224.0.0.0/4",
        ),
        (vec![ip6::saddr().is(v6("fd00::1"))], "ip6 saddr fd00::1"),
        (vec![ip6::daddr().is_not(v6("fd00::1"))], "ip6 daddr != fd00::1"),
        (vec![ip6::saddr().within(v6("fd00::"), 64)], "ip6 saddr fd00::/64"),
        (vec![ip6::daddr().not_within(v6("fd00::"), 61)], "ip6 daddr != fd00::/61"),
        (vec![ip6::daddr().between(v6("fd00::1"), v6("fd00::9"))], "ip6 daddr fd00::1-fd00::9"),
        (vec![meta::l4proto().is(Proto::TCP)], "meta l4proto tcp"),
        (vec![meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP])], "meta l4proto { tcp, udp, sctp }"),
        (vec![meta::nfproto().is(Nfproto::IPV4)], "meta nfproto ipv4"),
        (vec![meta::nfproto().is_not(Nfproto::IPV6)], "meta nfproto != ipv6"),
        (vec![meta::l4proto().is(Proto::TCP), th::dport().is(80_u16)], "tcp dport 80"),
        (vec![th::sport().is(53_u16)], "th sport 53"),
        (vec![th::dport().any_of([80, 443])], "th dport { 80, 443 }"),
        (vec![meta::iifname().is(name("cni0"))], "iifname \"cni0\""),
        (vec![meta::oifname().is_not(name("cni0"))], "oifname != \"cni0\""),
        (vec![meta::iifname().starts_with(&name("veth"))], "iifname \"veth*\""),
        (vec![meta::oifname().starts_not_with(&name("veth"))], "oifname != \"veth*\""),
        (vec![meta::mark().is(0x2000_u32)], "meta mark 0x00002000"),
        (vec![meta::mark().is_not(1_u32)], "meta mark != 0x00000001"),
        (vec![meta::mark().and(0xff00).is(0x2000)], "meta mark & 0x0000ff00 == 0x00002000"),
        (vec![meta::set_mark(0x2000)], "meta mark set 0x00002000"),
        (vec![meta::set_mark_bits(0x2000, 0xf000)], "meta mark set meta mark & 0xffff2fff | 0x00002000"),
        (vec![ct::status([Status::Dnat])], "ct status dnat"),
        (vec![ct::not_status([Status::Dnat])], "ct status ! dnat"),
        (vec![ct::state([State::Established, State::Related])], "ct state established,related"),
        (vec![ct::state([State::Invalid]), drop()], "ct state invalid drop"),
        (vec![ct::not_state([State::New])], "ct state ! new"),
        (vec![ct::mark().is(7_u32)], "ct mark 0x00000007"),
        (vec![ct::mark().and(0xf).is_not(7)], "ct mark & 0x0000000f != 0x00000007"),
        (vec![ct::set_mark(7)], "ct mark set 0x00000007"),
        (vec![fib::daddr_type(AddrType::Local)], "fib daddr type local"),
        (vec![fib::daddr_type_not(AddrType::Multicast)], "fib daddr type != multicast"),
        (vec![counter(), accept()], "counter packets 0 bytes 0 accept"),
        (vec![return_()], "return"),
        (vec![meta::l4proto().is(Proto::UDP), jump("side")], "meta l4proto udp jump side"),
        (vec![meta::l4proto().is(Proto::TCP), goto("side")], "meta l4proto tcp goto side"),
    ]
}

fn lookups() -> Vec<(Vec<Expr>, &'static str)> {
    let nets = Set::new("nets", [KeyType::Ipv4Addr]);
    let pairs = Set::new("pairs", [KeyType::Ifname, KeyType::Ipv4Addr]);
    let dnat4 =
        Set::map("dnat4", [KeyType::InetProto, KeyType::InetService], [KeyType::Ipv4Addr, KeyType::InetService]);
    let dnat6 =
        Set::map("dnat6", [KeyType::InetProto, KeyType::InetService], [KeyType::Ipv6Addr, KeyType::InetService]);
    let hosts = Set::map("hosts", [KeyType::Ipv6Addr], [KeyType::Ipv6Addr]);
    let verdicts = Set::verdict_map("verdicts", [KeyType::Ifname, KeyType::Ipv4Addr]);
    let port = || meta::l4proto().dot(th::dport());
    let tcp = || meta::l4proto().is(Proto::TCP);
    vec![
        (vec![ip::saddr().in_set(&nets)], "ip saddr @nets"),
        (vec![ip::saddr().not_in_set(&nets)], "ip saddr != @nets"),
        (vec![meta::oifname().dot(ip::daddr()).in_set(&pairs)], "oifname . ip daddr @pairs"),
        (vec![meta::iifname().dot(ip::saddr()).not_in_set(&pairs)], "iifname . ip saddr != @pairs"),
        (vec![meta::oifname().dot_network(ip::daddr(), 9).in_set(&pairs)], "oifname . ip daddr & 255.128.0.0 @pairs"),
        (vec![meta::oifname().dot_network(ip::daddr(), 32).in_set(&pairs)], "oifname . ip daddr @pairs"),
        (vec![meta::oifname().dot_network(ip::daddr(), 0).in_set(&pairs)], "oifname . ip daddr & 0.0.0.0 @pairs"),
        (vec![meta::iifname().dot(ip::saddr()).vmap(&verdicts)], "iifname . ip saddr vmap @verdicts"),
        (
            vec![fib::daddr_type(AddrType::Local), port().dnat_to(&dnat4)],
            "fib daddr type local dnat ip to meta l4proto . th dport map @dnat4",
        ),
        (vec![port().dnat_to(&dnat6)], "dnat ip6 to meta l4proto . th dport map @dnat6"),
        (vec![ip6::daddr().dnat_to(&hosts)], "dnat ip6 to ip6 daddr map @hosts"),
        (vec![tcp(), dnat("10.0.0.1:80".parse().unwrap())], "meta l4proto tcp dnat ip to 10.0.0.1:80"),
        (vec![tcp(), dnat("[fd00::1]:80".parse().unwrap())], "meta l4proto tcp dnat ip6 to [fd00::1]:80"),
    ]
}

fn sets() -> Vec<(Set, Vec<Element>)> {
    use KeyType::{EtherAddr, Ifname, InetProto, InetService, Ipv4Addr, Ipv6Addr, Mark, Nfproto as NfprotoType};
    let tcp80 = || Key::new().proto(Proto::TCP).port(80);
    let cni0 = |addr| Key::new().ifname(name("cni0")).ipv4(v4(addr));
    vec![
        (
            Set::new("nets", [Ipv4Addr]).interval(),
            vec![
                Element::range(v4("10.0.0.0"), v4("10.255.255.255")).comment("ten"),
                Element::range(v4("192.168.1.5"), v4("192.168.1.9")),
                Element::new(v4("192.168.1.10")).private(0xc0, [1, 2, 3]).comment("next to it"),
                Element::range(v4("255.255.0.0"), v4("255.255.255.255")),
            ],
        ),
        (Set::new("pairs", [Ifname, Ipv4Addr]), vec![Element::new(cni0("10.0.0.1")).comment("a pair")]),
        (
            Set::map("dnat4", [InetProto, InetService], [Ipv4Addr, InetService]),
            vec![
                Element::new(tcp80())
                    .to(Key::new().ipv4(v4("10.0.0.2")).port(8080))
                    .comment("web")
                    .private(0xc0, *b"owner"),
            ],
        ),
        (
            Set::map("dnat6", [InetProto, InetService], [Ipv6Addr, InetService]),
            vec![Element::new(tcp80()).to(Key::new().ipv6(v6("fd00::2")).port(8080)).comment("web")],
        ),
        (Set::map("hosts", [Ipv6Addr], [Ipv6Addr]), vec![Element::new(v6("fd00::1")).to(v6("fd00::2"))]),
        (
            Set::verdict_map("verdicts", [Ifname, Ipv4Addr]).interval(),
            vec![
                Element::range(cni0("10.0.0.0"), cni0("10.0.0.255")).verdict(Verdict::Jump("side".into())).comment("j"),
                Element::new(cni0("10.0.1.1")).verdict(Verdict::Drop),
            ],
        ),
        (
            Set::new("ranges", [InetProto, InetService]).interval(),
            vec![Element::range(Key::new().proto(Proto::UDP).port(100), Key::new().proto(Proto::UDP).port(199))],
        ),
        (Set::new("macs", [EtherAddr]), vec![Element::new([0, 0x11, 0x22, 0x33, 0x44, 0x55])]),
        (Set::new("marks", [Mark]), vec![Element::new(0x2000_u32)]),
        (Set::new("names", [Ifname]), vec![Element::new(name("cni0"))]),
        (Set::map("owners", [Ipv4Addr], [Mark]), vec![Element::new(v4("10.0.0.1")).to(0x2000_u32)]),
        (
            Set::new("protos", [NfprotoType, InetProto]),
            vec![Element::new(Key::new().nfproto(Nfproto::IPV6).proto(Proto::SCTP))],
        ),
        (Set::new("nets6", [Ipv6Addr]).interval(), vec![Element::range(v6("fd00::"), v6("fd00::ffff:ffff:ffff:ffff"))]),
    ]
}

#[test]
fn expressions_read_as_nft_writes_them() {
    let mut nft = private_netns();
    let table = table();
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_chain(&table, &Chain::regular("side"));
    batch.add_chain(&table, &Chain::base("main", base(ChainType::Filter, Hook::Forward, priority::FILTER)));
    for (exprs, _) in matches() {
        batch.add_rule(&table, "main", &Rule::new(exprs));
    }
    nft.commit(batch).unwrap();
    let expected: Vec<&str> = matches().into_iter().map(|(_, text)| text).collect();
    assert_eq!(rules_of("inet t main"), expected);
}

#[test]
fn lookups_and_translations_read_as_nft_writes_them() {
    let mut nft = private_netns();
    let table = table();
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_chain(&table, &Chain::regular("side"));
    batch.add_chain(&table, &Chain::base("pre", base(ChainType::Nat, Hook::Prerouting, priority::DSTNAT)));
    batch.add_chain(&table, &Chain::base("post", base(ChainType::Nat, Hook::Postrouting, priority::SRCNAT)));
    for (set, elements) in sets() {
        batch.add_set(&table, &set);
        batch.add_elements(&table, &set, elements);
    }
    for (exprs, _) in lookups() {
        batch.add_rule(&table, "pre", &Rule::new(exprs));
    }
    let hosts = Set::map("hosts", [KeyType::Ipv6Addr], [KeyType::Ipv6Addr]);
    batch.add_rule(&table, "post", &Rule::new([ip6::saddr().snat_to(&hosts)]));
    batch.add_rule(&table, "post", &Rule::new([masquerade()]).comment("owner, net: N"));
    nft.commit(batch).unwrap();
    let expected: Vec<&str> = lookups().into_iter().map(|(_, text)| text).collect();
    assert_eq!(rules_of("inet t pre"), expected);
    let sources = "snat ip6 to ip6 saddr map @hosts";
    assert_eq!(rules_of("inet t post"), [sources, "masquerade comment \"owner, net: N\""]);
}

/// The lines of a chain that are rules: all that are indented twice but the chain's own.
fn rules_of(chain: &str) -> Vec<String> {
    let listing = run(&format!("nft list chain {chain}"));
    let lines = listing.lines().filter_map(|line| line.strip_prefix("\t\t"));
    lines.filter(|line| !line.starts_with("type ")).map(str::to_owned).collect()
}

#[test]
fn sets_read_as_nft_writes_them() {
    let mut nft = private_netns();
    let table = table();
    let mut batch = Batch::new();
    batch.add_table(&table);
    batch.add_chain(&table, &Chain::regular("side"));
    for (set, elements) in sets() {
        batch.add_set(&table, &set);
        batch.add_elements(&table, &set, elements);
    }
    nft.commit(batch).unwrap();
    assert_eq!(run("nft list table inet t"), include_str!("golden/sets.nft"));
    for (set, elements) in sets() {
        assert_eq!(nft.elements(&table, &set).unwrap(), elements, "{}", set.name);
    }
}

#[test]
fn bridge_rules_read_as_nft_writes_them() {
    let mut nft = private_netns();
    let table = Table::new(Family::Bridge, "t");
    let mac = [0, 0x11, 0x22, 0x33, 0x44, 0x55];
    let set = Set::new("own", [KeyType::Ifname, KeyType::EtherAddr, KeyType::Ipv4Addr]);
    let mut batch = Batch::new();
    batch.add_table(&table);
    let policy = Policy::Drop;
    let hook = Base { policy, ..base(ChainType::Filter, Hook::Prerouting, -1) };
    batch.add_chain(&table, &Chain::base("spoof", hook));
    batch.add_set(&table, &set);
    let rules = [
        Rule::new([ether::saddr().is(mac)]),
        Rule::new([ether::daddr().is_not(mac)]),
        Rule::new([ip::saddr().within(v4("10.0.0.0"), 8)]),
        Rule::new([ip6::saddr().is(v6("fd00::1"))]),
        Rule::new([meta::iifname().dot(ether::saddr()).dot(ip::saddr()).not_in_set(&set), drop()]),
    ];
    for rule in rules {
        batch.add_rule(&table, "spoof", &rule);
    }
    nft.commit(batch).unwrap();
    assert_eq!(run("nft list table bridge t"), include_str!("golden/bridge.nft"));
}
