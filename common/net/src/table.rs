//! Numbers of routing tables.

use std::{collections::BTreeSet, ops::RangeInclusive};

use netlink_packet_route::{AddressFamily, route::RouteMessage};

use crate::{
    Kind, Result, Rtnl,
    answer::{Answer, Attribute},
    route::{RTA_TABLE, RTM_GETROUTE, RTM_NEWROUTE},
    rule,
};

/// The kernel's own: `RT_TABLE_COMPAT`, `default`, `main`, `local` (`include/uapi/linux/rtnetlink.h`).
const KERNELS: RangeInclusive<u32> = 252..=255;

/// The first table from `first` on that is not `used`, and none of the kernel's own.
pub fn free_table(used: &BTreeSet<u32>, first: u32) -> Option<u32> {
    (first.max(1)..=u32::MAX).find(|table| !used.contains(table) && !KERNELS.contains(table))
}

impl Rtnl {
    /// The tables that routes of whatever type are in, that rules lead to, or that VRFs have.
    pub fn used_tables(&mut self) -> Result<BTreeSet<u32>> {
        let mut used: BTreeSet<u32> = self.rule_answers()?.iter().filter_map(rule::table_of).collect();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            used.extend(self.route_answers(family)?.iter().filter_map(table_of));
        }
        let vrfs = self.links()?.into_iter().filter_map(|link| match link.data {
            Some(Kind::Vrf { table }) => Some(table),
            _ => None,
        });
        used.extend(vrfs);
        Ok(used)
    }

    /// Every route of a family, of every table and type.
    pub(crate) fn route_answers(&mut self, family: AddressFamily) -> Result<Vec<Answer>> {
        let mut question = RouteMessage::default();
        question.header.address_family = family;
        let answers = self.conversation.dump(RTM_GETROUTE, &question);
        answers.map_err(|failure| failure.of("list routes"))
    }
}

fn table_of(answer: &Answer) -> Option<u32> {
    let ([_, _, _, _, table, ..], attributes) = answer.read::<12>(RTM_NEWROUTE)?;
    Some(attributes.find(RTA_TABLE).and_then(Attribute::u32).unwrap_or(u32::from(table)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_tables_are_nobodys() {
        let used = BTreeSet::from([1, 2, 4, 100, 101, 251]);
        for (first, free) in [(0, 3), (1, 3), (4, 5), (100, 102), (251, 256), (252, 256)] {
            assert_eq!(free_table(&used, first), Some(free), "{first}");
        }
        assert_eq!(free_table(&BTreeSet::from([u32::MAX]), u32::MAX), None);
    }
}
