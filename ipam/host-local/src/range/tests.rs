use std::collections::BTreeSet;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn range_conf(subnet: &str, start: &str, end: &str, gateway: &str) -> RangeConf {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    RangeConf {
        subnet: text(subnet),
        range_start: text(start),
        range_end: text(end),
        gateway: text(gateway),
        exclude: Vec::new(),
    }
}

fn range(subnet: &str, start: &str, end: &str) -> Result<Range> {
    Range::new(&range_conf(subnet, start, end, ""), "r", &[])
}

fn refusal(subnet: &str, start: &str, end: &str) -> String {
    let error = range(subnet, start, end).unwrap_err();
    assert_eq!(error.code, cni::Code::InvalidConfig);
    error.msg
}

fn set(ranges: &[(&str, &str, &str)]) -> Result<RangeSet> {
    let conf: Vec<RangeConf> = ranges.iter().map(|(subnet, start, end)| range_conf(subnet, start, end, "")).collect();
    RangeSet::new(&conf, "s", &[])
}

fn set_without(subnet: &str, exclude: &[&str]) -> RangeSet {
    let exclude: Vec<String> = exclude.iter().map(|text| (*text).to_owned()).collect();
    RangeSet::new(&[range_conf(subnet, "", "", "")], "s", &parse_blocks(&exclude, "exclude").unwrap()).unwrap()
}

fn first_free(set: &RangeSet, last: Option<&str>, taken: &[&str]) -> Option<String> {
    let taken: BTreeSet<IpAddr> = taken.iter().map(|text| ip(text)).collect();
    let next_free = |block: Block| {
        let up = iter::successors(Some(block.first), |ip| block::next(*ip));
        Ok(up.take_while(|ip| *ip <= block.last).find(|ip| !taken.contains(ip)))
    };
    set.first_free(last.map(ip), &next_free).unwrap().map(|(ip, _)| ip.to_string())
}

#[test]
fn defaults_leave_out_network_and_broadcast_of_ipv4() {
    for (subnet, addresses, gateway) in [
        ("192.0.2.0/24", "192.0.2.1-192.0.2.254", "192.0.2.1"),
        ("192.0.2.0/25", "192.0.2.1-192.0.2.126", "192.0.2.1"),
        ("192.0.2.12/30", "192.0.2.13-192.0.2.14", "192.0.2.13"),
        ("::ffff:192.0.2.0/120", "192.0.2.1-192.0.2.254", "192.0.2.1"),
    ] {
        let range = range(subnet, "", "").unwrap();
        assert_eq!(range.to_string(), addresses);
        assert_eq!(range.gateway(), ip(gateway));
    }
}

#[test]
fn defaults_of_ipv6_reach_to_all_ones() {
    let range = range("2001:DB8:1::/64", "", "").unwrap();
    assert_eq!(range.to_string(), "2001:db8:1::1-2001:db8:1:0:ffff:ffff:ffff:ffff");
    assert_eq!(range.gateway(), ip("2001:db8:1::1"));
}

#[test]
fn all_fields_are_taken_as_given() {
    let conf = range_conf("192.0.2.0/24", "192.0.2.40", "192.0.2.50", "192.0.3.254");
    let range = Range::new(&conf, "r", &[]).unwrap();
    assert_eq!(range.to_string(), "192.0.2.40-192.0.2.50");
    assert_eq!(range.gateway(), ip("192.0.3.254"), "a gateway need not be in the subnet");
    assert_eq!(range.with_prefix(ip("192.0.2.45")).unwrap().to_string(), "192.0.2.45/24");
}

#[test]
fn network_and_broadcast_address_are_possible_when_asked_for() {
    assert_eq!(range("192.0.2.0/24", "192.0.2.0", "192.0.2.255").unwrap().to_string(), "192.0.2.0-192.0.2.255");
}

#[test]
fn host_bits_are_refused() {
    assert_eq!(
        refusal("192.0.2.12/24", "", ""),
        "\"r.subnet\": 192.0.2.12/24 has host bits set, the network is 192.0.2.0/24"
    );
    assert!(refusal("2001:db8:1::24:19ff:fee1:c44a/64", "", "").contains("the network is 2001:db8:1::/64"));
}

#[test]
fn networks_without_room_are_refused() {
    for subnet in ["192.0.2.0/31", "192.0.2.0/32", "fd00::/127", "fd00::/128"] {
        assert!(refusal(subnet, "", "").contains("too small to allocate from"), "{subnet}");
    }
    for subnet in ["192.0.2.0/30", "fd00::/126", "0.0.0.0/0", "::/0", "255.255.255.252/30"] {
        assert!(range(subnet, "", "").is_ok(), "{subnet}");
    }
}

#[test]
fn junk_is_refused_with_its_key_and_value() {
    assert_eq!(refusal("", "", ""), "\"r.subnet\" is missing, a network such as \"10.1.0.0/16\" is needed");
    for junk in ["10.0.0.0", "x", "10.0.0.0/33", "10.0.0.0/-1", "/24"] {
        assert_eq!(
            refusal(junk, "", ""),
            format!("\"r.subnet\": \"{junk}\" is not a network with its prefix length (CIDR)")
        );
    }
    assert_eq!(refusal("10.0.0.0/24", "10.0.0.300", ""), "\"r.rangeStart\": \"10.0.0.300\" is not an IP address");
    assert_eq!(refusal("10.0.0.0/24", "", "fd00::/64"), "\"r.rangeEnd\": \"fd00::/64\" is not an IP address");
    let gateway = Range::new(&range_conf("10.0.0.0/24", "", "", "gw"), "r", &[]).unwrap_err();
    assert_eq!(gateway.msg, "\"r.gateway\": \"gw\" is not an IP address");
}

#[test]
fn ends_outside_of_the_network_are_refused() {
    for start in ["192.0.3.0", "192.0.1.255", "fd00::1", "0.0.0.0", "255.255.255.255"] {
        assert_eq!(
            refusal("192.0.2.0/24", start, ""),
            format!("\"r.rangeStart\": {start} is not in network 192.0.2.0/24")
        );
    }
    for end in ["192.0.4.0", "192.0.2.0", "fd00::1"] {
        let msg = refusal("192.0.2.0/24", "", end);
        assert!(msg.contains("is not in network 192.0.2.0/24"), "{msg}");
    }
    let swapped = refusal("192.0.2.0/24", "192.0.2.50", "192.0.2.40");
    assert_eq!(swapped, "\"r.rangeStart\": 192.0.2.50 is not in network 192.0.2.0/24 up to \"rangeEnd\" 192.0.2.40");
}

#[test]
fn range_start_behind_the_default_end_is_refused() {
    assert!(refusal("192.0.2.0/24", "192.0.2.255", "").contains("is not in network"));
}

#[test]
fn sets_know_their_members() {
    let set = set(&[("10.0.0.0/24", "10.0.0.40", "10.0.0.50"), ("10.0.1.0/24", "", "")]).unwrap();
    for (member, is_in) in [
        ("10.0.0.39", false),
        ("10.0.0.40", true),
        ("10.0.0.50", true),
        ("10.0.0.51", false),
        ("10.0.1.1", true),
        ("fd00::1", false),
    ] {
        assert_eq!(set.contains(ip(member)), is_in, "{member}");
    }
    assert_eq!(set.range_of(ip("10.0.1.9")).unwrap().gateway(), ip("10.0.1.1"));
    assert_eq!(set.to_string(), "10.0.0.40-10.0.0.50,10.0.1.1-10.0.1.254");
    let v6 = self::set(&[("2001:db8:1::/64", "2001:db8:1::40", "2001:db8:1::50")]).unwrap();
    assert!(
        v6.contains(ip("2001:db8:1::45")) && !v6.contains(ip("2001:db8:1::51")) && !v6.contains(ip("2001:db8:2::45"))
    );
}

#[test]
fn sets_without_ranges_and_with_mixed_families_are_refused() {
    assert_eq!(set(&[]).unwrap_err().msg, "\"s\": empty range set, at least one range is needed");
    let mixed = set(&[("10.0.0.0/24", "", ""), ("fd00::/64", "", "")]).unwrap_err();
    assert!(mixed.msg.starts_with("\"s[1].subnet\": mixed address families"), "{mixed}");
}

#[test]
fn ranges_of_a_set_must_not_overlap() {
    for (one, other) in [
        (("10.0.0.0/20", "", ""), ("10.0.0.0/20", "", "")),
        (("10.0.0.0/20", "", ""), ("10.0.2.0/24", "", "")),
        (("10.0.0.0/24", "10.0.0.10", "10.0.0.20"), ("10.0.0.0/24", "10.0.0.20", "10.0.0.30")),
        (("fd00::/64", "", ""), ("fd00::/80", "", "")),
    ] {
        let error = set(&[one, other]).unwrap_err();
        assert!(error.msg.starts_with("\"s[1]\": subnets ") && error.msg.ends_with(" overlap"), "{error}");
    }
    for (one, other) in [
        (("10.0.0.0/24", "", ""), ("10.0.1.0/24", "", "")),
        (("10.0.0.0/24", "10.0.0.10", "10.0.0.20"), ("10.0.0.0/24", "10.0.0.21", "10.0.0.30")),
    ] {
        assert!(set(&[one, other]).is_ok());
        assert!(!set(&[one]).unwrap().overlaps(&set(&[other]).unwrap()));
    }
    let (v4, v6) = (set(&[("10.0.0.0/24", "", "")]).unwrap(), set(&[("fd00::/64", "", "")]).unwrap());
    assert!(!v4.overlaps(&v6) && v4.overlaps(&v4));
}

#[test]
fn allocation_goes_round_behind_the_last_reserved() {
    // The cases of the reference's allocator tests: subnet, taken, last reserved, expected.
    for (subnet, taken, last, expected) in [
        ("10.0.0.0/29", &[][..], None, "10.0.0.2"),
        ("2001:db8:1::/64", &[], None, "2001:db8:1::2"),
        ("10.0.0.0/30", &[], None, "10.0.0.2"),
        ("10.0.0.0/29", &["10.0.0.2"], None, "10.0.0.3"),
        ("10.0.0.0/29", &["10.0.0.2", "10.0.0.3", "10.0.0.4"], None, "10.0.0.5"),
        ("10.0.0.0/29", &["10.0.0.5"], Some("10.0.0.5"), "10.0.0.6"),
        ("10.0.0.0/29", &["10.0.0.4", "10.0.0.5"], Some("10.0.0.3"), "10.0.0.6"),
        ("10.0.0.0/29", &["10.0.0.6"], Some("10.0.0.5"), "10.0.0.2"),
        ("10.0.0.0/29", &["10.0.0.6"], Some("10.0.0.6"), "10.0.0.2"),
        ("10.0.0.0/29", &["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"], Some("10.0.0.6"), "10.0.0.6"),
        ("10.0.0.0/29", &[], Some("10.0.0.128"), "10.0.0.2"),
        ("10.0.0.0/29", &[], Some("fd00::1"), "10.0.0.2"),
        ("10.0.0.0/29", &["10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"], Some("10.0.0.2"), "10.0.0.2"),
    ] {
        let set = set(&[(subnet, "", "")]).unwrap();
        assert_eq!(first_free(&set, last, taken).as_deref(), Some(expected), "{subnet} {taken:?} {last:?}");
    }
}

#[test]
fn allocation_goes_from_range_to_range() {
    let set =
        set(&[("10.0.0.0/30", "", ""), ("10.0.1.0/30", "", ""), ("10.0.2.0/30", "10.0.2.1", "10.0.2.2")]).unwrap();
    for (last, expected) in [
        (None, "10.0.0.2"),
        (Some("10.0.0.2"), "10.0.1.2"),
        (Some("10.0.1.2"), "10.0.2.2"),
        (Some("10.0.2.1"), "10.0.2.2"),
        (Some("10.0.2.2"), "10.0.0.2"),
    ] {
        assert_eq!(first_free(&set, last, &[]).as_deref(), Some(expected), "{last:?}");
    }
    assert_eq!(first_free(&set, Some("10.0.0.2"), &["10.0.1.2", "10.0.2.2"]).as_deref(), Some("10.0.0.2"));
    assert_eq!(first_free(&set, Some("10.0.0.2"), &["10.0.0.2", "10.0.1.2", "10.0.2.2"]), None);
}

#[test]
fn gateway_is_skipped_wherever_it_is() {
    for (gateway, last, expected) in [
        ("10.0.0.1", None, "10.0.0.2"),
        ("10.0.0.3", Some("10.0.0.2"), "10.0.0.4"),
        ("10.0.0.6", Some("10.0.0.5"), "10.0.0.1"),
        ("10.9.9.9", None, "10.0.0.1"),
    ] {
        let set = RangeSet::new(&[range_conf("10.0.0.0/29", "", "", gateway)], "s", &[]).unwrap();
        assert_eq!(first_free(&set, last, &[]).as_deref(), Some(expected), "{gateway} {last:?}");
    }
    let only = RangeSet::new(&[range_conf("10.0.0.0/29", "10.0.0.1", "10.0.0.1", "")], "s", &[]).unwrap();
    assert_eq!(first_free(&only, None, &[]), None);
}

#[test]
fn broadcast_is_never_allocated_by_default() {
    let set = set(&[("192.168.1.0/30", "", "")]).unwrap();
    assert_eq!(first_free(&set, Some("192.168.1.2"), &["192.168.1.2"]), None);
}

#[test]
fn range_of_one_address_gives_it_again() {
    let set = set(&[("10.0.0.0/29", "10.0.0.5", "10.0.0.5")]).unwrap();
    assert_eq!(first_free(&set, Some("10.0.0.5"), &[]).as_deref(), Some("10.0.0.5"));
    assert_eq!(first_free(&set, Some("10.0.0.5"), &["10.0.0.5"]), None);
}

#[test]
fn excluded_addresses_are_jumped_over() {
    let set = set_without("10.0.0.0/24", &["10.0.0.2", "10.0.0.4/30", "10.0.0.254", "192.168.0.0/16"]);
    assert_eq!(first_free(&set, None, &[]).as_deref(), Some("10.0.0.3"));
    assert_eq!(first_free(&set, Some("10.0.0.3"), &[]).as_deref(), Some("10.0.0.8"));
    assert_eq!(first_free(&set, Some("10.0.0.253"), &[]).as_deref(), Some("10.0.0.3"));
    assert_eq!(set.excluded(), 6);
}

#[test]
fn excluded_blocks_cost_one_step() {
    let set = set_without("fd00::/64", &["fd00::/65", "fd00::8000:0:0:0/66", "fd00::c000:0:0:0"]);
    assert_eq!(first_free(&set, None, &[]).as_deref(), Some("fd00::c000:0:0:1"));
    let all = set_without("fd00::/64", &["::/0"]);
    assert_eq!(first_free(&all, Some("fd00::5"), &[]), None);
    let last = set_without("ffff:ffff:ffff:ffff::/64", &["ffff::/16"]);
    assert_eq!(first_free(&last, None, &[]), None);
}

#[test]
fn ranges_exclude_for_themselves() {
    let mut conf = range_conf("10.0.0.0/24", "", "", "");
    conf.exclude = vec!["10.0.0.2".into()];
    let set = RangeSet::new(&[conf, range_conf("10.0.1.0/24", "", "", "")], "s", &[]).unwrap();
    assert_eq!(first_free(&set, None, &[]).as_deref(), Some("10.0.0.3"));
    assert!(set.range_of(ip("10.0.0.2")).unwrap().excludes(ip("10.0.0.2")));
}

#[test]
fn junk_in_exclude_is_refused() {
    let refusal = |text: &str| parse_blocks(&["10.0.0.1".to_owned(), text.to_owned()], "exclude").unwrap_err().msg;
    for junk in ["", "x", "10.0.0.0/33", "10.0.0.1-10.0.0.5"] {
        assert_eq!(refusal(junk), format!("\"exclude[1]\": \"{junk}\" is neither an IP address nor a CIDR"));
    }
    assert_eq!(refusal("10.0.0.5/24"), "\"exclude[1]\": 10.0.0.5/24 has host bits set, the network is 10.0.0.0/24");
}
