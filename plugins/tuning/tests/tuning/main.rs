//! tuning behind an interface as another plugin would have made it, on the real kernel.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod allow_list;
mod chain;
mod check;
mod crash;
mod del;
mod files;
mod gc;
mod reference;
mod rollback;
mod stage;
mod status;
mod twice;
