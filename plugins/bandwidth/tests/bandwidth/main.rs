//! bandwidth behind an interface as another plugin would have made it, on the real kernel.
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
mod gc;
mod names;
mod reference;
mod refused;
mod rollback;
mod stage;
mod status;
