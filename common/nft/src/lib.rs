//! `nf_tables` and conntrack over nfnetlink.
//!
//! Tables, chains, sets and rules are plain data ([`Table`], [`Chain`], [`Set`], [`Rule`], [`Element`]). A [`Batch`]
//! collects changes to them; [`Nft::commit`] hands the batch to the kernel, which applies all of it or nothing.
//! [`Nft::transaction`] makes read-modify-write safe without a lock: the batch names the ruleset generation that the
//! caller read, and the kernel refuses it when somebody committed in between.
//!
//! The words are those of `nft(8)`: what this crate writes is what an administrator reads in `nft list ruleset`.
//!
//! This crate knows nothing about containers, has no policy and never reads rules that others wrote: elements and rules
//! are recognised by their comment, not by their expressions.

mod batch;
mod client;
pub mod conntrack;
mod error;
pub mod expr;
mod key;
mod model;
mod socket;
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
