//! Rules, and routes that move between tables, against the real kernel, judged by what iproute2 says.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests fail by panics")]

use std::time::Duration;

use net::{Link, Rank, RouteEntry, Rtnl, Rule, here};
use testkit::{Sandbox, assert_same, eventually};

const MAIN: u32 = net::MAIN_TABLE;

fn rtnl() -> Rtnl {
    Rtnl::open(&here()).unwrap()
}

/// `eth0` and `eth1`, each with a network of both families; the link `eth0`.
fn links(sandbox: &Sandbox) -> Link {
    for (n, name) in ["eth0", "eth1"].iter().enumerate() {
        sandbox.sh(&format!(
            "ip link add {name} type veth peer name peer{n}; ip link set {name} up; ip link set peer{n} up
             ip addr add 10.{n}.0.2/24 dev {name}; ip addr add fd0{n}::2/64 dev {name} nodad"
        ));
    }
    eventually(Duration::from_secs(5), || {
        let ready = sandbox.sh("ip -6 route show fd00::/64; ip -6 route show fd01::/64");
        if ready.lines().count() == 2 { Ok(()) } else { Err(ready) }
    });
    rtnl().link("eth0").unwrap().unwrap()
}

/// The routes of a table by a link that people have made.
fn made(table: u32, link: &Link) -> Vec<RouteEntry> {
    let is_made =
        |entry: &RouteEntry| entry.route.table == table && entry.route.link == link.index && entry.protocol != 2;
    rtnl().route_entries().unwrap().into_iter().filter(is_made).collect()
}

#[test]
fn rules_are_added_listed_and_removed() {
    let sandbox = Sandbox::enter();
    let mut rtnl = rtnl();
    let before = sandbox.snapshot(&[]);
    let listed = rtnl.rules().unwrap();
    for from in ["10.1.0.2/32", "fd00::2/128", "10.2.0.0/16"] {
        let rule = Rule { from: from.parse().unwrap(), table: 5001, priority: None, protocol: 77 };
        rtnl.add_rule(&rule).unwrap();
        rtnl.add_rule(&rule).unwrap();
        let family = if from.contains(':') { "-6" } else { "-4" };
        let told = sandbox.sh(&format!("ip {family} -d rule show table 5001"));
        let short = from.trim_end_matches("/32").trim_end_matches("/128");
        assert_eq!(told.matches(&format!("from {short} lookup 5001 proto 77")).count(), 2, "{told}");
        let own: Vec<Rule> = rtnl.rules().unwrap().into_iter().filter(|other| other.from == rule.from).collect();
        // The later one comes first.
        assert_eq!(own[1].priority, own[0].priority.map(|first| first + 1));
        let anothers = Rule { protocol: 78, ..rule.clone() };
        rtnl.del_rule(&anothers).unwrap();
        rtnl.del_rule(&own[1]).unwrap();
        rtnl.del_rule(&own[1]).unwrap();
        assert_eq!(rtnl.rules().unwrap().iter().filter(|other| other.from == rule.from).collect::<Vec<_>>(), [&own[0]]);
        rtnl.del_rule(&rule).unwrap();
        rtnl.del_rule(&rule).unwrap();
    }
    assert_same(&before, &sandbox.snapshot(&[]));
    sandbox.sh("ip rule add from 10.1.0.2 fwmark 7 lookup 7; ip rule add from 10.1.0.2 to 10.9.0.0/16 lookup 8
        ip rule add not from 10.1.0.2 lookup 9; ip rule add from 10.1.0.2 unreachable; ip rule add iif eth9 lookup 10");
    assert_eq!(rtnl.rules().unwrap(), listed, "those look at more than the source");
}

#[test]
fn tables_of_rules_and_of_routes_of_any_type_are_used() {
    let sandbox = Sandbox::enter();
    sandbox.sh("ip rule add fwmark 1 lookup 100; ip -6 rule add from fd00::2 lookup 101
        ip route add blackhole 10.0.0.0/8 table 102; ip -6 route add unreachable fd00::/64 table 103");
    let used = rtnl().used_tables().unwrap();
    assert!([100, 101, 102, 103, 254, 255].iter().all(|table| used.contains(table)), "{used:?}");
    assert_eq!(net::free_table(&used, 100), Some(104));
}

#[test]
fn routes_move_to_another_table_and_back_with_every_attribute() {
    let sandbox = Sandbox::enter();
    let link = links(&sandbox);
    sandbox.sh(
        "ip route add 10.0.9.0/24 dev eth0 scope link src 10.0.0.2 proto static
         ip route add default via 10.0.0.1 dev eth0 metric 7 mtu lock 1400 advmss 1360 window 9000 initcwnd 20 quickack 1
         ip route add default via 10.0.0.1 dev eth0 metric 7 tos 0x10
         ip route add 10.7.0.0/16 via 192.0.2.1 dev eth0 onlink proto 42 realm 5
         ip route add 10.6.0.0/16 via inet6 fd00::7 dev eth0
         ip route add 10.5.0.0/16 encap ip id 100 dst 10.0.0.9 dev eth0
         ip route add 10.4.0.0/16 nexthop via 10.0.0.8 dev eth0 weight 3 nexthop via 10.0.0.9 dev eth0
         ip nexthop add id 5 via 10.0.0.5 dev eth0; ip route add 10.3.0.0/16 nhid 5
         ip -6 route add default via fd00::1 dev eth0 metric 9 mtu 1400 pref high src fd00::2 congctl reno
         ip -6 route add fd77::/64 dev eth0 expires 3000
         ip -6 route add fd78::/64 via fe80::7 dev eth0 onlink
         ip -6 route add fd79::/64 from fd00::/64 via fd00::1 dev eth0",
    );
    let before = sandbox.snapshot(&[]);
    let told = |table: &str| {
        sandbox.sh(&format!(
            "ip -4 -d route show table {table} | grep -v 'proto kernel'
        ip -6 -d route show table {table} | grep -v 'proto kernel' | sed s/[0-9]*sec//"
        ))
    };
    let in_main = told("main");
    let routes = made(MAIN, &link);
    assert_eq!(routes.len(), 12, "{routes:#?}");
    let mut rtnl = rtnl();
    // What is on the link comes before what is behind it.
    for entry in &routes {
        rtnl.add_entry(&entry.in_table(70_000), Rank::Last).unwrap();
        rtnl.add_entry(&entry.in_table(70_000), Rank::Last).unwrap();
        rtnl.del_entry(entry).unwrap();
        rtnl.del_entry(entry).unwrap();
    }
    assert!(made(MAIN, &link).is_empty());
    assert_eq!(told("70000").replace(" table 70000", ""), in_main);
    for entry in made(70_000, &link) {
        rtnl.add_entry(&entry.in_table(MAIN), Rank::Last).unwrap();
        rtnl.del_entry(&entry).unwrap();
    }
    assert_same(&before, &sandbox.snapshot(&[]));
    assert_eq!(told("main"), in_main);
    let back = made(MAIN, &link);
    assert!(routes.iter().zip(&back).all(|(old, new)| old.is_same(new)), "{back:#?}");
}

#[test]
fn of_next_hops_by_several_links_one_can_go_and_come_again() {
    let sandbox = Sandbox::enter();
    let link = links(&sandbox);
    sandbox.sh("ip -6 route add default nexthop via fd00::1 dev eth0 weight 3 nexthop via fd01::1 dev eth1 weight 5
        ip route add default nexthop via 10.0.0.1 dev eth0 nexthop via 10.1.0.1 dev eth1");
    let before = sandbox.snapshot(&[]);
    let mut rtnl = rtnl();
    let [v4, v6] = made(MAIN, &link).try_into().unwrap();
    assert!(v4.shared && !v6.shared);
    assert_eq!(v6.route.gw, Some("fd00::1".parse().unwrap()));
    rtnl.del_entry(&v6).unwrap();
    assert_eq!(sandbox.sh("ip -6 route show default").trim(), "default via fd01::1 dev eth1 metric 1024 pref medium");
    for entry in [&v4, &v6] {
        rtnl.add_entry(&entry.in_table(100), Rank::Last).unwrap();
    }
    assert_eq!(sandbox.sh("ip route show table 100").trim(), "default via 10.0.0.1 dev eth0");
    rtnl.add_entry(&v6, Rank::Last).unwrap();
    for entry in [v4, v6] {
        rtnl.del_entry(&entry.in_table(100)).unwrap();
    }
    // Which next hop is told first means nothing.
    let hops = |snapshot: &testkit::Snapshot| {
        let mut lines = snapshot.without(&["nexthops"]).lines().to_vec();
        let routes = sandbox.sh("ip -6 route show default | tail -n +2 | sort");
        lines.push(routes);
        lines
    };
    assert_eq!(sandbox.sh("ip -6 route show default").matches("nexthop").count(), 2);
    assert_eq!(hops(&before), hops(&sandbox.snapshot(&[])));
    assert!(sandbox.sh("ip -6 route show default").contains("fd00::1 dev eth0 weight 3"));
}

#[test]
fn among_routes_to_the_same_destination_the_place_is_chosen() {
    let sandbox = Sandbox::enter();
    let link = links(&sandbox);
    sandbox.sh("ip route add 10.9.0.0/16 via 10.1.0.1; ip route append 10.9.0.0/16 via 10.0.0.1");
    let mut rtnl = rtnl();
    let entry = made(MAIN, &link).remove(0);
    let first = || sandbox.sh("ip route show 10.9.0.0/16").lines().next().unwrap_or_default().to_owned();
    assert!(first().contains("eth1"));
    for (place, link) in [(Rank::First, "eth0"), (Rank::Last, "eth1")] {
        rtnl.del_entry(&entry).unwrap();
        rtnl.add_entry(&entry, place).unwrap();
        assert!(first().contains(link), "{}", first());
    }
}

#[test]
fn new_routes_have_their_maker_and_the_address_for_packets_without_one() {
    let sandbox = Sandbox::enter();
    let link = links(&sandbox);
    let mut rtnl = rtnl();
    for (family, dst, src) in [(4, "10.8.0.0/16", "10.0.0.2"), (6, "fd88::/64", "fd00::2")] {
        let route = net::Route::new(dst.parse().unwrap(), None, link.index);
        let entry = RouteEntry::new(&route, Some(src.parse().unwrap()), 77);
        rtnl.add_entry(&entry, Rank::First).unwrap();
        let told = sandbox.sh(&format!("ip -{family} -d route show {dst}"));
        assert!(told.contains("proto 77") && told.contains(&format!("src {src}")), "{told}");
    }
    let refused = RouteEntry::new(
        &net::Route {
            table: 9,
            ..net::Route::new("10.8.0.0/16".parse().unwrap(), Some("192.0.2.1".parse().unwrap()), link.index)
        },
        None,
        3,
    );
    let error = rtnl.add_entry(&refused, Rank::First).unwrap_err();
    assert!(error.to_string().starts_with("add route to 10.8.0.0/16 via 192.0.2.1 to table 9: "), "{error}");
}
