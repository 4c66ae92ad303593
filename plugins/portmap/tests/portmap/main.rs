//! portmap through real chains of `bridge`, host-local and portmap, with the real kernel and real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod check;
mod chosen;
mod conditions;
mod conflict;
mod conntrack;
mod crash;
mod del;
mod gc;
mod held;
mod iptables;
mod localhost;
mod passthrough;
mod publish;
mod reach;
mod rollback;
mod scale;
mod shared;
mod stage;
