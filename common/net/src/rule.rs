//! Rules of the policy database (ip-rule(8)): which table is asked for the route of a packet.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use netlink_packet_route::{
    AddressFamily,
    route::RouteProtocol,
    rule::{RuleAction, RuleAttribute, RuleHeader, RuleMessage},
};

use crate::{
    Result, Rtnl,
    address::family,
    answer::{Answer, Attribute},
};

/// `include/uapi/linux/rtnetlink.h`
const RTM_NEWRULE: u16 = 32;
const RTM_DELRULE: u16 = 33;
const RTM_GETRULE: u16 = 34;
/// `include/uapi/linux/fib_rules.h`
const FR_ACT_TO_TBL: u8 = 1;
const FIB_RULE_INVERT: u32 = 2;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_PAD: u16 = 18;
const FRA_PROTOCOL: u16 = 21;

/// A rule that leads packets from somewhere to a table, whatever else they are: `from 10.1.0.2 lookup 100`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Where packets come from.
    pub from: IpNetwork,
    /// The table that they are led to.
    pub table: u32,
    /// Its place: the lowest is asked first. Unset is the one before all others but that of table `local`, so that of two such
    /// rules the later one has the lower number.
    pub priority: Option<u32>,
    /// Who made it, as with routes (`RTPROT_*`); 0 does not say. Kernels before 4.17 keep no note of it.
    pub protocol: u8,
}

impl Rule {
    /// The address that packets come from, if it is a single one.
    pub fn source(&self) -> Option<IpAddr> {
        let whole = if self.from.is_ipv4() { 32 } else { 128 };
        (self.from.prefix() == whole).then(|| self.from.ip())
    }

    fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header = RuleHeader {
            family: family(&self.from.ip()),
            src_len: self.from.prefix(),
            action: RuleAction::ToTable,
            // Larger numbers fit only into the attribute.
            table: u8::try_from(self.table).unwrap_or(0),
            ..RuleHeader::default()
        };
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Table(self.table));
        if self.from.prefix() > 0 {
            attributes.push(RuleAttribute::Source(self.from.network()));
        }
        attributes.extend(self.priority.map(RuleAttribute::Priority));
        if self.protocol != 0 {
            attributes.push(RuleAttribute::Protocol(RouteProtocol::from(self.protocol)));
        }
        message
    }

    /// The rule that an answer tells of; `None` for one that looks at more than the source, or does something else.
    fn of(answer: &Answer) -> Option<Self> {
        // struct fib_rule_hdr: family, destination and source prefix lengths, tos, table, two reserved, action, flags (4).
        let (header, attributes) = answer.read::<12>(RTM_NEWRULE)?;
        let [family, dst_len, src_len, tos, table, _, _, action, flags @ ..] = header;
        let is_plain = dst_len == 0 && tos == 0 && action == FR_ACT_TO_TBL;
        if !is_plain || u32::from_ne_bytes(flags) & FIB_RULE_INVERT != 0 {
            return None;
        }
        let v4 = family == u8::from(AddressFamily::Inet);
        let mut from = if v4 { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
        let (mut table, mut priority, mut protocol) = (u32::from(table), 0, 0);
        for (kind, value) in attributes.iter() {
            match kind {
                FRA_SRC => from = value.ip()?,
                FRA_PRIORITY => priority = value.u32()?,
                FRA_TABLE => table = value.u32()?,
                FRA_PROTOCOL => protocol = value.u8()?,
                // Told of every rule; all bits are none.
                FRA_SUPPRESS_PREFIXLEN if value.u32() == Some(u32::MAX) => {}
                FRA_PAD => {}
                _ => return None,
            }
        }
        let from = IpNetwork::new(from, src_len).ok()?;
        Some(Self { from, table, priority: Some(priority), protocol })
    }
}

/// The table that a rule leads to, whatever packets it is for.
pub(crate) fn table_of(answer: &Answer) -> Option<u32> {
    let ([_, _, _, _, table, ..], attributes) = answer.read::<12>(RTM_NEWRULE)?;
    Some(attributes.find(FRA_TABLE).and_then(Attribute::u32).unwrap_or(u32::from(table)))
}

impl Rtnl {
    /// The rules of both families that look at nothing but the source, in the order in which they are asked.
    pub fn rules(&mut self) -> Result<Vec<Rule>> {
        Ok(self.rule_answers()?.iter().filter_map(Rule::of).collect())
    }

    pub(crate) fn rule_answers(&mut self) -> Result<Vec<Answer>> {
        let mut all = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = RuleMessage::default();
            question.header.family = family;
            let answers = self.conversation.dump(RTM_GETRULE, &question);
            all.extend(answers.map_err(|failure| failure.of("list rules"))?);
        }
        Ok(all)
    }

    /// Adds a rule; fails if there is the same with the same priority.
    pub fn add_rule(&mut self, rule: &Rule) -> Result<()> {
        self.create(RTM_NEWRULE, &rule.message(), || format!("add rule from {} to table {}", rule.from, rule.table))
    }

    /// Removes the first rule that is like this one: one without a priority stands for any, one without a protocol too. One that
    /// has gone is removed.
    pub fn del_rule(&mut self, rule: &Rule) -> Result<()> {
        let deleted = self
            .act(RTM_DELRULE, &rule.message(), || format!("delete rule from {} to table {}", rule.from, rule.table));
        deleted.or_else(|error| if error.is_not_found() { Ok(()) } else { Err(error) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::echo;

    fn rule(from: &str, table: u32) -> Rule {
        Rule { from: from.parse().unwrap(), table, priority: Some(32000), protocol: 77 }
    }

    #[test]
    fn every_attribute_survives_the_way_to_the_kernel_and_back() {
        for rule in [rule("10.1.0.2/32", 100), rule("fd00::2/128", 5001), rule("0.0.0.0/0", 254), rule("fd00::/64", 7)]
        {
            assert_eq!(Rule::of(&echo(RTM_NEWRULE, &rule.message())), Some(rule));
        }
        assert_eq!(rule("10.1.0.2/32", 1).source(), Some(IpAddr::from([10, 1, 0, 2])));
        assert_eq!((rule("10.1.0.2/31", 1).source(), rule("fd00::2/127", 1).source()), (None, None));
    }

    #[test]
    fn rules_that_look_at_more_are_others() {
        let with = |attribute| {
            let mut message = rule("10.1.0.2/32", 100).message();
            message.attributes.push(attribute);
            echo(RTM_NEWRULE, &message)
        };
        for attribute in [
            RuleAttribute::FwMark(1),
            RuleAttribute::Iifname("eth0".into()),
            RuleAttribute::Oifname("eth0".into()),
            RuleAttribute::Destination([10, 9, 0, 1].into()),
            RuleAttribute::L3MDev(true),
            RuleAttribute::SuppressPrefixLen(0),
        ] {
            let answer = with(attribute.clone());
            assert_eq!((Rule::of(&answer), table_of(&answer)), (None, Some(100)), "{attribute:?}");
        }
        assert_eq!(Rule::of(&with(RuleAttribute::SuppressPrefixLen(u32::MAX))), Some(rule("10.1.0.2/32", 100)));
        let mut unreachable = rule("10.1.0.2/32", 100).message();
        unreachable.header.action = RuleAction::Unreachable;
        assert_eq!(Rule::of(&echo(RTM_NEWRULE, &unreachable)), None);
    }
}
