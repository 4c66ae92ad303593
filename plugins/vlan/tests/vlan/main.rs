//! vlan through the real binary and the real kernel, with packets that have tags.
//!
//! What makes a VLAN is ignored where the kernel may have none, and run by `scripts/vm-test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod check;
mod crash;
mod del;
mod packets;
mod reference;
mod refusals;
mod rollback;
mod stage;
mod status;
