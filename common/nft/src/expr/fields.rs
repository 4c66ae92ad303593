//! What can be loaded from a packet, and the matches on it.

use std::marker::PhantomData;

use super::op::{Address, CmpOp, Dependency, Load, Lookup, Op, Reg, SetRef, Translated};
use super::{Expr, statements};
use crate::key::{Key, KeyType, Value};
use crate::model::{Set, SetData};
use crate::value::Ifname;

/// Something that a rule can look at, whose value is a `T`. Made by [`ip`](super::ip), [`meta`](super::meta) and so on.
#[derive(Debug, PartialEq, Eq)]
pub struct Field<T> {
    pub(super) load: Load,
    pub(super) needs: Option<Dependency>,
    pub(super) kind: KeyType,
    value: PhantomData<fn(T)>,
}

impl<T> Clone for Field<T> {
    fn clone(&self) -> Self {
        *self
    }
}

/// Whether the value can be copied or not: there is none in it.
impl<T> Copy for Field<T> {}

impl<T> Field<T> {
    pub(super) fn new(load: Load, needs: Option<Dependency>, kind: KeyType) -> Self {
        Self { load, needs, kind, value: PhantomData }
    }

    fn loads(&self) -> Vec<Op> {
        let load = Op::Load(self.load, Reg::FIRST);
        self.needs.map(Op::Require).into_iter().chain([load]).collect()
    }

    fn then(&self, ops: impl IntoIterator<Item = Op>) -> Expr {
        Expr::new(self.loads().into_iter().chain(ops).collect::<Vec<_>>())
    }
}

impl<T: Into<Value>> Field<T> {
    /// Matches this value.
    pub fn is(self, value: impl Into<T>) -> Expr {
        self.cmp(CmpOp::Eq, value)
    }

    /// Matches every other value.
    pub fn is_not(self, value: impl Into<T>) -> Expr {
        self.cmp(CmpOp::Neq, value)
    }

    fn cmp(self, op: CmpOp, value: impl Into<T>) -> Expr {
        self.then([Op::Cmp(op, Reg::FIRST, value.into().into().bytes())])
    }

    /// Matches any of these values: `{ a, b }`, a set of the rule's own.
    pub fn any_of(self, values: impl IntoIterator<Item = T>) -> Expr {
        let keys = values.into_iter().map(Key::from).collect();
        Concat::from(self).lookup(SetRef::Anonymous { keys }, Found::Match)
    }

    /// Adds a field to the key to look up: nft's `.`.
    pub fn dot<U>(self, next: Field<U>) -> Concat {
        Concat::from(self).dot(next)
    }

    /// Adds the network of an address: see [`Concat::dot_network`].
    pub fn dot_network<A: Address>(self, next: Field<A>, prefix_len: u8) -> Concat {
        Concat::from(self).dot_network(next, prefix_len)
    }

    /// Matches what is in a set.
    pub fn in_set(self, set: &Set) -> Expr {
        Concat::from(self).in_set(set)
    }

    /// Matches what is not in a set.
    pub fn not_in_set(self, set: &Set) -> Expr {
        Concat::from(self).not_in_set(set)
    }

    /// Does what a map of verdicts says.
    pub fn vmap(self, map: &Set) -> Expr {
        Concat::from(self).vmap(map)
    }

    /// Sends the connection to where a map says; see [`Concat::dnat_to`].
    pub fn dnat_to(self, map: &Set) -> Expr {
        Concat::from(self).dnat_to(map)
    }

    /// Gives the connection the source that a map says; see [`Concat::snat_to`].
    pub fn snat_to(self, map: &Set) -> Expr {
        Concat::from(self).snat_to(map)
    }
}

impl<T: Address + Into<Value>> Field<T> {
    /// Matches the addresses of a prefix. Host bits of `addr` do not matter; a length beyond the address is the
    /// address.
    pub fn within(self, addr: T, prefix_len: u8) -> Expr {
        self.prefix(CmpOp::Eq, addr, prefix_len)
    }

    /// Matches the addresses outside a prefix.
    pub fn not_within(self, addr: T, prefix_len: u8) -> Expr {
        self.prefix(CmpOp::Neq, addr, prefix_len)
    }

    fn prefix(self, op: CmpOp, addr: T, prefix_len: u8) -> Expr {
        let bytes = addr.to_bytes();
        let mask = prefix_mask(prefix_len, bytes.len());
        let network: Vec<u8> = bytes.iter().zip(&mask).map(|(byte, mask)| byte & mask).collect();
        if is_full(&mask) {
            return self.then([Op::Cmp(op, Reg::FIRST, network)]);
        }
        let xor = vec![0; mask.len()];
        self.then([Op::Bitwise { reg: Reg::FIRST, mask, xor }, Op::Cmp(op, Reg::FIRST, network)])
    }

    /// Matches the addresses from `first` to `last`, both included.
    pub fn between(self, first: T, last: T) -> Expr {
        // nft writes this range as two comparisons and reads only those back as a range.
        self.then([Op::Cmp(CmpOp::Gte, Reg::FIRST, first.to_bytes()), Op::Cmp(CmpOp::Lte, Reg::FIRST, last.to_bytes())])
    }

    /// Matches the addresses outside of `first` to `last`.
    pub fn not_between(self, first: T, last: T) -> Expr {
        self.then([Op::Range(CmpOp::Neq, Reg::FIRST, [first.to_bytes(), last.to_bytes()])])
    }
}

/// The netmask of a prefix in an address of `width` bytes.
fn prefix_mask(prefix_len: u8, width: usize) -> Vec<u8> {
    let bit_is_set = |bit: usize| bit < usize::from(prefix_len);
    (0..width).map(|byte| (0..8).fold(0, |mask, bit| (mask << 1) | u8::from(bit_is_set(byte * 8 + bit)))).collect()
}

fn is_full(mask: &[u8]) -> bool {
    mask.iter().all(|byte| *byte == u8::MAX)
}

impl Field<Ifname> {
    /// Matches the names that start so: nft's `"veth*"`.
    pub fn starts_with(self, prefix: &Ifname) -> Expr {
        self.name_prefix(CmpOp::Eq, prefix)
    }

    /// Matches the names that start otherwise.
    pub fn starts_not_with(self, prefix: &Ifname) -> Expr {
        self.name_prefix(CmpOp::Neq, prefix)
    }

    /// Comparing without the terminating NUL is how the kernel is told to look at the beginning only.
    fn name_prefix(self, op: CmpOp, prefix: &Ifname) -> Expr {
        self.then([Op::Cmp(op, Reg::FIRST, prefix.as_str().as_bytes().to_vec())])
    }
}

impl Field<u32> {
    /// Looks at some bits only: `meta mark and 0xff`.
    pub fn and(self, mask: u32) -> Masked {
        Masked { field: self, mask }
    }
}

/// Some bits of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Masked {
    field: Field<u32>,
    mask: u32,
}

impl Masked {
    /// Matches when the bits have this value.
    pub fn is(self, value: u32) -> Expr {
        self.cmp(CmpOp::Eq, value)
    }

    /// Matches when the bits have another value.
    pub fn is_not(self, value: u32) -> Expr {
        self.cmp(CmpOp::Neq, value)
    }

    pub(super) fn cmp(self, op: CmpOp, value: u32) -> Expr {
        let mask = self.mask.to_ne_bytes().to_vec();
        let xor = vec![0; mask.len()];
        let cmp = Op::Cmp(op, Reg::FIRST, value.to_ne_bytes().to_vec());
        self.field.then([Op::Bitwise { reg: Reg::FIRST, mask, xor }, cmp])
    }
}

/// What a lookup is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    Match,
    NoMatch,
    Verdict,
    Values(Vec<KeyType>),
}

/// Several fields that make a key together: `ip saddr . th dport`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concat {
    needs: Vec<Dependency>,
    loads: Vec<(Load, KeyType, Mask)>,
}

/// The bits of a field that are looked at; none for all.
type Mask = Option<Vec<u8>>;

impl<T> From<Field<T>> for Concat {
    fn from(field: Field<T>) -> Self {
        Self { needs: field.needs.into_iter().collect(), loads: vec![(field.load, field.kind, None)] }
    }
}

impl Concat {
    /// Adds a field.
    #[must_use]
    pub fn dot<U>(mut self, next: Field<U>) -> Self {
        self.needs.extend(next.needs);
        self.loads.push((next.load, next.kind, None));
        self
    }

    /// Adds the network of an address: nft's `. ip daddr & 255.255.255.0`.
    #[must_use]
    pub fn dot_network<A: Address>(mut self, next: Field<A>, prefix_len: u8) -> Self {
        let mask = prefix_mask(prefix_len, next.kind.len());
        self.needs.extend(next.needs);
        self.loads.push((next.load, next.kind, Some(mask).filter(|mask| !is_full(mask))));
        self
    }

    /// Matches what is in a set.
    pub fn in_set(self, set: &Set) -> Expr {
        self.lookup(named(set), Found::Match)
    }

    /// Matches what is not in a set.
    pub fn not_in_set(self, set: &Set) -> Expr {
        self.lookup(named(set), Found::NoMatch)
    }

    /// Does what a map of verdicts says; goes on with the rule's next expression when the key is absent.
    pub fn vmap(self, map: &Set) -> Expr {
        self.lookup(named(map), Found::Verdict)
    }

    /// Sends the connection to the address, or the address and port, that a map gives: `dnat ip to .. map @m`. The type
    /// of the map's data says which family it is for.
    pub fn dnat_to(self, map: &Set) -> Expr {
        self.nat_to(Translated::Destination, map)
    }

    /// Gives the connection the source address, or address and port, that a map says: `snat ip to .. map @m`.
    pub fn snat_to(self, map: &Set) -> Expr {
        self.nat_to(Translated::Source, map)
    }

    fn nat_to(self, of: Translated, map: &Set) -> Expr {
        let values = match &map.data {
            Some(SetData::Values(values)) => values.clone(),
            Some(SetData::Verdict) | None => Vec::new(),
        };
        let nat = statements::nat_registers(of, &values);
        let mut expr = self.lookup(named(map), Found::Values(values));
        expr.ops.push(nat);
        expr
    }

    fn lookup(self, set: SetRef, found: Found) -> Expr {
        let mut ops: Vec<Op> = self.needs.into_iter().map(Op::Require).collect();
        let mut reg = 0;
        let mut fields = Vec::with_capacity(self.loads.len());
        for (load, kind, mask) in self.loads {
            ops.push(Op::Load(load, Reg(reg)));
            ops.extend(mask.map(|mask| Op::Bitwise { reg: Reg(reg), xor: vec![0; mask.len()], mask }));
            reg += kind.registers();
            fields.push(kind);
        }
        let (invert, wants) = match found {
            Found::Match => (false, None),
            Found::NoMatch => (true, None),
            Found::Verdict => (false, Some(SetData::Verdict)),
            Found::Values(values) => (false, Some(SetData::Values(values))),
        };
        ops.push(Op::Lookup(Lookup { set, fields, invert, wants }));
        Expr::new(ops)
    }
}

fn named(set: &Set) -> SetRef {
    SetRef::Named { name: set.name.clone(), key: set.key.clone(), data: set.data.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_cover_the_prefix() {
        assert_eq!(prefix_mask(0, 4), [0, 0, 0, 0]);
        assert_eq!(prefix_mask(9, 4), [255, 128, 0, 0]);
        assert_eq!(prefix_mask(32, 4), [255; 4]);
        assert_eq!(prefix_mask(200, 4), [255; 4]);
        assert_eq!(prefix_mask(61, 16).get(7), Some(&0xf8));
    }
}
