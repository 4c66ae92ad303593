//! Many containers at once, each through a whole chain: no call fails, nothing is given out twice, nothing gets lost.
//!
//! What they share is the kernel, its locks and one directory of leases. No time is judged here: `scripts/bench` shows it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking"
)]

mod backends;
mod network;
mod state;
mod thousand;
mod workers;
