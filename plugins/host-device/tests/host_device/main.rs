//! host-device with ends of veth pairs for devices, on the real kernel.
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
mod find;
mod gc;
mod parallel;
mod physical;
mod reference;
mod rollback;
mod stage;
mod status;
