//! `nf_tables` and conntrack over nfnetlink.
//!
//! Tables, chains, sets and rules are plain data ([`Table`], [`Chain`], [`Set`], [`Rule`], [`Element`]). A [`Batch`]
//! collects changes to them; [`Nft::commit`] hands the batch to the kernel, which applies all of it or nothing.
//! [`Nft::transaction`] makes read-modify-write safe without a lock: the batch names the ruleset generation that the
//! caller read, and the kernel refuses it when somebody committed in between. Only who keeps losing makes others wait.
//!
//! The words are those of `nft(8)`: what this crate writes is what an administrator reads in `nft list ruleset`.
//!
//! ```no_run
//! use nft::expr::{AddrType, fib, masquerade, meta, ip, th};
//! use nft::{
//!     Base, Batch, Chain, ChainType, Element, Family, Hook, Key, KeyType, Nft, Policy, Proto, Rule, Set, Table,
//!     priority,
//! };
//!
//! # fn main() -> nft::Result<()> {
//! let table = Table::new(Family::Inet, "example");
//! let nets = Set::new("nets", [KeyType::Ipv4Addr]).interval();
//! let dnat = Set::map(
//!     "dnat",
//!     [KeyType::InetProto, KeyType::InetService],
//!     [KeyType::Ipv4Addr, KeyType::InetService],
//! );
//! let nat = |hook, priority| Base { kind: ChainType::Nat, hook, priority, policy: Policy::Accept };
//!
//! let mut batch = Batch::new();
//! batch.ensure_table(&table);
//! batch.ensure_set(&table, &nets);
//! batch.ensure_set(&table, &dnat);
//! batch.ensure_chain(&table, &Chain::base("prerouting", nat(Hook::Prerouting, priority::DSTNAT)));
//! batch.ensure_chain(&table, &Chain::base("postrouting", nat(Hook::Postrouting, priority::SRCNAT)));
//! let rule = Rule::new([
//!     fib::daddr_type(AddrType::Local),
//!     meta::l4proto().any_of([Proto::TCP, Proto::UDP, Proto::SCTP]),
//!     meta::l4proto().dot(th::dport()).dnat_to(&dnat),
//! ]);
//! batch.add_rule(&table, "prerouting", &rule);
//! batch.add_rule(&table, "postrouting", &Rule::new([ip::saddr().in_set(&nets), masquerade()]).comment("ours"));
//!
//! let mut nft = Nft::open()?;
//! nft.commit(batch)?;
//!
//! // Takes a port, unless somebody else has it.
//! let key = Key::new().proto(Proto::TCP).port(8080);
//! nft.transaction(|nft| -> nft::Result<Batch> {
//!     let mut batch = Batch::new();
//!     if nft.element(&table, &dnat, &key)?.is_none() {
//!         let to = Key::new().ipv4([10, 0, 0, 2].into()).port(80);
//!         batch.add_elements(&table, &dnat, [Element::new(key.clone()).to(to).comment("ours")]);
//!     }
//!     Ok(batch)
//! })
//! # }
//! ```
//!
//! This crate knows nothing about containers, has no policy and never reads rules that others wrote: elements and rules
//! are recognised by their comment, not by their expressions.

mod batch;
mod client;
pub mod conntrack;
mod error;
pub mod expr;
mod frame;
mod key;
mod model;
mod parting;
mod socket;
mod turn;
mod userdata;
mod value;
mod wire;

pub use batch::{Batch, Sealed};
pub use client::{Generation, ListedRule, Nft};
pub use error::{Error, Result};
pub use key::{Key, KeyType, Value};
pub use model::{
    Base, Chain, ChainType, Data, Element, Family, Hook, Policy, Rule, Set, SetData, Table, Verdict, priority,
};
pub use nix::errno::Errno;
pub use userdata::{COMMENT_MAX, Tlv};
pub use value::{Ifname, Nfproto, Proto};
