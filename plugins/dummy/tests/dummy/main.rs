//! dummy through the real binary and the real kernel.
//!
//! What makes a dummy link is ignored where the kernel may have none, and run by `scripts/vm-test`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod anywhere;
mod link;
mod stage;
