//! What a rule does with a packet.

use std::net::{IpAddr, SocketAddr};

use super::Expr;
use super::op::{Op, Reg, Translated};
use crate::key::KeyType;
use crate::model::Verdict;
use crate::value::Nfproto;

/// Ends the rule with a verdict.
pub fn verdict(verdict: Verdict) -> Expr {
    Expr::new([Op::Verdict(verdict)])
}

/// `accept`
pub fn accept() -> Expr {
    verdict(Verdict::Accept)
}

/// `drop`
pub fn drop() -> Expr {
    verdict(Verdict::Drop)
}

/// `return`
pub fn return_() -> Expr {
    verdict(Verdict::Return)
}

/// `jump CHAIN`
pub fn jump(chain: impl Into<String>) -> Expr {
    verdict(Verdict::Jump(chain.into()))
}

/// `goto CHAIN`
pub fn goto(chain: impl Into<String>) -> Expr {
    verdict(Verdict::Goto(chain.into()))
}

/// `masquerade`: the source becomes an address of the link that the packet leaves by.
pub fn masquerade() -> Expr {
    Expr::new([Op::Masquerade])
}

/// `counter`
pub fn counter() -> Expr {
    Expr::new([Op::Counter])
}

/// `dnat ip to ADDR:PORT` or `dnat ip6 to [ADDR]:PORT`: sends the connection there. Ports exist in some protocols only:
/// match [`meta::l4proto`](super::meta::l4proto) before.
pub fn dnat(to: SocketAddr) -> Expr {
    let octets = match to.ip() {
        IpAddr::V4(addr) => addr.octets().to_vec(),
        IpAddr::V6(addr) => addr.octets().to_vec(),
    };
    Expr::new([
        Op::Immediate(Reg::FIRST, octets),
        Op::Immediate(Reg::SECOND, to.port().to_be_bytes().to_vec()),
        Op::Nat {
            of: Translated::Destination,
            nfproto: Nfproto::of(to.ip()),
            addr: Reg::FIRST,
            port: Some(Reg::SECOND),
        },
    ])
}

/// Translation to values that a map put into the registers from the first on. A map that gives no address is refused
/// when the rule is encoded; until then the family stays open.
pub(super) fn nat_registers(of: Translated, values: &[KeyType]) -> Op {
    let nfproto = match values.first() {
        Some(KeyType::Ipv4Addr) => Nfproto::IPV4,
        Some(KeyType::Ipv6Addr) => Nfproto::IPV6,
        _ => Nfproto(0),
    };
    let port = match values {
        [addr, KeyType::InetService] => Some(Reg(addr.registers())),
        _ => None,
    };
    Op::Nat { of, nfproto, addr: Reg::FIRST, port }
}
