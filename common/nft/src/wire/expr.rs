//! Kernel expressions as attributes.

use netlink_packet_core::DefaultNla;
use netlink_packet_netfilter::nftables::{
    Bitwise, Cmp, DataAttribute, Expressions, Immediate, Lookup as LookupAttribute, Meta, MetaKey, Operator, Payload,
    Register, Verdict as Code, VerdictAttribute,
};

use super::attr::{Attrs, nested};
use super::{Refusal, name};
use crate::expr::{CmpOp, Load, Reg, Store, Translated};
use crate::model::Verdict;
use crate::value::Nfproto;

/// `NFT_REG32_00`, `include/uapi/linux/netfilter/nf_tables.h`
const REG32_00: u32 = 8;
/// `NF_DROP` and `NF_ACCEPT`, `include/uapi/linux/netfilter.h`
pub(super) const NF_DROP: u32 = 0;
pub(super) const NF_ACCEPT: u32 = 1;
/// `NFTA_VERDICT_CODE` and `NFTA_VERDICT_CHAIN`
const VERDICT_CODE: u16 = 1;
const VERDICT_CHAIN: u16 = 2;
/// `NFT_META_MARK` and `NFT_CT_MARK` happen to be the same number.
const MARK: u32 = 3;
/// `NFT_LOOKUP_F_INV`
const LOOKUP_INVERT: u32 = 1;

/// `NFTA_CT_DREG`, `NFTA_CT_KEY`, `NFTA_CT_SREG`
const CT_DREG: u16 = 1;
const CT_KEY: u16 = 2;
/// `NFTA_CT_DIRECTION`, and `IP_CT_DIR_ORIGINAL` (`include/uapi/linux/netfilter/nf_conntrack_tuple_common.h`)
const CT_DIRECTION: u16 = 3;
const CT_DIRECTION_ORIGINAL: u8 = 0;
const CT_SREG: u16 = 4;

/// `NFTA_FIB_DREG`, `NFTA_FIB_RESULT`, `NFTA_FIB_FLAGS`; `NFT_FIB_RESULT_ADDRTYPE`, `NFTA_FIB_F_DADDR`
const FIB_DREG: u16 = 1;
const FIB_RESULT: u16 = 2;
const FIB_FLAGS: u16 = 3;
const FIB_RESULT_ADDRTYPE: u32 = 3;
const FIB_F_DADDR: u32 = 1 << 1;

/// `NFTA_RANGE_*`; `NFT_RANGE_EQ`, `NFT_RANGE_NEQ`
const RANGE_SREG: u16 = 1;
const RANGE_OP: u16 = 2;
const RANGE_FROM_DATA: u16 = 3;
const RANGE_TO_DATA: u16 = 4;
const RANGE_EQ: u32 = 0;
const RANGE_NEQ: u32 = 1;

/// `NFTA_NAT_*`; `NFT_NAT_SNAT`, `NFT_NAT_DNAT`
const NAT_TYPE: u16 = 1;
const NAT_FAMILY: u16 = 2;
const NAT_REG_ADDR_MIN: u16 = 3;
const NAT_REG_PROTO_MIN: u16 = 5;
const NAT_SNAT: u32 = 0;
const NAT_DNAT: u32 = 1;

/// `NFTA_COUNTER_BYTES`, `NFTA_COUNTER_PACKETS`
const COUNTER_BYTES: u16 = 1;
const COUNTER_PACKETS: u16 = 2;

fn register(reg: Reg) -> Register {
    Register::from(number(reg))
}

fn number(reg: Reg) -> u32 {
    REG32_00 + reg.0
}

fn be32(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_be_bytes().to_vec())
}

fn value(bytes: Vec<u8>) -> DataAttribute {
    DataAttribute::Value(bytes)
}

/// An expression that `netlink-packet-netfilter` has no type for.
fn other(name: &str, attributes: Vec<DefaultNla>) -> Expressions {
    Expressions::Other { expression_type: name.to_owned(), attributes }
}

pub(super) fn load(load: Load, reg: Reg) -> Expressions {
    match load {
        Load::Payload { base, offset, len } => Expressions::Payload(vec![
            Payload::DestinationRegister(register(reg)),
            Payload::Base(base),
            Payload::Offset(offset),
            Payload::Len(len),
        ]),
        Load::Meta(key) => {
            Expressions::Meta(vec![Meta::DestinationRegister(register(reg)), Meta::Key(MetaKey::from(key))])
        }
        Load::Ct(key) => other("ct", vec![be32(CT_DREG, number(reg)), be32(CT_KEY, key)]),
        Load::CtOriginal(key) => other(
            "ct",
            vec![
                be32(CT_DREG, number(reg)),
                be32(CT_KEY, key),
                DefaultNla::new(CT_DIRECTION, vec![CT_DIRECTION_ORIGINAL]),
            ],
        ),
        Load::FibDaddrType => other(
            "fib",
            vec![be32(FIB_DREG, number(reg)), be32(FIB_RESULT, FIB_RESULT_ADDRTYPE), be32(FIB_FLAGS, FIB_F_DADDR)],
        ),
    }
}

pub(super) fn store(store: Store, reg: Reg) -> Expressions {
    match store {
        Store::MetaMark => Expressions::Meta(vec![Meta::Key(MetaKey::from(MARK)), Meta::SourceRegister(register(reg))]),
        Store::CtMark => other("ct", vec![be32(CT_KEY, MARK), be32(CT_SREG, number(reg))]),
    }
}

pub(super) fn cmp(op: CmpOp, reg: Reg, bytes: Vec<u8>) -> Expressions {
    let operator = match op {
        CmpOp::Eq => Operator::Equal,
        CmpOp::Neq => Operator::NotEqual,
        CmpOp::Gte => Operator::GreatherThanEqual,
        CmpOp::Lte => Operator::LessThanEqual,
    };
    Expressions::Cmp(vec![Cmp::SourceRegister(register(reg)), Cmp::Op(operator), Cmp::Data(value(bytes))])
}

pub(super) fn range(op: CmpOp, reg: Reg, [from, to]: [Vec<u8>; 2]) -> Expressions {
    let op = if op == CmpOp::Neq { RANGE_NEQ } else { RANGE_EQ };
    other(
        "range",
        vec![
            be32(RANGE_SREG, number(reg)),
            be32(RANGE_OP, op),
            nested(RANGE_FROM_DATA, &value(from)),
            nested(RANGE_TO_DATA, &value(to)),
        ],
    )
}

pub(super) fn bitwise(reg: Reg, mask: Vec<u8>, xor: Vec<u8>) -> Expressions {
    let len = u32::try_from(mask.len()).unwrap_or(u32::MAX);
    Expressions::Bitwise(vec![
        Bitwise::SourceRegister(register(reg)),
        Bitwise::DestinationRegister(register(reg)),
        Bitwise::Length(len),
        Bitwise::Mask(value(mask)),
        Bitwise::Xor(value(xor)),
    ])
}

/// What a lookup does with the element that it finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    Match { invert: bool },
    Verdict,
    Values,
}

pub(super) fn lookup(set: String, id: Option<u32>, target: Target) -> Expressions {
    let mut attributes = vec![LookupAttribute::Set(set), LookupAttribute::SourceRegister(register(Reg::FIRST))];
    attributes.extend(id.map(LookupAttribute::SetId));
    attributes.extend(match target {
        Target::Match { invert } => invert.then_some(LookupAttribute::Flags(LOOKUP_INVERT)),
        Target::Verdict => Some(LookupAttribute::DestinationRegister(Register::Verdict)),
        Target::Values => Some(LookupAttribute::DestinationRegister(register(Reg::FIRST))),
    });
    Expressions::Lookup(attributes)
}

pub(super) fn immediate(reg: Reg, bytes: Vec<u8>) -> Expressions {
    Expressions::Immediate(vec![Immediate::DestinationRegister(register(reg)), Immediate::Data(value(bytes))])
}

pub(super) fn immediate_verdict(to: &Verdict) -> Result<Expressions, Refusal> {
    let data = verdict(to)?;
    Ok(Expressions::Immediate(vec![Immediate::DestinationRegister(Register::Verdict), Immediate::Data(data)]))
}

pub(super) fn nat(of: Translated, nfproto: Nfproto, addr: Reg, port: Option<Reg>) -> Expressions {
    let kind = match of {
        Translated::Source => NAT_SNAT,
        Translated::Destination => NAT_DNAT,
    };
    let mut attributes =
        vec![be32(NAT_TYPE, kind), be32(NAT_FAMILY, nfproto.0.into()), be32(NAT_REG_ADDR_MIN, number(addr))];
    attributes.extend(port.map(|port| be32(NAT_REG_PROTO_MIN, number(port))));
    other("nat", attributes)
}

pub(super) fn masquerade() -> Expressions {
    other("masq", Vec::new())
}

pub(super) fn counter() -> Expressions {
    let zero = |kind| DefaultNla::new(kind, 0_u64.to_be_bytes().to_vec());
    other("counter", vec![zero(COUNTER_BYTES), zero(COUNTER_PACKETS)])
}

/// A verdict as data of an immediate or of a map's element.
pub(super) fn verdict(verdict: &Verdict) -> Result<DataAttribute, Refusal> {
    let (code, chain) = match verdict {
        Verdict::Accept => (Code::Other(NF_ACCEPT), None),
        Verdict::Drop => (Code::Other(NF_DROP), None),
        Verdict::Continue => (Code::Continue, None),
        Verdict::Return => (Code::Return, None),
        Verdict::Jump(chain) => (Code::Jump, Some(chain)),
        Verdict::Goto(chain) => (Code::Goto, Some(chain)),
    };
    let mut attributes = vec![VerdictAttribute::Code(code)];
    if let Some(chain) = chain {
        attributes.push(VerdictAttribute::Chain(name(chain)?));
    }
    Ok(DataAttribute::Verdict(attributes))
}

/// Reads a verdict back; `None` for those that this crate does not make (queue).
pub(super) fn read_verdict(attrs: Attrs<'_>) -> Option<Verdict> {
    Some(match Code::from(attrs.be32(VERDICT_CODE)?) {
        Code::Other(NF_ACCEPT) => Verdict::Accept,
        Code::Other(NF_DROP) => Verdict::Drop,
        Code::Continue => Verdict::Continue,
        Code::Return => Verdict::Return,
        Code::Jump => Verdict::Jump(attrs.string(VERDICT_CHAIN)?),
        Code::Goto => Verdict::Goto(attrs.string(VERDICT_CHAIN)?),
        _ => return None,
    })
}
