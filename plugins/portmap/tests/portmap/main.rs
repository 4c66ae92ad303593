//! portmap through real chains of `bridge`, host-local and portmap, with the real kernel and real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod publish;
mod stage;
