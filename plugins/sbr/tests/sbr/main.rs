//! sbr in a container with two interfaces as other plugins would have made them, on the real kernel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod chain;
mod check;
mod crash;
mod del;
mod gateways;
mod hints;
mod others;
mod parallel;
mod reference;
mod rollback;
mod stage;
mod table;
