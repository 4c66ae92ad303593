//! The fields, by the names that nft gives them.
//!
//! Offsets are those of the packet headers; keys are `enum nft_meta_keys` and `enum nft_ct_keys` in
//! `include/uapi/linux/netfilter/nf_tables.h`.

use super::Expr;
use super::fields::Field;
use super::op::{CmpOp, Dependency, Load, Op, Reg};
use crate::key::KeyType;

/// `enum nft_payload_bases`
const LL_HEADER: u32 = 0;
const NETWORK_HEADER: u32 = 1;
const TRANSPORT_HEADER: u32 = 2;

/// IPv4 header fields. Where the table sees other packets too, these match IPv4 only.
pub mod ip {
    use std::net::Ipv4Addr;

    use super::{Dependency, Field, KeyType, Load, NETWORK_HEADER};

    fn field(offset: u32) -> Field<Ipv4Addr> {
        let load = Load::Payload { base: NETWORK_HEADER, offset, len: 4 };
        Field::new(load, Some(Dependency::Ip), KeyType::Ipv4Addr)
    }

    /// `ip saddr`
    pub fn saddr() -> Field<Ipv4Addr> {
        field(12)
    }

    /// `ip daddr`
    pub fn daddr() -> Field<Ipv4Addr> {
        field(16)
    }
}

/// IPv6 header fields. Where the table sees other packets too, these match IPv6 only.
pub mod ip6 {
    use std::net::Ipv6Addr;

    use super::{Dependency, Field, KeyType, Load, NETWORK_HEADER};

    fn field(offset: u32) -> Field<Ipv6Addr> {
        let load = Load::Payload { base: NETWORK_HEADER, offset, len: 16 };
        Field::new(load, Some(Dependency::Ip6), KeyType::Ipv6Addr)
    }

    /// `ip6 saddr`
    pub fn saddr() -> Field<Ipv6Addr> {
        field(8)
    }

    /// `ip6 daddr`
    pub fn daddr() -> Field<Ipv6Addr> {
        field(24)
    }
}

/// Ethernet header fields.
pub mod ether {
    use super::{Dependency, Field, KeyType, LL_HEADER, Load};

    fn field(offset: u32) -> Field<[u8; 6]> {
        let load = Load::Payload { base: LL_HEADER, offset, len: 6 };
        Field::new(load, Some(Dependency::Ether), KeyType::EtherAddr)
    }

    /// `ether daddr`
    pub fn daddr() -> Field<[u8; 6]> {
        field(0)
    }

    /// `ether saddr`
    pub fn saddr() -> Field<[u8; 6]> {
        field(6)
    }
}

/// Ports, at the same place in TCP, UDP and SCTP. They match whatever stands there in other protocols too: match
/// [`meta::l4proto`] first.
pub mod th {
    use super::{Field, KeyType, Load, TRANSPORT_HEADER};

    fn field(offset: u32) -> Field<u16> {
        Field::new(Load::Payload { base: TRANSPORT_HEADER, offset, len: 2 }, None, KeyType::InetService)
    }

    /// `th sport`
    pub fn sport() -> Field<u16> {
        field(0)
    }

    /// `th dport`
    pub fn dport() -> Field<u16> {
        field(2)
    }
}

/// What the kernel knows about a packet beside its bytes.
pub mod meta {
    use super::super::op::Store;
    use super::{Expr, Field, KeyType, Load, Op, Reg};
    use crate::value::{Ifname, Nfproto, Proto};

    const MARK: u32 = 3;
    const IIFNAME: u32 = 6;
    const OIFNAME: u32 = 7;
    const NFPROTO: u32 = 15;
    const L4PROTO: u32 = 16;

    /// `iifname`
    pub fn iifname() -> Field<Ifname> {
        Field::new(Load::Meta(IIFNAME), None, KeyType::Ifname)
    }

    /// `oifname`
    pub fn oifname() -> Field<Ifname> {
        Field::new(Load::Meta(OIFNAME), None, KeyType::Ifname)
    }

    /// `meta nfproto`
    pub fn nfproto() -> Field<Nfproto> {
        Field::new(Load::Meta(NFPROTO), None, KeyType::Nfproto)
    }

    /// `meta l4proto`
    pub fn l4proto() -> Field<Proto> {
        Field::new(Load::Meta(L4PROTO), None, KeyType::InetProto)
    }

    /// `meta mark`
    pub fn mark() -> Field<u32> {
        Field::new(Load::Meta(MARK), None, KeyType::Mark)
    }

    /// `meta mark set VALUE`
    pub fn set_mark(value: u32) -> Expr {
        Expr::new([Op::Immediate(Reg::FIRST, value.to_ne_bytes().to_vec()), Op::Store(Store::MetaMark, Reg::FIRST)])
    }

    /// Sets the bits of `mask` to those of `value` and keeps the others: `meta mark set meta mark and ~MASK xor VALUE`.
    pub fn set_mark_bits(value: u32, mask: u32) -> Expr {
        let (keep, xor) = (!mask, value & mask);
        Expr::new([
            Op::Load(Load::Meta(MARK), Reg::FIRST),
            Op::Bitwise { reg: Reg::FIRST, mask: keep.to_ne_bytes().to_vec(), xor: xor.to_ne_bytes().to_vec() },
            Op::Store(Store::MetaMark, Reg::FIRST),
        ])
    }
}

/// The connection that a packet belongs to.
pub mod ct {
    use super::super::op::Store;
    use super::{CmpOp, Expr, Field, KeyType, Load, Op, Reg};

    const STATE: u32 = 0;
    const STATUS: u32 = 2;
    const MARK: u32 = 3;
    const PROTO_DST: u32 = 12;

    /// Where in its life the connection is: `NF_CT_STATE_BIT`, `include/uapi/linux/netfilter/nf_conntrack_common.h`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[repr(u32)]
    pub enum State {
        /// Not trackable.
        Invalid = 1 << 0,
        /// Seen in both directions.
        Established = 1 << 1,
        /// New, but expected by another connection.
        Related = 1 << 2,
        /// Seen in one direction.
        New = 1 << 3,
        /// Exempted from tracking.
        Untracked = 1 << 6,
    }

    /// What happened to the connection: `enum ip_conntrack_status`,
    /// `include/uapi/linux/netfilter/nf_conntrack_common.h`.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    #[repr(u32)]
    pub enum Status {
        /// Expected by another connection.
        Expected = 1 << 0,
        /// An answer was seen.
        SeenReply = 1 << 1,
        /// Not dropped early when the table is full.
        Assured = 1 << 2,
        /// In the table.
        Confirmed = 1 << 3,
        /// The source address is translated.
        Snat = 1 << 4,
        /// The destination address is translated.
        Dnat = 1 << 5,
    }

    /// `ct state A,B`: any of these.
    pub fn state(any: impl IntoIterator<Item = State>) -> Expr {
        bits(STATE, any.into_iter().map(|state| state as u32), CmpOp::Neq)
    }

    /// `ct state & A == 0`: none of these.
    pub fn not_state(none: impl IntoIterator<Item = State>) -> Expr {
        bits(STATE, none.into_iter().map(|state| state as u32), CmpOp::Eq)
    }

    /// `ct status A,B`: any of these.
    pub fn status(any: impl IntoIterator<Item = Status>) -> Expr {
        bits(STATUS, any.into_iter().map(|status| status as u32), CmpOp::Neq)
    }

    /// `ct status ! A`: none of these.
    pub fn not_status(none: impl IntoIterator<Item = Status>) -> Expr {
        bits(STATUS, none.into_iter().map(|status| status as u32), CmpOp::Eq)
    }

    /// `ct original proto-dst`: the port that the connection was made to, before any translation.
    pub fn original_proto_dst() -> Field<u16> {
        Field::new(Load::CtOriginal(PROTO_DST), None, KeyType::InetService)
    }

    /// `ct mark`
    pub fn mark() -> Field<u32> {
        Field::new(Load::Ct(MARK), None, KeyType::Mark)
    }

    /// `ct mark set VALUE`
    pub fn set_mark(value: u32) -> Expr {
        Expr::new([Op::Immediate(Reg::FIRST, value.to_ne_bytes().to_vec()), Op::Store(Store::CtMark, Reg::FIRST)])
    }

    fn bits(key: u32, bits: impl Iterator<Item = u32>, against_zero: CmpOp) -> Expr {
        let mask = bits.fold(0, |mask, bit| mask | bit);
        let field: Field<u32> = Field::new(Load::Ct(key), None, KeyType::Mark);
        field.and(mask).cmp(against_zero, 0)
    }
}

/// What routing says about an address.
pub mod fib {
    use super::{AddrType, CmpOp, Expr, Load, Op, Reg};

    /// `fib daddr type T`
    pub fn daddr_type(kind: AddrType) -> Expr {
        test(CmpOp::Eq, kind)
    }

    /// `fib daddr type != T`
    pub fn daddr_type_not(kind: AddrType) -> Expr {
        test(CmpOp::Neq, kind)
    }

    fn test(op: CmpOp, kind: AddrType) -> Expr {
        let number = kind as u32;
        Expr::new([Op::Load(Load::FibDaddrType, Reg::FIRST), Op::Cmp(op, Reg::FIRST, number.to_ne_bytes().to_vec())])
    }
}

/// The type of an address, `RTN_*` in `include/uapi/linux/rtnetlink.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum AddrType {
    /// Reached through a route.
    Unicast = 1,
    /// One of this machine's own.
    Local = 2,
    /// A broadcast address of a link.
    Broadcast = 3,
    /// A multicast group.
    Multicast = 5,
}
