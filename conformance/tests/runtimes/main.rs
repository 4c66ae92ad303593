//! What runtimes generate and in which order they call: replayed to the letter, against our plugins in a row.
//!
//! `scripts/interop` runs those that Debian has. nerdctl and CRI-O are not among them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking"
)]

mod containerd;
mod crio;
mod nerdctl;
mod stage;
