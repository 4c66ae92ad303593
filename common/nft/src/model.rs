//! The objects of `nf_tables` as plain data.

use std::fmt;

use crate::expr::Expr;
use crate::key::{Key, KeyType};
use crate::userdata::Tlv;
use crate::value::Nfproto;

/// The address family of a table, `NFPROTO_*` in `include/uapi/linux/netfilter.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// What bridges forward.
    Bridge,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
}

impl Family {
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => Nfproto::IPV4.0,
            Self::Bridge => 7,
            Self::Ip6 => Nfproto::IPV6.0,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inet => "inet",
            Self::Bridge => "bridge",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
        })
    }
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Table {
    /// The family whose packets its chains see.
    pub family: Family,
    /// The name, unique in the family.
    pub name: String,
}

impl Table {
    /// A table of a family.
    pub fn new(family: Family, name: impl Into<String>) -> Self {
        Self { family, name: name.into() }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.family, self.name)
    }
}

/// A chain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Chain {
    /// The name, unique in the table.
    pub name: String,
    /// Where packets enter it; `None` for a chain that rules jump to.
    pub base: Option<Base>,
}

impl Chain {
    /// A chain that is entered by `jump` and `goto` only.
    pub fn regular(name: impl Into<String>) -> Self {
        Self { name: name.into(), base: None }
    }

    /// A chain that packets enter from a hook.
    pub fn base(name: impl Into<String>, base: Base) -> Self {
        Self { name: name.into(), base: Some(base) }
    }
}

/// How a base chain is attached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Base {
    /// What the chain may do.
    pub kind: ChainType,
    /// Where on the packet's way it stands.
    pub hook: Hook,
    /// The order among the chains of one hook, lowest first; see [`priority`].
    pub priority: i32,
    /// What becomes of a packet that no rule decides on.
    pub policy: Policy,
}

/// The type of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChainType {
    /// Accepts and drops.
    Filter,
    /// Sees the first packet of a connection and sets up its address translation.
    Nat,
    /// Has locally generated packets routed again when a rule changed what routing depends on.
    Route,
}

impl ChainType {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
            Self::Route => "route",
        }
    }
}

/// `enum nf_inet_hooks` in `include/uapi/linux/netfilter.h`; those of the bridge family have the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hook {
    /// Everything that arrives, before it is routed.
    Prerouting,
    /// To this machine.
    Input,
    /// Through this machine.
    Forward,
    /// From this machine, before it is routed.
    Output,
    /// Everything that leaves.
    Postrouting,
}

/// What becomes of a packet at the end of a base chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Policy {
    /// It goes on (`NF_ACCEPT`).
    Accept,
    /// It is dropped (`NF_DROP`).
    Drop,
}

/// Usual priorities, `enum nf_ip_hook_priorities` in `include/uapi/linux/netfilter_ipv4.h`, by their names in nft.
pub mod priority {
    /// Before the connection is looked up: `raw`.
    pub const RAW: i32 = -300;
    /// `mangle`
    pub const MANGLE: i32 = -150;
    /// Destination translation: `dstnat`.
    pub const DSTNAT: i32 = -100;
    /// `filter`
    pub const FILTER: i32 = 0;
    /// Source translation: `srcnat`.
    pub const SRCNAT: i32 = 100;
}

/// A set, or a map where it has data: the definition, without elements.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Set {
    /// The name, unique among the sets and maps of the table.
    pub name: String,
    /// The type of each field of a key.
    pub key: Vec<KeyType>,
    /// What a map gives for a key; `None` for a set.
    pub data: Option<SetData>,
    /// Whether an element covers a range of keys.
    ///
    /// One field is stored as a tree of bounds and several as `KEY` and `KEY_END` of every field; nothing of that is
    /// seen outside: [`Element::range`] names the first and the last key. A lone `mark` or `ifname` cannot be a range,
    /// as the kernel compares bytes and those are not big-endian.
    pub interval: bool,
}

/// What a map gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SetData {
    /// Values, such as an address and a port.
    Values(Vec<KeyType>),
    /// What to do with the packet.
    Verdict,
}

impl Set {
    /// A set of keys.
    pub fn new(name: impl Into<String>, key: impl Into<Vec<KeyType>>) -> Self {
        Self { name: name.into(), key: key.into(), data: None, interval: false }
    }

    /// A map from keys to values.
    pub fn map(name: impl Into<String>, key: impl Into<Vec<KeyType>>, data: impl Into<Vec<KeyType>>) -> Self {
        Self { data: Some(SetData::Values(data.into())), ..Self::new(name, key) }
    }

    /// A map from keys to verdicts.
    pub fn verdict_map(name: impl Into<String>, key: impl Into<Vec<KeyType>>) -> Self {
        Self { data: Some(SetData::Verdict), ..Self::new(name, key) }
    }

    /// The same with ranges of keys.
    #[must_use]
    pub fn interval(self) -> Self {
        Self { interval: true, ..self }
    }
}

/// An element of a set or map.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Element {
    /// The key, or the first key of the range.
    pub key: Key,
    /// The last key of the range, inclusive; `None` when it is the first.
    pub last: Option<Key>,
    /// What a map gives for the key.
    pub data: Option<Data>,
    /// The comment, which nft prints; cut to [`COMMENT_MAX`](crate::COMMENT_MAX) bytes.
    pub comment: Option<String>,
    /// A value of the owner's own beside the comment, which nft does not print.
    pub private: Option<Tlv>,
}

/// What a map gives for one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Data {
    /// Values of the map's data types.
    Values(Key),
    /// What to do with the packet.
    Verdict(Verdict),
}

impl Element {
    /// One key.
    pub fn new(key: impl Into<Key>) -> Self {
        Self { key: key.into(), last: None, data: None, comment: None, private: None }
    }

    /// The keys from `first` to `last`, both included.
    pub fn range(first: impl Into<Key>, last: impl Into<Key>) -> Self {
        let (key, last) = (first.into(), last.into());
        let last = (key != last).then_some(last);
        Self { last, ..Self::new(key) }
    }

    /// Maps the key to values.
    #[must_use]
    pub fn to(self, values: impl Into<Key>) -> Self {
        Self { data: Some(Data::Values(values.into())), ..self }
    }

    /// Maps the key to a verdict.
    #[must_use]
    pub fn verdict(self, verdict: Verdict) -> Self {
        Self { data: Some(Data::Verdict(verdict)), ..self }
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }

    /// Adds a private value; `kind` is at least 2.
    #[must_use]
    pub fn private(self, kind: u8, value: impl Into<Vec<u8>>) -> Self {
        Self { private: Some(Tlv { kind, value: value.into() }), ..self }
    }

    /// The last key of the range, which is the key itself when there is one only.
    pub fn last(&self) -> &Key {
        self.last.as_ref().unwrap_or(&self.key)
    }
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last {
            None => self.key.fmt(f),
            Some(last) => {
                for (at, (from, to)) in self.key.values().iter().zip(last.values()).enumerate() {
                    let dot = if at == 0 { "" } else { " . " };
                    if from == to { write!(f, "{dot}{from}")? } else { write!(f, "{dot}{from}-{to}")? }
                }
                Ok(())
            }
        }
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Let it pass this hook's chain.
    Accept,
    /// Drop it.
    Drop,
    /// Go on with the next rule.
    Continue,
    /// Go back to the chain that jumped here, or to the policy.
    Return,
    /// Go through another chain and come back.
    Jump(String),
    /// Go to another chain and do not come back.
    Goto(String),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Matches and statements, evaluated in order until one does not match.
    pub exprs: Vec<Expr>,
    /// The comment, which nft prints; cut to [`COMMENT_MAX`](crate::COMMENT_MAX) bytes.
    pub comment: Option<String>,
}

impl Rule {
    /// A rule of these expressions.
    pub fn new(exprs: impl Into<Vec<Expr>>) -> Self {
        Self { exprs: exprs.into(), comment: None }
    }

    /// Adds a comment.
    #[must_use]
    pub fn comment(self, comment: impl Into<String>) -> Self {
        Self { comment: Some(comment.into()), ..self }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn range_of_one_key_is_that_key() {
        let addr = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(Element::range(addr, addr), Element::new(addr));
    }

    #[test]
    fn elements_read_as_nft_writes_them() {
        let first = Key::new().ipv4([10, 0, 0, 0].into()).port(80);
        let last = Key::new().ipv4([10, 0, 0, 255].into()).port(80);
        assert_eq!(Element::range(first, last).to_string(), "10.0.0.0-10.0.0.255 . 80");
    }
}
