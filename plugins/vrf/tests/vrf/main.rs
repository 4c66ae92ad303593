//! vrf in containers with interfaces as other plugins would have made them, on the real kernel. Where that has no VRFs, what needs
//! them runs in another one: `scripts/vm-test cargo test -p vrf --tests -- --ignored`.
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
mod makers;
mod parallel;
mod reference;
mod refusals;
mod rollback;
mod several;
mod stage;
