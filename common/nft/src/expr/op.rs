//! The kernel's expressions, with registers assigned.

use std::net::Ipv4Addr;

use crate::key::{Key, KeyType};
use crate::model::{SetData, Verdict};
use crate::value::Nfproto;

/// A 32-bit register by its index: `NFT_REG32_00` and up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Reg(pub(crate) u32);

impl Reg {
    /// Where every expression starts.
    pub(crate) const FIRST: Self = Self(0);
    /// Behind the longest value that starts at the first.
    pub(crate) const SECOND: Self = Self(4);
    /// Sixteen registers, `NFT_REG32_COUNT` in `include/net/netfilter/nf_tables.h`.
    pub(crate) const COUNT: usize = 16;
}

/// One kernel expression.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    /// The packet is of the kind that the following load presumes; what that takes depends on the table's family.
    Require(Dependency),
    Load(Load, Reg),
    Store(Store, Reg),
    Cmp(CmpOp, Reg, Vec<u8>),
    /// Whether the register is within two values, or is not.
    Range(CmpOp, Reg, [Vec<u8>; 2]),
    /// `reg = (reg & mask) ^ xor`
    Bitwise {
        reg: Reg,
        mask: Vec<u8>,
        xor: Vec<u8>,
    },
    /// Reads registers from the first on; what a map gives is put in the same place.
    Lookup(Lookup),
    Immediate(Reg, Vec<u8>),
    Verdict(Verdict),
    Nat {
        of: Translated,
        nfproto: Nfproto,
        addr: Reg,
        port: Option<Reg>,
    },
    Masquerade,
    Counter,
}

/// Which end of a connection is translated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Translated {
    Source,
    Destination,
}

/// What a packet must be for a load to make sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dependency {
    Ip,
    Ip6,
    Ether,
}

/// What a register is loaded from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Load {
    /// `len` bytes of a header.
    Payload { base: u32, offset: u32, len: u32 },
    /// `enum nft_meta_keys`
    Meta(u32),
    /// `enum nft_ct_keys`
    Ct(u32),
    /// The same, of the connection's original direction.
    CtOriginal(u32),
    /// The type of the destination address.
    FibDaddrType,
}

/// What a register is stored to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Store {
    MetaMark,
    CtMark,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CmpOp {
    Eq,
    Neq,
    Gte,
    Lte,
}

/// A search for the loaded key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lookup {
    pub(crate) set: SetRef,
    /// The types of what was loaded.
    pub(crate) fields: Vec<KeyType>,
    /// Matches when the key is not found.
    pub(crate) invert: bool,
    /// What a map must give.
    pub(crate) wants: Option<SetData>,
}

/// Which set is searched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum SetRef {
    Named {
        name: String,
        key: Vec<KeyType>,
        data: Option<SetData>,
    },
    /// The rule's own: `{ tcp, udp }`.
    Anonymous {
        keys: Vec<Key>,
    },
}

/// An address that has a width, hence prefixes.
pub trait Address: Copy {
    /// The octets in network order.
    fn to_bytes(self) -> Vec<u8>;
}

impl Address for Ipv4Addr {
    fn to_bytes(self) -> Vec<u8> {
        self.octets().to_vec()
    }
}

impl Address for std::net::Ipv6Addr {
    fn to_bytes(self) -> Vec<u8> {
        self.octets().to_vec()
    }
}
