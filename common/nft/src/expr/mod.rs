//! What rules are made of: matches and statements, in the words of `nft(8)`.
//!
//! | nft | here |
//! |---|---|
//! | `ip saddr 10.0.0.0/8` | `ip::saddr().within(addr, 8)` |
//! | `oifname != "cni0"` | `meta::oifname().is_not(name)` |
//! | `meta l4proto { tcp, udp }` | `meta::l4proto().any_of([Proto::TCP, Proto::UDP])` |
//! | `ip saddr . oifname @pairs` | `ip::saddr().dot(meta::oifname()).in_set(&pairs)` |
//! | `ip saddr . ip daddr & 255.0.0.0 @nets` | `ip::saddr().dot_network(ip::daddr(), 8).in_set(&nets)` |
//! | `dnat ip to meta l4proto . th dport map @m` | `meta::l4proto().dot(th::dport()).dnat_to(&m)` |
//!
//! An [`Expr`] stands for one such phrase. It uses registers from the first on and leaves nothing in them that a later
//! one reads, so expressions can be combined freely; registers are not seen outside this module.

mod fields;
mod op;
mod selectors;
mod statements;

pub use fields::{Concat, Field, Masked};
pub(crate) use op::{CmpOp, Dependency, Load, Lookup, Op, Reg, SetRef, Store, Translated};
pub use selectors::{AddrType, ct, ether, fib, ip, ip6, meta, th};
pub use statements::{accept, counter, dnat, drop, goto, jump, masquerade, return_, verdict};

/// One match or statement of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Expr {
    pub(crate) ops: Vec<Op>,
}

impl Expr {
    pub(crate) fn new(ops: impl Into<Vec<Op>>) -> Self {
        Self { ops: ops.into() }
    }
}
