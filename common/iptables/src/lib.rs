//! The rules of iptables and ip6tables.
//!
//! They are read with `iptables-save` and changed with one `iptables-restore --noflush --wait`, which applies all of a [`Batch`] or
//! nothing. Which variant these programs are (legacy, or on `nf_tables`) is the host's choice: theirs is the only interface
//! that both have. [`Iptables::change`] makes read-modify-write safe without a lock of our own: a batch is written so
//! that it fails when what it was made from has changed (a chain that it creates is there, a rule that it deletes has gone),
//! and is then made anew. One thing may slip through: two who make the same chain in the same moment may both succeed on
//! `nf_tables`. So whoever makes rules for all takes those away that are there twice.
//!
//! ```no_run
//! use iptables::{Batch, Iptables, Rule};
//!
//! # fn main() -> iptables::Result<()> {
//! let jump = Rule::new(["-m", "addrtype", "--dst-type", "LOCAL", "-j", "EXAMPLE"]);
//! Iptables::V4.change("nat", |nat| {
//!     let mut batch = Batch::new("nat");
//!     if !nat.has_chain("EXAMPLE") {
//!         batch.create_chain("EXAMPLE");
//!     }
//!     if !nat.rules("PREROUTING").any(|rule| rule.target() == Some("EXAMPLE")) {
//!         batch.append("PREROUTING", &jump);
//!     }
//!     batch
//! })
//! # }
//! ```
//!
//! This crate knows nothing about containers and has no policy.

mod batch;
mod error;
mod process;
mod program;
mod rule;
mod saved;

pub use batch::Batch;
pub use error::{Error, Result};
pub use process::run_to_end;
pub use program::Iptables;
pub use rule::Rule;
pub use saved::Saved;
