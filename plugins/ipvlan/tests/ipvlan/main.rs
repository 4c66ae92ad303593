//! ipvlan through the real binary and the real kernel, with host-local as the delegate and real packets.
//!
//! Most need ipvlan links: `scripts/vm-test` has a kernel with them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod chained;
mod check;
mod crash;
mod del;
mod modes;
mod neighbour;
mod parent;
mod reference;
mod refusal;
mod rollback;
mod stage;
mod status;
