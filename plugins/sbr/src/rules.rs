//! Whose a rule is. Rules outlive the interface whose address they are about, and have no room for a name: nothing here
//! touches the kernel, it decides from what the kernel tells.

use std::net::IpAddr;

use net::{Address, LinkIndex, RouteEntry, Rule};

/// The protocol (`RTPROT_*`) of a rule that leads an address to a table of its own, and of routes that we have added.
pub const OWN: u8 = 77;
/// The protocol of a rule that leads an address to a table that the configuration has named.
pub const GIVEN: u8 = 78;
/// That of the reference's rules, and of ours on kernels before 4.17.
const UNSAID: u8 = 0;

/// What a container has that tells whose a rule is.
#[derive(Debug)]
pub struct Scene {
    /// Its rules that look at the source alone.
    pub rules: Vec<Rule>,
    /// Its routes.
    pub entries: Vec<RouteEntry>,
    /// The addresses of its links.
    pub addresses: Vec<(LinkIndex, Address)>,
    /// The interface, unless that has gone.
    pub link: Option<LinkIndex>,
}

impl Scene {
    /// The interface's rules; `told` are its addresses as the previous result has them.
    pub fn own_rules(&self, told: &[IpAddr]) -> Vec<Rule> {
        self.rules.iter().filter(|rule| self.is_own(rule, told)).cloned().collect()
    }

    /// A rule is the interface's if it is about an address that the interface has, or had. If another interface has that address
    /// too, the rule's table has to lead by this one.
    ///
    /// A rule of ours about an address that nobody has is known by its table: it leads by this interface alone, or, where the
    /// interface has gone, nowhere any more.
    fn is_own(&self, rule: &Rule, told: &[IpAddr]) -> bool {
        let Some(source) = rule.source() else { return false };
        let is_marked = [OWN, GIVEN].contains(&rule.protocol);
        let has = |link: &LinkIndex| self.link == Some(*link);
        let mut holders = self.addresses.iter().filter(|(_, address)| address.ip.ip() == source);
        let is_elsewhere = holders.clone().any(|(link, _)| !has(link));
        let is_here = told.contains(&source) || holders.any(|(link, _)| has(link));
        let mut by = self.entries.iter().filter(|entry| entry.route.table == rule.table).map(|entry| entry.route.link);
        let leads_here = by.clone().any(|link| has(&link));
        if is_here {
            return (is_marked || rule.protocol == UNSAID) && (leads_here || !is_elsewhere);
        }
        let leads_elsewhere = by.any(|link| !has(&link));
        is_marked && !is_elsewhere && !leads_elsewhere && (leads_here || self.link.is_none())
    }
}

/// Whether `rule`, which has just been added, is the first of its family that leads to its table. Of two that were added at the
/// same time the kernel gives the later one the lower priority; that one has to look for another table.
pub fn is_first_claim(rule: &Rule, rules: &[Rule]) -> bool {
    let of_table = || rules.iter().filter(|other| other.table == rule.table && same_family(other, rule));
    let own = of_table().find(|other| other.from == rule.from && other.protocol == rule.protocol);
    let is_before = |own: &Rule| of_table().all(|other| other.from == rule.from || other.priority < own.priority);
    own.is_some_and(is_before)
}

fn same_family(one: &Rule, other: &Rule) -> bool {
    one.from.is_ipv4() == other.from.is_ipv4()
}

#[cfg(test)]
mod tests {
    use net::Route;

    use super::*;

    const ETH0: LinkIndex = LinkIndex(2);
    const NET1: LinkIndex = LinkIndex(3);

    fn rule(from: &str, table: u32, protocol: u8, priority: u32) -> Rule {
        Rule { from: from.parse().unwrap(), table, priority: Some(priority), protocol }
    }

    fn route(table: u32, link: LinkIndex) -> RouteEntry {
        RouteEntry::new(&Route { table, ..Route::new("10.0.0.0/8".parse().unwrap(), None, link) }, 3)
    }

    /// Whether a rule from 10.1.0.2 to table 100 is that of `net1`.
    fn is_own(
        protocol: u8,
        told: &[&str],
        addresses: &[(LinkIndex, &str)],
        tables: &[(u32, LinkIndex)],
        gone: bool,
    ) -> bool {
        let scene = Scene {
            rules: vec![rule("10.1.0.2/32", 100, protocol, 32765)],
            entries: tables.iter().map(|(table, link)| route(*table, *link)).collect(),
            addresses: addresses.iter().map(|(link, ip)| (*link, Address::new(ip.parse().unwrap()))).collect(),
            link: (!gone).then_some(NET1),
        };
        let told: Vec<IpAddr> = told.iter().map(|ip| ip.parse().unwrap()).collect();
        !scene.own_rules(&told).is_empty()
    }

    #[test]
    fn rules_about_the_interfaces_addresses_are_its_own_whoever_of_the_two_made_them() {
        let (told, here) = (["10.1.0.2"], [(NET1, "10.1.0.2/24")]);
        for protocol in [OWN, GIVEN, UNSAID] {
            assert!(is_own(protocol, &told, &here, &[(100, NET1)], false));
            assert!(is_own(protocol, &told, &[], &[], true), "the interface has gone");
            assert!(is_own(protocol, &[], &here, &[(100, ETH0)], false), "no previous result, another's table");
            assert!(!is_own(protocol, &["10.1.0.3"], &[(NET1, "10.1.0.3/24")], &[(7, NET1)], false));
        }
        for administrators in [3, 4, 186] {
            assert!(!is_own(administrators, &told, &here, &[(100, NET1)], false));
        }
    }

    #[test]
    fn an_address_that_two_interfaces_have_is_told_apart_by_the_table() {
        let both = [(ETH0, "10.1.0.2/24"), (NET1, "10.1.0.2/24")];
        for protocol in [OWN, GIVEN, UNSAID] {
            assert!(is_own(protocol, &["10.1.0.2"], &both, &[(100, NET1)], false));
            assert!(!is_own(protocol, &["10.1.0.2"], &both, &[(100, ETH0)], false));
            assert!(!is_own(protocol, &["10.1.0.2"], &both[..1], &[(100, ETH0)], true));
            assert!(!is_own(protocol, &["10.1.0.2"], &both[..1], &[], true), "in doubt it stays");
        }
    }

    #[test]
    fn rules_of_ours_about_nobodys_address_are_known_by_their_table() {
        for protocol in [OWN, GIVEN] {
            assert!(is_own(protocol, &[], &[], &[(100, NET1)], false), "the address was removed");
            assert!(is_own(protocol, &[], &[], &[(7, ETH0)], true), "all is gone");
            assert!(!is_own(protocol, &[], &[], &[], false), "it may be another's that has gone");
            assert!(!is_own(protocol, &[], &[], &[(100, ETH0)], true));
            assert!(!is_own(protocol, &[], &[], &[(100, NET1), (100, ETH0)], false));
            assert!(!is_own(protocol, &[], &[(ETH0, "10.1.0.2/24")], &[], true));
        }
        assert!(!is_own(UNSAID, &[], &[], &[(100, NET1)], false));
        assert!(!is_own(UNSAID, &[], &[], &[], true));
    }

    #[test]
    fn networks_are_nobodys_source() {
        let rules =
            vec![rule("10.1.0.0/24", 100, OWN, 5), rule("fd00::/64", 100, OWN, 5), rule("0.0.0.0/0", 100, OWN, 5)];
        let scene = Scene { rules, entries: vec![route(100, NET1)], addresses: Vec::new(), link: Some(NET1) };
        assert_eq!(scene.own_rules(&["10.1.0.0".parse().unwrap()]), []);
    }

    #[test]
    fn of_two_claims_the_later_one_yields() {
        let new = |from: &str| Rule { priority: None, ..rule(from, 100, OWN, 0) };
        let rules = [
            rule("10.1.0.2/32", 100, OWN, 32764),
            rule("10.2.0.2/32", 100, OWN, 32765),
            rule("fd00::2/128", 100, OWN, 32765),
        ];
        assert!(is_first_claim(&new("10.2.0.2/32"), &rules));
        assert!(!is_first_claim(&new("10.1.0.2/32"), &rules));
        assert!(is_first_claim(&new("fd00::2/128"), &rules), "each family has tables of its own");
        assert!(!is_first_claim(&new("10.3.0.2/32"), &rules), "it has been removed");
    }
}
