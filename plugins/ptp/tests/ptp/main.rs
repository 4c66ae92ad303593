//! ptp through the real binary and the real kernel, with host-local or static as the delegate and real packets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test reports by panicking and indexes into JSON that it expects"
)]

mod add;
mod chained;
mod check;
mod crash;
mod del;
mod gc;
mod iptables;
mod links;
mod masquerade;
mod reference;
mod rollback;
mod several;
mod stage;
mod status;
