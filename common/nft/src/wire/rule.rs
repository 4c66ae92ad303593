//! Rules as messages: the rule, preceded by the sets of its own.

use netlink_packet_netfilter::nftables::{
    ExpressionAttribute, Expressions, ListAttribute, NfTablesMessage, RuleAttribute, RuleMessage,
};

use super::attr::Attrs;
use super::element::{self, Parts};
use super::expr::{self, Target};
use super::{Refusal, name, object};
use crate::expr::{CmpOp, Dependency, Load, Lookup, Op, Reg, SetRef};
use crate::key::{Key, KeyType, REGISTER_LEN, key_len, type_names};
use crate::model::{Element, Family, Rule, SetData, Table};
use crate::userdata;
use crate::value::Nfproto;

/// `NFT_RULE_MAXEXPRS`, `include/net/netfilter/nf_tables.h`
const EXPRS_MAX: usize = 128;
/// The most values of a set of a rule's own; they go in one message.
const ANONYMOUS_MAX: usize = 1024;
/// `NFTA_RULE_HANDLE` and `NFTA_RULE_USERDATA`, `include/uapi/linux/netfilter/nf_tables.h`
const HANDLE: u16 = 3;
const USERDATA: u16 = 7;
/// `NFT_META_PROTOCOL`, `NFT_META_IIFTYPE`, `NFT_META_NFPROTO`
const META_PROTOCOL: u32 = 1;
const META_IIFTYPE: u32 = 8;
const META_NFPROTO: u32 = 15;
/// `ETH_P_IP` and `ETH_P_IPV6`, `include/uapi/linux/if_ether.h`
const ETH_P_IP: u16 = 0x0800;
const ETH_P_IPV6: u16 = 0x86dd;
/// `ARPHRD_ETHER`, `include/uapi/linux/if_arp.h`
const ARPHRD_ETHER: u16 = 1;

/// What names a chain's rules, or one of them.
pub(crate) fn rule_name(table: &Table, chain: &str, handle: Option<u64>) -> Result<RuleMessage, Refusal> {
    let mut attributes = vec![RuleAttribute::Table(name(&table.name)?), RuleAttribute::Chain(name(chain)?)];
    attributes.extend(handle.map(RuleAttribute::Handle));
    Ok(RuleMessage { attributes })
}

/// What defines a rule: the messages of its sets, then its own. `next_id` numbers the sets of the batch.
pub(crate) fn rule(
    table: &Table,
    chain: &str,
    rule: &Rule,
    next_id: &mut u32,
) -> Result<(Vec<NfTablesMessage>, RuleMessage), Refusal> {
    let mut encoder = Encoder { table, next_id, sets: Vec::new(), met: Vec::new() };
    let mut expressions = Vec::new();
    for op in rule.exprs.iter().flat_map(|expr| &expr.ops) {
        encoder.encode(op, &mut expressions)?;
    }
    if expressions.len() > EXPRS_MAX {
        return Err(format!("the rule has {} expressions, {EXPRS_MAX} are possible", expressions.len()));
    }
    let mut message = rule_name(table, chain, None)?;
    let list: Vec<ListAttribute<ExpressionAttribute>> = expressions.into_iter().map(ListAttribute::from).collect();
    message.attributes.push(RuleAttribute::Expressions(list));
    let bytes = userdata::encode(rule.comment.as_deref(), None)?;
    message.attributes.extend((!bytes.is_empty()).then_some(RuleAttribute::UserData(bytes)));
    Ok((encoder.sets, message))
}

/// Handle and user data of a listed rule.
pub(crate) fn decode(payload: &[u8]) -> Option<(u64, Vec<u8>)> {
    let attrs = Attrs(payload);
    Some((attrs.be64(HANDLE)?, attrs.find(USERDATA).unwrap_or_default().to_vec()))
}

struct Encoder<'a> {
    table: &'a Table,
    next_id: &'a mut u32,
    sets: Vec<NfTablesMessage>,
    /// What the rule has established already.
    met: Vec<Dependency>,
}

impl Encoder<'_> {
    fn encode(&mut self, op: &Op, into: &mut Vec<Expressions>) -> Result<(), Refusal> {
        into.push(match op {
            Op::Require(dependency) => {
                into.extend(self.require(*dependency));
                return Ok(());
            }
            Op::Load(load, reg) => expr::load(*load, *reg),
            Op::Store(store, reg) => expr::store(*store, *reg),
            Op::Cmp(op, reg, bytes) => expr::cmp(*op, *reg, bytes.clone()),
            Op::Range(op, reg, bounds) => expr::range(*op, *reg, bounds.clone()),
            Op::Bitwise { reg, mask, xor } => expr::bitwise(*reg, mask.clone(), xor.clone()),
            Op::Lookup(lookup) => self.lookup(lookup)?,
            Op::Immediate(reg, bytes) => expr::immediate(*reg, bytes.clone()),
            Op::Verdict(verdict) => expr::immediate_verdict(verdict)?,
            Op::Nat { nfproto: Nfproto(0), .. } => return Err("the map gives no address".to_owned()),
            Op::Nat { of, nfproto, addr, port } => expr::nat(*of, *nfproto, *addr, *port),
            Op::Masquerade => expr::masquerade(),
            Op::Counter => expr::counter(),
        });
        Ok(())
    }

    /// The check that the family needs before a header may be read, once a rule: the one that nft writes and hides.
    fn require(&mut self, dependency: Dependency) -> Vec<Expressions> {
        if self.met.contains(&dependency) {
            return Vec::new();
        }
        self.met.push(dependency);
        let Some((key, bytes)) = check(self.table.family, dependency) else { return Vec::new() };
        vec![expr::load(Load::Meta(key), Reg::FIRST), expr::cmp(CmpOp::Eq, Reg::FIRST, bytes)]
    }

    fn lookup(&mut self, lookup: &Lookup) -> Result<Expressions, Refusal> {
        if key_len(&lookup.fields) > Reg::COUNT * REGISTER_LEN {
            return Err("the fields are longer than the registers".to_owned());
        }
        let target = match &lookup.wants {
            None => Target::Match { invert: lookup.invert },
            Some(SetData::Verdict) => Target::Verdict,
            Some(SetData::Values(_)) => Target::Values,
        };
        match &lookup.set {
            SetRef::Named { name: set, key, data } => {
                if *key != lookup.fields {
                    let (fields, key) = (type_names(&lookup.fields), type_names(key));
                    return Err(format!("the fields are {fields}, the set {set} wants {key}"));
                }
                if lookup.wants.is_some() && lookup.wants != *data {
                    return Err(format!("the map {set} does not give what the statement needs"));
                }
                Ok(expr::lookup(name(set)?, None, target))
            }
            SetRef::Anonymous { keys } => self.anonymous(&lookup.fields, keys, target),
        }
    }

    fn anonymous(&mut self, types: &[KeyType], keys: &[Key], target: Target) -> Result<Expressions, Refusal> {
        if keys.is_empty() || keys.len() > ANONYMOUS_MAX {
            return Err(format!("a rule's own set has 1 to {ANONYMOUS_MAX} values"));
        }
        *self.next_id += 1;
        let id = *self.next_id;
        let (set, definition) = object::anonymous_set(self.table, types, id)?;
        let mut elements = Vec::with_capacity(keys.len());
        for key in keys {
            elements.extend(element::encode(&set, &Element::new(key.clone()), Parts::All)?);
        }
        let content = element::message(self.table, &set.name, Some(id), elements)?;
        self.sets.extend([definition, NfTablesMessage::NewSetElement(content)]);
        Ok(expr::lookup(set.name, Some(id), target))
    }
}

/// What tells packets of a kind from the others that a family sees; `None` where it sees no others.
fn check(family: Family, dependency: Dependency) -> Option<(u32, Vec<u8>)> {
    match (family, dependency) {
        (Family::Ip | Family::Ip6, Dependency::Ip | Dependency::Ip6) | (Family::Bridge, Dependency::Ether) => None,
        (Family::Inet, Dependency::Ip) => Some((META_NFPROTO, vec![Nfproto::IPV4.0])),
        (Family::Inet, Dependency::Ip6) => Some((META_NFPROTO, vec![Nfproto::IPV6.0])),
        (Family::Bridge, Dependency::Ip) => Some((META_PROTOCOL, ETH_P_IP.to_be_bytes().to_vec())),
        (Family::Bridge, Dependency::Ip6) => Some((META_PROTOCOL, ETH_P_IPV6.to_be_bytes().to_vec())),
        (_, Dependency::Ether) => Some((META_IIFTYPE, ARPHRD_ETHER.to_ne_bytes().to_vec())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::{ip, ip6, meta, th};
    use crate::model::Set;

    fn encode(family: Family, exprs: impl Into<Vec<crate::expr::Expr>>) -> Result<Vec<Expressions>, Refusal> {
        let table = Table::new(family, "t");
        let mut next_id = 0;
        let mut encoder = Encoder { table: &table, next_id: &mut next_id, sets: Vec::new(), met: Vec::new() };
        let mut expressions = Vec::new();
        for expr in exprs.into() {
            for op in &expr.ops {
                encoder.encode(op, &mut expressions)?;
            }
        }
        Ok(expressions)
    }

    #[test]
    fn family_is_checked_once_and_where_needed() {
        let both = || [ip::saddr().is([10, 0, 0, 1]), ip::daddr().is([10, 0, 0, 2])];
        assert_eq!(encode(Family::Inet, both()).unwrap().len(), 6);
        assert_eq!(encode(Family::Bridge, both()).unwrap().len(), 6);
        assert_eq!(encode(Family::Ip, both()).unwrap().len(), 4);
    }

    #[test]
    fn concatenation_loads_one_register_behind_the_other() {
        let set = Set::new("s", [KeyType::Ipv6Addr, KeyType::InetService]);
        let expressions = encode(Family::Ip6, [ip6::daddr().dot(th::dport()).in_set(&set)]).unwrap();
        let port = Load::Payload { base: 2, offset: 2, len: 2 };
        assert_eq!(expressions.get(1), Some(&expr::load(port, Reg(4))));
    }

    #[test]
    fn mismatched_sets_are_refused() {
        let set = Set::new("s", [KeyType::Ipv4Addr]);
        let refusal = encode(Family::Inet, [th::dport().in_set(&set)]).unwrap_err();
        assert_eq!(refusal, "the fields are inet_service, the set s wants ipv4_addr");
        assert!(encode(Family::Inet, [ip::saddr().vmap(&set)]).is_err());
        assert!(encode(Family::Inet, [ip::saddr().dnat_to(&set)]).is_err());
        let ports = Set::map("m", [KeyType::InetService], [KeyType::InetService]);
        assert_eq!(encode(Family::Inet, [th::dport().dnat_to(&ports)]).unwrap_err(), "the map gives no address");
        assert!(encode(Family::Inet, [meta::l4proto().any_of([])]).is_err());
    }
}
